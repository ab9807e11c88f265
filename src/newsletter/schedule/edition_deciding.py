"""An operator's yes or no to an edition (H7)."""

from __future__ import annotations

from datetime import datetime

from newsletter.schedule import edition_words as words
from newsletter.schedule.editions import get_edition, lock_edition, move_edition
from newsletter.schedule.mistakes import ScheduleError
from newsletter.schedule.model import OPEN, Edition, EditionStatus
from newsletter.storage.audit import record_audit
from newsletter.storage.database import Database


def decide(
    database: Database,
    edition: int,
    yes: bool,
    now: datetime,
    actor: str,
    *,
    revision: str | None = None,
) -> Edition:
    """Approve or cancel an edition, durably and in the audit log; returns what it is then.

    A yes is for the revision that is before the operators alone; `revision`, where given, is the
    content hash that somebody saw and meant. Saying the same again changes nothing. Raises
    `ScheduleError` when it is too late, or when there is nothing to decide about.
    """
    with database.write() as connection:
        seen = lock_edition(connection, edition)
        if revision is not None and revision != seen.content_hash:
            raise ScheduleError(
                "the digest was changed since; it is put before you anew",
                fix=f"newsletter schedule editions {seen.schedule}",
            )
        wanted = EditionStatus.APPROVED if yes else EditionStatus.CANCELLED
        if seen.status is wanted:
            return seen
        _refuse_unfit(seen, now, yes=yes)
        move_edition(
            connection,
            seen,
            wanted,
            now,
            reason=words.AGREED if yes else words.REFUSED,
            decided_at=now,
            decided_by=actor[:200],
        )
        record_audit(
            connection,
            now,
            actor=actor,
            action="edition.approve" if yes else "edition.cancel",
            subject=f"edition {seen.id}",
            detail={
                "schedule": seen.schedule,
                "day": seen.day.isoformat(),
                "digest": seen.digest_slug,
                "revision": seen.content_hash,
            },
        )
        return get_edition(connection, edition)


def _refuse_unfit(seen: Edition, now: datetime, *, yes: bool) -> None:
    name = f"the edition of {seen.day} of '{seen.schedule}'"
    if seen.status is EditionStatus.FIRED:
        raise ScheduleError(
            f"{name} was fired already, as campaign {seen.campaign}",
            fix=f"to stop it: newsletter campaigns cancel {seen.campaign}",
        )
    if seen.status not in OPEN:
        raise ScheduleError(
            f"{name} is {seen.status}: {seen.reason}",
            fix=f"to send it all the same: newsletter schedule run-now {seen.schedule} {seen.day}",
        )
    if not yes:
        return
    if seen.status is not EditionStatus.HELD:
        raise ScheduleError(
            f"{name} waits for no yes: {seen.reason or 'its time has not come'}",
            fix=f"newsletter schedule editions {seen.schedule}",
        )
    if now >= seen.deadline_at:
        raise ScheduleError(
            f"the deadline of {name} is over since {seen.deadline_at:%Y-%m-%d %H:%M} UTC",
            fix=f"to send it all the same: newsletter schedule run-now {seen.schedule} {seen.day}",
        )
