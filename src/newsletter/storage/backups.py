"""Backups of an embedded database: made while it is used, looked at, and put in its place.

Nothing here knows what a restored database means for its campaigns: `newsletter.delivery.restoring`
prepares a copy before it is put in place.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from newsletter.clock import Clock
from newsletter.errors import Place, StorageError, TryAgainLater
from newsletter.private_files import FILE_MODE, open_private
from newsletter.storage.copies import Reach, sync_folder
from newsletter.storage.database import BUSY_TIMEOUT_MS, Database
from newsletter.storage.database_errors import is_busy

_SIDES = ("-wal", "-shm", "-journal")
"""Files that SQLite keeps beside a database; of another database they would destroy it."""


def backup(database: Database, clock: Clock, target: Path | None = None) -> Path:
    """Copy a live embedded database, whole and consistent, to `target` (SQLite's online backup).

    Default target: beside it, with the time in its name. Raises `StorageError`.
    """
    if database.path is None:
        raise StorageError(
            "this backs up embedded databases only", fix="use pg_dump for PostgreSQL"
        )
    path = target or database.path.with_name(f"{database.path.stem}-{stamp(clock.now())}.backup.db")
    if path.exists():
        raise StorageError(f"{path} exists already", fix="name another file with --to")
    try:
        with closing(sqlite3.connect(database.path)) as source:
            _copy(source, path)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"the backup failed: {error}", fix=f"check {path.parent}") from None
    return path


def stamp(at: datetime) -> str:
    """Return an instant as it stands in the names of copies."""
    return f"{at:%Y%m%dT%H%M%SZ}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a database says of itself: its schema, which installation it is of, how far it came."""

    revision: str
    installation: str
    reach: Reach


def read_identity(path: Path) -> Identity:
    """Read what a database file says of itself, of any schema that ever was.

    Raises `StorageError` when it is no database of this program.
    """
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            own = connection.execute("SELECT installation_id, epoch FROM installation").fetchone()
            attempt = connection.execute(
                "SELECT max(seq) FROM sqlite_sequence WHERE name = 'attempts'"
            ).fetchone()
    except sqlite3.Error:
        raise _no_database(path) from None
    if revision is None or own is None:
        raise _no_database(path)
    return Identity(str(revision[0]), str(own[0]), Reach(int(own[1]), int(attempt[0] or 0)))


def unpack(file: Path, target: Path) -> None:
    """Copy a backup to `target`, whole, and check that the copy is sound; `file` stays as it is.

    Raises `StorageError` when it is missing, unreadable, no database or damaged.
    """
    remove_database(target)
    if not file.is_file():
        raise StorageError("there is no such file", where=Place(file), fix="name a backup")
    # Only beside a log of its own may somebody be writing it; else it can lie on a read-only disk.
    alone = not file.with_name(file.name + "-wal").exists()
    uri = f"{file.resolve().as_uri()}?mode=ro{'&immutable=1' * alone}"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as source:
            _copy(source, target)
        with closing(sqlite3.connect(target)) as copy:
            # A log beside the copy would not be renamed with it.
            copy.execute("PRAGMA journal_mode=DELETE")
            verdict = str(copy.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except (OSError, sqlite3.OperationalError) as error:
        raise StorageError(
            f"it cannot be copied: {error}",
            where=Place(file),
            fix="check the rights and the room on the disk; nothing was changed",
        ) from None
    except sqlite3.DatabaseError:
        raise _no_database(file) from None
    if verdict != "ok":
        raise StorageError(
            f"the file is damaged: {verdict}", where=Place(file), fix="restore another backup"
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """A database that is about to be replaced, held so that nobody reads or writes it.

    `kept` is its whole copy; None when there was none. `readable` is false when it was too broken
    to be read and could only be moved aside.
    """

    kept: Path | None
    readable: bool


@contextmanager
def taken_out(path: Path, kept: Path) -> Iterator[Taken]:
    """Keep an embedded database as `kept` and hold it exclusively, with its log folded in.

    Raises `TryAgainLater` while another process has it open, for such a process would remove the
    log of the database that comes after it.
    """
    if not path.exists():
        yield Taken(None, readable=False)
        return
    with closing(sqlite3.connect(path, timeout=2.0, isolation_level=None)) as connection:
        try:
            # Ends the write-ahead log, which SQLite grants only to the last one at the table.
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
            _copy(connection, kept)
            readable = True
        except (OSError, sqlite3.OperationalError) as error:
            raise _in_use(path, error) from None
        except sqlite3.DatabaseError:
            readable = False
            _remove(kept)
        if readable:
            try:
                yield Taken(kept, readable=True)
            except BaseException:
                _remove(kept)
                raise
    if not readable:
        _move(path, kept)
        try:
            yield Taken(kept, readable=False)
        except BaseException:
            _move(kept, path)
            raise


def put_in_place(copy: Path, path: Path) -> None:
    """Make a prepared copy the database, in one step that a crash does not halve."""
    try:
        copy.chmod(FILE_MODE)
        with copy.open("rb+") as file:
            os.fsync(file.fileno())
        # First: a log that is still there when the new file appears would be replayed into it.
        for side in _SIDES:
            path.with_name(path.name + side).unlink(missing_ok=True)
        sync_folder(path.parent)
        copy.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            f"the database cannot be replaced: {error.strerror}",
            where=Place(path),
            fix="free some room or correct the rights, then restore again",
        ) from None


def remove_database(path: Path) -> None:
    """Remove a temporary database with everything beside it."""
    for name in (path.name, *(path.name + side for side in _SIDES)):
        _remove(path.with_name(name))


def _copy(source: sqlite3.Connection, target: Path) -> None:
    """Copy a database into a new private file and bring it to disk."""
    os.close(open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    try:
        with closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
        with target.open("rb+") as file:
            os.fsync(file.fileno())
    except BaseException:
        _remove(target)
        raise


def _move(path: Path, target: Path) -> None:
    """Move a database that cannot be read as it is, file by file."""
    try:
        for side in _SIDES:
            beside = path.with_name(path.name + side)
            if beside.exists():
                beside.rename(target.with_name(target.name + side))
        path.rename(target)
        target.chmod(FILE_MODE)
    except OSError as error:
        raise StorageError(
            f"the broken database cannot be moved aside: {error.strerror}",
            where=Place(path),
            fix="move it away yourself, then restore again",
        ) from None


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()


def _no_database(path: Path) -> StorageError:
    return StorageError(
        "the file is not a sound newsletter database",
        where=Place(path),
        fix="name a file that 'newsletter db backup' wrote; nothing was changed",
    )


def _in_use(path: Path, error: Exception) -> StorageError | TryAgainLater:
    if is_busy(error):
        return TryAgainLater(
            "another newsletter process has the database open",
            where=Place(path),
            fix="end it (the web server too), then restore again",
        )
    return StorageError(
        f"the database cannot be taken out: {error}",
        where=Place(path),
        fix="check the rights and the room on the disk; nothing was changed",
    )
