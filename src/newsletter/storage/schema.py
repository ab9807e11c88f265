"""Bringing a database to the schema of this program, and backing it up first (Alembic).

Alembic is imported only when there is something to change: commands stay quick.
"""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, inspect, select

from newsletter.clock import Clock
from newsletter.errors import StorageError
from newsletter.storage.database import Database
from newsletter.storage.tables import installation

HEAD = "0002"
"""The newest revision in `migrations/versions`; a test holds the two together."""


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
    if revision is not None and revision not in _known_revisions():
        raise StorageError(
            f"the database has schema {revision}, which is newer than this program knows ({HEAD})",
            fix="upgrade newsletter; nothing was changed",
        )
    saved = None
    if revision is not None and database.path is not None:
        saved = backup(database, clock)
    _run_migrations(database, clock)
    return saved


def backup(database: Database, clock: Clock, target: Path | None = None) -> Path:
    """Copy a live embedded database, whole and consistent, to `target` (SQLite's online backup).

    Default target: beside it, with the time in its name. Raises `StorageError`.
    """
    if database.path is None:
        raise StorageError(
            "this backs up embedded databases only", fix="use pg_dump for PostgreSQL"
        )
    stamp = f"{clock.now():%Y%m%dT%H%M%SZ}"
    path = target or database.path.with_name(f"{database.path.stem}-{stamp}.backup.db")
    if path.exists():
        raise StorageError(f"{path} exists already", fix="name another file with --to")
    try:
        with (
            closing(sqlite3.connect(database.path)) as source,
            closing(sqlite3.connect(path)) as copy,
        ):
            source.backup(copy)
        path.chmod(0o600)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"the backup failed: {error}", fix=f"check {path.parent}") from None
    return path


def _known_revisions() -> set[str]:
    versions = Path(__file__).parent / "migrations" / "versions"
    return {path.name.split("_", 1)[0] for path in versions.glob("[0-9]*.py")}


def _run_migrations(database: Database, clock: Clock) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        _found_installation(connection, clock.now())


def _found_installation(connection: Connection, now: datetime) -> None:
    if connection.execute(select(installation.c.id)).first() is None:
        connection.execute(
            installation.insert().values(
                id=1, installation_id=str(uuid.uuid4()), epoch=1, created_at=now
            )
        )
