"""One sender process at a time works an embedded database; the lock dies with its process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from newsletter.errors import TryAgainLater
from newsletter.storage.database import Database


@contextmanager
def sender_lock(database: Database) -> Iterator[bool]:
    """Hold the right to send; yields whether it proves that every other worker is dead.

    On a server database any number of workers may send, and only leases tell: yields False.
    Raises `TryAgainLater` when another process sends from the same embedded database.
    """
    if database.path is None:
        yield False
        return
    path = database.path.with_name(database.path.name + ".sending")
    lock = FileLock(path, timeout=0, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise TryAgainLater(
            "another newsletter process is sending from this database",
            fix="wait until it is done; 'newsletter campaigns list' shows how far it is",
        ) from None
    try:
        yield True
    finally:
        lock.release()
