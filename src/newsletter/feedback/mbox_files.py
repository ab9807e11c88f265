"""Reads mbox files (RFC 4155) as a stream, mail by mail; the file is never changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from newsletter.feedback.ingesting import BATCH, LONGEST_READ, Intake, Taken

_LINE = 64 * 1024
# Bodies hold lines that begin with From too: those of a mailbox tell a time and a year.
_SEPARATOR = re.compile(rb"From .{0,400}\d:\d\d.{0,60}\b(?:19|20)\d\d\b", re.DOTALL)
_QUOTED = re.compile(rb">+From ")


def is_mbox(path: Path) -> bool:
    """Return whether a file begins as an mbox does; one mail with such a line is one too."""
    with path.open("rb") as file:
        return file.read(5) == b"From "


def read_mbox(file: BinaryIO, *, longest: int) -> Iterator[bytes]:
    """Yield the mails of an mbox; of each at most `longest` bytes.

    Memory holds one mail. `>From ` is read as it was written before the mailbox quoted it.
    """
    mail: list[bytes] = []
    size = 0
    after_blank = begins = True
    for line, whole in _lines(file):
        if begins and after_blank and _begins_mail(line, first=not size and not mail):
            if mail:
                yield b"".join(mail)
            mail, size = [], 0
        elif size < longest:
            text = line[1:] if begins and _QUOTED.match(line) else line
            mail.append(text[: longest - size])
            size += len(text)
        after_blank = begins and line in (b"\n", b"\r\n")
        begins = whole
    if mail:
        yield b"".join(mail)


def take_mbox(intake: Intake, path: Path) -> Iterator[Taken]:
    """Take every mail of an mbox, some at a time; raises `OSError` where it cannot be read."""
    with path.open("rb") as file:
        mails = read_mbox(file, longest=LONGEST_READ)
        while batch := list(islice(mails, BATCH)):
            yield from intake.take_all(batch, "mbox")


def _begins_mail(line: bytes, *, first: bool) -> bool:
    return _SEPARATOR.match(line) is not None or (first and line.startswith(b"From "))


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Yield lines, a long one in pieces, each with whether the line ends with it."""
    while line := file.readline(_LINE):
        yield line, line.endswith(b"\n")
