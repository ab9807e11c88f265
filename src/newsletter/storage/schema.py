"""Bringing a database to the schema of this program, after a backup (Alembic).

Alembic is imported only when there is something to change: commands stay quick.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, select

from newsletter.clock import Clock
from newsletter.errors import StorageError
from newsletter.storage.backups import backup
from newsletter.storage.copies import CopyMark
from newsletter.storage.database import Database
from newsletter.storage.tables import installation

HEAD = "0010"
"""The newest revision in `migrations/versions`; a test holds the two together."""

_WITHOUT_MARK = (None, "0001")
"""Schemas of databases that were made before there were marks, or are made just now (G19)."""


def current_revision(database: Database) -> str | None:
    """Return the revision the database is at; None for an empty one."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return str(row[0]) if row else None


def ensure_schema(database: Database, clock: Clock) -> Path | None:
    """Create or upgrade the schema when needed; returns the backup that was made, if any.

    An embedded database is upgraded by itself after a backup. A server's is refused unless it is
    new, for other processes may be using it: there `upgrade` is the operator's word. Raises
    `StorageError` for a schema that is newer than this program.
    """
    revision = current_revision(database)
    if revision == HEAD:
        return None
    if revision is not None and not database.embedded:
        raise StorageError(
            f"the database is at schema {revision}, this program needs {HEAD}",
            fix="run 'newsletter db upgrade' while no worker runs",
        )
    return upgrade(database, clock)


def upgrade(database: Database, clock: Clock) -> Path | None:
    """Bring the schema to `HEAD`, after a backup of an embedded database that holds something."""
    revision = current_revision(database)
    if revision == HEAD:
        return None
    refuse_newer(revision)
    saved = None
    if revision is not None and database.path is not None:
        saved = backup(database, clock)
    migrate(database, clock)
    if database.path is not None and revision in _WITHOUT_MARK:
        _begin_mark(database, database.path, fresh=revision is None)
    return saved


def refuse_newer(revision: str | None) -> None:
    """Raise `StorageError` for a schema that this program does not know."""
    if revision is not None and revision not in _known_revisions():
        raise StorageError(
            f"the database has schema {revision}, which is newer than this program knows ({HEAD})",
            fix="upgrade newsletter; nothing was changed",
        )


def migrate(database: Database, clock: Clock) -> None:
    """Run what is missing up to `HEAD` in one transaction, without a backup and without a mark."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        _found_installation(connection, clock.now())


def _begin_mark(database: Database, path: Path, *, fresh: bool) -> None:
    """Give a database its first mark; one that an older copy came to lie beside is kept."""
    mark = CopyMark(path)
    if fresh or not mark.path.exists():
        mark.renew(database)
    mark.close()


def _known_revisions() -> set[str]:
    versions = Path(__file__).parent / "migrations" / "versions"
    return {path.name.split("_", 1)[0] for path in versions.glob("[0-9]*.py")}


def _found_installation(connection: Connection, now: datetime) -> None:
    if connection.execute(select(installation.c.id)).first() is None:
        connection.execute(
            installation.insert().values(
                id=1, installation_id=str(uuid.uuid4()), epoch=1, created_at=now
            )
        )
