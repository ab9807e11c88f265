"""Letters in a copy of the database wait for the operator's word (G19).

Whoever they are for may have had them from the original. Nothing is written into their rows: the
installation's row tells up to when they wait, from the moment that the database counts as a copy
until they are released.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from newsletter.delivery.holding import guard_copy
from newsletter.delivery.locking import sender_lock
from newsletter.delivery.states import READY, DeliveryState
from newsletter.storage.audit import record_audit
from newsletter.storage.copies import CopyMark
from newsletter.storage.database import Database
from newsletter.storage.tables import installation, letters

_WAITING = (*READY, DeliveryState.CLAIMED, DeliveryState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class LetterHold:
    """Letters written up to `until` wait; None: none. It holds for one epoch of the database."""

    epoch: int
    until: datetime | None


def guard_letters(database: Database, now: datetime) -> None:
    """See to it that an embedded database that is a copy counts as one before a letter leaves.

    Costs well under 1 ms when it is none. Raises `TryAgainLater` when it is one and another
    process works on it: that one sees to it.
    """
    if database.path is None:
        return
    mark = CopyMark(database.path)
    try:
        suspicion = mark.check(database)
    finally:
        mark.close()
    if suspicion is not None:
        with sender_lock(database):
            guard_copy(database, now, "letters")


def read_hold(connection: Connection) -> LetterHold:
    """Return which letters wait now."""
    row = connection.execute(select(installation.c.epoch, installation.c.letters_held_until)).one()
    return LetterHold(row.epoch, row.letters_held_until)


def read_epoch(connection: Connection) -> int:
    """Return the database's epoch: a hold that was read under another one is void."""
    return int(connection.execute(select(installation.c.epoch)).scalar_one())


def count_held(connection: Connection) -> int:
    """Return how many letters wait for the operator's word."""
    hold = read_hold(connection)
    if hold.until is None:
        return 0
    counted: int = connection.execute(
        select(func.count()).where(
            letters.c.state.in_(_WAITING),
            letters.c.settled_at.is_(None),
            letters.c.created_at <= hold.until,
        )
    ).scalar_one()
    return counted


def release_letters(database: Database, now: datetime, *, actor: str) -> int:
    """Let the letters of a copy go out by the operator's word; returns how many waited."""
    guard_letters(database, now)
    with database.write() as connection:
        waiting = count_held(connection)
        if read_hold(connection).until is not None:
            connection.execute(update(installation).values(letters_held_until=None))
            record_audit(
                connection,
                now,
                actor=actor,
                action="letters.release",
                subject="letters",
                detail={"waiting": waiting},
            )
        return waiting
