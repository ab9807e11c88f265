"""When something is due, worked out in another way than the program does it.

A zone is walked through hour by hour, and minute by minute where its clocks change. What comes of
that is a list of stretches with one offset each, in which no wall time is ambiguous.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MARGIN = timedelta(days=4)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span of time, from `start` up to `end`, in which a zone keeps its offset from UTC."""

    start: datetime
    end: datetime
    offset: timedelta


@dataclass(frozen=True, slots=True)
class Due:
    """When a wall time of a local date comes first; `oddity` is `gap`, `twice` or nothing."""

    day: date
    at: datetime
    oddity: str


class WalkedZone:
    """The stretches of a zone around a span of time."""

    def __init__(self, zone: str, start: datetime, end: datetime) -> None:
        self.zone = zone
        self.stretches = list(_walk(ZoneInfo(zone), start - MARGIN, end + MARGIN))

    @property
    def changes(self) -> list[datetime]:
        """When its clocks change."""
        return [stretch.start for stretch in self.stretches[1:]]

    def due(self, day: date, wall: time) -> Due:
        """Return the first instant at which the clocks there have reached a time of a day (H2)."""
        wanted = datetime.combine(day, wall, UTC)
        shown = [
            at
            for stretch in self.stretches
            if stretch.start <= (at := wanted - stretch.offset) < stretch.end
        ]
        reached = next(
            max(stretch.start, wanted - stretch.offset)
            for stretch in self.stretches
            if wanted - stretch.offset < stretch.end
        )
        oddity = {0: "gap", 1: "", 2: "twice"}[len(shown)]
        return Due(day, reached, oddity)


def _walk(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Stretch]:
    begun, offset, at = start, _offset(zone, start), start
    while at < end:
        after = at + HOUR
        if _offset(zone, after) != offset:
            change = at
            while _offset(zone, change) == offset:
                change += MINUTE
            yield Stretch(begun, change, offset)
            begun, offset = change, _offset(zone, change)
        at = after
    yield Stretch(begun, end, offset)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    local = at.astimezone(zone).replace(tzinfo=UTC)
    return local - at


def zones_that_turn(start: datetime, end: datetime, first: Collection[str] = ()) -> list[str]:
    """Return one zone for each way in which clocks are turned in a span; best one of `first`."""
    found: dict[tuple[tuple[datetime, timedelta], ...], str] = {}
    for name in sorted(available_timezones(), key=lambda name: (name not in first, name)):
        if "/" not in name or name.startswith(("Etc/", "SystemV/", "posix/", "right/")):
            continue
        zone = ZoneInfo(name)
        # The shortest change of clocks, that of Ramadan, lasts for a month.
        weeks = [start + timedelta(weeks=n) for n in range((end - start).days // 7 + 2)]
        if len({_offset(zone, week) for week in weeks}) > 1:
            walked = list(_walk(zone, start, end))
            found.setdefault(tuple((s.start, s.offset) for s in walked), name)
    return sorted(found.values())
