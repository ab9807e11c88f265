"""A paragraph with `---` right below it: what reads as text stays text, and is told."""

from __future__ import annotations

import pytest

from newsletter.digest.model import Finding, Paragraph, Parsed, plain_text
from newsletter.digest.parser import parse

HEAD = "# Boats\n\n*By Ada • May 7, 2026*\n\nThe lede.\n\n## Harbours\n\n### One timetable\n\n"


def read(below: str, head: str = HEAD) -> Parsed:
    return parse(f"{head}{below}\n\nWhat follows [^1].\n\n[^1]: [x](https://x.example)\n", slug="x")


def told(parsed: Parsed) -> list[Finding]:
    return [found for found in parsed.findings if found.code == "accidental-heading"]


@pytest.mark.parametrize(
    "paragraph",
    [
        "Four towns share their boats.\n---",
        "Four towns share their boats [^1]\n---",
        "**Why it matters:** Nobody is stranded\n---",
        "Why this matters — nobody is stranded\n===",
        "Four towns share their boats,\nand their crews\n---",
        "It rains. The boats stay at home\n---",
        "“Nobody is stranded.”\n----------",
        "*So it goes.*\n---",
        "Read the minutes: https://council.example/minutes\n---",
        "Is there anybody left who thinks that boats sail at night?\n---",
        "The council of the harbour towns agreed to share all of its boats between one and six at"
        " night\n---",
        "Die Räte tagen heute.\n===",
        "船が出た。\n---",
        "وصلت السفن.\n---",
        "Four towns share {{ name | default('their') }} boats.\n-",
        "> Four towns share their boats.\n> ---",
        "- Four towns share their boats.\n  ---",
    ],
)
def test_running_text_stays_text(paragraph: str) -> None:
    parsed = read(paragraph)

    (story,) = parsed.digest.stories
    (found,) = told(parsed)
    assert plain_text(story.title) == "One timetable"
    assert "is taken for text" in found.problem
    assert found.line == 11


@pytest.mark.parametrize(
    "words", ["More boats", "Boats in the U.S.", "What now?", "St. John's plan", "In brief:"]
)
def test_what_may_be_a_heading_stays_one_and_is_told(words: str) -> None:
    parsed = read(f"Text.\n\n{words}\n---")

    (found,) = told(parsed)
    assert plain_text(parsed.digest.sections[-1].title or ()) == words
    assert "became a heading" in found.problem
    assert found.line == 13


@pytest.mark.parametrize("after", ["", "\n\n## More\n\nText."])
def test_a_line_over_nothing_is_no_heading(after: str) -> None:
    parsed = parse(f"{HEAD}Text.\n\nThanks for reading\n---{after}\n", slug="x")

    assert len(parsed.digest.stories) == 1
    assert "Thanks for reading" in str(parsed.digest.stories[0].blocks)
    assert [found.line for found in told(parsed)] == [13]


def test_sections_may_be_underlined_where_stories_cannot() -> None:
    parsed = parse(
        "Boats\n===\n\n*By Ada • May 7, 2026*\n\nThe lede.\n\nHarbours\n---\n\n### A story\n\nx\n",
        slug="x",
    )

    assert [plain_text(s.title or ()) for s in parsed.digest.sections] == ["Harbours"]
    assert told(parsed) == []


def test_headings_that_are_all_underlined_are_meant() -> None:
    parsed = parse(
        "Boats share a timetable\n=====\n\n*By Ada • May 7, 2026*\n\nThe lede.\n\n"
        "One timetable\n---\n\nText.\n\nMore boats\n---\n\nText.\n",
        slug="x",
    )

    assert plain_text(parsed.digest.title) == "Boats share a timetable"
    assert [plain_text(s.title) for s in parsed.digest.stories] == ["One timetable", "More boats"]
    assert told(parsed) == []


def test_a_title_over_equal_signs_may_end_in_a_stop() -> None:
    parsed = parse("Boats share a timetable.\n===\n\n*By Ada • May 7, 2026*\n\nx\n", slug="x")

    assert plain_text(parsed.digest.title) == "Boats share a timetable."
    assert told(parsed) == []


@pytest.mark.parametrize("byline", ["*By Ada • May 7, 2026*", "Thursday, May 7, 2026"])
def test_a_byline_right_above_a_rule_is_the_byline(byline: str) -> None:
    parsed = parse(f"# Boats\n{byline}\n---\n\nThe lede.\n", slug="x")

    assert parsed.digest.byline.day is not None
    assert parsed.digest.sections == ()
    assert [type(block) for block in parsed.digest.lede] == [Paragraph]
    assert len(told(parsed)) == 1


def test_an_underlined_heading_of_sources_is_no_accident() -> None:
    parsed = parse(
        f"{HEAD}A fact [^1].\n\nSources\n---\n\n[^1]: [x](https://x.example)\n", slug="x"
    )

    assert told(parsed) == []
    assert len(parsed.digest.stories) == 1
