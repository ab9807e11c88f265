"""What is searched of a digest, how what was found is shown, and what is kept of it."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from newsletter.web.archive.search import LONGEST_QUERY, MOST_TERMS, fold, plain_of, terms_of
from newsletter.web.archive.shelf import Shelf


def test_the_words_of_a_digest_are_searched_and_not_its_marks() -> None:
    digest = (
        "---\ntitle: Hidden\n---\n# A *bold* `title`\n\nGood morning, "
        '{{ first_name | default("reader") }}{{ x }}.\n\n> Said [once](https://x.example/path(1)) '
        "[^1].\n\n- An item\n\n[^1]: [A label](https://y.example) — a note\n"
    )

    assert plain_of(digest) == (
        "A bold title Good morning, reader. Said once. An item A label — a note"
    )


@given(st.text(max_size=400))
def test_any_text_becomes_one_line(text: str) -> None:
    assert "\n" not in plain_of(text)
    assert plain_of(text) == plain_of(text).strip()


def test_a_hostile_text_takes_no_time() -> None:
    began = time.process_time()
    for piece in ("[", "](", "](a(", "{{", '{{default("', "[^", "<http://", "*", "- ", "---\n"):
        plain_of(piece * 40_000)
    assert time.process_time() - began < 30


def test_capitals_and_composition_make_no_difference() -> None:
    assert fold("STRASSE Café") == fold("Straße Cafe\u0301")


def test_a_query_is_cut_to_what_is_looked_at() -> None:
    assert terms_of("  a  b a \0 c\x1bd ") == ["a", "b"]
    assert len(terms_of(" ".join(map(str, range(100))))) == MOST_TERMS
    assert sum(map(len, terms_of("x" * 1000))) == LONGEST_QUERY


def test_a_shelf_lets_the_least_used_go_and_stays_within_its_weight() -> None:
    shelf: Shelf[str, bytes] = Shelf(10, len)
    shelf.put("a", b"1234")
    shelf.put("b", b"1234")
    assert shelf.get("a") == b"1234"
    shelf.put("c", b"1234")

    assert (shelf.get("a"), shelf.get("b"), shelf.get("c")) == (b"1234", None, b"1234")
    shelf.put("huge", b"x" * 11)
    assert [shelf.get(key) for key in ("a", "c", "huge")] == [None, None, None]
    assert shelf.get_or_make("d", lambda: b"made") == b"made"
    assert shelf.get_or_make("d", lambda: b"again") == b"made"
