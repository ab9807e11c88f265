"""Keeps mail aside that was not understood, or proves nothing, for an operator to look at (D9).

A file for each mail, named after its content, in a folder that only its owner reads. Not for mail
that led to something: that is in the events.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from newsletter.errors import StorageError
from newsletter.private_files import make_private_folder, open_private

SUFFIX = ".eml"
_OURS = re.compile(rf"[0-9a-f]{{32}}{re.escape(SUFFIX)}")
_HASHED = 192 * 1024
"""Bytes that make a mail another one: fewer than are read, whatever its line ends are."""
_FROM_LINE = re.compile(rb">?From [^\n]*\n")
# What each host on the way, and whoever fetches the mail, puts on top of it.
_TRACE = re.compile(
    rb"(?:(?:return-path|delivered-to|received|x-original-to)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*)+",
    re.IGNORECASE,
)


def fingerprint(data: bytes) -> str:
    """Return what names a mail, however it was fetched: SHA-256 in hex.

    Line ends, a leading mbox line and trace fields on top are no part of it.
    """
    text = data.replace(b"\r\n", b"\n").lstrip(b"\n")
    line = _FROM_LINE.match(text)
    text = text[line.end() :] if line else text
    trace = _TRACE.match(text)
    text = text[trace.end() :] if trace else text
    return hashlib.sha256(text[:_HASHED].rstrip(b"\n")).hexdigest()


def keep_mail(folder: Path, name: str, data: bytes) -> str:
    """Keep a mail under its fingerprint, durable on return; returns the name of its file.

    A mail that is there already stays as it is. Raises `StorageError` where it cannot be written.
    """
    path = folder / f"{name[:32]}{SUFFIX}"
    draft = folder / f".{path.name}.{secrets.token_hex(4)}"
    try:
        if path.exists():
            return path.name
        make_private_folder(folder)
        opened = open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(opened, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        _sync(folder)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise StorageError(
            f"mail cannot be kept in {folder}: {error.strerror or error}",
            fix="make room, or correct 'feedback.kept_mail'; nothing is lost, try again then",
        ) from None
    return path.name


def count_kept_mail(folder: Path) -> int:
    """Return how many mails are kept."""
    return sum(1 for _ in folder.glob(f"[0-9a-f]*{SUFFIX}")) if folder.is_dir() else 0


def forget_mail_of(folder: Path, names: Iterable[str]) -> None:
    """Delete kept mails by the names of their files: somebody they speak of was erased (C15)."""
    for name in names:
        if _OURS.fullmatch(name):
            with suppress(OSError):
                (folder / name).unlink(missing_ok=True)


def forget_kept_mail(folder: Path, before: datetime) -> int:
    """Delete the mails that were kept before an instant; returns how many.

    Only files of our naming are touched. What cannot be deleted stays for the next time.
    """
    forgotten = 0
    if not folder.is_dir():
        return 0
    for path in folder.glob(f"*{SUFFIX}"):
        if not _OURS.fullmatch(path.name):
            continue
        try:
            if path.stat().st_mtime < before.timestamp():
                path.unlink()
                forgotten += 1
        except OSError:
            continue
    return forgotten


def _sync(folder: Path) -> None:
    """Make the name of a new file as durable as its content."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
