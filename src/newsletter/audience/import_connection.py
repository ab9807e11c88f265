"""The connection of an import: temporary tables without a lock, then one short transaction.

On SQLite nobody else can write during that transaction, unsubscribes included, so all that can be
done before or after is: reading, comparing, sorting before; reaching the disk, tidying the log
after. The temporary tables lie in a file without a name, which only this process can read and
which is gone when it ends, however it ends; a server drops them with the connection.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from newsletter.storage.database import Database

_FOR_STAGING = (
    "temp_store=FILE",
    "temp.journal_mode=OFF",
    "temp.cache_size=-8000",
    # The index of addresses is looked up, and later written, at random places.
    "main.cache_size=-32000",
)
_FOR_APPLYING = (
    # The numbers it writes are its own, made in the same transaction.
    "foreign_keys=OFF",
    # What was written is taken to the disk behind the lock, not under it.
    "synchronous=NORMAL",
    "wal_autocheckpoint=0",
)


@dataclass(slots=True)
class Lock:
    """How long others could not write; told at the end."""

    seconds: float = 0.0


@contextmanager
def staging_connection(database: Database) -> Iterator[Connection]:
    """Give a connection of its own, outside of any transaction; tables and settings end with it."""
    with database.own_connection() as connection:
        _set(connection, _FOR_STAGING)
        yield connection


@contextmanager
def short_lock(connection: Connection, path: Path | None) -> Iterator[Lock]:
    """Give a transaction that holds the writers' lock; durable when this is left.

    `path`: the file of an embedded database.
    """
    held = Lock()
    _set(connection, _FOR_APPLYING)
    connection.execution_options(newsletter_write=True)
    try:
        with connection.begin():
            start = time.monotonic()
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL synchronous_commit = on"))
            yield held
        held.seconds = time.monotonic() - start
    finally:
        connection.execution_options(newsletter_write=False)
    if path is not None:
        _reach_the_disk(connection, path)


def _set(connection: Connection, settings: tuple[str, ...]) -> None:
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.dbapi_connection
        for setting in settings:
            driver.execute(f"PRAGMA {setting}")


def _reach_the_disk(connection: Connection, path: Path) -> None:
    """Bring what was committed to the disk, and the log back to its usual size."""
    with suppress(FileNotFoundError), path.with_name(path.name + "-wal").open("rb") as log:
        os.fsync(log.fileno())
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    # Cutting the log needs the lock: only where it is free at once.
    driver.execute("PRAGMA busy_timeout=0")
    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
