"""The warm-up plan: how many messages a new sender may send on each of its first days (G15).

A day is a date in the newsletter's zone, written as `2026-11-24`. Nothing is claimed or sent here.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, select, text

from newsletter.settings import WarmUpPart
from newsletter.storage.pacing_tables import sending_days

# The row of the day is locked until the caller commits; by the primary key (day, provider).
_NOTE = text(
    "INSERT INTO sending_days (day, provider, accepted) VALUES (:day, :provider, :accepted)"
    " ON CONFLICT (day, provider)"
    " DO UPDATE SET accepted = sending_days.accepted + excluded.accepted"
)


def allowance(part: WarmUpPart, today: date) -> int | None:
    """Return how many messages may be accepted on a day in all; None: no limit.

    Before the plan's first day its first number counts already: a sender who plans a warm-up
    must not begin with a flood.
    """
    if part.start is None:
        return None
    passed = max(0, (today - part.start).days)
    return max(0, part.daily[passed]) if passed < len(part.daily) else None


def describe(part: WarmUpPart, today: date, used: int) -> str | None:
    """Say how far the day is, `warm-up day 3: 120 of 500 today`; None where there is no limit."""
    most = allowance(part, today)
    if most is None or part.start is None:
        return None
    days = (today - part.start).days
    which = f"warm-up day {days + 1}" if days >= 0 else f"warm-up from {part.start.isoformat()}"
    return f"{which}: {used:,} of {most:,} today"


def count_today(connection: Connection, provider: str, day: str) -> int:
    """Return how many messages a provider accepted on a day."""
    counted: int | None = connection.execute(
        select(sending_days.c.accepted).where(
            sending_days.c.day == day, sending_days.c.provider == provider
        )
    ).scalar()
    return counted or 0


def note_accepted(connection: Connection, provider: str, day: str, accepted: int) -> None:
    """Add accepted messages to a day's count, inside the caller's transaction.

    Best the last statement of it: on a server other workers wait for the row until the commit.
    """
    if accepted > 0:
        connection.execute(_NOTE, {"day": day, "provider": provider, "accepted": accepted})
