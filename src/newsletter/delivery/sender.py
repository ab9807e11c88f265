"""The send loop: claim a batch, hand it to the provider, record what became of it, go on.

It ends when nothing more can be done now; what is left then (deferred until later, unknown) is
named by the totals. It can be told to stop and finishes what is on the wire (G6).
"""

from __future__ import annotations

import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from sqlalchemy import update

from newsletter.audience.eligibility import Recipient
from newsletter.audience.keys import Keys
from newsletter.clock import Clock
from newsletter.delivery import ledger
from newsletter.delivery.campaigns import (
    Campaign,
    Totals,
    change_status,
    get_campaign,
    load_mailing,
    totals,
)
from newsletter.delivery.flight import FlightLog, boot_id
from newsletter.delivery.locking import sender_lock
from newsletter.delivery.recovery import Recovered, Scene, recover
from newsletter.delivery.resolving import retry_by_policy
from newsletter.delivery.states import UNSETTLED, CampaignStatus, DeliveryState
from newsletter.errors import NewsletterError, ProviderError, StorageError, TryAgainLater
from newsletter.logs import get_logger
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Envelope,
    Mailing,
    Outcome,
    OutcomeKind,
    Provider,
    Unavailable,
)
from newsletter.rendering.content import ListIdentity
from newsletter.storage.database import Database
from newsletter.storage.tables import campaigns

log = get_logger("delivery")

RECORD_EVERY = 200
"""Outcomes written in one relaxed transaction; what a kill catches is in the flight log."""
RECORD_SECONDS = 0.25
TELL_SECONDS = 1.0
REFUSALS_IN_A_ROW = 5
"""So many refusals of the message itself, one after the other, pause the campaign (G10)."""
WAITS_IN_A_ROW = 5
"""So often the sender waits for an absent provider without any progress before it gives up."""

Links = Callable[[ListIdentity, Recipient], dict[str, str]]
"""Makes the personal links (`unsubscribe_url`, `preferences_url`) of a recipient."""
Progress = Callable[[Totals, Campaign], None]


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
    stop: threading.Event = field(default_factory=threading.Event)
    wait: Callable[[float], None] | None = None
    """How to wait for a provider, in seconds; by default until then or `stop`."""
    progress: Progress | None = None
    _told: float = 0.0

    def run(self, campaign: int) -> Recovered:
        """Send a campaign as far as it goes now; first settles what dead workers left.

        Raises `TryAgainLater` when another process sends or the provider stays away, and
        `ProviderError` when it refuses our account: the campaign is paused then.
        """
        with sender_lock(self.database) as alone:
            recovered = recover(
                self.database,
                Scene(self.flights, self.provider, boot_id()),
                self.clock.now(),
                others_are_dead=alone,
            )
            if recovered.all:
                log.warning("claims_recovered", campaign=campaign, **recovered.counts)
            with self._timed(campaign):
                self._send_all(campaign)
            self._finish(campaign)
            return recovered

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
        worker = ledger.Worker(
            f"{socket.gethostname()[:30]}-{os.getpid()}-{secrets.token_hex(4)}",
            boot_id(),
            self.lease,
        )
        with self.database.read() as connection:
            current = get_campaign(connection, campaign)
            if current.status is CampaignStatus.SENDING and current.provider != self.provider.name:
                raise _other_provider(current, self.provider.name)
            mailing = load_mailing(connection, campaign)
        flight = FlightLog(self.flights, worker.name)
        retry_by_policy(self.database, current, self.clock.now(), wait=self.lease)
        try:
            self._work(current, mailing, worker, flight)
        except (ProviderError, TryAgainLater):
            if flight.settled:
                flight.discard()
            raise
        # After any other error the log stays: the next process reads it.
        flight.discard()

    def _work(
        self, current: Campaign, mailing: Mailing, worker: ledger.Worker, flight: FlightLog
    ) -> None:
        after, waits, refusals = -1, 0, _Refusals()
        while not self.stop.is_set():
            now = self.clock.now()
            if now >= current.expires_at:
                expired = ledger.expire(self.database, current.id)
                log.warning("campaign_expired", campaign=current.id, deliveries=expired)
                return
            limit = min(self.batch_size or 10_000, self.provider.batch_limit)
            batch = ledger.claim(
                self.database, current.id, worker, self.keys, now, limit=limit, after=after
            )
            if batch is None:
                if after < 0:
                    return
                # Once more from the start: rows given back, deferrals that have come due.
                after = -1
                continue
            after = batch.last
            if batch.recipients:
                flight.begin(batch.attempt)
                problem = self._deliver(batch, mailing, flight, refusals)
                waits = waits + 1 if isinstance(problem, Unavailable) else 0
                self._meet(current, problem, refusals, waits)
                if problem is not None:
                    after = -1
            self._tell(current.id)

    def _deliver(
        self, batch: ledger.Batch, mailing: Mailing, flight: FlightLog, refusals: _Refusals
    ) -> AccountProblem | Unavailable | None:
        """Send one batch; afterwards each of its rows has a state that is true."""
        envelopes = [self._envelope(mailing, recipient) for recipient in batch.recipients]
        waiting = {envelope.delivery.subscriber for envelope in envelopes}
        buffer: list[Outcome] = []
        last = time.monotonic()
        problem: AccountProblem | Unavailable | None = None
        outcomes = self.provider.send(mailing, envelopes, flight)
        try:
            for outcome in outcomes:
                waiting.discard(outcome.delivery.subscriber)
                refusals.note(outcome)
                buffer.append(outcome)
                if len(buffer) >= RECORD_EVERY or time.monotonic() - last > RECORD_SECONDS:
                    self._record(batch, buffer)
                    buffer, last = [], time.monotonic()
                    self._tell(batch.campaign)
                if self.stop.is_set() or refusals.too_many:
                    break
        except (AccountProblem, Unavailable) as raised:
            problem = raised
        finally:
            _close(outcomes)
            self._record(batch, buffer + _rest(batch.campaign, waiting, flight))
            ledger.close_attempt(self.database, batch, self.clock.now())
            flight.settled = True
        return problem

    def _record(self, batch: ledger.Batch, outcomes: list[Outcome]) -> None:
        ledger.record(
            self.database,
            batch,
            outcomes,
            self.clock.now(),
            jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
            provider=self.provider.name,
        )

    def _envelope(self, mailing: Mailing, recipient: Recipient) -> Envelope:
        values = {**recipient.values, **self.links(mailing.identity, recipient)}
        return Envelope(
            delivery=DeliveryId(mailing.campaign, recipient.subscriber),
            address=recipient.address,
            name=recipient.name,
            values=values,
        )

    def _meet(
        self,
        current: Campaign,
        problem: AccountProblem | Unavailable | None,
        refusals: _Refusals,
        waits: int,
    ) -> None:
        """Act on what stands in the way: pause for our own faults, wait for an absent server."""
        if isinstance(problem, AccountProblem):
            self._pause(current.id, problem.problem)
            raise ProviderError(
                f"{problem.problem}; campaign {current.id} is paused, nobody was lost",
                fix=problem.fix or f"correct it, then: newsletter campaigns resume {current.id}",
            )
        if refusals.too_many:
            reason = f"the provider refused the message {REFUSALS_IN_A_ROW} times in a row"
            self._pause(current.id, f"{reason}: {refusals.words}")
            raise ProviderError(
                f"{reason} ({refusals.words}); campaign {current.id} is paused",
                fix=f"correct the cause, then: newsletter campaigns resume {current.id}",
            )
        if problem is not None:
            log.warning("provider_unavailable", campaign=current.id, problem=problem.problem)
            if waits >= WAITS_IN_A_ROW:
                raise TryAgainLater(
                    f"{problem.problem}; campaign {current.id} is unfinished, nobody was lost",
                    fix=f"newsletter campaigns resume {current.id}",
                )
            (self.wait or self.stop.wait)(min(problem.retry_after * 2 ** (waits - 1), 120.0))

    def _pause(self, campaign: int, reason: str) -> None:
        change_status(
            self.database,
            campaign,
            "pause",
            self.clock.now(),
            actor=f"provider:{self.provider.name}",
            reason=reason,
        )
        log.error("campaign_paused", campaign=campaign, reason=reason)

    def _tell(self, campaign: int) -> None:
        # Counting walks the ledger: now and then, not after each batch.
        if self.progress is not None and time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            with self.database.read() as connection:
                self.progress(totals(connection, campaign), get_campaign(connection, campaign))

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


@dataclass(slots=True)
class _Refusals:
    """Counts refusals of the message itself in a row; anything accepted starts anew."""

    count: int = 0
    words: str = ""

    def note(self, outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.REJECTED_MESSAGE:
            self.count += 1
            self.words = f"{outcome.code or ''} {outcome.detail}".strip()[:200]
        elif outcome.kind is OutcomeKind.ACCEPTED:
            self.count = 0

    @property
    def too_many(self) -> bool:
        return self.count >= REFUSALS_IN_A_ROW


def _rest(campaign: int, waiting: set[int], flight: FlightLog) -> list[Outcome]:
    """Say what became of envelopes the provider told nothing of: by the flight log alone."""
    rest: list[Outcome] = []
    for subscriber in sorted(waiting):
        if landed := flight.record.landed.get(subscriber):
            rest.append(landed)
            continue
        launched = subscriber in flight.record.launched
        kind = OutcomeKind.UNKNOWN if launched else OutcomeKind.NOT_SENT
        rest.append(Outcome(DeliveryId(campaign, subscriber), kind))
    return rest


def _close(outcomes: Iterator[Outcome]) -> None:
    close = getattr(outcomes, "close", None)
    if close is not None:
        close()


def _other_provider(current: Campaign, name: str) -> NewsletterError:
    return ProviderError(
        f"campaign {current.id} was frozen for '{current.provider}', "
        f"but 'delivery.provider' is '{name}'",
        fix=f'set delivery.provider = "{current.provider}" and resume, or cancel the campaign',
    )
