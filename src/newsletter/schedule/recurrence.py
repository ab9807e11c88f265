"""When a schedule is due: one instant for each local date it falls on (H1, H2). Pure.

What comes of an occurrence is in `editions`; how a schedule is stored, in `schedules`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo

from newsletter.clock import zone_of
from newsletter.schedule.cron import read_cron
from newsletter.schedule.mistakes import ScheduleError
from newsletter.schedule.model import Occurrence, Schedule
from newsletter.schedule.wall_time import occurrence_on

HORIZON = timedelta(days=9 * 366)
"""How far a next occurrence is looked for: 29 February may be eight years away."""
_MARGIN = 2
"""Dates beside a span of time that may still be in it: a zone may jump over a whole date."""


class Recurrence:
    """A wall time on some dates of a zone; at most one occurrence a local date."""

    def __init__(
        self,
        *,
        timezone: str,
        time: time | None = None,
        days: Sequence[int] = (),
        cron: str | None = None,
        zone: tzinfo | None = None,
    ) -> None:
        """Take a time with days (0 is Monday; none: every day), or a cron expression.

        `zone` are the rules to go by, when not those that `timezone` names now. Raises
        `ScheduleError` for a cron expression that cannot be read or fires several times a day.
        """
        self.timezone = timezone
        self._zone = zone or zone_of(timezone)
        self._falls_on: Callable[[date], bool]
        if cron is not None:
            read = read_cron(cron)
            self.wall_time, self._falls_on = read.time, read.falls_on
        elif time is not None:
            wanted = frozenset(days or range(7))
            self.wall_time = time
            self._falls_on = lambda day: day.weekday() in wanted
        else:
            raise ScheduleError("a schedule needs a time or a cron expression")

    def on(self, day: date) -> Occurrence | None:
        """Return the occurrence of one local date, None where there is none."""
        if not self._falls_on(day):
            return None
        return occurrence_on(day, self.wall_time, self._zone, self.timezone)

    def occurrences(self, after: datetime, until: datetime) -> Iterator[Occurrence]:
        """Yield what is due after an instant and up to another, inclusive, in order of time."""
        first = after.astimezone(self._zone).date().toordinal() - _MARGIN
        last = until.astimezone(self._zone).date().toordinal() + _MARGIN
        for ordinal in range(first, last + 1):
            found = self.on(date.fromordinal(ordinal))
            if found is not None and after < found.at <= until:
                yield found

    def next_after(self, after: datetime) -> Occurrence | None:
        """Return the first occurrence after an instant; None: none in the next nine years."""
        return next(self.occurrences(after, after + HORIZON), None)


def recurrence_of(schedule: Schedule) -> Recurrence:
    """Return when a stored schedule is due, skips and pauses not considered."""
    return Recurrence(
        timezone=schedule.timezone, time=schedule.time, days=schedule.days, cron=schedule.cron
    )
