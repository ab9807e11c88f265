"""The warm-up plan: what a day allows, and what is said of it (G15)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from newsletter.delivery.warm_up import allowance, describe
from newsletter.settings import WarmUpPart

START = date(2026, 11, 24)
PLAN = WarmUpPart.model_validate({"start": START, "daily": (50, 100, 500)})


def test_without_a_first_day_there_is_no_limit() -> None:
    part = WarmUpPart.model_validate({})

    assert allowance(part, START) is None
    assert describe(part, START, 7) is None


@pytest.mark.parametrize(
    ("days", "most"), [(0, 50), (1, 100), (2, 500), (3, None), (400, None), (-1, 50), (-30, 50)]
)
def test_each_day_has_its_number_and_behind_the_last_there_is_none(
    days: int, most: int | None
) -> None:
    assert allowance(PLAN, START + timedelta(days=days)) == most


def test_the_day_is_said_with_what_is_used() -> None:
    third = START + timedelta(days=2)

    assert describe(PLAN, third, 120) == "warm-up day 3: 120 of 500 today"
    assert describe(PLAN, third + timedelta(days=1), 9) is None
    assert describe(PLAN, START - timedelta(days=1), 9) == "warm-up from 2026-11-24: 9 of 50 today"
