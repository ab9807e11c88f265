"""Where a digest keeps its sources: one list, whatever its heading says and however it is set."""

from __future__ import annotations

import pytest

from newsletter.digest.checks import addresses_in, check
from newsletter.digest.model import Digest, Paragraph, Rule, plain_text
from newsletter.digest.parser import parse

HEAD = (
    "# Boats\n\n*By Ada • May 7, 2026*\n\nThe lede.\n\n## Harbours\n\n### One timetable\n\n"
    "Four towns [^1] agreed [^2].\n\n**Why it matters:** Nobody is stranded.\n\n"
)
DEFINITIONS = "[^1]: [Minutes](https://a.example)\n[^2]: [Timetable](https://b.example)\n"
BOTH = [("1", "Minutes", "https://a.example"), ("2", "Timetable", "https://b.example")]


def read(below: str) -> tuple[Digest, set[str]]:
    parsed = parse(HEAD + below, slug="sample")
    return parsed.digest, {found.code for found in check(parsed, merge_fields=())}


def sources(digest: Digest) -> list[tuple[str, str, str | None]]:
    return [(source.number, source.label, source.url) for source in digest.sources]


def headlines(digest: Digest) -> list[str]:
    named = [section.title for section in digest.sections if section.title]
    return [plain_text(title) for title in (*named, *(story.title for story in digest.stories))]


@pytest.mark.parametrize(
    "heading",
    [
        "# Sources",
        "## Sources",
        "### Sources",
        "###### Sources",
        "### 🔗 Sources",
        "### **Sources:**",
        "### 5. Sources",
        "### Citations",
        "### Sources & further reading",
        "### Sources and notes",
        "### References",
        "### Where this comes from",
        "### Read on",
        "## Quellen und Links",
        "## Bibliographie",
        "## Fuentes",
        "## Fonti",
        "## Referências",
        "## Bronnen",
        "## Źródła",
        "## المصادر",
        "## מקורות",
        "## 参考文献",
        "Sources\n---",
        "Sources\n===",
        "**Sources**",
        "Sources:",
        "---\n\n## Sources",
        "## Sources\n\n---",
    ],
)
def test_the_heading_above_the_definitions_is_that_of_the_sources(heading: str) -> None:
    digest, codes = read(f"{heading}\n\n{DEFINITIONS}")

    assert sources(digest) == BOTH
    assert headlines(digest) == ["Harbours", "One timetable"]
    assert codes == set()


@pytest.mark.parametrize(
    "listed",
    [
        "- [^1]: [Minutes](https://a.example)\n- [^2]: [Timetable](https://b.example)\n",
        "* [^1]: [Minutes](https://a.example)\n\n* [^2]: [Timetable](https://b.example)\n",
        "1. [^1]: [Minutes](https://a.example)\n2. [^2]: [Timetable](https://b.example)\n",
        "- [^1] [Minutes](https://a.example)\n- [^2] [Timetable](https://b.example)\n",
        "[^1]:\n  [Minutes](https://a.example)\n[^2]:\n  [Timetable](https://b.example)\n",
        "[^1]:\n    [Minutes](https://a.example)\n\n[^2]:\n    [Timetable](https://b.example)\n",
        "[^1]:\n[Minutes](https://a.example)\n[^2]:\n[Timetable](https://b.example)\n",
        "  [^1]: [Minutes](https://a.example)\n  [^2]: [Timetable](https://b.example)\n",
        "    [^1]: [Minutes](https://a.example)\n    [^2]: [Timetable](https://b.example)\n",
        "\t[^1]: [Minutes](https://a.example)\n\t[^2]: [Timetable](https://b.example)\n",
        "[^ 1]: [Minutes](https://a.example)\n[^2] : [Timetable](https://b.example)\n",
        "**[^1]:** [Minutes](https://a.example)\n**[^2]:** [Timetable](https://b.example)\n",
        "1. [Minutes](https://a.example)\n2. Timetable — https://b.example\n",
        "1) Minutes: https://a.example\n2) [Timetable](https://b.example)\n",
        "[1] Minutes — https://a.example\n[2] [Timetable](https://b.example)\n",
        "[1]: Minutes https://a.example\n\n[2]: Timetable https://b.example\n",
        '[1]: https://a.example "Minutes"\n[2]: https://b.example "Timetable"\n',
        "> [^1]: [Minutes](https://a.example)\n> [^2]: [Timetable](https://b.example)\n",
    ],
)
def test_sources_are_read_as_people_and_tools_set_them(listed: str) -> None:
    digest, codes = read(f"### Sources\n\n{listed}")

    assert sources(digest) == BOTH
    assert codes == set()


def test_a_source_goes_on_in_indented_lines() -> None:
    digest, codes = read(
        "### Sources\n\n[^1]: [Minutes](https://a.example)\n  of the spring meeting\n\n"
        "  - taken down by hand\n[^2]: [Timetable](https://b.example)\n"
    )

    assert sources(digest) == BOTH
    assert digest.sources[0].note == "of the spring meeting taken down by hand"
    assert codes == set()


@pytest.mark.parametrize(
    "listed", [DEFINITIONS, "1. [Minutes](https://a.example)\n2. [Timetable](https://b.example)\n"]
)
@pytest.mark.parametrize("apart", ["\n---\n\n", "\n***\n\n"])
def test_what_follows_a_rule_below_the_sources_ends_the_digest(listed: str, apart: str) -> None:
    digest, codes = read(f"### Sources\n\n{listed}{apart}*That is all. Write to us.*\n\nAda\n")

    assert sources(digest) == BOTH
    assert [type(b) for b in digest.sections[-1].blocks] == [Rule, Paragraph, Paragraph]
    assert digest.sections[-1].title is None
    assert codes == set()


@pytest.mark.parametrize("heading", ["Sources", "Where all of this comes from"])
def test_plain_text_behind_the_definitions_ends_the_digest_too(heading: str) -> None:
    digest, codes = read(f"### {heading}\n\n{DEFINITIONS}\nThat is all for today.\n")

    assert headlines(digest) == ["Harbours", "One timetable"]

    assert sources(digest) == BOTH
    assert [type(b) for b in digest.sections[-1].blocks] == [Rule, Paragraph]
    assert codes == set()


def test_a_story_that_defines_its_sources_above_its_text_stays_a_story() -> None:
    digest, _ = read(f"### Two boats\n\n{DEFINITIONS}\nThe boats are one service [^1].\n")

    assert sources(digest) == BOTH
    assert headlines(digest) == ["Harbours", "One timetable", "Two boats"]


def test_a_section_behind_the_sources_stays_a_section() -> None:
    digest, _ = read(f"### Sources\n\n{DEFINITIONS}\n---\n\n### About us\n\nMade with care.\n")

    assert sources(digest) == BOTH
    assert headlines(digest) == ["Harbours", "One timetable", "About us"]


def test_sources_in_a_quote_leave_no_headline_in_it() -> None:
    quoted = "".join(f"> {line}\n" for line in f"### Sources\n\n{DEFINITIONS}".splitlines())

    digest, codes = read(quoted)

    assert sources(digest) == BOTH
    assert "Sources" not in str(digest.sections)
    assert codes == set()


def test_sources_may_stand_under_several_headings() -> None:
    digest, codes = read(
        "## Sources\n\n### Official\n\n[^1]: [Minutes](https://a.example)\n\n"
        "### Press\n\n[^2]: [Timetable](https://b.example)\n"
    )

    assert sources(digest) == BOTH
    assert headlines(digest) == ["Harbours", "One timetable"]
    assert codes == set()


def test_each_story_may_have_its_own_sources() -> None:
    digest, codes = read(
        "#### Sources\n\n[^1]: [Minutes](https://a.example)\n\n### More\n\nText.\n\n"
        "**Why it matters:** It does.\n\n#### Sources\n\n[^2]: [Timetable](https://b.example)\n"
    )

    assert sources(digest) == BOTH
    assert headlines(digest) == ["Harbours", "One timetable", "More"]
    assert codes == set()


@pytest.mark.parametrize("title", ["Sources of the Nile", "Notes from the harbour"])
def test_a_story_that_tells_of_sources_is_a_story(title: str) -> None:
    digest, codes = read(
        f"### {title}\n\nIt springs.\n\n**Why it matters:** It does.\n\n{DEFINITIONS}"
    )

    assert headlines(digest) == ["Harbours", "One timetable", title]
    assert codes == set()


def test_words_before_the_sources_are_told_with_their_line() -> None:
    parsed = parse(f"{HEAD}### Sources\n\nAll read today.\n\n{DEFINITIONS}", slug="sample")

    (found,) = [f for f in parsed.findings if f.code == "text-under-sources"]
    assert "'All read today.'" in found.problem
    assert found.line == 17


def test_an_item_without_words_is_named_by_its_place_in_the_list() -> None:
    parsed = parse(f"{HEAD}### Sources\n\n1. [Minutes](https://a.example)\n2.\n", slug="sample")

    (found,) = [f for f in parsed.findings if f.code == "empty-source"]
    assert "number 2 of the list" in found.problem


def test_numbered_references_are_sources() -> None:
    text = "# Boats\n\n*May 7, 2026*\n\nTowns [1] agreed [2].\n\n"

    digest = parse(f"{text}[1]: https://a.example\n[2]: https://b.example\n", slug="x").digest

    assert [(s.number, s.url) for s in digest.sources] == [
        ("1", "https://a.example"),
        ("2", "https://b.example"),
    ]


def test_links_may_go_by_numbers() -> None:
    text = "# Boats\n\n*May 7, 2026*\n\nTowns agreed, says [the council][1].\n\n"

    digest = parse(f"{text}[1]: https://a.example\n", slug="x").digest

    assert digest.sources == ()
    assert addresses_in(digest) == {"https://a.example"}


def test_code_that_looks_like_definitions_stays_code() -> None:
    digest, _ = read(f"```\n- [^1]: not a source\n  [^2]:\n```\n\n{DEFINITIONS}")

    assert sources(digest) == BOTH
    assert "- [^1]: not a source\n  [^2]:" in str(digest.stories[0]).replace("\\n", "\n")
