"""Citations as people and programs write them: read, or told with their line; never unseen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from newsletter.digest.checks import check
from newsletter.digest.model import Citation, Digest, Finding, Severity
from newsletter.digest.parser import parse
from newsletter.digest.walking import texts, walk

SOURCES = "".join(f"[^{number}]: [Source](https://x.example/{number})\n" for number in (1, 2, 3))
CODES = {
    *("citation-marker", "citation-spelling", "malformed-citation"),
    *("perhaps-citation", "unknown-citation"),
}


def read(words: str, *, sources: str = SOURCES) -> tuple[Digest, list[Finding]]:
    """Return a digest whose line 9 ends in some words, and what is said of its citations."""
    head = "# Boats\n\n*By Ada • May 7, 2026*\n\nThe lede.\n\n## Harbours\n\n"
    rest = f"\n\nAll of it [^1] [^2] [^3].\n\n{sources}" if sources else ""
    parsed = parse(f"{head}Four towns {words}{rest}\n", slug="sample")
    found = [f for f in check(parsed, merge_fields=()) if f.code in CODES]
    return parsed.digest, found


def cited(digest: Digest) -> Iterator[str]:
    """Yield the numbers cited before the last paragraph."""
    numbers = [
        n.number for inlines, _ in texts(digest) for n in walk(inlines) if isinstance(n, Citation)
    ]
    return iter(numbers[:-3])


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("[^1, 2]", "12"),
        ("[^1,2,3].", "123"),
        ("[^1,^2]", "12"),
        ("[^1; ^3]", "13"),
        ("[^1 & 2]", "12"),
        ("[^ 1]", "1"),
        ("[^1 ]", "1"),
        ("[^1^]", "1"),
        ("[^1-3]", "123"),
        ("[^1–3]", "123"),
        ("[^1][2]", "12"),
        ("[1]", "1"),
        ("[1][3].", "13"),
        ("([1, 2])", "12"),
        ("[1]: so they say", "1"),
    ],
)
def test_a_citation_of_another_spelling_is_read_and_told(words: str, numbers: str) -> None:
    digest, found = read(words)

    assert list(cited(digest)) == list(numbers)
    assert {(f.code, f.line, f.severity) for f in found} == {
        ("citation-spelling", 9, Severity.WARNING)
    }
    assert all("[^" in f.fix for f in found)


@pytest.mark.parametrize(
    "words",
    [
        "\ue200cite\ue202turn0search1\ue201",
        "\ue203",
        "citeturn0search0turn0news3",
        "turn0search0",
        "【4†source】",
        "【1:0†minutes.pdf】",
        ":contentReference[oaicite:0]{index=0}",
        "[oaicite:3]",
        "[cite: 1, 2]",
        "[cite_start]share their boats",
        "[web:3]",
        "[attached_file:1]",
        "[4†L3-L9]",
        "[@byrne2026]",
        "\\cite{byrne}",
    ],
)
def test_what_a_program_left_behind_keeps_a_digest_from_being_sent(words: str) -> None:
    _, found = read(words)

    assert {(f.code, f.line, f.severity) for f in found} == {("citation-marker", 9, Severity.ERROR)}


@pytest.mark.parametrize(
    "words",
    [
        "[^1",
        "[^1 share boats",
        "boats^1 sail",
        "boats.^2",
        "(^1)",
        "^[1]",
        "[^a b]",
        "[^]",
        "［1］",
    ],
)
def test_a_broken_citation_is_an_error(words: str) -> None:
    _, found = read(words)

    assert ("malformed-citation", 9, Severity.ERROR) in {
        (f.code, f.line, f.severity) for f in found
    }


@pytest.mark.parametrize("words", ["[9]", "[1, 9]", "share boats.¹", "[Source 1]", "[Ref. 2]"])
def test_what_may_be_a_citation_is_told(words: str) -> None:
    _, found = read(words)

    assert {(f.code, f.line) for f in found} == {("perhaps-citation", 9)}


def test_numbers_in_brackets_are_told_where_there_are_no_sources_at_all() -> None:
    _, found = read("share their boats [1].", sources="")

    assert [(f.code, f.line) for f in found] == [("perhaps-citation", 9)]


def test_one_unknown_number_among_several_is_an_error() -> None:
    _, found = read("[^1, 9]")

    assert ("unknown-citation", Severity.ERROR) in {(f.code, f.severity) for f in found}


@pytest.mark.parametrize(
    "words",
    [
        "\\[1]",
        "\\[^1]",
        "`[1]` and `[^1, 2]` and `【4†source】`",
        "[[1]](https://a.example/)",
        "[page 1](https://a.example/)",
        "https://a.example/[1]",
        "10^6 and x^2",
        "km² and m³",
        "[x] [2026] [sic] [12/2026]",
        "(1) or {1}",
    ],
)
def test_what_is_meant_as_it_is_earns_nothing(words: str) -> None:
    digest, found = read(words)

    assert found == []
    assert list(cited(digest)) == []


def test_a_finding_has_the_line_of_its_own_within_a_paragraph() -> None:
    _, found = read("share\ntheir boats\nat night [^ 1]\nand by day 【4†source】.")

    assert [(f.code, f.line) for f in found] == [("citation-spelling", 11), ("citation-marker", 12)]


@pytest.mark.parametrize("key", ["title", "subject", "preheader", "author"])
def test_what_readers_see_of_the_front_matter_is_looked_at_too(key: str) -> None:
    parsed = parse(
        f"---\n{key}: Boats 【4†source】\n---\n# Boats\n\n*May 7, 2026*\n\nx\n", slug="x"
    )

    assert [(f.code, f.line) for f in parsed.findings if f.code in CODES] == [
        ("citation-marker", 2)
    ]
