"""One sender process at a time works an embedded database; the lock dies with its process."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import BaseFileLock, FileLock, Timeout

from newsletter.errors import TryAgainLater
from newsletter.storage.database import Database

LOOKS = 10
LOOK_SECONDS = 0.02
"""So often, and so far apart, the lock is asked for: `is_sending` holds it for an instant."""


class AnotherSends(TryAgainLater):
    """Another process sends from the same embedded database."""


@contextmanager
def sender_lock(database: Database) -> Iterator[bool]:
    """Hold the right to send; yields whether it proves that every other worker is dead.

    On a server database any number of workers may send, and only leases tell: yields False.
    Raises `AnotherSends` when another process sends from the same embedded database.
    """
    if database.path is None:
        yield False
        return
    path = database.path.with_name(database.path.name + ".sending")
    lock = FileLock(path, timeout=0, mode=0o600)
    if not _acquired(lock):
        raise AnotherSends(
            "another newsletter process is sending from this database",
            fix="wait until it is done; 'newsletter campaigns list' shows how far it is",
        )
    try:
        yield True
    finally:
        lock.release()


def _acquired(lock: BaseFileLock) -> bool:
    pause = threading.Event()
    for _ in range(LOOKS):
        try:
            lock.acquire()
        except Timeout:
            pause.wait(LOOK_SECONDS)
        else:
            return True
    return False


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
