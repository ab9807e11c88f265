"""Days a schedule leaves out, such as holidays (H8)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from newsletter.clock import zone_of
from newsletter.schedule.mistakes import ScheduleError
from newsletter.schedule.model import EditionStatus, Schedule
from newsletter.schedule.schedules import get_schedule
from newsletter.storage.audit import record_audit
from newsletter.storage.schedule_tables import editions, schedule_skips


def skip_day(
    connection: Connection,
    now: datetime,
    name: str,
    day: date,
    *,
    actor: str,
    note: str | None = None,
) -> Schedule:
    """Let a schedule leave out a date of its zone; again: with another note.

    Raises `ScheduleError` for a date that is past, and for one whose edition was fired.
    """
    found = get_schedule(connection, name)
    if day < today(found, now):
        raise ScheduleError(
            f"{day} is past in {found.timezone}", fix="name a date from today on, as 2026-12-25"
        )
    status, _ = _edition(connection, found, day)
    if status is EditionStatus.FIRED:
        raise ScheduleError(
            f"the edition of {day} of '{name}' was fired already",
            fix="to stop its campaign: newsletter campaigns list, newsletter campaigns pause ID",
        )
    kept = skipped_days(connection, found.id)
    if day not in kept:
        connection.execute(
            insert(schedule_skips).values(schedule_id=found.id, day=day.isoformat(), note=note)
        )
    elif kept[day] == note:
        return found
    else:
        connection.execute(update(schedule_skips).where(*_at(found, day)).values(note=note))
    _record(connection, now, "schedule.skip", found, day, actor=actor)
    return found


def unskip_day(
    connection: Connection, now: datetime, name: str, day: date, *, actor: str
) -> Schedule:
    """Let a schedule have a date again, if its time has not come and gone.

    Raises `ScheduleError` for a date that is not skipped, and for one that was left out already.
    """
    found = get_schedule(connection, name)
    kept = skipped_days(connection, found.id)
    if day not in kept:
        coming = sorted(str(other) for other in kept if other >= today(found, now))
        raise ScheduleError(
            f"{day} is not skipped in '{name}'",
            fix=f"skipped are {', '.join(coming[:5])}" if coming else "no date is skipped there",
        )
    status, due_at = _edition(connection, found, day)
    if status is EditionStatus.SKIPPED and due_at is not None and due_at <= now:
        raise ScheduleError(
            f"the edition of {day} of '{name}' was left out already",
            fix=f"to send it all the same: newsletter schedule run-now {name}",
        )
    connection.execute(delete(schedule_skips).where(*_at(found, day)))
    _record(connection, now, "schedule.unskip", found, day, actor=actor)
    return found


def skipped_days(connection: Connection, schedule_id: int) -> dict[date, str | None]:
    """Return the dates a schedule leaves out, in order, with what was noted of each."""
    rows = connection.execute(
        select(schedule_skips.c.day, schedule_skips.c.note)
        .where(schedule_skips.c.schedule_id == schedule_id)
        .order_by(schedule_skips.c.day)
    )
    return {date.fromisoformat(day): note for day, note in rows}


def today(schedule: Schedule, now: datetime) -> date:
    """Return which date it is in a schedule's zone."""
    return now.astimezone(zone_of(schedule.timezone)).date()


def _edition(
    connection: Connection, schedule: Schedule, day: date
) -> tuple[EditionStatus | None, datetime | None]:
    """Return where the edition of a date stands and when it is due, if there is one by now."""
    row = connection.execute(
        select(editions.c.status, editions.c.due_at).where(
            editions.c.schedule_id == schedule.id, editions.c.day == day.isoformat()
        )
    ).first()
    return (EditionStatus(row.status), row.due_at) if row is not None else (None, None)


def _at(schedule: Schedule, day: date) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        schedule_skips.c.schedule_id == schedule.id,
        schedule_skips.c.day == day.isoformat(),
    )


def _record(
    connection: Connection, now: datetime, action: str, schedule: Schedule, day: date, *, actor: str
) -> None:
    record_audit(
        connection,
        now,
        actor=actor,
        action=action,
        subject=f"schedule {schedule.name}",
        detail={"day": day.isoformat()},
    )
