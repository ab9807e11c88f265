"""What is empty in a digest renders as something empty: never an error, never a bare headline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.mailings import a_mailing

from newsletter.digest.parser import parse
from newsletter.rendering.content import EmailContent
from newsletter.rendering.page import write_page
from newsletter.rendering.render import render

TEMPLATES = Path(__file__).resolve().parents[3] / "templates" / "email"
HEAD = "# Boats\n\n*By Ada • May 7, 2026*\n\nThe lede.\n\n## Harbours\n\n### One timetable\n\n"
WHY = "\n\n**Why it matters:** It does.\n"
_BARE_HEADING = re.compile(r"<h([1-6])[^>]*>(?:<a class=\"anchor\"[^>]*>#</a>)?\s*</h\1>")

EMPTY = (
    "| a | b |\n|---|---|\n| 1 | |",
    "| a | b |\n|---|---|\n| 1 |",
    "| a | b |\n|---|---|\n| 1 | 2 | 3 |",
    "| | |\n|---|---|\n| | |",
    "| a |\n|---|",
    "| a | b |\n|:-:|--:|\n||\n| |",
    "| [](https://a.example/) |\n|---|\n| ![](https://a.example/i.png) |",
    "###",
    "### \n\n### \n\n##",
    "### **  **",
    "### &nbsp;",
    "### \u200b",
    "### ![](https://a.example/i.png)",
    "### [^1]\n\n[^1]: [x](https://x.example/)",
    "#### ",
    "-",
    "- \n- x\n-",
    "1.\n2.",
    "- -",
    "1. > -",
    ">",
    "> >",
    "[]()",
    "[](https://a.example/)",
    "[![]()](https://a.example/)",
    "![]()",
    "****",
    "```\n```",
    "**Why it matters:**",
    "[^1]:\n\nA [^1].",
    "{{ name }}",
    "---\n---",
    "\u00ad",
)


def rendered(text: str) -> EmailContent:
    digest = parse(text, slug="2026-05-07").digest
    return render(digest, a_mailing().identity, templates=TEMPLATES)


@pytest.mark.parametrize("head", [HEAD, "# Boats\n\n", ""], ids=["story", "title", "nothing"])
@pytest.mark.parametrize("part", EMPTY)
def test_an_empty_part_renders_everywhere(part: str, head: str) -> None:
    digest = parse(f"{head}{part}{WHY}", slug="2026-05-07").digest

    mail = render(digest, a_mailing().identity, templates=TEMPLATES)
    page = write_page(digest, "en", home="https://news.example.org", back="back")

    assert mail.text
    assert not _BARE_HEADING.search(mail.html)
    assert not _BARE_HEADING.search(f"{page.body}")


def test_a_row_shorter_than_its_header_is_filled_up_and_a_longer_one_cut() -> None:
    mail = rendered(
        HEAD + "| Town | Fare | Note |\n|---|--:|---|\n| Corran | 4 |\n| A | 5 | b | c |"
    )

    assert mail.html.count("<td") - rendered(HEAD).html.count("<td") == 6
    assert "Corran     4" in mail.text
    assert "c" not in mail.text.partition("A          5")[2].partition("\n")[0].replace("b", "")


def test_a_story_without_a_title_keeps_its_words_and_is_in_no_list() -> None:
    stories = "".join(f"### Story {n}\n\nText {n}.{WHY}\n" for n in range(1, 5))

    mail = rendered(f"# Boats\n\n*May 7, 2026*\n\n## Harbours\n\n{stories}###\n\nOf all.{WHY}")

    assert "Of all." in mail.text
    assert "Of all." in mail.html
    assert "4. Story 4" in mail.text
    assert "5." not in mail.text


@given(
    st.lists(
        st.sampled_from([*EMPTY, "Words.", "| x |", "---", "===", "### Sources", "[^1]", "  "]),
        max_size=12,
    ),
    st.sampled_from(["\n", "\n\n"]),
)
@settings(max_examples=40, deadline=None)
def test_empty_parts_in_any_order_render(parts: list[str], between: str) -> None:
    digest = parse(HEAD + between.join(parts), slug="2026-05-07").digest

    assert render(digest, a_mailing().identity, templates=TEMPLATES).text
