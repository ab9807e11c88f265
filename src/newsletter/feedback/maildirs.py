"""Reads a Maildir: what is new, and what was seen through to its end; nothing is ever deleted.

A mail moves only after what it says is on disk, so one that is read twice is all that a crash can
cause, and that changes nothing.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from newsletter.errors import StorageError
from newsletter.feedback.ingesting import BATCH, LONGEST_READ, Intake, Taken

_DONE = frozenset("SFTD")
"""Flags of what is over for us: seen, flagged for the operator, trashed, a draft."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A mail that could not be read, and why; it stays where it is."""

    path: Path
    problem: str


class Maildir:
    """A folder with `new/` and `cur/`, as Postfix or Dovecot delivers into it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def is_one(path: Path) -> bool:
        """Return whether a folder is a Maildir."""
        return (path / "new").is_dir() and (path / "cur").is_dir()

    def waiting(self) -> list[Path]:
        """Return the mails that nobody has looked at, in the order of their names.

        Raises `StorageError` where the folder cannot be read.
        """
        try:
            new = [one for one in (self.path / "new").iterdir() if not one.name.startswith(".")]
            seen = [one for one in (self.path / "cur").iterdir() if not one.name.startswith(".")]
        except OSError as error:
            raise StorageError(
                f"the Maildir {self.path} cannot be read: {error.strerror or error}",
                fix="name a folder that holds new/ and cur/, readable for this user",
            ) from None
        return sorted(new) + sorted(one for one in seen if not _DONE & set(_flags(one)))

    def settle(self, mail: Path, *, handled: bool) -> None:
        """Move a mail to `cur/`: seen when it was handled, else flagged for the operator."""
        base, _, _ = mail.name.partition(":2,")
        flags = "".join(sorted({*_flags(mail), "S" if handled else "F"}))
        place = self.path / "cur" / f"{base}:2,{flags}"
        number = 0
        while place != mail and place.exists():
            # Two of one name: neither may take the other's place.
            number += 1
            place = place.with_name(f"{base}_{number}:2,{flags}")
        try:
            mail.rename(place)
        except FileNotFoundError:
            # Somebody else moved it meanwhile; what it says is stored.
            return
        except OSError as error:
            raise StorageError(
                f"mail cannot be moved in {self.path}: {error.strerror or error}",
                fix="let this user write there; what was read is stored, and known again",
            ) from None


def take_maildir(intake: Intake, maildir: Maildir) -> Iterator[Taken | Unread]:
    """Take every waiting mail of a Maildir and settle it; yields what became of each."""
    waiting = maildir.waiting()
    for start in range(0, len(waiting), BATCH):
        mails: list[tuple[Path, bytes]] = []
        for path in waiting[start : start + BATCH]:
            try:
                data = _read(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                yield Unread(path, error.strerror or str(error))
                continue
            mails.append((path, data))
        yield from _take(intake, maildir, mails)


def _take(intake: Intake, maildir: Maildir, mails: Sequence[tuple[Path, bytes]]) -> Iterator[Taken]:
    taken = intake.take_all([data for _, data in mails], "maildir")
    for (path, _), one in zip(mails, taken, strict=True):
        maildir.settle(path, handled=one.handled)
        yield one


def _read(path: Path) -> bytes:
    # A pipe or device among the mails would wait for ever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "not a regular file")
    with path.open("rb") as file:
        return file.read(LONGEST_READ)


def _flags(mail: Path) -> str:
    return mail.name.partition(":2,")[2]
