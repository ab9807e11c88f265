"""When a schedule is due: named mornings of real zones, cron, and quickness (H1, H2)."""

from __future__ import annotations

import io
import time as stopwatch
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from newsletter.schedule.mistakes import ScheduleError
from newsletter.schedule.model import Occurrence
from newsletter.schedule.recurrence import Recurrence

WEEK = "2026-11-23"  # a Monday


def daily(wall: str, zone: str) -> Recurrence:
    return Recurrence(time=time.fromisoformat(wall), timezone=zone)


def on(wall: str, zone: str, day: str) -> Occurrence | None:
    return daily(wall, zone).on(date.fromisoformat(day))


def week_of(recurrence: Recurrence) -> list[str]:
    """The days of one week in UTC on which it is due."""
    monday = datetime.fromisoformat(WEEK).replace(tzinfo=UTC)
    until = monday + timedelta(days=7, seconds=-1)
    return [f"{found.day:%a}" for found in recurrence.occurrences(monday, until)]


def tz_rules(rule: str) -> ZoneInfo:
    """A zone with rules of our own (RFC 8536: no changes listed, only the rule at the end)."""
    header = b"TZif2" + bytes(15) + (b"\0\0\0\0" * 4 + b"\0\0\0\1" + b"\0\0\0\4")
    body = bytes(6) + b"UTC\0"
    return ZoneInfo.from_file(io.BytesIO((header + body) * 2 + f"\n{rule}\n".encode()))


@pytest.mark.parametrize(
    ("wall", "zone", "day", "instant"),
    [
        ("08:00", "Europe/Paris", "2026-03-28", "2026-03-28T07:00"),
        ("08:00", "Europe/Paris", "2026-03-29", "2026-03-29T06:00"),
        # Spring forward: the first instant after the gap.
        ("02:00", "Europe/Paris", "2026-03-29", "2026-03-29T01:00"),
        ("02:30", "Europe/Paris", "2026-03-29", "2026-03-29T01:00"),
        ("02:59", "Europe/Paris", "2026-03-29", "2026-03-29T01:00"),
        ("03:00", "Europe/Paris", "2026-03-29", "2026-03-29T01:00"),
        ("01:59", "Europe/Paris", "2026-03-29", "2026-03-29T00:59"),
        # Fall back: the first of the two.
        ("02:30", "Europe/Paris", "2026-10-25", "2026-10-25T00:30"),
        ("03:00", "Europe/Paris", "2026-10-25", "2026-10-25T02:00"),
        ("02:30", "America/New_York", "2026-03-08", "2026-03-08T07:00"),
        ("01:30", "America/New_York", "2026-11-01", "2026-11-01T05:30"),
        # Half an hour.
        ("02:10", "Australia/Lord_Howe", "2026-10-04", "2026-10-03T15:30"),
        ("02:30", "Australia/Lord_Howe", "2026-10-04", "2026-10-03T15:30"),
        ("01:45", "Australia/Lord_Howe", "2026-04-05", "2026-04-04T14:45"),
        # One minute past midnight, until 2011.
        ("00:00", "America/St_Johns", "2007-03-11", "2007-03-11T03:30"),
        ("00:30", "America/St_Johns", "2007-03-11", "2007-03-11T03:31"),
        ("23:30", "America/St_Johns", "2007-11-03", "2007-11-04T02:00"),
        # Two hours at once, in 1988.
        ("01:30", "America/St_Johns", "1988-04-03", "1988-04-03T03:31"),
        # No midnight on the first day of summer time.
        ("00:00", "Africa/Cairo", "2026-04-24", "2026-04-23T22:00"),
        # The gap ends with the date: the edition keeps its date, the instant is the next one's.
        ("23:30", "America/Nuuk", "2026-03-28", "2026-03-29T01:00"),
        # Ramadan: an hour back, then forward.
        ("02:30", "Africa/Casablanca", "2026-02-15", "2026-02-15T01:30"),
        ("02:30", "Africa/Casablanca", "2026-03-22", "2026-03-22T02:00"),
        # Over the date line: the date before and the date after.
        ("08:00", "Pacific/Apia", "2011-12-29", "2011-12-29T18:00"),
        ("08:00", "Pacific/Apia", "2011-12-31", "2011-12-30T18:00"),
    ],
)
def test_a_wall_time_is_one_instant(wall: str, zone: str, day: str, instant: str) -> None:
    found = on(wall, zone, day)

    assert found is not None
    assert found.day == date.fromisoformat(day)
    assert found.at == datetime.fromisoformat(instant).replace(tzinfo=UTC)


@pytest.mark.parametrize("wall", ["00:00", "08:00", "23:59"])
def test_a_date_that_does_not_exist_has_no_occurrence(wall: str) -> None:
    recurrence = daily(wall, "Pacific/Apia")
    around = recurrence.occurrences(
        datetime(2011, 12, 28, 12, tzinfo=UTC), datetime(2012, 1, 2, 9, tzinfo=UTC)
    )

    days = [str(found.day) for found in around]

    assert recurrence.on(date(2011, 12, 30)) is None
    assert "2011-12-30" not in days
    assert {"2011-12-29", "2011-12-31", "2012-01-01"} <= set(days)


@pytest.mark.parametrize(
    ("wall", "zone", "day", "sentence"),
    [
        ("08:00", "Europe/Paris", "2026-03-29", None),
        ("03:00", "Europe/Paris", "2026-03-29", None),
        (
            "02:30",
            "Europe/Paris",
            "2026-03-29",
            "02:30 does not exist on 2026-03-29 in Europe/Paris: "
            "it fires at 03:00, the first instant after the gap",
        ),
        (
            "02:30",
            "Europe/Paris",
            "2026-10-25",
            "02:30 exists twice on 2026-10-25 in Europe/Paris: "
            "it fires once, at the first (UTC+02:00)",
        ),
        (
            "23:30",
            "America/Nuuk",
            "2026-03-28",
            "23:30 does not exist on 2026-03-28 in America/Nuuk: "
            "it fires at 00:00 on 2026-03-29, the first instant after the gap",
        ),
        (
            "01:30",
            "Europe/London",
            "2026-10-25",
            "01:30 exists twice on 2026-10-25 in Europe/London: "
            "it fires once, at the first (UTC+01:00)",
        ),
        (
            "01:30",
            "Atlantic/Azores",
            "2026-10-25",
            None,
        ),
        (
            "00:30",
            "Atlantic/Azores",
            "2026-10-25",
            "00:30 exists twice on 2026-10-25 in Atlantic/Azores: "
            "it fires once, at the first (UTC+00:00)",
        ),
    ],
)
def test_what_is_odd_is_said_in_a_sentence(
    wall: str, zone: str, day: str, sentence: str | None
) -> None:
    found = on(wall, zone, day)

    assert found is not None
    assert found.oddity == sentence


def test_a_span_leaves_out_its_beginning_and_has_its_end() -> None:
    recurrence = daily("08:00", "UTC")
    eight = datetime(2026, 11, 24, 8, tzinfo=UTC)

    at_the_end = list(recurrence.occurrences(eight - timedelta(seconds=1), eight))
    at_the_beginning = list(recurrence.occurrences(eight, eight + timedelta(hours=23)))

    assert [found.day for found in at_the_end] == [date(2026, 11, 24)]
    assert at_the_beginning == []
    following = recurrence.next_after(eight)
    assert following is not None
    assert following.day == date(2026, 11, 25)


def test_days_of_the_week_are_those_of_the_zone_and_not_of_utc() -> None:
    recurrence = Recurrence(time=time(8), days=(0, 4), timezone="Pacific/Auckland")

    found = list(
        recurrence.occurrences(
            datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 29, tzinfo=UTC)
        )
    )

    assert [f"{item.day:%a} {item.at:%a %H:%M}" for item in found] == [
        "Mon Sun 19:00",
        "Fri Thu 19:00",
    ]


def test_new_rules_of_a_zone_move_the_instant_and_never_the_day() -> None:
    old = tz_rules("CET-1CEST,M3.5.0,M10.5.0/3")
    new = tz_rules("CEST-2")
    span = (datetime(2026, 10, 1, tzinfo=UTC), datetime(2027, 4, 1, 12, tzinfo=UTC))

    before, after = (
        list(Recurrence(time=time(2, 30), timezone="Our/Zone", zone=rules).occurrences(*span))
        for rules in (old, new)
    )

    assert [found.day for found in before] == [found.day for found in after]
    moved = [b.day for b, a in zip(before, after, strict=True) if b.at != a.at]
    assert (moved[0], moved[-1]) == (date(2026, 10, 26), date(2027, 3, 28))


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("0 8 * * *", "Mon Tue Wed Thu Fri Sat Sun"),
        # Cron's numbers, not APScheduler's: Sunday is 0, and 7.
        ("0 8 * * 1-5", "Mon Tue Wed Thu Fri"),
        ("0 8 * * 0", "Sun"),
        ("0 8 * * 7", "Sun"),
        ("0 8 * * 5-7", "Fri Sat Sun"),
        ("0 8 * * 0-2", "Mon Tue Sun"),
        ("0 8 * * */2", "Tue Thu Sat Sun"),
        ("0 8 * * mon,Wed-FRI", "Mon Wed Thu Fri"),
        ("0 8 * * fri-sun", "Fri Sat Sun"),
        ("0 8 * * 1-5/2", "Mon Wed Fri"),
        ("0 8 24,26-27 11 *", "Tue Thu Fri"),
        ("0 8 * 12 *", ""),
    ],
)
def test_cron_means_the_days_that_cron_means(cron: str, days: str) -> None:
    recurrence = Recurrence(cron=cron, timezone="UTC")

    assert week_of(recurrence) == days.split()
    assert recurrence.wall_time == time(8)


def test_cron_knows_the_length_of_months_and_leap_years() -> None:
    last = Recurrence(cron="5 6 last * *", timezone="UTC")
    leap = Recurrence(cron="5 6 29 2 *", timezone="UTC")

    ends = [
        f"{found.day:%m-%d}"
        for found in last.occurrences(
            datetime(2027, 12, 31, 12, tzinfo=UTC), datetime(2028, 4, 1, tzinfo=UTC)
        )
    ]
    following = leap.next_after(datetime(2096, 3, 1, tzinfo=UTC))

    assert ends == ["01-31", "02-29", "03-31"]
    assert following is not None
    assert following.day == date(2104, 2, 29)


def test_cron_follows_the_rules_of_daylight_saving_too() -> None:
    found = Recurrence(cron="30 2 * * sun", timezone="Europe/Paris").on(date(2026, 3, 29))

    assert found is not None
    assert found.at == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert found.oddity is not None


@pytest.mark.parametrize(
    ("cron", "problem"),
    [
        ("0 8,17 * * *", "cron '0 8,17 * * *' fires 2 times a day"),
        ("*/15 8 * * *", "fires 4 times a day"),
        ("* * * * *", "fires 1440 times a day"),
        ("0 8 * *", "has 4 fields, expected 5"),
        ("@daily", "has 1 fields, expected 5"),
        ("0 8 1 * mon", "names days of the month and days of the week"),
        ("0 8 * * 8", "days of the week are 0 to 7, not 8"),
        ("0 8 * * mo", "'mo' is no day, did you mean 'mon'?"),
        ("0 25 * * *", "cannot be read"),
        ("0 8 * * fri-mon", "cannot be read"),
        ("0 8 * foo *", "cannot be read"),
        ("0 8 ? * *", "cannot be read"),
        ("", "has 0 fields"),
    ],
)
def test_a_wrong_cron_expression_is_refused_plainly(cron: str, problem: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        Recurrence(cron=cron, timezone="UTC")

    assert problem in caught.value.problem
    assert caught.value.fix


@pytest.mark.parametrize(
    "recurrence",
    [daily("02:30", "Europe/Paris"), Recurrence(cron="30 2 * * *", timezone="Africa/Casablanca")],
)
def test_a_year_takes_less_than_a_twentieth_of_a_second(recurrence: Recurrence) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    tries = []
    for _ in range(5):
        begun = stopwatch.thread_time()
        found = list(recurrence.occurrences(start, start + timedelta(days=365)))
        tries.append(stopwatch.thread_time() - begun)

    assert len(found) == 365
    assert min(tries) < 0.05


def test_what_never_comes_is_none_and_found_out_quickly() -> None:
    begun = stopwatch.thread_time()

    found = Recurrence(cron="0 8 30 2 *", timezone="UTC").next_after(datetime.now(UTC))

    assert found is None
    assert stopwatch.thread_time() - begun < 0.5
