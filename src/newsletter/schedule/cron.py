"""Cron expressions that fire at most once a day: their time of day, and the dates they fall on.

APScheduler reads the fields. Here is only what it reads differently from cron, the days of week,
and what a schedule refuses because one edition a day is all it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.cron.fields import BaseField

from newsletter.schedule.mistakes import ScheduleError, nearest

_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
"""As cron counts them."""
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CronDays:
    """One time of day, and the dates it is for."""

    time: time
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Monday."""
    day_of_month: Any
    """APScheduler's field: only it knows how long a month is."""

    def falls_on(self, day: date) -> bool:
        """Return whether it fires on a date."""
        return (
            day.month in self.months
            and day.weekday() in self.weekdays
            and self.day_of_month.get_next_value(day) == day.day
        )


def read_cron(text: str) -> CronDays:
    """Read five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday).

    Raises `ScheduleError` for what cannot be read, for what fires several times a day, and where
    both kinds of days are given, for cron programs do not agree what that means.
    """
    parts = text.split()
    if len(parts) != 5:
        raise ScheduleError(
            f"cron '{text}' has {len(parts)} fields, expected 5",
            fix="minute, hour, day of month, month, day of week: '30 7 * * 1-5'",
        )
    try:
        weekdays = _weekdays(parts[4])
        trigger = CronTrigger.from_crontab(" ".join([*parts[:4], "*"]), timezone=UTC)
    except ValueError as error:
        raise ScheduleError(
            f"cron '{text}' cannot be read: {error}",
            fix="minute, hour, day of month, month, day of week: '30 7 * * 1-5'",
        ) from None
    fields = {field.name: field for field in trigger.fields}
    if parts[2] != "*" and len(weekdays) < 7:
        raise ScheduleError(
            f"cron '{text}' names days of the month and days of the week",
            fix="put * into one of the two: programs differ on whether both or either must hold",
        )
    hours = _values(fields["hour"], range(24))
    minutes = _values(fields["minute"], range(60))
    if len(hours) * len(minutes) != 1:
        raise ScheduleError(
            f"cron '{text}' fires {len(hours) * len(minutes)} times a day, "
            "but a schedule has one edition a day",
            fix="name one minute and one hour, and make a schedule for each time",
        )
    months = _values(fields["month"], range(1, 13))
    return CronDays(time(hours[0], minutes[0]), frozenset(months), weekdays, fields["day"])


def _values(field: Any, among: Iterable[int]) -> list[int]:
    """Return which values a field of APScheduler allows."""
    return [value for value in among if field.get_next_value(_showing(field.name, value)) == value]


def _showing(part: str, value: int) -> datetime:
    parts: dict[str, Any] = {part: value}
    return _SOME_DAY.replace(**parts)


def _weekdays(text: str) -> frozenset[int]:
    """Return the days of a field as cron counts them; APScheduler 3 counts from Monday (its #286).

    Its field of hours reads the text, for that one counts from 0 and has room for cron's 7.
    """
    numbers = re.sub(r"[a-z]+", _number, text.lower().replace("-sun", "-7"))
    named = [int(number) for number in re.findall(r"(?<![/\d])\d+", numbers)]
    if any(number > 7 for number in named):
        raise ValueError(f"days of the week are 0 to 7, not {max(named)}")
    last = 7 if 7 in named else 6
    days = _values(BaseField("hour", numbers), range(last + 1))
    return frozenset((day - 1) % 7 for day in days)


def _number(match: re.Match[str]) -> str:
    word = match[0]
    if word not in _NAMES:
        meant = nearest(word, _NAMES)
        raise ValueError(f"'{word}' is no day" + (f", did you mean '{meant}'?" if meant else ""))
    return str(_NAMES.index(word))
