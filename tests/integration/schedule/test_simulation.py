"""Some weeks of mornings around the days that clocks are turned; the year is `make simulate`."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.simulation.cast import CAST, all_zones
from tests.simulation.oracle import Fate
from tests.simulation.truth import WalkedZone
from tests.simulation.years import live_in_one_world

from newsletter.schedule.recurrence import Recurrence

YEAR = (datetime(2028, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC))

# With the leap day, a gap in each zone, and an approval; then with a time that comes twice.
SPRING = (("paris", "havana", "utc"), datetime(2028, 2, 27, tzinfo=UTC), 5, 11)
AUTUMN = (("troll", "chatham", "new-york"), datetime(2028, 9, 18, tzinfo=UTC), 7, 12)


@pytest.mark.heavy
@pytest.mark.parametrize(("names", "start", "weeks", "seed"), [SPRING, AUTUMN])
def test_each_edition_that_could_be_sent_had_one_campaign_and_each_missed_one_its_alert(
    names: tuple[str, ...], start: datetime, weeks: int, seed: int
) -> None:
    parts = tuple(part for part in CAST if part.name in names)

    verdict = live_in_one_world(parts, start, start + timedelta(weeks=weeks), seed=seed)

    assert verdict.faults == []
    assert all(line.fates[Fate.FIRED] > 10 for line in verdict.lines)
    assert sum(line.fates[Fate.MISSED] for line in verdict.lines) > 5
    assert any(line.oddities for line in verdict.lines)
    for what in ("crashes", "outages", "by hand", "clock set", "looks at once"):
        assert verdict.happened[what], f"nothing was seen of '{what}': take another seed"


def test_a_year_of_instants_is_the_same_as_by_walking_through_each_zone_that_turns() -> None:
    told, true = {}, {}
    for part in all_zones(*YEAR):
        recurrence = Recurrence(
            timezone=part.zone,
            time=None if part.cron else part.at,
            days=part.days,
            cron=part.cron,
        )
        dues = part.editions(*YEAR, WalkedZone(part.zone, *YEAR))
        true[part.name] = [(due.day, due.at, bool(due.oddity)) for due in dues]
        told[part.name] = [
            (one.day, one.at, one.oddity is not None) for one in recurrence.occurrences(*YEAR)
        ]

    assert told == true


def test_each_half_hour_around_each_change_of_clocks_comes_when_the_walk_says() -> None:
    differences = []
    zones = {part.zone: WalkedZone(part.zone, *YEAR) for part in all_zones(*YEAR)}
    for zone, walked in zones.items():
        for change in walked.changes:
            turned = change.astimezone(ZoneInfo(zone)).date()
            for day in (turned - timedelta(days=1), turned, turned + timedelta(days=1)):
                for wall in (time(hour, minute) for hour in range(24) for minute in (0, 30)):
                    due = walked.due(day, wall)
                    found = Recurrence(timezone=zone, time=wall).on(day)
                    if found is None or found.at != due.at:
                        differences.append((zone, day, wall, due, found))

    assert len(zones) > 30
    assert differences == []


@pytest.mark.parametrize(
    ("zone", "day", "wall", "instant", "oddity"),
    [
        ("Europe/Paris", date(2026, 3, 29), time(2, 30), "2026-03-29T01:00", "gap"),
        ("Europe/Paris", date(2026, 10, 25), time(2, 30), "2026-10-25T00:30", "twice"),
        ("Australia/Lord_Howe", date(2028, 10, 1), time(2, 15), "2028-09-30T15:30", "gap"),
        ("Asia/Kolkata", date(2028, 2, 29), time(8, 0), "2028-02-29T02:30", ""),
    ],
)
def test_the_walk_itself_is_right_where_an_almanac_can_say_so(
    zone: str, day: date, wall: time, instant: str, oddity: str
) -> None:
    at = datetime.fromisoformat(instant).replace(tzinfo=UTC)

    due = WalkedZone(zone, at - timedelta(days=9), at + timedelta(days=9)).due(day, wall)

    assert (due.at, due.oddity) == (at, oddity)
