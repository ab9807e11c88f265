"""Keeps the editions of all schedules: makes, asks, waits, fires, misses; look by look.

The tables are the truth, so that looks may come late, twice, or from several processes at once:
an edition is moved only from where it was seen, under its lock, and fired in the freeze of its
campaign (H4, H5, H7, H9).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from newsletter.clock import Clock
from newsletter.delivery.alerts import Alert, is_raised, raise_alert
from newsletter.delivery.campaigns import AlreadySent
from newsletter.delivery.faults import Faults, Thing
from newsletter.delivery.requests import DigestChanged
from newsletter.errors import DeliveryError, NewsletterError, StorageError, TryAgainLater
from newsletter.logs import get_logger
from newsletter.schedule import edition_words as words
from newsletter.schedule.choosing import SETTLE, NotThere, Shelf
from newsletter.schedule.edition_by_hand import run_by_hand
from newsletter.schedule.edition_copies import guard_editions
from newsletter.schedule.edition_deciding import decide
from newsletter.schedule.edition_dues import Dues, Occurrences, occurrences_of, waves_of
from newsletter.schedule.edition_firing import Firing, ListArchive
from newsletter.schedule.edition_making import bring_up_to_date, schedule_thing
from newsletter.schedule.edition_readiness import Had, Ready, find_ready
from newsletter.schedule.edition_view import View, view_edition
from newsletter.schedule.editions import Overtaken, get_edition, move_edition, open_editions
from newsletter.schedule.model import OPEN, Edition, EditionStatus
from newsletter.schedule.schedules import list_schedules
from newsletter.schedule.skips import skipped_days
from newsletter.settings import Settings
from newsletter.storage.database import Database

__all__ = ["EditionKeeper", "Looked", "Moved", "decide"]

log = get_logger("schedule")

LATE = timedelta(minutes=10)
"""So long after its time an edition that still waits is told of; its deadline is hours away."""


@dataclass(frozen=True, slots=True)
class Moved:
    """An edition that a look has moved; `campaign` when it was fired."""

    edition: int
    status: EditionStatus
    campaign: int | None = None


@dataclass(slots=True)
class Looked:
    """What one look did: how many editions it made, which it moved, what stood in its way."""

    made: int = 0
    moved: list[Moved] = field(default_factory=list)
    troubles: list[NewsletterError] = field(default_factory=list)

    @property
    def fired(self) -> tuple[int, ...]:
        """The campaigns that were frozen."""
        return tuple(move.campaign for move in self.moved if move.campaign is not None)


class EditionKeeper:
    """Brings the editions up to date: `look`, idempotent, in any number of processes.

    `occurrences` says when a schedule is due. `on_asked` is told of an edition that was just put
    before the operators, behind the commit: a process that dies between has not told it. `settle`
    is how long a digest's file must have been left alone. `archive_url` makes what leads to the
    public page of a campaign; None: mails lead to none.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Clock,
        *,
        occurrences: Occurrences = occurrences_of,
        on_asked: Callable[[Edition], object] | None = None,
        settle: timedelta = SETTLE,
        archive_url: ListArchive | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._dues = Dues(occurrences)
        self._faults = Faults(database, clock)
        self._on_asked = on_asked
        self._firing = Firing(database, settings, archive_url)
        self._shelf = Shelf(settings.path(settings.newsletter.digests), settle=settle)

    def look(self) -> Looked:
        """Make the editions that are needed by now, and take each open one a step further.

        What goes wrong with one of them is kept in the answer and stops no other. Raises
        `NewsletterError` when the database itself cannot be worked with.
        """
        looked = Looked()
        now = self._clock.now()
        looked.made = bring_up_to_date(self._database, self._dues, self._faults, now)
        with self._database.read() as connection:
            waiting = open_editions(connection)
            names = {schedule.id: schedule.name for schedule in list_schedules(connection)}
        if waiting:
            guard_editions(self._database, self._clock.now(), "schedule")
        for edition in waiting:
            moved: Moved | None = None
            thing = Thing(
                "edition",
                str(edition.id),
                f"the edition of {edition.day} (schedule "
                f"{names.get(edition.schedule_id, edition.schedule_id)})",
            )
            if self._faults.is_held(thing):
                continue
            with self._faults.holding(thing):
                try:
                    moved = self._step(edition.id)
                except NewsletterError as error:
                    looked.troubles.append(error)
                    log.warning("edition_stuck", edition=edition.id, problem=error.problem)
                    if not isinstance(error, StorageError | TryAgainLater):
                        self._faults.tell(thing, error)
            if moved is not None:
                looked.moved.append(moved)
                log.info(
                    "edition", edition=moved.edition, status=moved.status, campaign=moved.campaign
                )
        return looked

    def next_due(self) -> datetime | None:
        """Return the next instant at which a look has something to do; None: not within a week."""
        now = self._clock.now()
        with self._database.read() as connection:
            instants: list[datetime | None] = []
            for schedule in list_schedules(connection):
                # Whoever makes its editions tells of a schedule that cannot be planned.
                with suppress(NewsletterError), self._faults.holding(schedule_thing(schedule)):
                    instants.append(self._dues.next_look(schedule, now))
            for edition in open_editions(connection):
                instants += (edition.due_at, edition.deadline_at)
        return min((at for at in instants if at is not None and at > now), default=None)

    def run_now(self, schedule: str, day: date | None, actor: str) -> int:
        """Fire today's edition of a schedule, or that of a day, at once by an operator's word.

        Whatever its state, unless it is fired; to everybody at once, also where readers have their
        own times. Returns the campaign's number. Raises `ScheduleError` when it was fired before
        or its digest is not there, `DeliveryError` when that has errors or nobody would get it.
        """
        now = self._clock.now()
        report = guard_editions(self._database, now, actor)
        if report is not None:
            raise DeliveryError(
                f"{report.problem}; the original may have sent this edition, so nothing was sent",
                fix="look first; the same command again sends it",
            )
        return run_by_hand(
            self._firing, self._shelf, self._dues, schedule, day=day, now=now, actor=actor
        )

    # ------------------------------------------------------------ one edition, one step

    def _step(self, number: int) -> Moved | None:
        now = self._clock.now()
        with self._database.read() as connection:
            view = view_edition(connection, number, now)
        if view.edition.status not in OPEN or now < view.looked_from:
            return None
        if view.skip is not None:
            return self._wait(view, NotThere(view.skip), now)
        if now >= view.edition.due_at and (reason := view.lost(now)) is not None:
            return self._miss(view, reason, now)
        if view.copied:
            reason = words.copied(view.schedule)
            return self._wait(view, NotThere(reason, mistake=reason), now)
        found = find_ready(view, self._shelf, self._firing, now)
        if isinstance(found, NotThere):
            return self._wait(view, found, now)
        if isinstance(found, Had):
            return self._set_aside(view, found, now)
        return self._go_on(view, found, now)

    def _go_on(self, view: View, ready: Ready, now: datetime) -> Moved | None:
        edition, schedule = view.edition, view.schedule
        if not view.is_agreed(ready.chosen.content_hash):
            return self._ask(view, ready, now)
        if now >= edition.due_at:
            return self._fire(view, ready, now)
        if schedule.approval and edition.status is not EditionStatus.APPROVED:
            return self._settle(view, EditionStatus.APPROVED, now, reason=words.AGREED)
        return None

    def _wait(self, view: View, why: NotThere, now: datetime) -> Moved | None:
        edition = view.edition
        if now >= edition.deadline_at:
            return self._miss(view, why.reason, now)
        known = edition.status is EditionStatus.WAITING and edition.reason == why.reason
        if known and (edition.looked_at or now < edition.due_at):
            if why.mistake is None and view.skip is None:
                self._tell_late(
                    edition, words.edition_late(view.schedule, edition, why.reason), now
                )
            return None
        alert = None
        if why.mistake is not None:
            alert = words.edition_trouble(view.schedule, edition, why.reason, why.mistake)
        return self._settle(view, EditionStatus.WAITING, now, alert=alert, reason=why.reason)

    def _tell_late(self, edition: Edition, alert: Alert, now: datetime) -> None:
        """Tell, a while after its time, that an edition still waits."""
        if now < edition.due_at + LATE:
            return
        with self._database.read() as connection:
            told = is_raised(connection, alert.key)
        if not told:
            with self._database.write() as connection:
                raise_alert(connection, alert, now)

    def _miss(self, view: View, reason: str, now: datetime) -> Moved | None:
        alert = words.edition_missed(view.schedule, view.edition, reason)
        return self._settle(view, EditionStatus.MISSED, now, alert=alert, reason=reason)

    def _set_aside(self, view: View, had: Had, now: datetime) -> Moved | None:
        reason = words.already(had.campaign)
        if now < view.edition.due_at:
            return self._wait(view, NotThere(reason), now)
        return self._settle(view, EditionStatus.SKIPPED, now, reason=reason)

    def _ask(self, view: View, ready: Ready, now: datetime) -> Moved | None:
        """Put a revision before the operators; the yes to another one does not count (H7)."""
        edition, chosen = view.edition, ready.chosen
        if now >= edition.deadline_at:
            return self._miss(view, words.NOT_DECIDED, now)
        if view.is_asked(chosen.content_hash):
            if edition.looked_at or now < edition.due_at:
                self._tell_late(edition, words.edition_undecided(view.schedule, edition), now)
                return None
            return self._settle(view, EditionStatus.HELD, now)
        moved = self._settle(
            view,
            EditionStatus.HELD,
            now,
            reason=words.ASKED,
            digest_slug=chosen.slug,
            content_hash=chosen.content_hash,
            asked_at=now,
            decided_at=None,
            decided_by=None,
        )
        if moved is not None and self._on_asked is not None:
            with self._database.read() as connection:
                asked = get_edition(connection, edition.id)
            # It is held already; whoever looks after questions asks again.
            thing = Thing("question", str(edition.id), f"the question about edition {edition.id}")
            with self._faults.holding(thing):
                try:
                    self._on_asked(asked)
                except NewsletterError as error:
                    log.warning("operators_not_asked", edition=edition.id, problem=error.problem)
        return moved

    def _fire(self, view: View, ready: Ready, now: datetime) -> Moved | None:
        edition, schedule = view.edition, view.schedule
        waves = waves_of(schedule, edition.day)
        try:
            prepared = ready.prepared or self._firing.check(schedule, ready.chosen, now)
            request = self._firing.request(schedule, prepared, edition=edition.id, waves=waves)
        except DigestChanged as changed:
            return self._wait(view, NotThere(str(changed)), now)

        def settle(connection: Connection, _campaign: int) -> None:
            if edition.day in skipped_days(connection, schedule.id):
                raise Overtaken
            move_edition(
                connection,
                edition,
                EditionStatus.FIRED,
                now,
                reason=None,
                digest_slug=ready.chosen.slug,
                content_hash=ready.chosen.content_hash,
            )

        actor = f"schedule:{schedule.name}"
        try:
            campaign = self._firing.fire(request, schedule, now, actor=actor, settle=settle)
        except Overtaken:
            return None
        except AlreadySent as already:
            return self._set_aside(view, Had(already.campaign), now)
        except StorageError:
            if self._is_moved(edition):
                return None
            raise
        except DeliveryError as nobody:
            return self._miss(view, str(nobody), now)
        return Moved(edition.id, EditionStatus.FIRED, campaign)

    def _is_moved(self, seen: Edition) -> bool:
        with self._database.read() as connection:
            return get_edition(connection, seen.id) != seen

    def _settle(
        self,
        view: View,
        status: EditionStatus,
        now: datetime,
        *,
        alert: Alert | None = None,
        **values: Any,
    ) -> Moved | None:
        """Move an edition, and raise an alert beside it; None: somebody else was quicker."""
        try:
            with self._database.write() as connection:
                move_edition(connection, view.edition, status, now, **values)
                if alert is not None:
                    raise_alert(connection, alert, now)
        except Overtaken:
            return None
        return Moved(view.edition.id, status)
