"""The text part of an email as a page: readable on a phone, and never anybody's markup."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from newsletter.rendering.text.writer import COLUMNS
from newsletter.web.archive.readable import readable


def test_lines_cut_for_their_length_are_one_paragraph_again() -> None:
    text = (
        "The councils of Aldermouth, Brackwell, Corran and Dunsea said their five\n"
        "night ferries will run as one service.\n"
        "A line that was ended on purpose.\n"
    )

    assert readable(text) == (
        "<p>The councils of Aldermouth, Brackwell, Corran and Dunsea said their five night ferries"
        " will run as one service.<br>\nA line that was ended on purpose.</p>"
    )


def test_underlines_rules_quotes_items_and_notes_are_what_they_were() -> None:
    html = readable(
        "Section\n=======\n\nStory\n-----\n\n• one\n• two\n\n>>  Why it matters: because.\n\n"
        "| quoted\n\n    code  here\n\n[1] A source\n    https://example.org/a_b.\n\n"
        + "-"
        * COLUMNS
    )

    assert "<h2>Section</h2>" in html
    assert "<h3>Story</h3>" in html
    assert "<p>• one<br>\n• two</p>" in html
    assert '<p class="why">Why it matters: because.</p>' in html
    assert "<blockquote><p>quoted</p></blockquote>" in html
    assert "<pre>code  here</pre>" in html
    assert 'href="https://example.org/a_b"' in html


def test_a_story_that_matters_is_joined_as_it_was_cut() -> None:
    html = readable(
        ">>  Why it matters: Measuring first turned an investment into a change\n"
        "    of habit, and the published table lets other small kitchens check.\n"
    )

    assert html == (
        '<p class="why">Why it matters: Measuring first turned an investment into a change of '
        "habit, and the published table lets other small kitchens check.</p>"
    )


def test_the_foot_which_speaks_to_a_subscriber_is_left_out() -> None:
    assert readable(f"News.\n\n{'-' * COLUMNS}\nUnsubscribe:\nhttps://x.example\n") == (
        "<p>News.</p>"
    )


def test_the_title_that_the_page_shows_is_not_said_twice() -> None:
    html = readable("Daily · Tuesday\n\nA LONG\nTITLE\n\nBy Ada", "A long Title")

    assert html == "<p>By Ada</p>"


@given(st.text(alphabet=st.sampled_from("ab <>&\"'\n•|-=>[]1.:/htps#{}\u202e"), max_size=300))
def test_no_text_becomes_markup(text: str) -> None:
    tags = set(re.findall(r"<(/?[a-z0-9]+)", readable(text)))

    known = {"p", "br", "h2", "h3", "pre", "blockquote", "a", "hr"}
    assert {tag.lstrip("/") for tag in tags} <= known
