"""One lane: a thread that claims a batch, hands it to the provider, records, and goes on.

Lanes share a `Course`; each has a worker's name and a flight log of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from sqlalchemy import Connection

from newsletter.delivery import ledger
from newsletter.delivery.campaigns import lock_campaign
from newsletter.delivery.canary import count_taken
from newsletter.delivery.course import Course, Outfit
from newsletter.delivery.domains import held_domains
from newsletter.delivery.feeding import Feed
from newsletter.delivery.flight import FlightLog
from newsletter.delivery.recording import Recorder
from newsletter.logs import get_logger
from newsletter.providers.base import (
    AccountProblem,
    DeliveryId,
    Outcome,
    OutcomeKind,
    Unavailable,
)

log = get_logger("delivery")

RECORD_EVERY = 1000
"""Outcomes written in one relaxed transaction; what a kill catches is in the flight log."""
RECORD_SECONDS = 0.25
WAITS_IN_A_ROW = 5
"""So often a lane waits for an absent provider while nothing gets through before it gives up."""
LONGEST_WAIT = 120.0
SHARES = 2
"""A batch takes at most this part of a lane's fair share of what is left,"""
LEAST_BATCH = 50
"""but so many anyway: each claim waits for the disk."""


class Lane:
    """Works on a course until nothing is left for it or the course ends."""

    def __init__(
        self, outfit: Outfit, course: Course, worker: ledger.Worker, flight: FlightLog
    ) -> None:
        self._outfit = outfit
        self._course = course
        self._worker = worker
        self._flight = flight

    @property
    def worker(self) -> str:
        """The name that its claims carry."""
        return self._worker.name

    def run(self) -> None:
        """Work; whatever goes wrong is told to the course, never raised into the thread."""
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - the sender raises it in its own thread
            self._course.fail(error)
        # A log that is not settled stays: the next process reads it.
        if self._flight.settled:
            self._flight.discard()

    def _work(self) -> None:
        course, waits, seen = self._course, 0, -1
        while not course.over:
            batch = self._claim()
            if batch is None:
                return
            problem = self._deliver(batch) if batch.recipients else None
            if isinstance(problem, AccountProblem):
                course.fail(problem)
            if not isinstance(problem, Unavailable):
                continue
            log.warning(
                "provider_unavailable", campaign=course.campaign.id, problem=problem.problem
            )
            course.look_again()
            # Where somebody got through meanwhile, only this lane is not wanted just now (G12).
            waits = waits + 1 if course.accepted == seen else 1
            seen = course.accepted
            if waits >= WAITS_IN_A_ROW:
                course.unavailable = problem
                return
            seconds = min(problem.retry_after * 2 ** (waits - 1), LONGEST_WAIT)
            course.waits_for = problem.problem
            (self._outfit.wait or course.end.wait)(seconds)
            course.waits_for = None

    def _claim(self) -> ledger.Batch | None:
        """Take the next batch; None when nothing is ready, also not from the front."""
        course, outfit = self._course, self._outfit
        with course.claiming:
            for after in dict.fromkeys((course.cursor, -1)):
                now = outfit.clock.now()
                if course.over or now >= course.campaign.expires_at:
                    return None
                with course.write(outfit.database, durable=True) as connection:
                    # Whoever left while this waited for its turn left before now.
                    now = outfit.clock.now()
                    # Holds end, and others begin and release them.
                    holds = held_domains(connection, now)
                    course.held = {domain: hold.until for domain, hold in holds.items()}
                    request = ledger.ClaimRequest(
                        course.campaign.id,
                        self._worker,
                        limit=self._room(connection),
                        after=after,
                        held=course.held,
                    )
                    batch = ledger.claim_in(connection, request, outfit.keys, now)
                if batch is not None:
                    course.cursor = batch.last
                    course.left -= len(batch.recipients) + batch.skipped
                    outfit.claimed(batch.attempt)
                    return batch
        return None

    def _room(self, connection: Connection) -> int:
        """Return how many may be claimed now: the batch, today's share, the canary."""
        outfit, course = self._outfit, self._course
        provider, lanes = outfit.provider, outfit.provider.lanes
        most = min(outfit.batch_size, provider.batch_limit)
        if lanes > 1 and not provider.gathers:
            # So that no lane is left with a whole batch when the others have nothing more to do.
            most = min(most, max(course.left // (SHARES * lanes), LEAST_BATCH))
        room = outfit.limits.batch(most, lanes)
        today = outfit.limits.room(connection, outfit.provider.name, outfit.clock.now())
        if today is not None:
            course.quota_used = today == 0
            room = min(room, today)
        if course.campaign.canary and not course.judged:
            # Until the claim is committed: other workers count what is taken, too.
            lock_campaign(connection, course.campaign.id)
            taken = count_taken(connection, course.campaign.id)
            room = min(room, course.campaign.canary - taken)
        return room

    def _deliver(self, batch: ledger.Batch) -> AccountProblem | Unavailable | None:
        """Send one batch; afterwards each of its rows has a state that is true."""
        course, flight = self._course, self._flight
        flight.begin(batch.attempt)
        # Half the lease is left for the answers.
        feed = Feed(self._outfit, course, batch, self._worker.lease.total_seconds() / 2)
        recorder = Recorder(self._outfit, course, batch)
        buffer: list[Outcome] = []
        last = time.monotonic()
        problem: AccountProblem | Unavailable | None = None
        outcomes = self._outfit.provider.send(course.mailing, feed, flight)
        try:
            for outcome in outcomes:
                feed.leave(outcome.delivery.subscriber)
                recorder.note(outcome)
                buffer.append(outcome)
                if len(buffer) >= RECORD_EVERY or time.monotonic() - last > RECORD_SECONDS:
                    recorder.write(buffer)
                    buffer, last = [], time.monotonic()
                if course.over:
                    break
        except (AccountProblem, Unavailable) as raised:
            problem = raised
        finally:
            _close(outcomes)
            rest = list(_rest(batch.campaign, recorder.waiting - feed.put_off, flight))
            for outcome in rest:
                feed.leave(outcome.delivery.subscriber)
                recorder.note(outcome)
            recorder.write(buffer + rest, put_off=feed.put_off, closing=True)
            flight.settled = True
        return problem


def _rest(campaign: int, waiting: Iterable[int], flight: FlightLog) -> Iterator[Outcome]:
    """Say what became of envelopes the provider told nothing of: by the flight log alone."""
    for subscriber in sorted(waiting):
        if landed := flight.record.landed.get(subscriber):
            yield landed
            continue
        launched = subscriber in flight.record.launched
        kind = OutcomeKind.UNKNOWN if launched else OutcomeKind.NOT_SENT
        yield Outcome(DeliveryId(campaign, subscriber), kind)


def _close(outcomes: Iterator[Outcome]) -> None:
    close = getattr(outcomes, "close", None)
    if close is not None:
        close()
