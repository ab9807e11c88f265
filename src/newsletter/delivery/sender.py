"""The sender of one process: takes the right to send, settles what dead workers left, runs lanes.

It ends when nothing more can be done now; what is left then (deferred until later, unknown) is
named by the totals. It can be told to stop and finishes what is on the wire (G6).
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from newsletter.audience.keys import Keys
from newsletter.clock import Clock
from newsletter.delivery import ledger
from newsletter.delivery.alert_words import unknown_waits
from newsletter.delivery.alerts import raise_alert
from newsletter.delivery.brakes import judge_canary
from newsletter.delivery.campaigns import (
    Campaign,
    Totals,
    change_status,
    get_campaign,
    load_mailing,
    pause_unless_ended,
    totals,
)
from newsletter.delivery.canary import begin_wait, count_judged, count_taken, note_judged
from newsletter.delivery.course import Course, Links, Outfit, ReturnPath
from newsletter.delivery.flight import FlightLog, boot_id
from newsletter.delivery.holding import guard_copy
from newsletter.delivery.lanes import Lane
from newsletter.delivery.leases import kept_alive, renew_claims
from newsletter.delivery.limits import Limits
from newsletter.delivery.locking import sender_lock
from newsletter.delivery.recovery import Recovered, Scene, recover
from newsletter.delivery.resolving import retry_by_policy
from newsletter.delivery.states import READY, UNSETTLED, CampaignStatus, DeliveryState
from newsletter.delivery.status_watch import StatusWatch
from newsletter.delivery.wave_expiry import expire_waves
from newsletter.errors import NewsletterError, ProviderError, StorageError, TryAgainLater
from newsletter.logs import get_logger
from newsletter.providers.base import Provider
from newsletter.storage.copies import CopyMark
from newsletter.storage.database import Database
from newsletter.storage.tables import campaigns

log = get_logger("delivery")

TELL_SECONDS = 1.0
TELL_SHARE = 20
"""Counting walks the ledger: at least so many times longer is sent than counted."""
DRAIN_SECONDS = 25.0
"""How long a stop waits for answers to what is on the wire before it breaks off (G6)."""
LOOK_SECONDS = 0.05
WAVE_SECONDS = 60.0
"""How often it is looked whether the time of a wave is over."""

Progress = Callable[[Totals, Campaign, list[str]], None]
"""Told how far it is: states, the campaign, and the limits in force."""


def _to_the_sender(_delivery: object) -> str:
    return ""


@dataclass(slots=True)
class Sender:
    """Everything a sender needs, brought in from outside; one for a process."""

    database: Database
    provider: Provider
    keys: Keys
    clock: Clock
    links: Links
    flights: Path
    batch_size: int | None
    lease: timedelta
    return_path: ReturnPath = _to_the_sender
    limits: Limits = field(default_factory=Limits)
    stop: threading.Event = field(default_factory=threading.Event)
    wait: Callable[[float], object] | None = None
    """How to wait for a provider or a canary, in seconds; by default until then or `stop`."""
    progress: Progress | None = None
    _tell_at: float = 0.0
    _waves_at: float = 0.0

    def run(self, campaign: int) -> Recovered:
        """Send a campaign as far as it goes now; first settles what dead workers left.

        Raises `TryAgainLater` when another process sends, the provider stays away or today's
        warm-up is used up, and `ProviderError` when it refuses our account: the campaign is
        paused then. A campaign that a brake paused is told by its status alone.
        """
        with sender_lock(self.database) as alone:
            self._guard(campaign)
            recovered = self._recover(alone)
            with self._timed(campaign):
                self._send_all(campaign)
            self._finish(campaign)
            return recovered

    def settle(self) -> Recovered:
        """Settle what dead workers left, of any campaign, and send nothing (G7).

        Raises `TryAgainLater` when another process sends: it does so itself.
        """
        with sender_lock(self.database) as alone:
            guard_copy(self.database, self.clock.now(), "sender")
            return self._recover(alone)

    def _recover(self, alone: bool) -> Recovered:
        scene = Scene(self.flights, self.provider, boot_id(), self.limits.table)
        recovered = recover(self.database, scene, self.clock.now(), others_are_dead=alone)
        if recovered.all:
            log.warning("claims_recovered", **recovered.counts)
        return recovered

    def _guard(self, campaign: int) -> None:
        """Refuse to send from a copy of the database that nobody announced (G19)."""
        report = guard_copy(self.database, self.clock.now(), "sender")
        if report is not None:
            report.refuse(campaign)

    @contextmanager
    def _marked(self, campaign: int) -> Iterator[Callable[[int], None]]:
        """Give what keeps the mark beside an embedded database up with its claims."""
        if self.database.path is None:
            yield lambda _attempt: None
            return
        mark = CopyMark(self.database.path)
        try:
            yield lambda attempt: mark.note_claim(attempt, campaign)
        finally:
            mark.close()

    @contextmanager
    def _timed(self, campaign: int) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            spent = round((time.monotonic() - start) * 1000)
            with self.database.write(durable=False) as connection:
                connection.execute(
                    update(campaigns)
                    .where(campaigns.c.id == campaign)
                    .values(sending_ms=campaigns.c.sending_ms + spent)
                )

    def _send_all(self, campaign: int) -> None:
        with self.database.read() as connection:
            current = get_campaign(connection, campaign)
        if current.status is not CampaignStatus.SENDING:
            return
        if current.provider != self.provider.name:
            raise _other_provider(current, self.provider.name)
        retry_by_policy(self.database, current, self.clock.now(), wait=self.lease)
        again, self._waves_at = True, 0.0
        with self._marked(campaign) as claimed:
            while again and not self.stop.is_set():
                course = self._open_course(campaign)
                self._end_waves(course)
                lanes = list(self._lanes(course, claimed))
                with self._leases_kept(campaign, lanes):
                    self._drive(course, lanes)
                self._meet(course)
                again = self._canary_passed(course)

    def _open_course(self, campaign: int) -> Course:
        with self.database.read() as connection:
            current = get_campaign(connection, campaign)
            settled, hard = count_judged(connection, campaign)
            return Course(
                current,
                load_mailing(connection, campaign),
                settled,
                hard,
                judged=current.judged_at is not None,
                stop=self.stop,
                left=ledger.count_ready(connection, campaign, self.clock.now()),
            )

    def _leases_kept(self, campaign: int, lanes: list[Lane]) -> AbstractContextManager[None]:
        names = [lane.worker for lane in lanes]
        return kept_alive(
            lambda: renew_claims(self.database, campaign, names, self.clock.now(), self.lease),
            self.lease,
        )

    def _drive(self, course: Course, lanes: list[Lane]) -> None:
        """Run the lanes until each has ended; a stop that takes too long breaks off the wire."""
        threads = [
            threading.Thread(target=lane.run, name=f"lane-{number}")
            for number, lane in enumerate(lanes)
        ]
        for thread in threads:
            thread.start()
        drain: float | None = None
        watch = StatusWatch(self.database, course)
        try:
            for thread in threads:
                while thread.is_alive():
                    if drain is None and self.stop.is_set():
                        course.end.set()
                        drain = time.monotonic() + DRAIN_SECONDS
                    if drain is not None and time.monotonic() > drain:
                        self.provider.interrupt()
                        drain = float("inf")
                    self._tell(course)
                    self._end_waves(course)
                    watch.look()
                    thread.join(LOOK_SECONDS)
        except BaseException:
            # A second signal: what is on the wire becomes unknown, and everything is recorded.
            course.end.set()
            self.provider.interrupt()
            for thread in threads:
                thread.join()
            raise

    def _lanes(self, course: Course, claimed: Callable[[int], None]) -> Iterator[Lane]:
        outfit = Outfit(
            self.database,
            self.provider,
            self.keys,
            self.clock,
            self.links,
            self.return_path,
            self.limits,
            batch_size=self.batch_size or self.provider.batch_limit,
            wait=self.wait,
            claimed=claimed,
        )
        process = f"{socket.gethostname()[:30]}-{os.getpid()}-{secrets.token_hex(4)}"
        for number in range(self.provider.lanes):
            worker = ledger.Worker(f"{process}-{number}", boot_id(), self.lease)
            # Before its first claim: a missing log proves nothing, an empty one does.
            yield Lane(outfit, course, worker, FlightLog(self.flights, worker.name))

    def _meet(self, course: Course) -> None:
        """Act on what ended the lanes: pause for our own faults, tell what time will mend."""
        campaign = course.campaign.id
        if course.crash is not None:
            raise course.crash
        if course.account is not None:
            problem = course.account
            self._pause(campaign, problem.problem)
            raise ProviderError(
                f"{problem.problem}; campaign {campaign} is paused, nobody was lost",
                fix=problem.fix or f"correct it, then: newsletter campaigns resume {campaign}",
            )
        if course.refusals.too_many:
            refusals = course.refusals
            reason = f"the provider refused the message {refusals.count} times in a row"
            self._pause(campaign, f"{reason}: {refusals.words}")
            raise ProviderError(
                f"{reason} ({refusals.words}); campaign {campaign} is paused",
                fix=f"correct the cause, then: newsletter campaigns resume {campaign}",
            )
        if self.clock.now() >= course.campaign.expires_at:
            expired = ledger.expire(self.database, campaign)
            log.warning("campaign_expired", campaign=campaign, deliveries=expired)
        elif not self.stop.is_set() and course.brake is None:
            self._tell_what_time_mends(course)

    def _tell_what_time_mends(self, course: Course) -> None:
        campaign = course.campaign.id
        with self.database.read() as connection:
            ready = ledger.count_ready(connection, campaign, self.clock.now())
            limits = self.limits.describe(connection, self.provider.name, self.clock.now())
        if not ready:
            return
        fix = f"newsletter campaigns resume {campaign}"
        if course.unavailable is not None:
            raise TryAgainLater(
                f"{course.unavailable.problem}; campaign {campaign} is unfinished, nobody was lost",
                fix=fix,
            )
        if course.quota_used:
            raise TryAgainLater(
                f"today's share is used up ({'; '.join(limits)}); {ready} of campaign {campaign} "
                f"wait, until {course.campaign.expires_at:%Y-%m-%d %H:%M} UTC at the latest",
                fix=f"tomorrow: {fix}",
            )

    def _end_waves(self, course: Course) -> None:
        """Let nothing leave whose wave is over (G9); now and then, for it walks the ledger."""
        if course.campaign.wave_time is None or time.monotonic() < self._waves_at:
            return
        with course.write(self.database, durable=True) as connection:
            expired = expire_waves(connection, course.campaign, self.clock.now())
        if expired:
            log.warning("waves_expired", campaign=course.campaign.id, deliveries=expired)
        self._waves_at = time.monotonic() + WAVE_SECONDS

    def _pause(self, campaign: int, reason: str) -> None:
        actor = f"provider:{self.provider.name}"
        with self.database.write() as connection:
            pause_unless_ended(connection, campaign, self.clock.now(), actor=actor, reason=reason)
        log.error("campaign_paused", campaign=campaign, reason=reason)

    def _canary_passed(self, course: Course) -> bool:
        """Watch a canary that is out, and judge it; returns whether the rest may follow now."""
        current = course.campaign
        if not current.canary or course.judged or self.clock.now() >= current.expires_at:
            return False
        with self.database.read() as connection:
            if count_taken(connection, current.id) < current.canary:
                return False
        until = current.canary_until or self.clock.now() + self.limits.brakes.canary_wait
        if current.canary_until is None:
            begin_wait(self.database, current.id, until)
        log.info("canary_out", campaign=current.id, recipients=current.canary, until=str(until))
        while (left := (until - self.clock.now()).total_seconds()) > 0 and not self.stop.is_set():
            (self.wait or self.stop.wait)(min(left, 5.0))
            self._tell(course)
        if self.stop.is_set():
            return False
        with self.database.read() as connection:
            settled, hard = count_judged(connection, current.id)
        reason = judge_canary(settled, hard, self.limits.brakes)
        with self.database.write() as connection:
            note_judged(connection, current.id, self.clock.now(), reason=reason)
        return reason is None

    def _tell(self, course: Course) -> None:
        if self.progress is None or time.monotonic() < self._tell_at:
            return
        start = time.monotonic()
        name = self.provider.name
        with self.database.read() as connection:
            states = totals(connection, course.campaign.id)
            current = get_campaign(connection, course.campaign.id)
            limits = self.limits.describe(connection, name, self.clock.now())
        if course.waits_for is not None:
            limits.append(f"waiting: {course.waits_for}")
        self.progress(states, current, limits)
        spent = time.monotonic() - start
        self._tell_at = time.monotonic() + max(TELL_SECONDS, TELL_SHARE * spent)

    def _finish(self, campaign: int) -> None:
        """Call a campaign sent when every recipient has a final state and the sums are right."""
        with self.database.read() as connection:
            current = get_campaign(connection, campaign)
            states = totals(connection, campaign)
        if states.all != current.recipients:
            raise StorageError(
                f"campaign {campaign}: the ledger holds {states.all} rows for "
                f"{current.recipients} recipients",
                fix="send nothing more from this database; restore a backup or ask for help",
            )
        if current.status is CampaignStatus.SENDING and not states.of(*UNSETTLED):
            change_status(self.database, campaign, "finish", self.clock.now(), actor="sender")
            log.info("campaign_sent", campaign=campaign, accepted=states.of(DeliveryState.ACCEPTED))
        self._tell_of_unknown(current, states)

    def _tell_of_unknown(self, current: Campaign, states: Totals) -> None:
        """Raise an alert where only lost answers keep a campaign open and the operator decides."""
        unknown = states.of(DeliveryState.UNKNOWN)
        still_at_work = states.of(*READY, DeliveryState.CLAIMED)
        if current.status is CampaignStatus.SENDING and unknown and not still_at_work:
            if current.on_unknown != "hold":
                return
            with self.database.write() as connection:
                alert = unknown_waits(current.id, unknown=unknown, recipients=current.recipients)
                raise_alert(connection, alert, self.clock.now())


def _other_provider(current: Campaign, name: str) -> NewsletterError:
    return ProviderError(
        f"campaign {current.id} was frozen for '{current.provider}', "
        f"but 'delivery.provider' is '{name}'",
        fix=f'set delivery.provider = "{current.provider}" and resume, or cancel the campaign',
    )
