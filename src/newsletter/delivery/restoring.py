"""`newsletter db restore`: a backup becomes the database, and sends nothing by itself (G19).

The backup is checked, upgraded and held in a private copy first; only then it takes the place, in
one step. What it replaces is kept.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from newsletter.clock import Clock
from newsletter.delivery.holding import HeldReport, declare_copy
from newsletter.delivery.locking import sender_lock
from newsletter.delivery.lost_campaigns import Lost, carry_over
from newsletter.errors import Place, StorageError
from newsletter.storage.backups import (
    Identity,
    put_in_place,
    read_identity,
    remove_database,
    stamp,
    taken_out,
    unpack,
)
from newsletter.storage.copies import CopyMark, Reach
from newsletter.storage.database import Database, open_database
from newsletter.storage.schema import HEAD, migrate, refuse_newer
from newsletter.storage.tables import attempts, audit_log


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did; `made_at` is the last moment that the backup knows of."""

    file: Path
    path: Path
    made_at: datetime
    upgraded_from: str | None
    kept: Path | None
    """The replaced database; None when there was none."""
    report: HeldReport
    lost: Lost | None
    """What only the replaced database knew; None when it cannot be told."""


def restore(
    database: Database,
    file: Path,
    clock: Clock,
    *,
    actor: str,
    other_installation: bool = False,
) -> Restored:
    """Replace an embedded database by a backup and hold every unfinished campaign in it.

    `database` must have no open connection in this process. Flight logs beside it are not the
    backup's and are removed. Raises `TryAgainLater` while another process sends
    or has it open; `StorageError` for a file that is no sound database of this program, has a newer
    schema, or is another installation's unless `other_installation`: then nothing has changed.
    """
    path = _refuse_servers(database)
    if file.exists() and path.exists() and file.samefile(path):
        raise StorageError("this is the database itself", where=Place(file), fix="name a backup")
    copy = path.with_name(path.name + ".restoring")
    with sender_lock(database):
        try:
            unpack(file, copy)
            backup = read_identity(copy)
            refuse_newer(backup.revision)
            replaced = _identity_in_place(path)
            same = replaced is None or replaced.installation == backup.installation
            if not (same or other_installation):
                raise _other_installation(file)
            reach = replaced.reach if replaced is not None else Reach()
            with taken_out(path, _free_name(path, clock.now())) as taken:
                # Another newsletter's campaigns say nothing about this one's.
                known = taken.kept if taken.readable and same else None
                made_at, report, lost = _prepare(
                    copy, backup, clock, actor=actor, reach=reach, kept=known
                )
                put_in_place(copy, path)
        finally:
            remove_database(copy)
        _begin_anew(database, path)
    upgraded = backup.revision if backup.revision != HEAD else None
    return Restored(file, path, made_at, upgraded, taken.kept, report, lost)


def _refuse_servers(database: Database) -> Path:
    if database.path is None:
        raise StorageError(
            "this restores embedded databases only",
            fix="stop all workers, use pg_restore, then: newsletter db hold",
        )
    return database.path


def _other_installation(file: Path) -> StorageError:
    return StorageError(
        "the backup belongs to another installation than the database here",
        where=Place(file),
        fix="if you mean it, put its key file in place too and add --other-installation",
    )


def _identity_in_place(path: Path) -> Identity | None:
    """Return whose database lies here, by itself or else by its mark; None when neither tells."""
    mark = CopyMark(path).read()
    with suppress(StorageError):
        if path.exists():
            found = read_identity(path)
            if mark is None or mark.installation != found.installation:
                return found
            reach = Reach(
                max(mark.epoch, found.reach.epoch), max(mark.attempt, found.reach.attempt)
            )
            return Identity(found.revision, found.installation, reach)
    if mark is None:
        return None
    return Identity("", mark.installation, Reach(mark.epoch, mark.attempt))


def _free_name(path: Path, now: datetime) -> Path:
    """Return a name for the replaced database that nothing has yet."""
    number = 1
    while True:
        again = f"-{number}" if number > 1 else ""
        name = path.with_name(f"{path.stem}-{stamp(now)}{again}.replaced.db")
        if not name.exists():
            return name
        number += 1


def _prepare(
    copy: Path, backup: Identity, clock: Clock, *, actor: str, reach: Reach, kept: Path | None
) -> tuple[datetime, HeldReport, Lost | None]:
    """Make the private copy of a backup fit to be the database: upgraded, told, held."""
    opened = open_database(f"sqlite:///{copy.name}", root=copy.parent)
    try:
        if backup.revision != HEAD:
            migrate(opened, clock)
        made_at = _last_moment(opened, copy)
    finally:
        opened.close()
    lost = None
    if kept is not None:
        # A replaced database of a foreign shape cannot tell; restoring goes on all the same.
        with suppress(sqlite3.Error):
            lost = carry_over(copy, kept)
    reason = f"restored from a backup of {made_at:%Y-%m-%d %H:%M} UTC"
    try:
        with opened.write() as connection:
            report = declare_copy(
                connection,
                clock.now(),
                actor=actor,
                reason=f"{reason}: some may have had it already",
                problem=reason,
                reach=reach,
            )
    finally:
        opened.close()
    with closing(sqlite3.connect(copy)) as connection_to_copy:
        # Folds the log in: only the one file is renamed.
        connection_to_copy.execute("PRAGMA journal_mode=DELETE")
    return made_at, report, lost


def _last_moment(database: Database, copy: Path) -> datetime:
    """Return when the backup was made, as its own rows tell: a file's time is lost by copying."""
    with database.read() as connection:
        moments = (
            connection.execute(select(func.max(audit_log.c.at))).scalar(),
            connection.execute(select(func.max(attempts.c.claimed_at))).scalar(),
            connection.execute(select(func.max(attempts.c.finished_at))).scalar(),
        )
    known = [moment for moment in moments if moment is not None]
    return max(known, default=datetime.fromtimestamp(copy.stat().st_mtime, UTC))


def _begin_anew(database: Database, path: Path) -> None:
    """Forget what lies beside the replaced database, and mark the restored one."""
    for log in path.with_name(path.name + ".flights").glob("*.log"):
        log.unlink(missing_ok=True)
    mark = CopyMark(path)
    try:
        mark.renew(database)
    finally:
        mark.close()
        database.close()
