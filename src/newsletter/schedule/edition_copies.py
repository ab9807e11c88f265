"""A copy of the database fires no edition by itself: the original may do so too (G19).

Whether it is one is found out as senders do; an operator's word is the resuming of a schedule.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.delivery.holding import HeldReport, guard_copy
from newsletter.delivery.locking import sender_lock
from newsletter.schedule.model import Schedule
from newsletter.storage.copies import CopyMark
from newsletter.storage.database import Database
from newsletter.storage.tables import installation


def guard_editions(database: Database, now: datetime, actor: str) -> HeldReport | None:
    """See to it that an embedded database that is a copy counts as one before anything is fired.

    Costs well under 1 ms when it is none, and returns None then. Raises `TryAgainLater` when it is
    one and another process works on it: that one sees to it.
    """
    if database.path is None:
        return None
    mark = CopyMark(database.path)
    try:
        suspicion = mark.check(database)
    finally:
        mark.close()
    if suspicion is None:
        return None
    with sender_lock(database):
        return guard_copy(database, now, actor)


def waits_for_word(connection: Connection, schedule: Schedule) -> bool:
    """Return whether the database has counted as a copy since the schedule was last set going."""
    copied_at: datetime | None = connection.execute(select(installation.c.copied_at)).scalar()
    return copied_at is not None and schedule.since <= copied_at
