"""Every IANA zone, any date, any wall time: one instant, and the right one (H2)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.schedule.recurrence import Recurrence

ZONES = sorted(available_timezones() - {"localtime"})
SECOND = timedelta(seconds=1)
HALF_HOUR = timedelta(minutes=30)


def local(at: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks of a zone show at an instant."""
    return at.astimezone(zone).replace(tzinfo=None)


def offsets_near(wall: datetime, zone: ZoneInfo) -> set[timedelta]:
    """Every offset a zone has within two days of a wall time, looked up from the side of UTC."""
    start = wall.replace(tzinfo=UTC) - timedelta(days=2)
    instants = (start + n * HALF_HOUR for n in range(4 * 48 + 1))
    return {offset for at in instants if (offset := at.astimezone(zone).utcoffset()) is not None}


def instants_of(wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """Every instant at which the clocks of a zone show a wall time."""
    candidates = {(wall - offset).replace(tzinfo=UTC) for offset in offsets_near(wall, zone)}
    return sorted(at for at in candidates if local(at, zone) == wall)


def days_with_a_change(zone: ZoneInfo, year: int) -> list[date]:
    """The local dates of a year around which the offset changes."""
    noon = datetime(year, 1, 1, 12, tzinfo=UTC)
    noons = [noon + timedelta(days=n) for n in range(367)]
    return [
        later.astimezone(zone).date()
        for earlier, later in pairwise(noons)
        if earlier.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset()
    ]


zones = st.sampled_from(ZONES)
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
dates = st.dates(date(1900, 1, 1), date(2099, 12, 31))


@st.composite
def mornings_of_change(draw: st.DrawFn) -> tuple[str, date]:
    name = draw(zones)
    year = draw(st.integers(1930, 2060))
    days = days_with_a_change(ZoneInfo(name), year)
    day = draw(st.sampled_from(days)) if days else date(year, 6, 1)
    return name, day + timedelta(days=draw(st.integers(-1, 1)))


def assert_rules_hold(name: str, day: date, wall_time: time) -> None:
    zone = ZoneInfo(name)
    wall = datetime.combine(day, wall_time)
    found = Recurrence(time=wall_time, timezone=name).on(day)
    there = instants_of(wall, zone)

    if there:
        assert found is not None
        assert found.at == there[0]
        assert (found.oddity is None) == (len(there) == 1)
    elif found is None:
        minutes = (datetime.combine(day, time(n // 60, n % 60)) for n in range(0, 1440, 15))
        assert not any(instants_of(minute, zone) for minute in minutes)
    else:
        assert local(found.at - SECOND, zone) < wall < local(found.at, zone)
        assert found.oddity is not None
        assert "does not exist" in found.oddity


@given(name=zones, day=dates, wall_time=times)
def test_any_date_of_any_zone(name: str, day: date, wall_time: time) -> None:
    assert_rules_hold(name, day, wall_time)


@settings(max_examples=150)
@given(morning=mornings_of_change(), wall_time=times)
def test_dates_on_which_clocks_are_changed(morning: tuple[str, date], wall_time: time) -> None:
    assert_rules_hold(*morning, wall_time)


@settings(max_examples=40)
@given(name=zones, start=dates, wall_time=times, cut=st.integers(0, 60 * 24 * 60))
def test_spans_lose_and_repeat_nothing_and_are_in_order(
    name: str, start: date, wall_time: time, cut: int
) -> None:
    recurrence = Recurrence(time=wall_time, timezone=name)
    begin = datetime.combine(start, time(12), UTC)
    middle, end = begin + timedelta(minutes=cut), begin + timedelta(days=60)

    whole = list(recurrence.occurrences(begin, end))
    parts = [*recurrence.occurrences(begin, middle), *recurrence.occurrences(middle, end)]

    assert parts == whole
    assert all(a.at < b.at and a.day < b.day for a, b in pairwise(whole))
    assert 59 <= len(whole) <= 61
