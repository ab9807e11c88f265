"""Editions as rows: made once for each schedule and day, moved only from where they were seen.

Which moves there are is in `model`; who decides about them, in `keeping`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from newsletter.errors import DeliveryError
from newsletter.schedule.mistakes import ScheduleError
from newsletter.schedule.model import EDITION_MOVES, OPEN, Edition, EditionStatus
from newsletter.storage.database import insert_for
from newsletter.storage.schedule_tables import editions, schedules
from newsletter.storage.tables import campaigns


class Overtaken(DeliveryError):  # noqa: N818 - a fact, and mostly a harmless one
    """Somebody else has moved the edition, or changed its schedule, since it was looked at."""

    def __init__(self) -> None:
        super().__init__(
            "the edition was changed by somebody else just now", fix="look again, then decide anew"
        )


_SELECT = (
    select(
        editions,
        schedules.c.name.label("schedule"),
        schedules.c.list_id,
        campaigns.c.id.label("campaign"),
    )
    .join(schedules, schedules.c.id == editions.c.schedule_id)
    .outerjoin(campaigns, campaigns.c.edition_id == editions.c.id)
)


def edition_of(row: Row[*tuple[Any, ...]]) -> Edition:
    """Return an edition from a row of the tables it is kept in."""
    return Edition(
        id=row.id,
        schedule_id=row.schedule_id,
        schedule=row.schedule,
        list_id=row.list_id,
        day=date.fromisoformat(row.day),
        due_at=row.due_at,
        deadline_at=row.deadline_at,
        status=EditionStatus(row.status),
        reason=row.reason,
        digest_slug=row.digest_slug,
        content_hash=row.content_hash,
        asked_at=row.asked_at,
        decided_at=row.decided_at,
        decided_by=row.decided_by,
        campaign=row.campaign,
        updated_at=row.updated_at,
    )


def get_edition(connection: Connection, edition: int) -> Edition:
    """Return one edition; raises `ScheduleError` when there is none with this number."""
    row = connection.execute(_SELECT.where(editions.c.id == edition)).first()
    if row is None:
        raise ScheduleError(
            f"there is no edition {edition}", fix="newsletter schedule editions shows them all"
        )
    return edition_of(row)


def find_edition(connection: Connection, schedule_id: int, day: date) -> Edition | None:
    """Return the edition of a schedule's day; None: it was not made yet."""
    row = connection.execute(
        _SELECT.where(editions.c.schedule_id == schedule_id, editions.c.day == day.isoformat())
    ).first()
    return edition_of(row) if row is not None else None


def list_editions(
    connection: Connection,
    *,
    schedule_id: int | None = None,
    statuses: Collection[EditionStatus] = (),
    since: date | None = None,
    limit: int | None = None,
) -> list[Edition]:
    """Return editions, the newest day first; of all schedules and in any state unless told."""
    query = _SELECT.order_by(editions.c.day.desc(), editions.c.due_at.desc(), editions.c.id.desc())
    if schedule_id is not None:
        query = query.where(editions.c.schedule_id == schedule_id)
    if statuses:
        query = query.where(editions.c.status.in_([status.value for status in statuses]))
    if since is not None:
        query = query.where(editions.c.day >= since.isoformat())
    return [edition_of(row) for row in connection.execute(query.limit(limit))]


def open_editions(connection: Connection) -> list[Edition]:
    """Return the editions in which something may still happen, those that are due first first."""
    found = list_editions(connection, statuses=OPEN)
    return sorted(found, key=lambda edition: (edition.due_at, edition.id))


def newest_past_day(connection: Connection, schedule_id: int, now: datetime) -> date | None:
    """Return the last day whose edition is due by now: earlier ones need no edition any more."""
    day = connection.execute(
        select(func.max(editions.c.day)).where(
            editions.c.schedule_id == schedule_id, editions.c.due_at <= now
        )
    ).scalar()
    return date.fromisoformat(day) if day is not None else None


def make_edition(
    connection: Connection,
    schedule_id: int,
    day: date,
    now: datetime,
    *,
    due_at: datetime,
    deadline_at: datetime,
    status: EditionStatus,
    reason: str | None = None,
    decided_by: str | None = None,
) -> int | None:
    """Make the edition of a schedule's day; None: there is one already (H1, H9)."""
    made: int | None = connection.execute(
        insert_for(connection)(editions)
        .values(
            schedule_id=schedule_id,
            day=day.isoformat(),
            due_at=due_at,
            deadline_at=deadline_at,
            status=status.value,
            reason=reason,
            decided_at=now if decided_by is not None else None,
            decided_by=decided_by,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(index_elements=("schedule_id", "day"))
        .returning(editions.c.id)
    ).scalar()
    return made


def lock_edition(connection: Connection, edition: int) -> Edition:
    """Return an edition that nobody else moves until the caller's transaction ends.

    Lock: the edition's row; on SQLite the write transaction's own.
    """
    connection.execute(select(editions.c.id).where(editions.c.id == edition).with_for_update())
    return get_edition(connection, edition)


def move_edition(
    connection: Connection, seen: Edition, status: EditionStatus, now: datetime, **values: Any
) -> None:
    """Write an edition's state, and what else is given, in the caller's transaction.

    Raises `Overtaken` when it is not as it was seen, `ScheduleError` for a move that is none.
    """
    if status is not seen.status and status not in EDITION_MOVES.get(seen.status, ()):
        raise ScheduleError(f"an edition that is {seen.status} does not become {status}")
    # Its campaign may have been written in this very transaction.
    if replace(lock_edition(connection, seen.id), campaign=seen.campaign) != seen:
        raise Overtaken
    connection.execute(
        update(editions)
        .where(editions.c.id == seen.id)
        .values(status=status.value, updated_at=now, **values)
    )
