"""Telling a copy of an embedded database from the original, by a small mark file beside it (G19).

The mark knows how far the database that lies here had come. It is written behind each durable
claim, so it may lag, but it is never ahead: a database that knows less than its mark is an older
copy. What becomes of its campaigns is not decided here but in `newsletter.delivery.holding`.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, select, update

from newsletter.errors import StorageError
from newsletter.private_files import open_private
from newsletter.storage.database import Database
from newsletter.storage.tables import installation

MARK_BYTES = 256
"""One record, padded: it is overwritten in place and fits into a disk's smallest unit."""
_MACHINE_ID = Path("/etc/machine-id")


@dataclass(frozen=True, slots=True)
class MarkRecord:
    """How far a database has come: the greatest attempt and campaign that worked here.

    `machine` names the machine by a hash, for people to read: a container has a new one at each
    start, so nothing follows from it.
    """

    installation: str
    epoch: int
    attempt: int
    campaign: int
    machine: str


_FIELDS = tuple(field.name for field in fields(MarkRecord))


class SuspicionKind(StrEnum):
    """Why a database is taken for a copy."""

    NO_MARK = "no mark"
    OTHER_INSTALLATION = "other installation"
    OTHER_EPOCH = "other epoch"
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class Reach:
    """The greatest epoch and attempt that any copy of an installation is known to have used."""

    epoch: int = 0
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A database that is not the one that worked here last; `problem` says why, for people."""

    kind: SuspicionKind
    problem: str
    reach: Reach


class CopyMark:
    """The mark file of one embedded database; safe to use from several threads."""

    def __init__(self, database_path: Path) -> None:
        self.path = mark_path(database_path)
        self._lock = threading.Lock()
        self._file = -1
        self._record: MarkRecord | None = None

    def read(self) -> MarkRecord | None:
        """Return what the mark says; None when it is missing or torn."""
        try:
            document = json.loads(self.path.read_bytes())
            record = MarkRecord(**document)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.path, error) from None
        except (ValueError, TypeError):
            return None
        numbers = (record.epoch, record.attempt, record.campaign)
        return record if all(isinstance(number, int) for number in numbers) else None

    def check(self, database: Database) -> Suspicion | None:
        """Hold the database against its mark; None when it is the one that worked here last.

        Missing attempts or campaigns: an older copy. Another installation or epoch: a copy from
        elsewhere. No mark though something was sent: moved or copied. Takes well under 1 ms.
        """
        with database.read() as connection:
            found = _describe(connection)
        mark = self.read()
        if mark is None:
            if not (found.attempt or found.campaign):
                return None
            return Suspicion(
                SuspicionKind.NO_MARK,
                "this database was copied or moved here: "
                f"its mark {self.path.name} is missing or torn",
                Reach(found.epoch, found.attempt),
            )
        if mark.installation != found.installation:
            return Suspicion(
                SuspicionKind.OTHER_INSTALLATION,
                "this database belongs to another installation than the one that worked here",
                Reach(found.epoch, found.attempt),
            )
        return _compare(mark, found)

    def note_claim(self, attempt: int, campaign: int) -> None:
        """Note that an attempt was claimed; to be called after its durable commit, never before.

        One small write in place, not synced: after a power cut the mark may lag, which is harmless.
        Raises `StorageError` when there is no mark or it cannot be written.
        """
        with self._lock:
            record = self._record or self._open()
            if attempt <= record.attempt and campaign <= record.campaign:
                return
            self._record = MarkRecord(
                record.installation,
                record.epoch,
                max(attempt, record.attempt),
                max(campaign, record.campaign),
                record.machine,
            )
            self._write(self._record)

    def renew(self, database: Database) -> None:
        """Write the mark anew from what the database holds now, and sync it."""
        with database.read() as connection:
            record = _describe(connection)
        with self._lock:
            try:
                made = not self.path.exists()
                if self._file < 0 or made:
                    self._close()
                    self._file = open_private(self.path, os.O_RDWR | os.O_CREAT)
                self._write(record)
                os.ftruncate(self._file, MARK_BYTES)
                os.fsync(self._file)
                if made:
                    sync_folder(self.path.parent)
            except OSError as error:
                raise _unusable(self.path, error) from None
            self._record = record

    def moved_machine(self) -> bool:
        """Return whether the mark was written on another machine (or another container)."""
        mark = self.read()
        return mark is None or mark.machine != _machine()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _open(self) -> MarkRecord:
        record = self.read()
        if record is None:
            raise _unusable(self.path, OSError(2, "it is missing or torn"))
        try:
            self._file = os.open(self.path, os.O_RDWR)
        except OSError as error:
            raise _unusable(self.path, error) from None
        return record

    def _write(self, record: MarkRecord) -> None:
        document = {name: getattr(record, name) for name in _FIELDS}
        line = json.dumps(document).encode("ascii").ljust(MARK_BYTES - 1) + b"\n"
        try:
            written = os.pwrite(self._file, line, 0)
        except OSError as error:
            raise _unusable(self.path, error) from None
        if written != MARK_BYTES:
            raise _unusable(self.path, OSError(28, "no space left on device"))

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file, self._record = -1, None


def mark_path(database_path: Path) -> Path:
    """Return where the mark of a database is."""
    return database_path.with_name(database_path.name + ".mark")


def begin_epoch(connection: Connection, reach: Reach) -> int:
    """Raise the installation's epoch over its own and any other copy's; returns the new one.

    On an embedded database attempts go on behind those of the others: no number is used twice, so
    that a late answer to one of theirs is never taken for an answer to ours.
    """
    own: int = connection.execute(select(installation.c.epoch)).scalar_one()
    epoch = max(own, reach.epoch) + 1
    connection.execute(update(installation).values(epoch=epoch))
    if connection.dialect.name != "sqlite":
        return epoch
    used = connection.exec_driver_sql(f"SELECT {_GREATEST_ATTEMPT}").scalar_one()
    if reach.attempt > used:
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'attempts'")
        connection.exec_driver_sql(
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('attempts', ?)", (reach.attempt,)
        )
    return epoch


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk; a file system that cannot is left as it is."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _compare(mark: MarkRecord, found: MarkRecord) -> Suspicion | None:
    reach = Reach(max(mark.epoch, found.epoch), max(mark.attempt, found.attempt))
    if mark.epoch != found.epoch:
        return Suspicion(
            SuspicionKind.OTHER_EPOCH,
            f"this database is a copy: it is of epoch {found.epoch}, "
            f"the one that worked here is of epoch {mark.epoch}",
            reach,
        )
    if found.attempt < mark.attempt or found.campaign < mark.campaign:
        missing = []
        if found.attempt < mark.attempt:
            missing.append(f"{mark.attempt - found.attempt} batches that were sent here")
        if found.campaign < mark.campaign:
            missing.append(f"{mark.campaign - found.campaign} campaigns")
        return Suspicion(
            SuspicionKind.OLDER,
            f"this database is an older copy: it does not know of {' and '.join(missing)}",
            reach,
        )
    return None


# The counter of attempts also knows of those whose rows are gone by now.
_GREATEST_ATTEMPT = """
max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'attempts'), 0),
    coalesce((SELECT max(id) FROM attempts), 0))
"""

_HOW_FAR = f"""
SELECT installation_id, epoch, {_GREATEST_ATTEMPT},
       coalesce((SELECT max(id) FROM campaigns), 0)
FROM installation
"""  # noqa: S608 - made of our own words


def _describe(connection: Connection) -> MarkRecord:
    row = connection.exec_driver_sql(_HOW_FAR).one()
    return MarkRecord(str(row[0]), row[1], row[2], row[3], _machine())


def _machine() -> str:
    try:
        told = _MACHINE_ID.read_bytes().strip()
    except OSError:
        told = b""
    return hashlib.sha256(b"newsletter machine:" + told).hexdigest()[:16] if told else ""


def _unusable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the mark of the database cannot be used ({error.strerror}): {path}",
        fix="free some room or correct the rights, then run the same command again",
    )
