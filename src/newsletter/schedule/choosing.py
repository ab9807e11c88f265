"""Which digest belongs to an edition (H5): found in the folder, never guessed.

It knows nothing of campaigns: whether a list has had a digest before is in `edition_history`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from newsletter.digest.library import day_of_name, list_digests
from newsletter.digest.parser import load
from newsletter.errors import DigestError
from newsletter.schedule.model import DigestRule

SETTLE = timedelta(seconds=3)
"""A file that was changed since then, content or attributes, may still be being written."""

_NEIGHBOURS = timedelta(days=3)
"""Files named for another day are looked into only when it is as near as that."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The digest of an edition: where it is, what it is called, its date and its revision."""

    path: Path
    slug: str
    day: date | None
    content_hash: str


@dataclass(frozen=True, slots=True)
class NotThere:
    """No digest yet; `reason` says why in a sentence.

    `mistake` names what an operator has to correct; None: it is only not there yet.
    """

    reason: str
    mistake: str | None = None


class Shelf:
    """The folder of digests; remembers the dates inside of files that have not changed."""

    def __init__(self, folder: Path, *, settle: timedelta = SETTLE) -> None:
        self._folder = folder
        self._settle = settle
        self._days: dict[Path, tuple[tuple[int, int], date | None]] = {}

    def choose(self, rule: DigestRule, day: date, now: datetime | None) -> Chosen | NotThere:
        """Return the digest that an edition of a day is to send.

        By `DAY`: the one whose date is that day: of the front matter, else the byline, else the
        file's name. By `LATEST`: the one with the last date up to that day. A file that is just
        being written is not taken; `now` None: it is.
        """
        try:
            files = list_digests(self._folder)
            found = self._of_day(files, day) if rule is DigestRule.DAY else self._last(files, day)
            if isinstance(found, NotThere):
                return found
            if now is not None and self._is_fresh(found, now):
                return NotThere(f"{found.name} was changed just now and may still be being written")
            return self._taken(found, day, rule)
        except DigestError as error:
            return NotThere(str(error), mistake=str(error))

    def _of_day(self, files: Sequence[Path], day: date) -> Path | NotThere:
        named = [path for path in files if day_of_name(path) == day]
        exact = [path for path in named if path.stem == day.isoformat()]
        if len(exact or named) == 1:
            return (exact or named)[0]
        inside = [
            path for path in named or files if _is_near(path, day) and self._day_of(path) == day
        ]
        if len(inside) == 1:
            return inside[0]
        if several := inside or named:
            return _several(several, day)
        return NotThere(f"there is no digest for {day} yet")

    def _last(self, files: Sequence[Path], day: date) -> Path | NotThere:
        days = {path: day_of_name(path) or self._day_of(path) for path in files}
        past = {path: found for path, found in days.items() if found is not None and found <= day}
        if not past:
            return NotThere(f"there is no digest with a date up to {day} yet")
        last = max(past.values())
        found = [path for path, its in past.items() if its == last]
        return found[0] if len(found) == 1 else _several(found, last)

    def _taken(self, path: Path, day: date, rule: DigestRule) -> Chosen | NotThere:
        """Read the file anew; what it says of its day wins over its name."""
        digest = load(path).digest
        said = digest.byline.day or day_of_name(path)
        if rule is DigestRule.DAY and said != day:
            reason = f"{path.name} is dated {said} inside, so it is not sent as the one of {day}"
            return NotThere(reason, mistake=reason)
        return Chosen(path, digest.slug, said, digest.content_hash)

    def _day_of(self, path: Path) -> date | None:
        """Return the date inside a file; None when it has none or cannot be read."""
        try:
            state = path.stat()
            key = (state.st_mtime_ns, state.st_size)
            known = self._days.get(path)
            if known is None or known[0] != key:
                known = self._days[path] = (key, load(path).digest.byline.day)
        except (DigestError, OSError):
            return None
        return known[1]

    def _is_fresh(self, path: Path, now: datetime) -> bool:
        try:
            found = path.stat()
        except OSError:
            return True
        # Whoever copies a file with its times sets the first one back while it is being written;
        # the second one nobody can set. A clock that was set back says nothing about a file.
        ages = (now.timestamp() - at for at in (found.st_mtime, found.st_ctime))
        return any(abs(age) < self._settle.total_seconds() for age in ages)


def _is_near(path: Path, day: date) -> bool:
    named = day_of_name(path)
    return named is None or abs(named - day) <= _NEIGHBOURS


def _several(found: Sequence[Path], day: date) -> NotThere:
    names = ", ".join(path.name for path in found[:4]) + ", …" * (len(found) > 4)
    reason = f"several digests are dated {day}: {names}"
    return NotThere(reason, mistake=reason)
