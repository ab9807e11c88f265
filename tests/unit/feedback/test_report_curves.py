"""Curves of a campaign: bins that fit on a line, and messages that none of them loses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from newsletter.feedback.report_curves import MOST_BINS, Stretch, bin_width, sending_curve

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
SPANS = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=400))


def minutes(count: float) -> datetime:
    return START + timedelta(minutes=count)


def test_an_hour_is_shown_by_the_minute_or_so_and_a_day_by_the_hour() -> None:
    assert bin_width(timedelta(minutes=59)) == timedelta(minutes=1)
    assert bin_width(timedelta(hours=12)) == timedelta(minutes=15)
    assert bin_width(timedelta(hours=24)) == timedelta(hours=1)


def test_the_messages_of_one_attempt_are_spread_over_its_time() -> None:
    curve = sending_curve(START, minutes(40), [Stretch(START, minutes(4), 100)], handed_over=100)

    assert curve.counts[:5] == (25, 25, 25, 25, 0)
    assert curve.undated == 0


def test_an_attempt_that_ended_before_it_began_counts_where_it_began() -> None:
    stretch = Stretch(minutes(2), minutes(1), 7)

    curve = sending_curve(START, minutes(40), [stretch], handed_over=9)

    assert (curve.counts[2], sum(curve.counts), curve.undated) == (7, 7, 2)


@given(
    st.lists(st.tuples(SPANS, SPANS, st.integers(0, 10_000)), max_size=20),
    SPANS,
    st.integers(0, 1000),
)
def test_no_message_is_lost_and_none_is_counted_twice(
    attempts: list[tuple[timedelta, timedelta, int]], span: timedelta, without: int
) -> None:
    stretches = [Stretch(START + begun, START + ended, n) for begun, ended, n in attempts]
    told = sum(n for _begun, _ended, n in attempts)

    curve = sending_curve(START, START + span, stretches, handed_over=told + without)

    assert sum(curve.counts) == told
    assert curve.all == told + without
    assert min(curve.counts) >= 0
    assert len(curve.counts) <= MOST_BINS
