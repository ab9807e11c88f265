"""When a wall time of a zone's own is, whatever its clocks do on that day (H2, H6)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.clock import WallTime, first_instant
from newsletter.delivery.freeze_request import Waves
from newsletter.delivery.waves import instant_of

EIGHT = time(8, 0)


def first_when(zone: str, day: date, at: time) -> WallTime:
    return first_instant(datetime.combine(day, at), ZoneInfo(zone))


CHANGING = (
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
)


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant"),
    [
        ("Asia/Kathmandu", date(2026, 11, 24), EIGHT, "2026-11-24T02:15"),
        ("Europe/Paris", date(2026, 3, 29), EIGHT, "2026-03-29T06:00"),
        ("Europe/Paris", date(2026, 10, 25), EIGHT, "2026-10-25T07:00"),
        ("Pacific/Kiritimati", date(2026, 11, 24), EIGHT, "2026-11-23T18:00"),
        ("Pacific/Pago_Pago", date(2026, 11, 24), EIGHT, "2026-11-24T19:00"),
    ],
)
def test_an_ordinary_time_is_what_the_clocks_of_its_zone_show(
    zone: str, day: date, at: time, instant: str
) -> None:
    found = first_when(zone, day, at)

    assert found.at == datetime.fromisoformat(f"{instant}+00:00")
    assert (found.gap, found.twice) == (None, False)


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant", "shown"),
    [
        ("Europe/Paris", date(2026, 3, 29), time(2, 30), "2026-03-29T01:00", "03:00"),
        ("Europe/Paris", date(2026, 3, 29), time(2, 0), "2026-03-29T01:00", "03:00"),
        ("America/New_York", date(2026, 3, 8), time(2, 30), "2026-03-08T07:00", "03:00"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 10), "2026-10-03T15:30", "02:30"),
        ("America/Sao_Paulo", date(2018, 11, 4), time(0, 0), "2018-11-04T03:00", "01:00"),
        ("Pacific/Apia", date(2011, 12, 30), EIGHT, "2011-12-30T10:00", "2011-12-31 00:00"),
    ],
)
def test_a_time_that_does_not_exist_is_the_first_instant_after_the_gap(
    zone: str, day: date, at: time, instant: str, shown: str
) -> None:
    found = first_when(zone, day, at)

    assert found.at == datetime.fromisoformat(f"{instant}+00:00")
    assert found.gap is not None
    assert f"{found.gap[1]:%Y-%m-%d %H:%M}".endswith(shown)


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant"),
    [
        ("Europe/Paris", date(2026, 10, 25), time(2, 30), "2026-10-25T00:30"),
        ("America/New_York", date(2026, 11, 1), time(1, 30), "2026-11-01T05:30"),
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), "2026-04-04T14:45"),
    ],
)
def test_a_time_that_comes_twice_is_the_first(zone: str, day: date, at: time, instant: str) -> None:
    found = first_when(zone, day, at)

    assert found.at == datetime.fromisoformat(f"{instant}+00:00")
    assert found.twice


@given(
    st.sampled_from(CHANGING),
    st.dates(date(2005, 1, 1), date(2037, 12, 30)),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_no_clock_of_the_zone_has_shown_the_time_before_that_instant(
    zone: str, day: date, at: time
) -> None:
    wall, place = datetime.combine(day, at), ZoneInfo(zone)

    found = first_when(zone, day, at).at

    def shows(instant: datetime) -> datetime:
        return instant.astimezone(place).replace(tzinfo=None)

    assert shows(found) >= wall
    earlier = (found - timedelta(minutes=minutes) for minutes in (1, 29, 31, 59, 61, 121, 1500))
    assert all(shows(instant) < wall for instant in earlier)


@pytest.mark.parametrize(
    "zone", [None, "", "Mars/Olympus_Mons", "../etc/passwd", "Europe", "PARIS"]
)
def test_a_reader_without_a_zone_or_with_none_we_know_takes_that_of_the_waves(
    zone: str | None,
) -> None:
    waves = Waves(date(2026, 11, 24), EIGHT, "Europe/Paris")

    assert instant_of(waves, zone) == datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
