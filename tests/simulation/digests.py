"""What somebody writes, or fails to write, into the folder of digests; drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from pathlib import Path


class Story(StrEnum):
    """What becomes of the digest of one date."""

    EARLY = "early"
    LATE = "late"
    CORRECTED = "broken, then corrected"
    BROKEN = "broken"
    STALE = "stale"
    MISSING = "missing"
    UNREADABLE = "unreadable"


_WEIGHTS = {
    Story.EARLY: 66,
    Story.LATE: 12,
    Story.CORRECTED: 6,
    Story.BROKEN: 4,
    Story.STALE: 4,
    Story.MISSING: 5,
    Story.UNREADABLE: 3,
}


@dataclass(frozen=True, slots=True)
class Writing:
    """A file appears, or gets another content; `good`: from then on it may be sent."""

    at: datetime
    day: date
    content: bytes
    good: bool

    def into(self, folder: Path) -> None:
        """Put it there in one step, as an editor does."""
        unfinished = folder / f".{self.day}.part"
        unfinished.write_bytes(self.content)
        unfinished.replace(folder / f"{self.day}.md")


def writings(day: date, draw: random.Random) -> tuple[Story, list[Writing]]:
    """Draw what becomes of the digest of a date, with everything that is written for it."""
    story = draw.choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()))[0]
    midnight = datetime.combine(day, time(), UTC)
    # Before the date begins anywhere on earth.
    early = midnight - timedelta(hours=20, minutes=draw.randrange(120))
    # While it is morning somewhere.
    late = midnight + timedelta(minutes=draw.randrange(-14 * 60, 20 * 60), seconds=7)
    return story, list(_written(story, day, early, late))


def _written(story: Story, day: date, early: datetime, late: datetime) -> Iterator[Writing]:
    if story is Story.EARLY:
        yield Writing(early, day, a_digest(day), good=True)
    elif story is Story.LATE:
        yield Writing(late, day, a_digest(day), good=True)
    elif story is Story.CORRECTED:
        yield Writing(early, day, _broken(day), good=False)
        yield Writing(late, day, a_digest(day), good=True)
    elif story is Story.BROKEN:
        yield Writing(early, day, _broken(day), good=False)
    elif story is Story.STALE:
        yield Writing(early, day, a_digest(day - timedelta(days=9), "again"), good=False)
    elif story is Story.UNREADABLE:
        yield Writing(early, day, b"\xff\xfe\x00 not a text", good=False)


def a_digest(day: date, note: str = "") -> bytes:
    """Return a small digest without a fault."""
    return f"""\
---
title: The morning of {day} {note}
date: {day}
---

What {day} has brought.

## News

### A ferry left on time

It was a quiet day in the harbour, and the ferry of {day} left on time [^1].

**Why it matters:** Somebody was waiting for it on the other side.

---

### Sources

[^1]: Harbour log. *Harbour*. <https://harbour.example.org/{day}>
""".encode()


def _broken(day: date) -> bytes:
    return a_digest(day).replace(b"on time [^1].", b"on time [^9].")
