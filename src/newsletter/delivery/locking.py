"""One sender process at a time works an embedded database; the lock dies with its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from newsletter.errors import TryAgainLater
from newsletter.storage.database import Database

PROBE_SECONDS = 0.2
"""How long the lock is waited for: `is_sending` holds it for an instant when it looks."""


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
    lock = FileLock(path, timeout=PROBE_SECONDS, mode=0o600)
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


def is_sending(database: Database) -> bool | None:
    """Return whether a process sends from an embedded database now; None on a server.

    Asks for the sender's own lock, shared and for an instant: who sends does not notice.
    """
    if database.path is None:
        return None
    try:
        file = os.open(database.path.with_name(database.path.name + ".sending"), os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(file)
