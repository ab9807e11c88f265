"""The mark beside an embedded database that says: a process that lives long sends from it.

A command that freezes a campaign can then say who will send it. The mark dies with its process.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from newsletter.private_files import open_private
from newsletter.storage.database import Database


@contextmanager
def marked_as_served(database: Database) -> Iterator[None]:
    """Hold the mark until the block ends; any number of processes may. Nothing on a server."""
    if database.path is None:
        yield
        return
    file = open_private(_mark(database.path), os.O_RDWR | os.O_CREAT)
    try:
        # Waits only for the instant in which somebody asks.
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
    finally:
        os.close(file)


def is_served(database: Database) -> bool | None:
    """Return whether a process that lives long sends what is due; None on a server."""
    if database.path is None:
        return None
    try:
        file = os.open(_mark(database.path), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(file)


def _mark(path: Path) -> Path:
    return path.with_name(path.name + ".serving")
