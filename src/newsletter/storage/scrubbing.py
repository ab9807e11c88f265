"""Writing an embedded database anew, so that nothing erased is left in its free pages (C15)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from newsletter.storage.database import Database, told_plainly
from newsletter.storage.tables import installation


def scrub_is_due(database: Database) -> bool:
    """Return whether somebody was erased since the file was last written anew."""
    with database.read() as connection:
        return bool(connection.execute(select(installation.c.scrub_due)).scalar())


def scrub(database: Database) -> bool:
    """Write the file anew and empty its log; returns False where a reader kept the log in use.

    Waits for other writers as every transaction does, and keeps them waiting meanwhile: seconds
    for a million subscribers. A server's database looks after its own pages: there this only
    notes that it was asked. Raises `TryAgainLater` when the database stays busy.
    """
    if database.embedded:
        with told_plainly(), database.engine.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.execute("VACUUM")
            busy = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            return False
    with database.write() as connection:
        connection.execute(update(installation).values(scrub_due=False))
    return True
