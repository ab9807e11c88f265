"""Every code of a digest's findings: it can be produced, and says what comes of it."""

from __future__ import annotations

import pytest

from newsletter.digest.checks import addresses_in, bare_fields, check
from newsletter.digest.codes import CODES
from newsletter.digest.findings import MOST_OF_ONE_CODE
from newsletter.digest.model import Finding
from newsletter.digest.parser import parse

HEAD = "# A title\n\n*By Ada • November 24, 2026*\n\nA lede.\n\n"
STORY = "## News\n\n### A story\n\nIt happened.\n\n**Why it matters:** It does.\n\n"
SOURCE = "A fact [^1].\n\n[^1]: [x](https://x.example)\n"

SAMPLES = {
    "accidental-heading": HEAD + "Running words\nof some length\n---\n\nMore.",
    "ambiguous-date": "# T\n\n*By Ada, 3/4/2026*\n\nx",
    "citation-marker": HEAD + "Boats\ue200cite\ue202turn0search1\ue201 sail.",
    "citation-spelling": HEAD + "A fact [^ 1].\n\n[^1]: [x](https://x.example)\n",
    "control-character": HEAD + "A \x07 bell.",
    "date-differs-from-name": "# T\n\n*By Ada, 2026-11-23*\n\nx",
    "deceptive-link-text": HEAD + "See [https://bank.example](https://evil.example/x).",
    "draft": "---\ndraft: true\n---\n" + HEAD,
    "duplicate-link": HEAD + "[One](https://a.example/) [two](https://a.example/)",
    "duplicate-source": HEAD + SOURCE + "[^1]: [y](https://y.example)\n",
    "duplicate-story-title": HEAD + STORY + STORY,
    "empty-heading": HEAD + "###\n\nWords.",
    "empty-link-text": HEAD + "[](https://a.example/)",
    "empty-section": HEAD + "## Nothing\n\n" + STORY,
    "empty-source": HEAD + "A [^1].\n\n## Sources\n\n[^1]: —\n",
    "empty-story": HEAD + "## News\n\n### Nothing\n\n### A story\n\nIt.\n",
    "front-matter-duplicate-key": "---\nsubject: a\nsubject: b\n---\n" + HEAD,
    "front-matter-invalid": "---\ntitle: [\n---\n" + HEAD,
    "front-matter-unclosed": "---\ntitle: a\n\n# T\n",
    "front-matter-unknown-key": "---\nautor: me\n---\n" + HEAD,
    "front-matter-value": "---\nsubject:\n  - a\n---\n" + HEAD,
    "heading-level-jump": HEAD + STORY + "###### Deep\n\nWords.",
    "image-without-alt": HEAD + "![](https://a.example/x.png){width=6 height=4}",
    "image-without-size": HEAD + "![Words](https://a.example/x.png)",
    "insecure-image": HEAD + "![Words](http://a.example/x.png){width=6 height=4}",
    "insecure-link": HEAD + "[A page](http://a.example/)",
    "invalid-link": HEAD + "[A page](https:///nowhere)",
    "long-digest": HEAD + "word " * 40_000,
    "long-word": HEAD + "x" * 5000,
    "malformed-citation": HEAD + "A fact [^1.",
    "meaningless-link-text": HEAD + "Look [here](https://a.example/).",
    "merge-field-in-link": HEAD + "[A page](https://a.example/{{name}})",
    "merge-field-in-source": HEAD + "A [^1].\n\n[^1]: {{ name }} [x](https://x.example)\n",
    "merge-field-syntax": HEAD + "Hi {{ 7*7 }}",
    "merge-field-unclosed": HEAD + "Hi {{ name",
    "merge-field-without-default": HEAD + "Hi {{ name }}",
    "no-date": "# T\n\nHello.",
    "no-stories": HEAD + "Hello.",
    "no-title": "*By Ada, 2026-11-24*\n\nHello.",
    "perhaps-citation": HEAD + "A fact [7].",
    "heading-spelling": HEAD + "##News\n\nWords.",
    "link-with-spaces": HEAD + "[A report](https://x.example/a b.pdf)",
    "markup-as-typed": HEAD + "A ==marked== word.",
    "unclosed-comment": HEAD + "Words.\n\n<!-- a note\n\nMore words.",
    "raw-html": HEAD + "A <b>bold</b> word.",
    "relative-link": HEAD + "[A page](/about)",
    "second-title": HEAD + "# Another\n\nWords.",
    "source-label": HEAD + "A [^a b].\n\n[^a b]: [x](https://x.example)\n",
    "source-without-url": HEAD + "A [^1].\n\n[^1]: Only words\n",
    "story-without-why-it-matters": HEAD + "## News\n\n### A story\n\nIt happened.\n",
    "table-row-too-long": HEAD + "| a |\n| --- |\n| b | c |\n",
    "template-tag": HEAD + "Hi {% if x %}",
    "text-under-sources": HEAD + STORY + "## Sources\n\nSome words.\n\n1. [x](https://x.example)\n",
    "too-deep": HEAD + ">" * 3000 + " deep",
    "uncited-source": HEAD + "A.\n\n[^1]: [x](https://x.example)\n",
    "unknown-citation": HEAD + "A [^9].",
    "unknown-merge-field": HEAD + "Hi {{ fist_name }}.",
    "unreadable-date": "# T\n\n*By Ada, 31.2.2026*\n\nx",
    "unsafe-link": HEAD + "[x](javascript:alert(1))",
    "weekday-mismatch": "# T\n\n*By Ada, Monday, November 24, 2026*\n\nx",
}

FINE = (
    HEAD
    + STORY
    + "A fact [^1] on [a page of theirs](https://a.example/) and [a.example](https://a.example/b),\n"
    + "a ![boat](https://a.example/x.png){width=6 height=4} of [Booking.com](https://b.example/).\n\n"
    + "[^1]: [x](https://x.example)\n"
)


def found(text: str, slug: str = "2026-11-24") -> dict[str, Finding]:
    parsed = parse(text, slug=slug)
    return {f.code: f for f in check(parsed, merge_fields={"name", "first_name"})}


def test_every_code_has_a_sample_that_produces_it() -> None:
    assert set(SAMPLES) == set(CODES)


@pytest.mark.parametrize("code", sorted(SAMPLES))
def test_a_code_is_produced_and_says_what_comes_of_it(code: str) -> None:
    slug = "undated" if code == "no-date" else "2026-11-24"

    finding = found(SAMPLES[code], slug).get(code)

    assert finding is not None, sorted(found(SAMPLES[code], slug))
    assert (finding.severity, finding.why) == (CODES[code].severity, CODES[code].why)
    assert finding.fix


def test_a_digest_without_fault_earns_none_of_them() -> None:
    assert found(FINE) == {}


def test_each_kind_is_told_in_whole_sentences() -> None:
    for code, kind in CODES.items():
        for text in (kind.meaning, kind.why, kind.fix):
            assert text[-1] in ".'`", code
            assert text[0].isupper() or text[0] == "`", code


def test_the_counted_rest_has_its_why_too() -> None:
    links = "\n\n".join(f"[here](https://a.example/{n})" for n in range(MOST_OF_ONE_CODE + 9))

    parsed = parse(HEAD + links, slug="2026-11-24")
    rest = [f for f in check(parsed, merge_fields=()) if f.problem.startswith("and 9 more")]

    assert [finding.why for finding in rest] == [CODES["meaningless-link-text"].why]


def test_the_addresses_that_an_author_wrote_are_known() -> None:
    digest = parse(
        HEAD + "[![boat](https://a.example/x.png)](https://a.example/) <https://b.example/>\n\n"
        "A [^1].\n\n[^1]: [x](https://x.example/1)\n",
        slug="x",
    ).digest

    assert addresses_in(digest) == {
        "https://a.example/",
        "https://a.example/x.png",
        "https://b.example/",
        "https://x.example/1",
    }


def test_merge_fields_without_default_are_known_with_their_first_line() -> None:
    digest = parse(
        '---\nsubject: "For {{ town }}"\n---\n'
        + HEAD
        + "Hi {{ name }} and {{ name }}, {{ unsubscribe_url }}, {{ first_name | default('x') }}",
        slug="x",
    ).digest

    assert bare_fields(digest) == {"name": 10, "town": None}
