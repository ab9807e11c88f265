"""Databases for tests, copied from one that was migrated once in this process.

The migrations themselves are under test where a test asks for them: `real_migrations`.
"""

from __future__ import annotations

import sqlite3
import tempfile
import uuid
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from newsletter.clock import Clock, SettableClock
from newsletter.storage import schema
from newsletter.storage.database import Database, open_database
from newsletter.storage.tables import installation

real_migrate = schema.migrate


@cache
def _template() -> sqlite3.Connection:
    """Return an embedded database at the newest schema, kept in memory."""
    kept = sqlite3.connect(":memory:", check_same_thread=False)
    with tempfile.TemporaryDirectory() as folder:
        database = open_database("sqlite:///template.db", root=Path(folder))
        real_migrate(database, SettableClock(datetime(2026, 1, 1, tzinfo=UTC)))
        with database.engine.connect() as connection:
            raw: Any = connection.connection.dbapi_connection
            raw.backup(kept)
        database.close()
    kept.execute("DELETE FROM installation")
    kept.commit()
    return kept


def migrate_by_copy(database: Database, clock: Clock) -> None:
    """Do what `schema.migrate` does; a new embedded database becomes a copy of the template."""
    if not database.embedded or schema.current_revision(database) is not None:
        real_migrate(database, clock)
        return
    with database.engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        _template().backup(raw)
    with database.write() as connection:
        connection.execute(
            installation.insert().values(
                id=1, installation_id=str(uuid.uuid4()), epoch=1, created_at=clock.now()
            )
        )
