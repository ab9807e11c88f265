"""Which editions there must be now, and what a change of their schedule means for them. Pure.

What becomes of an edition whose time has come is not decided here but in `keeping`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from newsletter.schedule.edition_words import (
    NOBODY_THERE,
    NOT_DUE_ANY_MORE,
    PAUSED,
    skipped_words,
)
from newsletter.schedule.model import OPEN, Edition, EditionStatus, Schedule

LOOK_BACK = timedelta(days=31)
"""What was due longer ago than that is not even told of as missed."""
WAVES_AHEAD = timedelta(hours=26)
"""So much earlier than in any other zone it may be in a reader's (from UTC+14 to UTC-12)."""

_REOPENED = (EditionStatus.SKIPPED, EditionStatus.MISSED)
"""They wait again when their time is to come after all; an operator's no stays a no."""


@dataclass(frozen=True, slots=True)
class Due:
    """One day of a schedule: its instant, and the one that grace and deadline count from.

    They differ with waves alone: `due_at` is the first reader's, `counts_from` not before the
    schedule's own, so that one reader far in the east does not end the day for all.
    """

    day: date
    due_at: datetime
    counts_from: datetime


@dataclass(frozen=True, slots=True)
class Make:
    """An edition that has to be made."""

    day: date
    due_at: datetime
    deadline_at: datetime
    status: EditionStatus
    reason: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """An edition that has to change because its schedule did."""

    edition: Edition
    due_at: datetime
    deadline_at: datetime
    status: EditionStatus
    reason: str | None


def ahead(schedule: Schedule) -> timedelta:
    """Return how long before a schedule's own instant an edition is needed."""
    lead = schedule.lead if schedule.approval else timedelta(0)
    return lead + (WAVES_AHEAD if schedule.by_reader else timedelta(0))


def makes(
    schedule: Schedule,
    dues: Sequence[Due],
    skips: Mapping[date, str | None],
    now: datetime,
) -> Iterator[Make]:
    """Yield the editions to make for days that have none yet, `dues` (H4, H8).

    What was due longer ago than the grace is missed from the start: nobody was there.
    """
    if schedule.paused:
        return
    for due in dues:
        status, reason = EditionStatus.WAITING, None
        if due.day in skips:
            if due.due_at > now:
                continue  # it may be taken back until then
            status, reason = EditionStatus.SKIPPED, skipped_words(skips[due.day])
        elif now - due.counts_from > schedule.grace:
            status, reason = EditionStatus.MISSED, NOBODY_THERE
        deadline_at = due.counts_from + schedule.deadline
        yield Make(due.day, due.due_at, deadline_at, status, reason)


def change(
    schedule: Schedule,
    edition: Edition,
    due: Due | None,
    skips: Mapping[date, str | None],
    now: datetime,
) -> Change | None:
    """Return what a schedule as it is now makes of an edition; None: it stays as it is.

    `due` is the edition's day as the schedule has it now, None where it has none.
    """
    coming = edition.due_at > now or (due is not None and due.due_at > now)
    if edition.status not in OPEN and not (edition.status in _REOPENED and coming):
        return None
    # What somebody was there for at its time keeps that time, unless it is to come again.
    moves = due is not None and (coming or not edition.looked_at)
    due_at = due.due_at if due is not None and moves else edition.due_at
    counts_from = max(due_at, due.counts_from) if due is not None else None
    deadline_at = counts_from + schedule.deadline if counts_from else edition.deadline_at
    reason = _set_aside(schedule, edition, due, skips, now)
    if reason is not None and edition.status in _REOPENED:
        return None
    if reason is not None:
        status = EditionStatus.SKIPPED
    elif edition.status in _REOPENED:
        status = EditionStatus.WAITING
    else:
        status, reason = edition.status, edition.reason
    before = (edition.due_at, edition.deadline_at, edition.status)
    if (due_at, deadline_at, status) == before:
        return None
    return Change(edition, due_at, deadline_at, status, reason)


def _set_aside(
    schedule: Schedule,
    edition: Edition,
    due: Due | None,
    skips: Mapping[date, str | None],
    now: datetime,
) -> str | None:
    if schedule.paused:
        return PAUSED
    if edition.day in skips and edition.due_at <= now:
        return skipped_words(skips[edition.day])
    if due is None and not edition.looked_at:
        return NOT_DUE_ANY_MORE
    return None
