"""What schedules have before them, for people who look ahead: dates, skips and what is odd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from sqlalchemy import Connection, select

from newsletter.clock import zone_of
from newsletter.errors import ConfigurationError
from newsletter.schedule.model import EditionStatus, Occurrence, Schedule
from newsletter.schedule.recurrence import HORIZON, recurrence_of
from newsletter.schedule.skips import skipped_days
from newsletter.storage.schedule_tables import editions


@dataclass(frozen=True, slots=True)
class Upcoming:
    """One date that a schedule has before it; with its edition's status, if it has one by now."""

    schedule: Schedule
    occurrence: Occurrence
    skipped: bool
    note: str | None
    edition: EditionStatus | None


def upcoming(
    connection: Connection, schedules: Sequence[Schedule], now: datetime, count: int
) -> list[Upcoming]:
    """Return the next `count` dates of schedules taken together; skipped ones are among them.

    A schedule that cannot be planned has none, and takes no other's.
    """
    found = [
        item
        for schedule in schedules
        if not schedule.paused and why_unplannable(schedule) is None
        for item in islice(_of_one(connection, schedule, now), count)
    ]
    return sorted(found, key=lambda item: (item.occurrence.at, item.schedule.name))[:count]


def why_unplannable(schedule: Schedule) -> str | None:
    """Return why a schedule has no dates at all, or None: its zone may be gone from the database
    of zones since it was added, by a renewed `tzdata` or a restore."""
    try:
        zone_of(schedule.timezone)
    except ConfigurationError as error:
        return error.problem
    return None


def _of_one(connection: Connection, schedule: Schedule, now: datetime) -> Iterator[Upcoming]:
    skips = skipped_days(connection, schedule.id)
    known = _known_editions(connection, schedule, now)
    for occurrence in recurrence_of(schedule).occurrences(now, now + HORIZON):
        day = occurrence.day
        yield Upcoming(schedule, occurrence, day in skips, skips.get(day), known.get(day))


def _known_editions(
    connection: Connection, schedule: Schedule, now: datetime
) -> dict[date, EditionStatus]:
    rows = connection.execute(
        select(editions.c.day, editions.c.status).where(
            editions.c.schedule_id == schedule.id, editions.c.due_at > now
        )
    )
    return {date.fromisoformat(day): EditionStatus(status) for day, status in rows}
