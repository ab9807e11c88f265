"""Schedules and editions as values, and the only table of moves of an edition (H1 to H8).

How they are stored is in `schedules` and `editions`; when a schedule is due is in `recurrence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum


class DigestRule(StrEnum):
    """Which digest belongs to an edition (H5)."""

    DAY = "day"
    """The one whose date is the edition's: in front matter, byline or file name."""
    LATEST = "latest"
    """The one with the last date, also when it is older: the operator said so."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a list gets a digest.

    Either `time` with `days` (0 is Monday; empty: every day) or `cron` is given, as wall time in
    `timezone` (H1). `by_reader`: at that time of each reader's own zone (H6). With `approval` an
    edition waits for an operator's yes, asked `lead` before it is due (H7). `grace`: how late it
    may still be fired after the process was away (H4). `deadline`: how long after its time a
    digest or an approval is waited for (H5). `listed`: whether the archive names its campaigns.
    What was due up to `since` is no concern of it.
    """

    id: int
    name: str
    list_id: int
    list_name: str
    segment: str | None
    time: time | None
    days: tuple[int, ...]
    cron: str | None
    timezone: str
    by_reader: bool
    approval: bool
    lead: timedelta
    digest_rule: DigestRule
    grace: timedelta
    deadline: timedelta
    listed: bool
    paused: bool
    since: datetime


class EditionStatus(StrEnum):
    """Where one occurrence of a schedule stands."""

    WAITING = "waiting"
    """For its time, its digest, or a digest without errors; the reason says which."""
    HELD = "held"
    """For an operator's yes (H7)."""
    APPROVED = "approved"
    """An operator said yes; it waits for its time."""
    FIRED = "fired"
    """It has its campaign."""
    MISSED = "missed"
    """Its deadline or grace passed; the reason says why. Nothing was sent."""
    SKIPPED = "skipped"
    """By a skip or a pause of the operator (H8)."""
    CANCELLED = "cancelled"
    """An operator said no."""


_S = EditionStatus

EDITION_MOVES: dict[EditionStatus, tuple[EditionStatus, ...]] = {
    # Approved again without being asked: the very revision is back that the yes was for.
    _S.WAITING: (_S.HELD, _S.APPROVED, _S.FIRED, _S.MISSED, _S.SKIPPED, _S.CANCELLED),
    # A digest that changed after it was put before the operators has to be put before them anew.
    _S.HELD: (_S.WAITING, _S.APPROVED, _S.FIRED, _S.MISSED, _S.SKIPPED, _S.CANCELLED),
    _S.APPROVED: (_S.WAITING, _S.HELD, _S.FIRED, _S.MISSED, _S.SKIPPED, _S.CANCELLED),
    # To fired only by an operator's `run-now`. To waiting when its time is to come after all: a
    # pause was taken back, the schedule has another time, a clock was set right.
    _S.MISSED: (_S.WAITING, _S.FIRED),
    _S.SKIPPED: (_S.WAITING, _S.FIRED),
    _S.CANCELLED: (_S.FIRED,),
}
"""Every legal move; a fired edition stays so."""

OPEN = (_S.WAITING, _S.HELD, _S.APPROVED)
"""States in which something may still happen by itself."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One occurrence of a schedule; the key is (schedule, day) (H1).

    `due_at` is its instant; with waves, that of the first zone. `content_hash` names the revision
    that was put before the operators. `campaign` is what became of it. `updated_at`: when it was
    last written, which each edition is at the first look behind its time.
    """

    id: int
    schedule_id: int
    schedule: str
    list_id: int
    day: date
    due_at: datetime
    deadline_at: datetime
    status: EditionStatus
    reason: str | None
    digest_slug: str | None
    content_hash: str | None
    asked_at: datetime | None
    decided_at: datetime | None
    decided_by: str | None
    campaign: int | None
    updated_at: datetime | None = None

    @property
    def looked_at(self) -> bool:
        """Whether somebody has looked at it since its time came; else nobody was there (H4)."""
        return (
            self.reason is not None
            and self.updated_at is not None
            and self.updated_at >= self.due_at
        )


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time a schedule is due: its local date, its instant in UTC, and what is odd about it.

    `oddity` says in words what daylight saving did to it (H2); None on ordinary days.
    """

    day: date
    at: datetime
    oddity: str | None = None
