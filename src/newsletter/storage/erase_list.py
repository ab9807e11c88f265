"""The list of erased people beside an embedded database: it outlives the database (C15).

A backup still holds whoever was erased after it was made; once it is restored, they are erased
again. The list holds keyed hashes, as safe to keep as the suppressions themselves (E10).
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

from newsletter.private_files import open_private

_LINE = re.compile(r"([0-9a-f]{64}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")


class EraseList:
    """The file `newsletter.db.erased`; only ever appended to."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".erased")

    def append(self, marks: list[str], at: datetime) -> None:
        """Add hashes of erased addresses, on disk before it returns."""
        if not marks:
            return
        file = open_private(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with os.fdopen(file, "w", encoding="ascii") as opened:
            opened.writelines(f"{mark} {at:%Y-%m-%dT%H:%M:%SZ}\n" for mark in marks)
            opened.flush()
            os.fsync(opened.fileno())

    def read(self) -> dict[str, datetime]:
        """Return the hashes with their last time; a line that a crash cut is left out."""
        if not self.path.exists():
            return {}
        text = self.path.read_text(encoding="ascii", errors="replace")
        matches = (_LINE.fullmatch(line) for line in text.splitlines())
        return {match[1]: datetime.fromisoformat(match[2]) for match in matches if match}
