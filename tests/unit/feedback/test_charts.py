"""Charts of characters: what they show, and that they never show too much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from newsletter.feedback.charts import bar, sparkline

NUMBERS = st.integers(0, 10**9)


def test_a_bar_is_as_long_as_its_share() -> None:
    assert bar(10, 10, 8) == "████████"
    assert bar(5, 10, 8) == "████"
    assert bar(5, 80, 8) == "▌"


def test_nothing_has_no_bar_and_one_in_a_million_has_a_small_one() -> None:
    assert bar(0, 1_000_000, 20) == ""
    assert bar(1, 1_000_000, 20) == "▏"
    assert bar(1, 1_000_000, 20, plain=True) == "#"


def test_a_plain_bar_is_ascii() -> None:
    assert bar(3, 4, 8, plain=True) == "######"


def test_a_sparkline_has_one_character_for_each_value() -> None:
    assert sparkline([0, 1, 4, 8]) == " ▁▄█"
    assert sparkline([0, 1, 4, 8], plain=True) == " .=#"
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "  "


@given(value=NUMBERS, most=NUMBERS, width=st.integers(-3, 200), plain=st.booleans())
def test_a_bar_never_leaves_its_place(value: int, most: int, width: int, plain: bool) -> None:
    drawn = bar(value, most, width, plain=plain)

    assert len(drawn) <= max(width, 0)
    assert bool(drawn) == (value > 0 and most > 0 and width > 0)


@given(values=st.lists(NUMBERS), plain=st.booleans())
def test_a_sparkline_hides_nothing(values: list[int], plain: bool) -> None:
    drawn = sparkline(values, plain=plain)

    assert [mark != " " for mark in drawn] == [value > 0 for value in values]
    assert drawn.isascii() or not plain
