"""Schedules as rows: added, listed, changed, paused, removed, each change with its audit row.

When they are due is in `recurrence`, days they leave out in `skips`, what came of them in
`editions`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any, Unpack

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from newsletter.audience.lists import get_list
from newsletter.schedule.mistakes import ScheduleError, nearest
from newsletter.schedule.model import DigestRule, Schedule
from newsletter.schedule.recurrence import recurrence_of
from newsletter.schedule.terms import USUAL_TERMS, ScheduleWords, checked_terms
from newsletter.schedule.wording import DAY_NAMES
from newsletter.storage.audit import record_audit
from newsletter.storage.schedule_tables import editions, schedule_skips, schedules
from newsletter.storage.tables import lists

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_WHEN = ("time", "days", "cron", "timezone", "by_reader")
"""What moves the instants of a schedule."""


def add_schedule(
    connection: Connection,
    now: datetime,
    *,
    name: str,
    list_name: str,
    actor: str,
    default_zone: str = "UTC",
    **words: Unpack[ScheduleWords],
) -> Schedule:
    """Add a schedule for a list; it is concerned with nothing that was due up to now.

    Its zone, where none is said, is the list's, else `default_zone`. Raises `ScheduleError` for a
    name that exists or is none and for wrong words, `AudienceError` for an unknown list or segment.
    """
    if not _NAME.fullmatch(name):
        raise ScheduleError(
            f"'{name}' is no name for a schedule",
            fix="use small letters, digits and hyphens: morning",
        )
    if connection.execute(select(schedules.c.id).where(schedules.c.name == name)).first():
        raise ScheduleError(
            f"schedule '{name}' exists already", fix=f"newsletter schedule update {name}"
        )
    mailing_list = get_list(connection, list_name)
    usual = {**USUAL_TERMS, "timezone": mailing_list.timezone or default_zone}
    values = checked_terms(connection, usual, words)
    connection.execute(
        insert(schedules).values(
            name=name,
            list_id=mailing_list.id,
            paused=False,
            since=now,
            created_at=now,
            updated_at=now,
            **values,
        )
    )
    made = get_schedule(connection, name)
    _refuse_never(made, now)
    _record(connection, now, "schedule.add", name, actor=actor, list=list_name, **values)
    return made


def update_schedule(
    connection: Connection,
    now: datetime,
    name: str,
    *,
    actor: str,
    **words: Unpack[ScheduleWords],
) -> Schedule:
    """Change what is said of a schedule, and leave the rest.

    With another time, day or zone it starts anew: what the new words would have had due before now
    is not made up for. A time takes the place of a cron expression, and the other way round.
    Raises as `add_schedule` does.
    """
    before = _row(connection, name)
    current = {column: before[column] for column in USUAL_TERMS}
    values = checked_terms(connection, current, words)
    changed = {key: value for key, value in values.items() if current[key] != value}
    if not changed:
        return _schedule(before)
    if any(key in changed for key in _WHEN):
        values["since"] = now
    connection.execute(
        update(schedules).where(schedules.c.id == before["id"]).values(updated_at=now, **values)
    )
    made = get_schedule(connection, name)
    _refuse_never(made, now)
    _record(
        connection,
        now,
        "schedule.update",
        name,
        actor=actor,
        changed=changed,
        before={key: current[key] for key in changed},
    )
    return made


def remove_schedule(connection: Connection, now: datetime, name: str, *, actor: str) -> Schedule:
    """Forget a schedule that never had an edition; with one it is history, and can be paused."""
    # FOR UPDATE: PostgreSQL lets nobody add an edition between the count and the end.
    found = _schedule(_row(connection, name, lock=True))
    had = connection.execute(
        select(func.count()).select_from(editions).where(editions.c.schedule_id == found.id)
    ).scalar_one()
    if had:
        raise ScheduleError(
            f"schedule '{name}' has {had} edition{'s' if had > 1 else ''}, which are kept",
            fix=f"to stop it: newsletter schedule pause {name}",
        )
    connection.execute(delete(schedule_skips).where(schedule_skips.c.schedule_id == found.id))
    connection.execute(delete(schedules).where(schedules.c.id == found.id))
    _record(connection, now, "schedule.remove", name, actor=actor, list=found.list_name)
    return found


def pause_schedule(connection: Connection, now: datetime, name: str, *, actor: str) -> Schedule:
    """Let a schedule rest until it is resumed; one that rests is left as it is."""
    if not get_schedule(connection, name).paused:
        _change(connection, now, name, {"paused": True})
        _record(connection, now, "schedule.pause", name, actor=actor)
    return get_schedule(connection, name)


def resume_schedule(connection: Connection, now: datetime, name: str, *, actor: str) -> Schedule:
    """Let a paused schedule go on from now; what was due meanwhile is not made up for."""
    if get_schedule(connection, name).paused:
        _change(connection, now, name, {"paused": False, "since": now})
        _record(connection, now, "schedule.resume", name, actor=actor)
    return get_schedule(connection, name)


def get_schedule(connection: Connection, name: str) -> Schedule:
    """Return a schedule by its name; raises `ScheduleError` with the nearest name there is."""
    return _schedule(_row(connection, name))


def list_schedules(connection: Connection) -> list[Schedule]:
    """Return all schedules by name, paused ones too."""
    rows = connection.execute(_selection().order_by(schedules.c.name))
    return [_schedule(row._mapping) for row in rows]


def _refuse_never(schedule: Schedule, now: datetime) -> None:
    if recurrence_of(schedule).next_after(now) is None:
        raise ScheduleError(
            f"cron '{schedule.cron}' never comes: no date in the next nine years fits",
            fix="check day of month and month",
        )


def _selection() -> Select[*tuple[Any, ...]]:
    return select(*schedules.c, lists.c.name.label("list_name")).join(
        lists, lists.c.id == schedules.c.list_id
    )


def _row(connection: Connection, name: str, *, lock: bool = False) -> Mapping[str, Any]:
    query = _selection().where(schedules.c.name == name)
    if lock:
        query = query.with_for_update(of=schedules)
    row: Row[*tuple[Any, ...]] | None = connection.execute(query).first()
    if row is not None:
        return dict(row._mapping)
    names = connection.execute(select(schedules.c.name)).scalars().all()
    close = nearest(name, names)
    fix = f"did you mean '{close}'?" if close else f"newsletter schedule add {name} --list NAME"
    raise ScheduleError(f"there is no schedule '{name}'", fix=fix)


def _schedule(row: Mapping[Any, Any]) -> Schedule:
    days = row["days"].split(",") if row["days"] else []
    return Schedule(
        id=row["id"],
        name=row["name"],
        list_id=row["list_id"],
        list_name=row["list_name"],
        segment=row["segment"],
        time=time.fromisoformat(row["time"]) if row["time"] else None,
        days=tuple(DAY_NAMES.index(day) for day in days),
        cron=row["cron"],
        timezone=row["timezone"],
        by_reader=row["by_reader"],
        approval=row["approval"],
        lead=timedelta(seconds=row["lead_s"]),
        digest_rule=DigestRule(row["digest_rule"]),
        grace=timedelta(seconds=row["grace_s"]),
        deadline=timedelta(seconds=row["deadline_s"]),
        listed=row["listed"],
        paused=row["paused"],
        since=row["since"],
    )


def _change(connection: Connection, now: datetime, name: str, values: dict[str, Any]) -> None:
    connection.execute(
        update(schedules).where(schedules.c.name == name).values(updated_at=now, **values)
    )


def _record(
    connection: Connection, now: datetime, action: str, name: str, *, actor: str, **detail: Any
) -> None:
    record_audit(
        connection, now, actor=actor, action=action, subject=f"schedule {name}", detail=detail
    )
