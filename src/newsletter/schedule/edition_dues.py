"""When editions are due: the days of a schedule with their instants, those of waves included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection

from newsletter.audience.segments import get_segment
from newsletter.delivery.freeze_request import Waves
from newsletter.delivery.waves import earliest_wave
from newsletter.errors import AudienceError
from newsletter.schedule.edition_plan import LOOK_BACK, Due, ahead
from newsletter.schedule.model import Occurrence, Schedule
from newsletter.schedule.recurrence import recurrence_of

Occurrences = Callable[[Schedule, datetime, datetime], Iterable[Occurrence]]
"""What is due after an instant and up to another, inclusive, in order of time."""

_WAVES_HOLD = timedelta(minutes=15)
"""How long the first reader's instant is believed: to find it walks through the list."""
_A_DAY = timedelta(days=1)
_FARTHEST_ZONE = timedelta(hours=15)
_NEXT = timedelta(days=8)


def occurrences_of(schedule: Schedule, after: datetime, until: datetime) -> Iterator[Occurrence]:
    """Yield when a schedule is due, by its own recurrence."""
    return recurrence_of(schedule).occurrences(after, until)


def waves_of(schedule: Schedule, day: date) -> Waves | None:
    """Return the wall time of each reader's own zone, where a schedule goes by it (H6)."""
    if not schedule.by_reader:
        return None
    return Waves(day, recurrence_of(schedule).wall_time, schedule.timezone)


class Dues:
    """Says when the days of schedules are due."""

    def __init__(self, occurrences: Occurrences) -> None:
        self._occurrences = occurrences
        self._first: dict[tuple[Schedule, date], tuple[datetime, datetime]] = {}

    def coming(
        self, connection: Connection, schedule: Schedule, after: date | None, now: datetime
    ) -> list[Due]:
        """Return the days of a schedule that need an edition by now and come after a day."""
        start = max(schedule.since, now - LOOK_BACK)
        if after is not None:
            start = max(start, _midnight(after) - _FARTHEST_ZONE)
        found = self._occurrences(schedule, start, now + ahead(schedule))
        return [
            self._due(connection, schedule, occurrence, now)
            for occurrence in found
            if after is None or occurrence.day > after
        ]

    def on(
        self, connection: Connection, schedule: Schedule, day: date, now: datetime
    ) -> Due | None:
        """Return one day of a schedule; None where it is not due on it, or was before `since`."""
        start = max(schedule.since, _midnight(day) - _FARTHEST_ZONE)
        found = self._occurrences(schedule, start, _midnight(day) + _A_DAY + _FARTHEST_ZONE)
        for occurrence in found:
            if occurrence.day == day:
                return self._due(connection, schedule, occurrence, now)
        return None

    def next_look(self, schedule: Schedule, now: datetime) -> datetime | None:
        """Return when the next edition of a schedule has to be made; None: not within a week."""
        if schedule.paused:
            return None
        start = max(schedule.since, now + ahead(schedule))
        for occurrence in self._occurrences(schedule, start, start + _NEXT):
            return occurrence.at - ahead(schedule)
        return None

    def _due(
        self, connection: Connection, schedule: Schedule, occurrence: Occurrence, now: datetime
    ) -> Due:
        at = occurrence.at
        waves = waves_of(schedule, occurrence.day)
        if waves is None:
            return Due(occurrence.day, at, at)
        key = (schedule, occurrence.day)
        known = self._first.get(key)
        if known is None or not now - _WAVES_HOLD <= known[1] <= now:
            self._first = {
                other: found
                for other, found in self._first.items()
                if other[1] >= occurrence.day - 2 * _A_DAY
            }
            first = _first_wave(connection, schedule, waves, now)
            known = self._first[key] = (first if first is not None else at, now)
        return Due(occurrence.day, known[0], max(known[0], at))


def _first_wave(
    connection: Connection, schedule: Schedule, waves: Waves, now: datetime
) -> datetime | None:
    try:
        segment = get_segment(connection, schedule.segment) if schedule.segment else None
    except AudienceError:
        return None  # told of when its time comes
    return earliest_wave(connection, schedule.list_id, waves, segment, now)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), tzinfo=UTC)
