"""An edition with all that decides about its next step, read at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from newsletter.schedule import edition_words as words
from newsletter.schedule.edition_copies import waits_for_word
from newsletter.schedule.editions import get_edition
from newsletter.schedule.model import DigestRule, Edition, EditionStatus, Schedule
from newsletter.schedule.schedules import get_schedule
from newsletter.schedule.skips import skipped_days
from newsletter.storage.schedule_tables import editions

_SET_ASIDE = (EditionStatus.SKIPPED.value, EditionStatus.CANCELLED.value)


@dataclass(frozen=True, slots=True)
class View:
    """An edition, its schedule, and what stands around it.

    `skip` says why the day is left out, `newer` is the day of a later edition that sends the last
    digest in its place, `copied` whether the database counts as a copy (G19).
    """

    edition: Edition
    schedule: Schedule
    skip: str | None
    newer: date | None
    copied: bool

    @property
    def looked_from(self) -> datetime:
        """The instant from which on its digest is looked for."""
        early = self.schedule.lead if self.schedule.approval else None
        return self.edition.due_at - early if early else self.edition.due_at

    def lost(self, now: datetime) -> str | None:
        """Say why an edition that is due cannot be sent any more, whatever its digest is like.

        At the first look behind its time the grace decides (H4), at all others its deadline (H5):
        who was away may still fire what was ready.
        """
        edition = self.edition
        if self.newer is not None:
            return words.superseded(self.newer)
        if not edition.looked_at:
            counts_from = edition.deadline_at - self.schedule.deadline
            return words.NOBODY_THERE if now - counts_from > self.schedule.grace else None
        if now < edition.deadline_at:
            return None
        if edition.status is EditionStatus.HELD:
            return words.NOT_DECIDED
        return words.NOT_SENT if edition.status is EditionStatus.APPROVED else edition.reason

    def is_agreed(self, content_hash: str) -> bool:
        """Return whether that revision needs no operator's yes, or has it (H7)."""
        if not self.schedule.approval:
            return True
        return self.edition.content_hash == content_hash and self.edition.decided_at is not None

    def is_asked(self, content_hash: str) -> bool:
        """Return whether that revision is before the operators."""
        held = self.edition.status is EditionStatus.HELD
        return self.schedule.approval and held and self.edition.content_hash == content_hash


def view_edition(connection: Connection, edition: int, now: datetime) -> View:
    """Read an edition with what stands around it."""
    found = get_edition(connection, edition)
    schedule = get_schedule(connection, found.schedule)
    skips = skipped_days(connection, schedule.id)
    return View(
        found,
        schedule,
        words.skipped_words(skips[found.day]) if found.day in skips else None,
        _newer(connection, schedule, found, now),
        waits_for_word(connection, schedule),
    )


def _newer(
    connection: Connection, schedule: Schedule, edition: Edition, now: datetime
) -> date | None:
    if schedule.digest_rule is not DigestRule.LATEST:
        return None
    day = connection.execute(
        select(func.max(editions.c.day)).where(
            editions.c.schedule_id == schedule.id,
            editions.c.day > edition.day.isoformat(),
            editions.c.due_at <= now,
            editions.c.status.not_in(_SET_ASIDE),
        )
    ).scalar()
    return date.fromisoformat(day) if day is not None else None
