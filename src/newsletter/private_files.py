"""Files and folders that hold secrets or what is known of people: their owner's alone.

The mode is set, not asked for: a umask can neither widen it nor take the owner's own rights.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700
OTHERS = 0o077
"""The bits that let anybody but the owner in."""


def open_private(path: str | Path, flags: int, *, dir_fd: int | None = None) -> int:
    """Open a file, made when `flags` say so, and close it to others; returns its descriptor.

    What is no regular file (a pipe, a terminal) keeps its mode. Raises `OSError`.
    """
    file = os.open(path, flags, FILE_MODE, dir_fd=dir_fd)
    try:
        found = os.fstat(file).st_mode
        if stat.S_ISREG(found) and stat.S_IMODE(found) != FILE_MODE:
            os.fchmod(file, FILE_MODE)
    except OSError:
        os.close(file)
        raise
    return file


def make_private_file(path: Path) -> bool:
    """Make an empty file unless there is one, whose mode stays; returns whether it was made.

    For files that a library opens by name, such as a database. Raises `OSError`.
    """
    try:
        os.close(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def write_private(path: Path, data: bytes) -> None:
    """Write a whole file, over an earlier one; raises `OSError`."""
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        file.write(data)


def make_private_folder(path: Path) -> None:
    """Make a folder with those above it that lack; what exists keeps its mode. Raises `OSError`."""
    if path.is_dir():
        return
    if path.parent != path:
        make_private_folder(path.parent)
    try:
        path.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    path.chmod(FOLDER_MODE)


def mode_open_to_others(path: Path) -> int | None:
    """Return the mode of a file or folder when others may use it; None when not, or not there."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    return mode if mode & OTHERS else None
