"""Dates as exports write them: read where they can be, told apart where they cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.foreign_dates import instants_in, the_later

TEN = datetime(2024, 5, 17, 10, tzinfo=UTC)
DAY = datetime(2024, 5, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2024-05-17T10:00:00Z", TEN),
        ("2024-05-17T12:00:00.000+02:00", TEN),
        ("2024-05-17T06:00:00-04:00", TEN),
        ("2024-05-17 10:00:00", TEN),
        ("2024-05-17 10:00:00 UTC", TEN),
        ("2024-05-17 10:00:00 +0000", TEN),
        ("2024-05-17 10:00:00.95665", TEN),
        ("Fri, 17 May 2024 10:00:00 UTC", TEN),
        ("Fri, 17 May 2024 10:00:00 GMT", TEN),
        ("Fri, 17 May 2024 12:00:00 +0200", TEN),
        ("1715940000", TEN),
        ("1715940000.0", TEN),
        ("1715940000000", TEN),
        ("05/17/2024 10:00 AM", TEN),
        ("17/05/2024 10:00", TEN),
        ("5/17/24 10:00:00", TEN),
        ("May 17, 2024 10:00 AM", TEN),
        ("May 17, 2024 at 10:00", None),
        ("17 May 2024 10:00:00", TEN),
        ("20240517T100000", TEN),
        ("17.05.2024", DAY),
        ("17.5.2024", DAY),
        ("17-05-2024", DAY),
        ("2024/05/17", DAY),
        ("2024-05-17", DAY),
        ("17 May 2024", DAY),
        ("17-May-2024", DAY),
        ("yesterday", None),
        ("2024-13-45", None),
        ("99/99/2024", None),
        ("ada@example.org", None),
        ("", None),
    ],
)
def test_a_date_is_read(text: str, at: datetime | None) -> None:
    assert instants_in(text) == ([] if at is None else [at])


def test_of_a_day_and_a_month_that_change_places_the_later_counts_that_is_not_to_come() -> None:
    both = instants_in("07/05/2024")

    assert both == [datetime(2024, 5, 7, tzinfo=UTC), datetime(2024, 7, 5, tzinfo=UTC)]
    assert the_later(both, datetime(2025, 1, 1, tzinfo=UTC), timedelta()) == both[1]
    assert the_later(both, datetime(2024, 6, 1, tzinfo=UTC), timedelta()) == both[0]
    assert the_later(both, datetime(2024, 1, 1, tzinfo=UTC), timedelta()) is None
    assert instants_in("7.5.2024") == [both[0]]


@given(st.text(max_size=40) | st.from_regex(r"[0-9./:+TZ -]{0,30}", fullmatch=True))
def test_any_text_is_some_instants_or_none(text: str) -> None:
    assert all(at.tzinfo is UTC for at in instants_in(text))
