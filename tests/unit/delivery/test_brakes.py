"""When a campaign pauses by itself for its bounces, and how far its canary is (D7)."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.brakes import (
    judge_canary,
    judge_hard_bounces,
)
from newsletter.settings import BrakesPart

BRAKES = BrakesPart.model_validate({})
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def brakes(**values: object) -> BrakesPart:
    return BrakesPart.model_validate(values)


def test_too_many_hard_bounces_pause_with_the_numbers() -> None:
    reason = judge_hard_bounces(200, 18, BRAKES, 0)

    assert reason == "brake: 18 of the first 200 recipients bounced hard (9 %, limit 5 %)"


def test_the_limit_itself_is_still_good() -> None:
    assert judge_hard_bounces(200, 10, BRAKES, 0) is None
    assert judge_hard_bounces(200, 11, BRAKES, 0) is not None


def test_a_limit_that_binary_numbers_miss_by_a_hair_is_kept() -> None:
    assert (
        judge_hard_bounces(100, 7, brakes(hard_bounce_rate=0.07, hard_bounce_after=100), 0) is None
    )


@given(st.integers(0, 199), st.integers(0, 199))
def test_nothing_is_judged_before_enough_have_an_outcome(settled: int, hard: int) -> None:
    assert judge_hard_bounces(settled, min(hard, settled), BRAKES, 0) is None


@given(st.integers(1, 10_000), st.integers(0, 50), st.integers(1, 300))
def test_a_single_bad_recipient_never_pauses(settled: int, canary: int, after: int) -> None:
    part = brakes(hard_bounce_rate=0.0001, hard_bounce_after=after)

    assert judge_hard_bounces(settled, 1, part, canary) is None
    assert judge_canary(settled, 1, part) is None


def test_with_a_canary_its_outcomes_are_enough_to_judge() -> None:
    assert judge_hard_bounces(19, 19, BRAKES, 20) is None
    assert judge_hard_bounces(20, 3, BRAKES, 20) is not None


def test_a_canary_is_judged_by_those_who_answered() -> None:
    assert judge_canary(0, 0, BRAKES) is None
    assert judge_canary(40, 2, BRAKES) is None
    assert judge_canary(30, 3, BRAKES) == (
        "brake: 3 of the canary's 30 recipients bounced hard (10 %, limit 5 %)"
    )
