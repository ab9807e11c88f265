"""Who takes part: schedules in zones of all kinds, at times that are not kind to clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from tests.simulation.truth import Due, WalkedZone, zones_that_turn


def every_day(_day: date) -> bool:
    """On each date."""
    return True


def on_weekdays(*wanted: int) -> Callable[[date], bool]:
    """On days of the week; 0 is Monday."""
    return lambda day: day.weekday() in wanted


@dataclass(frozen=True, slots=True)
class Part:
    """One schedule: what the program is told, and (`falls_on`) what is meant by it."""

    name: str
    zone: str
    at: time
    falls_on: Callable[[date], bool] = every_day
    days: tuple[int, ...] = ()
    cron: str | None = None
    approval: bool = False
    lead: timedelta = timedelta(0)
    grace: timedelta = timedelta(hours=3)
    deadline: timedelta = timedelta(hours=3)

    def editions(self, start: datetime, end: datetime, walked: WalkedZone) -> list[Due]:
        """Return what is due after a start and up to an end, by the truth and not the program."""
        first, days = start.date() - timedelta(days=2), (end - start).days + 4
        dates = [first + timedelta(days=n) for n in range(days)]
        due = [walked.due(day, self.at) for day in dates if self.falls_on(day)]
        return [one for one in due if start < one.at <= end]


HOURS = timedelta(hours=1)

CAST = (
    Part("paris", "Europe/Paris", time(2, 30)),
    Part("new-york", "America/New_York", time(2, 30)),
    Part("lord-howe", "Australia/Lord_Howe", time(2, 15)),
    Part("chatham", "Pacific/Chatham", time(3, 0)),
    Part("apia", "Pacific/Apia", time(0, 0)),
    Part("casablanca", "Africa/Casablanca", time(2, 30)),
    Part("santiago", "America/Santiago", time(0, 0)),
    Part("santiago-eve", "America/Santiago", time(23, 30)),
    Part("cairo", "Africa/Cairo", time(0, 15)),
    Part("havana", "America/Havana", time(0, 0), grace=HOURS, deadline=4 * HOURS),
    Part("troll", "Antarctica/Troll", time(1, 59), grace=4 * HOURS, deadline=2 * HOURS),
    Part("tehran", "Asia/Tehran", time(23, 59)),
    Part("utc", "UTC", time(8, 0), approval=True, lead=2 * HOURS),
    Part("kolkata", "Asia/Kolkata", time(8, 0), on_weekdays(0, 1, 2, 3, 4), (0, 1, 2, 3, 4)),
    Part("st-johns", "America/St_Johns", time(8, 0), on_weekdays(0, 2, 4), (0, 2, 4)),
    Part("jerusalem", "Asia/Jerusalem", time(2, 30), on_weekdays(4, 6), cron="30 2 * * fri,sun"),
    Part("nuuk", "America/Nuuk", time(23, 30), on_weekdays(5), cron="30 23 * * 6"),
    Part("leap", "Europe/Dublin", time(1, 30), lambda d: d.day in (1, 29), cron="30 1 1,29 * *"),
)


def all_zones(start: datetime, end: datetime) -> tuple[Part, ...]:
    """Return the cast and one more for each other way in which clocks are turned."""
    known = {part.zone for part in CAST}
    others = [zone for zone in zones_that_turn(start, end, known) if zone not in known]
    named = ((zone, zone.lower().replace("/", "-").replace("_", "-")) for zone in others)
    # Clocks are turned between Thursday and Monday.
    days = (0, 4, 5, 6)
    return (
        *CAST,
        *(Part(name, zone, time(2, 30), on_weekdays(*days), days) for zone, name in named),
    )
