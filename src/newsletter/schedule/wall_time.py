"""From a wall time on a local date to an occurrence, with what is odd about it in words (H2).

Nothing here knows schedules: a date, a time and a zone go in, an `Occurrence` comes out.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone, tzinfo

from newsletter.clock import first_instant
from newsletter.schedule.model import Occurrence

_DAY = timedelta(days=1)


def occurrence_on(day: date, wall_time: time, zone: tzinfo, name: str) -> Occurrence | None:
    """Return when a wall time of a date is, with what is odd about it in a sentence.

    None: the whole date does not exist, as 2011-12-30 in Pacific/Apia. `name` is the zone's, for
    the sentence.
    """
    wall = datetime.combine(day, wall_time)
    found = first_instant(wall, zone)
    if found.twice:
        return Occurrence(
            day,
            found.at,
            f"{_clock(wall)} exists twice on {day} in {name}: "
            f"it fires once, at the first (UTC{_signed(found.offset)})",
        )
    if found.gap is None:
        return Occurrence(day, found.at)
    begin, end = found.gap
    midnight = datetime.combine(day, time.min)
    if begin <= midnight and end >= midnight + _DAY:
        return None
    where = _clock(end) if end.date() == day else f"{_clock(end)} on {end.date()}"
    return Occurrence(
        day,
        found.at,
        f"{_clock(wall)} does not exist on {day} in {name}: "
        f"it fires at {where}, the first instant after the gap",
    )


def _clock(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


def _signed(offset: timedelta) -> str:
    """Write an offset as +02:00, with seconds where a zone of old has them."""
    return str(timezone(offset)).removeprefix("UTC") or "+00:00"
