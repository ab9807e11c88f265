"""The injected clock: all code asks it for the time, so that tests can set it.

Inside the program time is UTC; zones belong to the edges (rendering a date, reading a schedule).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones, reset_tzpath

from newsletter.errors import ConfigurationError


def use_packaged_zones() -> None:
    """Take zones from the package `tzdata` alone, for a machine may have older rules (H3).

    To be called once, where a program begins: zones that were read before stay as they are.
    """
    reset_tzpath(to=())


def is_zone(name: str) -> bool:
    """Return whether a name is that of an IANA zone we know (H3)."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def zone_named(text: str) -> str | None:
    """Return the IANA zone that a text names in any case: `europe/zurich`, `America/New York`.

    None for what is no zone.
    """
    name = text.strip().replace(" ", "_")
    return _zones_in_any_case().get(name.lower()) or (name if is_zone(name) else None)


@lru_cache(maxsize=1)
def _zones_in_any_case() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


def zone_of(name: str) -> ZoneInfo:
    """Return a zone by its name; raises `ConfigurationError` for one that we do not know.

    A name that was good once may go: zones are renamed, and backups come from other machines.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"the time zone '{name}' is not known",
            fix="name an IANA zone such as Europe/Paris; they come with the package tzdata",
        ) from None


def zone_to_show(*names: str | None) -> ZoneInfo:
    """Return the first zone that is known, else UTC: for what is only shown, and never sent."""
    return ZoneInfo(next((name for name in names if name and is_zone(name)), "UTC"))


@dataclass(frozen=True, slots=True)
class WallTime:
    """When a zone's clocks first show a wall time, and what is odd about that (H2).

    `at` is the instant in UTC, `offset` the zone's then. `gap`: the time does not exist, for the
    clocks went from the first of these wall times to the second; `at` is when they did. `twice`: it
    exists twice, and this is the first.
    """

    at: datetime
    offset: timedelta
    gap: tuple[datetime, datetime] | None = None
    twice: bool = False


def first_instant(wall: datetime, zone: tzinfo) -> WallTime:
    """Return the instant at which a zone's clocks first show a wall time, to the second.

    A time that does not exist is the first instant after the gap, which may be on the next date.
    """
    # PEP 495: in a gap `fold` chooses between the offsets before and after it, and of a time that
    # exists twice it names the first or the second.
    before, after = _offset(wall, zone, fold=0), _offset(wall, zone, fold=1)
    if before >= after:
        return WallTime((wall - before).replace(tzinfo=UTC), before, twice=before > after)
    low, high = ((wall - offset).replace(tzinfo=UTC) for offset in (after, before))
    change = _change(low, high, zone)
    begin, end = (change.replace(tzinfo=None) + offset for offset in (before, after))
    return WallTime(change, after, gap=(begin, end))


def _offset(wall: datetime, zone: tzinfo, *, fold: int) -> timedelta:
    return wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta()


def _change(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """Return the second at which the offset changes, after `low` and not after `high`."""
    offset = low.astimezone(zone).utcoffset()
    while (width := int((high - low).total_seconds())) > 1:
        middle = low + timedelta(seconds=width // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


class Clock(Protocol):
    """What tells the time, always as an aware datetime in UTC."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)


class SettableClock:
    """A clock that stands still until it is told otherwise; for tests and simulations."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The instant it was last set to."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move forward, or back with a negative duration."""
        self._now += by
