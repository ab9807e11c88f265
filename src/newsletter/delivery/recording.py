"""What follows from outcomes: ledger rows, suppressions, held domains, brakes, the day's count."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection

from newsletter.audience.address import AddressRefused, parse_address
from newsletter.audience.eligibility import Recipient
from newsletter.audience.keys import Keys
from newsletter.audience.suppressions import SuppressionReason, add_suppression
from newsletter.delivery import ledger
from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.brakes import judge_hard_bounces
from newsletter.delivery.canary import note_judged
from newsletter.delivery.course import Course, Outfit
from newsletter.delivery.domains import domain_of, hold_domain
from newsletter.delivery.outcomes import class_of
from newsletter.delivery.warm_up import note_accepted
from newsletter.logs import get_logger
from newsletter.providers.base import Outcome, OutcomeKind

log = get_logger("delivery")

_REFUSED = (OutcomeKind.REJECTED_RECIPIENT, OutcomeKind.REJECTED_MESSAGE, OutcomeKind.DEFERRED)
_SETTLED = (
    OutcomeKind.ACCEPTED,
    OutcomeKind.REJECTED_RECIPIENT,
    OutcomeKind.REJECTED_MESSAGE,
    OutcomeKind.UNKNOWN,
)


class Recorder:
    """Looks at each outcome as it comes, and writes them to the ledger a few hundred at a time."""

    def __init__(self, outfit: Outfit, course: Course, batch: ledger.Batch) -> None:
        self._outfit = outfit
        self._course = course
        self._batch = batch
        self._people = {recipient.subscriber: recipient for recipient in batch.recipients}
        self._waiting = set(self._people)

    @property
    def waiting(self) -> set[int]:
        """Subscribers of the batch that no outcome has spoken of yet."""
        return self._waiting

    def note(self, outcome: Outcome) -> None:
        """Let the limits see an outcome at once."""
        course = self._course
        self._waiting.discard(outcome.delivery.subscriber)
        accepted = outcome.kind is OutcomeKind.ACCEPTED
        course.accepted += accepted
        if accepted and not course.refusals.count and not self._outfit.limits.watch.alert:
            return
        domain = domain_of(self._people[outcome.delivery.subscriber].address)
        answered = outcome.code is not None
        blocked = answered and outcome.kind in _REFUSED and self._is_blocked(outcome)
        course.refusals.note(outcome, domain, blocked=blocked)
        asked = answered and outcome.kind is not OutcomeKind.NOT_SENT
        watch = self._outfit.limits.watch
        if asked and watch.note(domain, blocked) and domain not in course.held:
            self._hold(domain, outcome)
        if course.refusals.too_many:
            course.end.set()
        if outcome.kind is OutcomeKind.NOT_SENT:
            course.look_again()

    def _is_blocked(self, outcome: Outcome) -> bool:
        table = self._outfit.limits.table
        seen = table.classify(outcome.status, outcome.code, outcome.detail)
        return seen is BounceClass.BLOCKED

    def _hold(self, domain: str, outcome: Outcome) -> None:
        """Leave a domain alone that refuses us as a whole, and go on with the others (D6)."""
        outfit, campaign = self._outfit, self._course.campaign.id
        reason = f"{outcome.code} {outcome.status or ''} {outcome.detail}"[:200]
        with self._course.write(outfit.database, durable=True) as connection:
            self._course.held[domain] = hold_domain(
                connection,
                domain,
                duration=outfit.limits.brakes.domain_hold,
                reason=reason,
                campaign=campaign,
                at=outfit.clock.now(),
            )
        log.error("domain_held", campaign=campaign, domain=domain, reason=reason)

    def write(
        self, outcomes: Sequence[Outcome], *, put_off: Collection[int] = (), closing: bool = False
    ) -> None:
        """Record outcomes with everything that follows from them, in one relaxed transaction."""
        outfit, course, batch = self._outfit, self._course, self._batch
        now, name = outfit.clock.now(), outfit.provider.name
        table = outfit.limits.table
        hard = [o for o in outcomes if class_of(o, table) is BounceClass.HARD]
        with course.write(outfit.database, durable=False) as connection:
            if outcomes:
                # Spreads retries, guards nothing.
                jitter = random.random()  # noqa: S311
                ledger.record_in(
                    connection, batch, outcomes, now, jitter=jitter, provider=name, table=table
                )
            for outcome in hard:
                self._suppress(connection, outcome, now)
            ledger.put_off(connection, batch, self._by_end_of_hold(put_off, now))
            if closing:
                ledger.close_attempt_in(connection, batch, now)
            # Last: on a server, whoever else counts waits for this row until the commit.
            accepted = sum(o.kind is OutcomeKind.ACCEPTED for o in outcomes)
            note_accepted(connection, name, outfit.limits.day(now), accepted)
        course.settled += sum(o.kind in _SETTLED for o in outcomes)
        course.hard += len(hard)
        self._brake(now)

    def _by_end_of_hold(
        self, subscribers: Collection[int], now: datetime
    ) -> dict[datetime, list[int]]:
        by_end: dict[datetime, list[int]] = {}
        for subscriber in subscribers:
            until = self._course.held.get(domain_of(self._people[subscriber].address), now)
            by_end.setdefault(until, []).append(subscriber)
        return by_end

    def _suppress(self, connection: Connection, outcome: Outcome, now: datetime) -> None:
        recipient: Recipient = self._people[outcome.delivery.subscriber]
        suppress_bounced(
            connection,
            self._outfit.keys,
            recipient.address,
            outcome,
            now,
            provider=self._outfit.provider.name,
            what=f"delivery {outcome.delivery}",
        )

    def _brake(self, now: datetime) -> None:
        """Pause the campaign when too many of the first recipients bounced hard (D7)."""
        course, brakes = self._course, self._outfit.limits.brakes
        if course.judged or course.campaign.canary or course.settled < brakes.hard_bounce_after:
            return
        course.judged = True
        course.brake = judge_hard_bounces(course.settled, course.hard, brakes, 0)
        with course.write(self._outfit.database, durable=True) as connection:
            note_judged(connection, course.campaign.id, now, reason=course.brake)
        if course.brake is not None:
            course.end.set()


def suppress_bounced(
    connection: Connection,
    keys: Keys,
    address: str,
    outcome: Outcome,
    now: datetime,
    *,
    provider: str,
    what: str,
) -> None:
    """Write no more to an address that its own host does not know (D3, G10).

    `what` was refused there: `delivery 7-1234`, `letter 12`.
    """
    try:
        parsed = parse_address(address)
    except AddressRefused:
        return
    add_suppression(
        connection,
        keys,
        parsed,
        SuppressionReason.HARD_BOUNCE,
        now,
        actor=f"provider:{provider}",
        note=f"{what}: {outcome.code} {outcome.status or ''}".strip(),
    )
