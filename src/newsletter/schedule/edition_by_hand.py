"""`run-now`: an operator fires an edition at once, whatever its state, unless it is fired.

The clock may do so at the same moment: they share the edition's key and its lock, so one of them
sends.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from sqlalchemy import Connection, update

from newsletter.clock import zone_of
from newsletter.delivery.campaigns import AlreadySent
from newsletter.delivery.freeze_request import FreezeRequest
from newsletter.errors import StorageError
from newsletter.schedule import edition_words as words
from newsletter.schedule.choosing import NotThere, Shelf
from newsletter.schedule.edition_dues import Dues
from newsletter.schedule.edition_firing import Firing
from newsletter.schedule.edition_plan import Due
from newsletter.schedule.edition_readiness import Had, find_ready
from newsletter.schedule.edition_view import View
from newsletter.schedule.editions import Overtaken, find_edition, make_edition, move_edition
from newsletter.schedule.mistakes import ScheduleError
from newsletter.schedule.model import Edition, EditionStatus, Schedule
from newsletter.schedule.schedules import get_schedule
from newsletter.storage.tables import campaigns

_TRIES = 5


def run_by_hand(
    firing: Firing,
    shelf: Shelf,
    dues: Dues,
    name: str,
    *,
    day: date | None,
    now: datetime,
    actor: str,
) -> int:
    """Fire the edition of a schedule's day, today's where none is named; returns the campaign.

    Raises as `EditionKeeper.run_now` does.
    """
    for _ in range(_TRIES):
        with firing.database.read() as connection:
            schedule = get_schedule(connection, name)
            wanted = day or now.astimezone(zone_of(schedule.timezone)).date()
            edition = find_edition(connection, schedule.id, wanted)
            due = dues.on(connection, schedule, wanted, now)
        if edition is not None and edition.status is EditionStatus.FIRED:
            raise ScheduleError(
                f"the edition of {wanted} of '{name}' was fired already, as campaign "
                f"{edition.campaign}",
                fix=f"newsletter campaigns resume {edition.campaign} goes on with it",
            )
        seen = edition or _unmade(schedule, wanted, due or _due_by_hand(wanted, now))
        request = _request(firing, shelf, View(seen, schedule, None, None, copied=False), now)
        try:
            return _fire(firing, request, schedule, seen, now=now, actor=actor)
        except Overtaken:
            continue
        except StorageError:
            with firing.database.read() as connection:
                if find_edition(connection, schedule.id, wanted) == edition:
                    raise
    raise Overtaken


def _request(firing: Firing, shelf: Shelf, view: View, now: datetime) -> FreezeRequest:
    schedule, day = view.schedule, view.edition.day
    found = find_ready(view, shelf, firing, now, patient=False)
    if isinstance(found, NotThere):
        raise ScheduleError(
            f"the edition of {day} of '{schedule.name}' cannot be sent: {found.reason}",
            fix="correct it, then the same command again",
        )
    if isinstance(found, Had):
        raise _had(schedule, day, found.campaign)
    prepared = found.prepared or firing.check(schedule, found.chosen, now)
    return firing.request(schedule, prepared, edition=view.edition.id or None, waves=None)


def _fire(
    firing: Firing,
    request: FreezeRequest,
    schedule: Schedule,
    seen: Edition,
    *,
    now: datetime,
    actor: str,
) -> int:
    def settle(connection: Connection, campaign: int) -> None:
        if not seen.id:
            _make_fired(connection, seen, campaign, now, actor)
            return
        move_edition(
            connection,
            seen,
            EditionStatus.FIRED,
            now,
            reason=words.BY_HAND,
            digest_slug=request.slug,
            content_hash=request.content_hash,
            decided_at=now,
            decided_by=actor[:200],
        )

    try:
        return firing.fire(request, schedule, now, actor=actor, settle=settle)
    except AlreadySent as already:
        with firing.database.read() as connection:
            edition = find_edition(connection, schedule.id, seen.day)
        if edition is not None and edition.status is EditionStatus.FIRED:
            raise Overtaken from None
        raise _had(schedule, seen.day, already.campaign) from None


def _make_fired(
    connection: Connection, seen: Edition, campaign: int, now: datetime, actor: str
) -> None:
    """Make an edition that nobody has made yet, and give it the campaign."""
    made = make_edition(
        connection,
        seen.schedule_id,
        seen.day,
        now,
        due_at=seen.due_at,
        deadline_at=seen.deadline_at,
        status=EditionStatus.FIRED,
        reason=words.BY_HAND,
        decided_by=actor[:200],
    )
    if made is None:
        raise Overtaken
    connection.execute(update(campaigns).where(campaigns.c.id == campaign).values(edition_id=made))


def _due_by_hand(day: date, now: datetime) -> Due:
    """Return when a day is due that its schedule does not have.

    Not before it is over everywhere else: days up to one that is due are not made any more.
    """
    at = max(now, datetime.combine(day, time(12), tzinfo=UTC))
    return Due(day, at, at)


def _unmade(schedule: Schedule, day: date, due: Due) -> Edition:
    """Return what an edition that was not made yet would be; its number is 0."""
    return Edition(
        id=0,
        schedule_id=schedule.id,
        schedule=schedule.name,
        list_id=schedule.list_id,
        day=day,
        due_at=due.due_at,
        deadline_at=due.counts_from + schedule.deadline,
        status=EditionStatus.WAITING,
        reason=None,
        digest_slug=None,
        content_hash=None,
        asked_at=None,
        decided_at=None,
        decided_by=None,
        campaign=None,
    )


def _had(schedule: Schedule, day: date, campaign: int) -> ScheduleError:
    return ScheduleError(
        f"the digest of {day} went to '{schedule.list_name}' already, as campaign {campaign}",
        fix=f"newsletter campaigns report {campaign}; to send it a second time: "
        f"newsletter send {day} --list {schedule.list_name} --again",
    )
