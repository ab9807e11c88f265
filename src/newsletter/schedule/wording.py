"""The words of a schedule, read and written: times of day, days of week, durations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import time, timedelta

from newsletter.schedule.mistakes import ScheduleError, nearest
from newsletter.schedule.model import Schedule

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_NAMES = {
    f"{name}day": number
    for number, name in enumerate(("mon", "tues", "wednes", "thurs", "fri", "satur", "sun"))
}
_SETS: dict[str, tuple[int, ...]] = {
    "daily": (),
    "weekdays": (0, 1, 2, 3, 4),
    "weekends": (5, 6),
}
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def read_time(text: str) -> time:
    """Read a wall time HH:MM of 24 hours; raises `ScheduleError` for anything else."""
    match = re.fullmatch(r"\s*([01]?\d|2[0-3]):([0-5]\d)\s*", text)
    if match is None:
        raise ScheduleError(
            f"'{text}' is no time of day", fix="write HH:MM from 00:00 to 23:59, such as 07:30"
        )
    return time(int(match[1]), int(match[2]))


def read_days(text: str) -> tuple[int, ...]:
    """Read days of week, 0 is Monday: `mon,thu`, `weekdays`, `weekends`; empty for `daily`."""
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    if len(words) == 1 and words[0] in _SETS:
        return _SETS[words[0]]
    days = tuple(sorted({_day(word) for word in words}))
    if not days:
        raise ScheduleError("no day of the week is named", fix="write mon,tue or daily")
    return () if len(days) == len(DAY_NAMES) else days


def _day(word: str) -> int:
    if word in DAY_NAMES:
        return DAY_NAMES.index(word)
    if word in _LONG_NAMES:
        return _LONG_NAMES[word]
    meant = nearest(word, [*DAY_NAMES, *_LONG_NAMES, *_SETS])
    raise ScheduleError(
        f"'{word}' is no day of the week",
        fix=f"did you mean '{meant}'?" if meant else "write mon,tue,wed,… or daily or weekdays",
    )


def write_days(days: Sequence[int]) -> str:
    """Write days of week as the table keeps them; empty for every day."""
    return ",".join(DAY_NAMES[day] for day in days)


def write_duration(length: timedelta) -> str:
    """Write a duration as the settings read it: `30m`, `3h`."""
    seconds = int(length.total_seconds())
    for unit, size in _UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return "0s"


def when(schedule: Schedule) -> str:
    """Say when a schedule is due: `08:00 on weekdays`, or its cron expression."""
    if schedule.time is None:
        return f"cron {schedule.cron}"
    named = [name for name, days in _SETS.items() if days == schedule.days]
    days = named[0] if named else ", ".join(DAY_NAMES[day] for day in schedule.days)
    return (
        f"{schedule.time:%H:%M} {days}" if days == "daily" else f"{schedule.time:%H:%M} on {days}"
    )
