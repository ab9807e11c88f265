"""`newsletter preview` in a process of its own, for tests of any folder."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.command import Desk, a_desk

DIGEST = """\
# Harbour News for a Wednesday

*By The Daily Example • November 25, 2026*

Good morning, {{ first_name | default("reader") }}. The lighthouse has been painted, and the ferry
runs again after two weeks in the yard.

## On the water

### The lighthouse is white again

It took nine days and forty litres of paint [^1].

![The lighthouse from the pier](https://pictures.example.org/lighthouse.jpg){width=600 height=300}

**Why it matters:** Pilots use the white tower as a mark by day.

### Sources

[^1]: [The harbour office](https://harbour.example.org/paint)
"""


@dataclass(frozen=True, slots=True)
class Previewed:
    """A workspace whose digest is previewed, and the page."""

    desk: Desk
    url: str
    process: subprocess.Popen[str]

    @property
    def digest(self) -> Path:
        """The file of the digest."""
        return self.desk.folder / "digests" / "2026-11-25.md"

    def write(self, text: str = DIGEST) -> None:
        """Save the digest as an editor would."""
        self.digest.write_text(text, encoding="utf-8")

    def get(self, path: str = "", **options: Any) -> httpx.Response:
        """Look at a page below the address that was printed."""
        return httpx.get(self.url + path, timeout=60, **options)

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C; returns the exit code and what was said."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


def a_workspace(folder: Path, *, readers: int = 3) -> Desk:
    """Return a workspace with readers, an operator's templates, and one digest."""
    desk = a_desk(folder, readers=readers, NEWSLETTER_NEWSLETTER__POSTAL_ADDRESS="1 Sample Street")
    for sample in (folder / "digests").glob("*.md"):
        sample.unlink()
    (folder / "digests" / "2026-11-25.md").write_text(DIGEST, encoding="utf-8")
    return desk


@contextlib.contextmanager
def previewed(desk: Desk, *words: str) -> Iterator[Previewed]:
    """Run the command until the block ends."""
    process = desk.start("preview", "--port", "0", "--no-open", *words)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, process.communicate(timeout=60)
        yield Previewed(desk, url, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        process.stdout.close()
