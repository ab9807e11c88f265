"""Makes the editions that are needed by now, and carries changes of a schedule over to them."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Connection

from newsletter.delivery.alerts import raise_alert
from newsletter.delivery.faults import Faults, Thing
from newsletter.errors import NewsletterError, StorageError, TryAgainLater
from newsletter.schedule.edition_dues import Dues
from newsletter.schedule.edition_plan import Change, Make, change, makes
from newsletter.schedule.edition_words import editions_missed
from newsletter.schedule.editions import (
    Overtaken,
    list_editions,
    make_edition,
    move_edition,
    newest_past_day,
)
from newsletter.schedule.model import OPEN, Edition, EditionStatus, Schedule
from newsletter.schedule.schedules import list_schedules
from newsletter.schedule.skips import skipped_days
from newsletter.storage.database import Database


def bring_up_to_date(database: Database, dues: Dues, faults: Faults, now: datetime) -> int:
    """Make what is needed and change what a schedule's change concerns; returns how many are new.

    In any number of processes at once: a day that another made first is left to it. A schedule
    that cannot be planned holds itself alone.
    """
    made = 0
    with database.read() as connection:
        schedules = list_schedules(connection)
    for schedule in schedules:
        thing = schedule_thing(schedule)
        if faults.is_held(thing):
            continue
        with faults.holding(thing):
            try:
                made += _bring_one_up_to_date(database, schedule, dues, now)
            except (StorageError, TryAgainLater):
                raise
            except NewsletterError as error:
                faults.tell(thing, error)
    return made


def schedule_thing(schedule: Schedule) -> Thing:
    """Return a schedule as a thing to work on."""
    return Thing("schedule", str(schedule.id), f"schedule '{schedule.name}'")


def _bring_one_up_to_date(database: Database, schedule: Schedule, dues: Dues, now: datetime) -> int:
    with database.read() as connection:
        changes, wanted = _plan(connection, schedule, dues, now)
    for one in changes:
        _carry_over(database, one, now)
    return _make(database, schedule, wanted, now) if wanted else 0


def _plan(
    connection: Connection, schedule: Schedule, dues: Dues, now: datetime
) -> tuple[list[Change], list[Make]]:
    skips = skipped_days(connection, schedule.id)
    past = newest_past_day(connection, schedule.id, now)
    coming = [] if schedule.paused else dues.coming(connection, schedule, past, now)
    known = {due.day: due for due in coming}
    there = {edition.day: edition for edition in _concerned(connection, schedule, past)}
    changes = []
    for day, edition in there.items():
        if edition.status is EditionStatus.FIRED:
            continue
        due = known.get(day) or dues.on(connection, schedule, day, now)
        changed = change(schedule, edition, due, skips, now)
        if changed is not None:
            changes.append(changed)
    missing = [due for due in coming if due.day not in there]
    return changes, list(makes(schedule, missing, skips, now))


def _concerned(connection: Connection, schedule: Schedule, past: date | None) -> list[Edition]:
    """Return the editions from the last day that is past, and the older ones that are open."""
    return [
        *list_editions(connection, schedule_id=schedule.id, statuses=OPEN),
        *list_editions(connection, schedule_id=schedule.id, since=past),
    ]


def _carry_over(database: Database, one: Change, now: datetime) -> None:
    try:
        with database.write() as connection:
            move_edition(
                connection,
                one.edition,
                one.status,
                now,
                due_at=one.due_at,
                deadline_at=one.deadline_at,
                reason=one.reason,
            )
    except Overtaken:
        return  # the next look sees what became of it


def _make(database: Database, schedule: Schedule, wanted: list[Make], now: datetime) -> int:
    with database.write() as connection:
        made = [
            one
            for one in wanted
            if make_edition(
                connection,
                schedule.id,
                one.day,
                now,
                due_at=one.due_at,
                deadline_at=one.deadline_at,
                status=one.status,
                reason=one.reason,
            )
        ]
        missed = [one.day for one in made if one.status is EditionStatus.MISSED]
        if missed:
            raise_alert(connection, editions_missed(schedule, missed), now)
    return len(made)
