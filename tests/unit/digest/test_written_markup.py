"""What people and programs write beside plain Markdown is read, or told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.digest.checks import check
from newsletter.digest.model import Finding, Link, Parsed, plain_text
from newsletter.digest.parser import parse
from newsletter.digest.walking import texts, walk
from newsletter.rendering.content import ListIdentity
from newsletter.rendering.merge import merge
from newsletter.rendering.page import description_of
from newsletter.rendering.render import first_words, render, shown_preheader

IDENTITY = ListIdentity(
    title="The Daily",
    list_id="daily.news.example.org",
    from_name="The Daily",
    from_email="news@example.org",
    base_url="https://news.example.org",
    postal_address="1 Sample Street",
    timezone="Europe/Paris",
    language="en",
)


def a_digest(body: str, *, head: str = "", sources: str = "") -> str:
    return f"""{head}# Ferries

By Ada Byrne, 24 November 2026

A short lede about boats that has some words in it.

## Harbours

### A story

{body}

**Why it matters:** It does.
{sources}"""


def read(body: str, **more: str) -> Parsed:
    return parse(a_digest(body, **more), slug="2026-11-24")


def shown(parsed: Parsed, **values: str) -> tuple[str, str, str]:
    """Return subject, HTML and text as one reader gets them."""
    content = render(parsed.digest, IDENTITY, templates=Path("/nowhere"))
    merged = merge(content, values)
    return merged.subject, merged.html, merged.text


def codes(parsed: Parsed) -> list[str]:
    return [finding.code for finding in parsed.findings]


def links(parsed: Parsed) -> list[tuple[str, str]]:
    nodes = [node for inlines, _ in texts(parsed.digest) for node in walk(inlines, whole=True)]
    return [(n.url, plain_text(n.children)) for n in nodes if isinstance(n, Link)]


# ---------------------------------------------------------------- merge fields in the head


HEAD = """---
subject: 'Hi {{ first_name | default("reader") }}, your ferries'
preheader: 'Dear {{ first_name | default("reader") }}, four councils share their boats'
---

"""


def test_merge_fields_of_subject_and_preview_line_are_filled_for_each_reader() -> None:
    parsed = read("Words.", head=HEAD)
    content = render(parsed.digest, IDENTITY, templates=Path("/nowhere"))

    ada, nobody = merge(content, {"first_name": "Ada <b>"}), merge(content, {})

    assert ada.subject == "Hi Ada <b>, your ferries"
    assert "Dear Ada &lt;b&gt;, four councils" in ada.html
    assert nobody.subject == "Hi reader, your ferries"
    assert "Dear reader, four councils" in nobody.html
    assert "{{" not in ada.subject + ada.html + ada.text
    assert shown_preheader(content) == "Dear reader, four councils share their boats"
    assert shown_preheader(content, {"first_name": "Ada"}).startswith("Dear Ada,")
    assert description_of(parsed.digest) == "Dear reader, four councils share their boats"


def test_a_value_cannot_add_a_header_by_the_subject() -> None:
    subject, _, _ = shown(read("Words.", head=HEAD), first_name="A\r\nBcc: x@example.org")

    assert subject == "Hi A Bcc: x@example.org, your ferries"


def test_titles_take_merge_fields_too() -> None:
    text = a_digest("Words.").replace("### A story", "### For {{ first_name | default('you') }}")

    _, html, plain = shown(parse(text, slug="2026-11-24"), first_name="Ada")

    assert "For Ada" in html
    assert "For Ada" in plain


@pytest.mark.parametrize(
    ("value", "code", "line"),
    [
        ("'Hi {{ first_name'", "merge-field-unclosed", 2),
        ("'Hi {{ FirstName }}'", "merge-field-syntax", 2),
        ("'Hi {{ frist_name | default(\"you\") }}'", "unknown-merge-field", None),
    ],
)
def test_a_wrong_merge_field_in_the_head_is_told(value: str, code: str, line: int | None) -> None:
    parsed = read("Words.", head=f"---\nsubject: {value}\n---\n\n")

    found = [f for f in check(parsed, merge_fields=("first_name",)) if f.code == code]

    assert found
    assert line is None or found[0].line == line


# ---------------------------------------------------------------- bare addresses


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://x.example/a/__init__.py", None),
        ("https://x.example/_/A", None),
        ("https://x.example/a*b*c", None),
        ("https://x.example/~ada/~notes", None),
        ("https://en.example/wiki/Ferry_(boat)", None),
        ("https://x.example/?a=1&b=2&copy=3", None),
        ("https://x.example/?a=1&amp;b=2", "https://x.example/?a=1&b=2"),
        ("https://x.example:8443/a_b#part_2", None),
        ("https://x.example/it's_here", None),
        ("https://x.example/a\\_b\\_c", "https://x.example/a_b_c"),
        ("http://x.example/a;b=c,d", None),
    ],
)
def test_a_bare_address_is_linked_as_written(written: str, url: str | None) -> None:
    for around in ("See {} now.", "({}).", "*Look:* {}, and", "| a |\n| --- |\n| {} |", "- {}"):
        parsed = read(around.format(written))

        assert links(parsed) == [(url or written, url or written)], around
        assert "<em>" not in shown(parsed)[1].replace("<em>Look:</em>", "")


def test_a_bare_address_in_a_source_is_linked_as_written() -> None:
    sources = "\n## Sources\n\n[^1]: https://x.example/lib/__main__.py\n"
    parsed = read("Words [^1].", sources=sources)

    (source,) = parsed.digest.sources
    assert source.url == "https://x.example/lib/__main__.py"
    assert "https://x.example/lib/__main__.py" in shown(parsed)[2]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[see https://x.example/a_b_c](https://y.example)", "https://y.example"),
        ("<https://x.example/a_b_c>", "https://x.example/a_b_c"),
        ("**https://x.example/a**", "https://x.example/a"),
        ("_https://x.example/a_", "https://x.example/a"),
        ("https://x.example/a[^1]", "https://x.example/a"),
        ("https://x.example/a。次", "https://x.example/a"),
    ],
)
def test_where_an_address_ends(written: str, expected: str) -> None:
    parsed = read(written, sources="\n## Sources\n\n[^1]: A [source](https://s.example)\n")

    assert links(parsed)[0][0] == expected


def test_an_address_without_a_scheme_is_linked_with_one() -> None:
    parsed = read("See www.x.example/a_b_c and www.y.example. Not x.www.example.org/a.")

    assert links(parsed) == [
        ("http://www.x.example/a_b_c", "www.x.example/a_b_c"),
        ("http://www.y.example", "www.y.example"),
    ]


def test_an_address_in_code_stays_code() -> None:
    assert links(read("Type `curl https://x.example/a_b`.")) == []


@given(st.from_regex(r"https://x\.example/[a-z_*~()/.&=-]{0,30}[a-z]", fullmatch=True))
def test_whatever_marks_an_address_holds_they_are_its_own(url: str) -> None:
    parsed = read(f"See {url} now.")

    assert [address for address, _ in links(parsed)] == [url]


# ---------------------------------------------------------------- comments


@pytest.mark.parametrize(
    "body",
    [
        "Before.\n\n<!-- SECRET -->\n\nAfter.",
        "Before.\n\n<!--\nSECRET\n\nover empty lines SECRET\n-->\n\nAfter.",
        "Before. <!-- SECRET --> After.",
        "Before.\n<!-- SECRET -->\nAfter.",
        "<!-- SECRET --> Before. After.",
        "Before. After. <!-- SECRET\nover lines -->",
        "- Before. <!-- SECRET -->\n- <!-- SECRET -->\n- After.",
        "- Before.\n\n  <!-- SECRET\n\n  SECRET -->\n\n  After.",
        "> Before. <!-- SECRET -->\n>\n> After.",
        "| Before. |\n| --- |\n| After. <!-- SECRET --> |",
        "Before.\n\n<!-- more -->\n\nAfter.",
        "Before.\n\n<!--[if mso]>SECRET<![endif]-->\n\nAfter.",
        "Before.\n\n<!-- SECRET\n\n--> After.",
        "*Before. <!-- SECRET --> After.*",
        "[Before.](https://x.example) <!-- SECRET --> After.",
    ],
)
def test_a_comment_never_reaches_a_reader(body: str) -> None:
    parsed = read(body)
    subject, html, text = shown(parsed)

    everything = subject + html + text + first_words(parsed.digest, 500)
    assert "SECRET" not in everything
    assert "more --" not in everything
    assert "&lt;!--" not in everything
    assert "Before." in text
    assert "After." in text
    assert "raw-html" not in codes(parsed)


def test_comments_around_titles_and_sources_are_gone_too() -> None:
    text = a_digest(
        "Words [^1].",
        sources="\n## Sources <!-- SECRET -->\n\n<!-- SECRET -->\n\n"
        "[^1]: A [source](https://s.example) <!-- SECRET -->\n",
    ).replace("# Ferries", "# Ferries <!-- SECRET -->")
    parsed = parse(text, slug="2026-11-24")

    subject, html, plain = shown(parsed)

    assert subject == "Ferries"
    assert "SECRET" not in html + plain
    assert [source.label for source in parsed.digest.sources] == ["source"] or parsed.digest.sources


def test_a_comment_in_code_is_code() -> None:
    _, html, text = shown(read("`<!-- shown -->` and\n\n```\n<!-- shown too -->\n```"))

    assert "&lt;!-- shown --&gt;" in html
    assert "<!-- shown too -->" in text


@pytest.mark.parametrize("body", ["Before.\n\n<!-- SECRET\n\nMore.", "Before <!-- SECRET", "<!--"])
def test_a_comment_that_is_never_closed_is_an_error_and_hidden(body: str) -> None:
    parsed = read(body)

    assert "unclosed-comment" in codes(parsed)
    assert "SECRET" not in "".join(shown(parsed))


# ---------------------------------------------------------------- spaces where citations stood


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ("Boats [^1]. More [^2], and [^1]; so [^2]: yes [^1]!", "Boats. More, and; so: yes!"),
        ("Boats [^1] [^2]. More", "Boats. More"),
        ("Boats[^1] and [^2] trains", "Boats and trains"),
        ("(boats [^1]) “trains [^2]”", "(boats) “trains”"),
        ("Des bateaux [^1] ; et des trains", "Des bateaux ; et des trains"),
        ("船[^1]。列車 [^2]。", "船。列車。"),
    ],
)
def test_no_space_is_left_before_a_stop_where_a_citation_stood(written: str, line: str) -> None:
    sources = "\n## Sources\n\n[^1]: A [s](https://s.example)\n[^2]: B [t](https://t.example)\n"
    text = a_digest("Words.", sources=sources).replace(
        "A short lede about boats that has some words in it.", written
    )
    digest = parse(text, slug="2026-11-24").digest

    assert first_words(digest, 200).startswith(line)


# ---------------------------------------------------------------- read, or told


@pytest.mark.parametrize(
    ("body", "html", "text"),
    [
        ("~~Monday~~ Tuesday", "<s>Monday</s> Tuesday", "~Monday~ Tuesday"),
        ("- [ ] open\n- [x] done\n- [X] too", "☐\xa0open", "☑\xa0done"),
        ("> [!NOTE]\n> Mind the gap.", "<strong>Note</strong>: Mind the gap.", "Note: Mind"),
        ("[a report](https://x.example/a b.pdf)", 'href="https://x.example/a%20b.pdf"', "a report"),
        ("Words.\n\n####Smaller\n\nMore.", "Smaller", "Smaller"),
    ],
)
def test_what_is_commonly_written_is_read(body: str, html: str, text: str) -> None:
    parsed = read(body)
    _, rendered, plain = shown(parsed)

    assert html in rendered
    assert text in plain
    assert "markup-as-typed" not in codes(parsed)


@pytest.mark.parametrize(
    "body",
    [
        "A ==marked== word.",
        "An ++inserted++ word.",
        "See [[Ferries]] for more.",
        "%% a note %%",
        "$$E = mc^2$$",
        "Well done :tada: all.",
        ":::note\nWords.",
        "Words{.lead} here.",
        "A word^[with a note].",
        "[A report][missing] is out.",
        "A **bold start without an end.",
        "This is ** spaced ** out.",
        "| a | b |\n| c | d |",
        "A [broken](link words) here.",
        "##5 things",
    ],
)
def test_what_would_be_shown_as_typed_is_told_with_its_line(body: str) -> None:
    found: list[Finding] = [f for f in read(body).findings if f.code == "markup-as-typed"]

    assert len(found) >= 1
    assert found[0].line == 11
    assert found[0].fix


@pytest.mark.parametrize(
    "body",
    [
        "At 9:30 and 10:45: two boats. Ratio 3:2:1.",
        "Use a \\*\\*star\\*\\*, \\[\\[brackets\\]\\] or 2 ** 3.",
        "`==code==` and `[[code]]`, C++ and a++b.",
        "It costs $5 to $10 and 50 %% off.",
        "A [link](https://x.example) and *emphasis* and **bold**.",
        "#hashtag and C# and issue #12.",
        "[1] and (a) and [sic] and a [note].",
        "He said: “::”. a == b; 5 ~ 6 ~~ 7.",
        "Snake_case_words and file_names.",
    ],
)
def test_ordinary_prose_raises_no_alarm(body: str) -> None:
    assert "markup-as-typed" not in codes(read(body))
