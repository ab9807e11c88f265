"""Erasing people from a live database and from every backup that is restored later (C15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.audience.keys import Keys
from newsletter.audience.privacy import (
    CHUNK,
    erase,
    erase_suppressed,
    kept_mail_of,
    suppress_for_good,
)
from newsletter.audience.suppressions import SuppressionReason, lifted_at
from newsletter.storage.database import Database
from newsletter.storage.erase_list import EraseList
from newsletter.storage.tables import suppressions


def erase_subscriber(
    database: Database,
    subscriber: int,
    keys: Keys,
    now: datetime,
    *,
    actor: str,
    forget_mail: Callable[[Sequence[str]], object],
) -> None:
    """Forget one person, durably, and note the hash beside the database.

    `forget_mail` deletes kept mail that speaks of them, by the names of its files. Raises
    `AudienceError` for somebody unknown.
    """
    with database.write() as connection:
        kept = kept_mail_of(connection, subscriber, keys)
        mark = erase(connection, subscriber, keys, now, actor=actor)
    _note(database, [mark], now)
    forget_mail(kept)


def erase_again(database: Database, keys: Keys, now: datetime, *, actor: str) -> int:
    """Erase whoever is here and was erased before: by the list beside, or by a suppression.

    For a restored backup and for an imported list of suppressions. Returns how many.
    """
    listed = EraseList(database.path).read() if database.path else {}
    with database.write() as connection:
        for mark in _unknown(connection, listed):
            suppress_for_good(connection, mark, listed[mark])
        done = erase_suppressed(connection, keys, now, actor=actor)
    _note(database, done, now)
    return len(done)


def _unknown(connection: Connection, listed: Mapping[str, datetime]) -> list[str]:
    """Return those of the list that the database does not know, and did not lift since."""
    if not listed:
        return []
    known = set(
        connection.execute(
            select(suppressions.c.key).where(suppressions.c.reason == SuppressionReason.ERASED)
        ).scalars()
    )
    unknown = [mark for mark in listed if mark not in known]
    lifted: dict[str, datetime] = {}
    for start in range(0, len(unknown), CHUNK):
        lifted |= lifted_at(connection, unknown[start : start + CHUNK])
    return [mark for mark in unknown if lifted.get(mark, listed[mark]) <= listed[mark]]


def _note(database: Database, marks: list[str], now: datetime) -> None:
    if database.path is not None:
        EraseList(database.path).append(marks, now)
