"""What becomes of claims whose worker is dead, without an operator's word (G7, G11).

A claimed row goes back to pending only where it is proven that nothing left; it is accepted or
rejected where the answer was noted or the provider itself proves it; else it is unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update

from newsletter.delivery.bounce_classes import BUILT_IN, BounceTable
from newsletter.delivery.campaigns import load_mailing
from newsletter.delivery.flight import FlightRecord, log_path, read_flight
from newsletter.delivery.ledger import Batch, record_in
from newsletter.delivery.statements import database_time
from newsletter.delivery.states import DeliveryState
from newsletter.providers.base import DeliveryId, Mailing, Outcome, OutcomeKind, Provider
from newsletter.storage.database import Database
from newsletter.storage.tables import attempts, campaigns, deliveries

LOST = "its worker ended before an answer was read"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where proof is looked for: the flight logs, the provider, and the machine's present boot."""

    flights: Path
    provider: Provider
    boot: str | None
    table: BounceTable = BUILT_IN
    """Judges the refusals that a dead worker had noted (D3)."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many dead claims became what."""

    counts: dict[OutcomeKind, int]

    @property
    def all(self) -> int:
        """Return how many claims were dead."""
        return sum(self.counts.values())


def recover(
    database: Database,
    scene: Scene,
    now: datetime,
    *,
    others_are_dead: bool,
) -> Recovered:
    """Settle the claims of dead workers.

    `others_are_dead`: the caller holds the sender lock, so that no other worker can be alive;
    otherwise only claims whose lease ran out are dead.
    """
    with database.read() as connection:
        query = select(attempts).where(attempts.c.finished_at.is_(None))
        if not others_are_dead:
            query = query.where(attempts.c.lease_until < database_time(connection, now))
        dead = connection.execute(query.order_by(attempts.c.id)).all()
    counts: Counter[OutcomeKind] = Counter()
    for attempt in dead:
        counts.update(_settle(database, scene, now, attempt))
    if others_are_dead and scene.flights.is_dir():
        # All they said is in the ledger now, and nobody alive writes one.
        for path in scene.flights.glob("*.log"):
            path.unlink(missing_ok=True)
    return Recovered(dict(counts))


def _settle(
    database: Database, scene: Scene, now: datetime, attempt: Row[*tuple[Any, ...]]
) -> Counter[OutcomeKind]:
    flight = None
    if scene.boot is not None and attempt.boot_id == scene.boot:
        flight = read_flight(scene.flights, attempt.worker, attempt.id, attempt.campaign_id)
    with database.write(durable=True) as connection:
        if not _lock_open(connection, attempt.id):
            return Counter()
        claimed = _claimed(connection, attempt.campaign_id, attempt.id)
        name = connection.execute(
            select(campaigns.c.provider).where(campaigns.c.id == attempt.campaign_id)
        ).scalar_one()
        asked = scene.provider if scene.provider.name == name else None
        mailing = load_mailing(connection, attempt.campaign_id)
        outcomes = [
            _verdict(mailing, DeliveryId(attempt.campaign_id, s), flight, asked) for s in claimed
        ]
        batch = Batch(attempt.id, attempt.campaign_id, (), 0, now, -1)
        if outcomes:
            record_in(
                connection,
                batch,
                outcomes,
                now,
                jitter=0.5,
                provider=name,
                table=scene.table,
            )
        connection.execute(
            update(attempts).where(attempts.c.id == attempt.id).values(finished_at=now)
        )
    if flight is not None:
        # It was the worker's last attempt, and all that its log said is in the ledger now.
        log_path(scene.flights, attempt.worker).unlink(missing_ok=True)
    return Counter(outcome.kind for outcome in outcomes)


def _lock_open(connection: Connection, attempt: int) -> bool:
    """Take an attempt to settle it; False when another process does or did."""
    row = connection.execute(
        select(attempts.c.id)
        .where(attempts.c.id == attempt, attempts.c.finished_at.is_(None))
        .with_for_update(skip_locked=True, key_share=True)
    ).first()
    return row is not None


def _claimed(connection: Connection, campaign: int, attempt: int) -> Sequence[int]:
    return (
        connection.execute(
            select(deliveries.c.subscriber_id).where(
                deliveries.c.campaign_id == campaign,
                deliveries.c.state == DeliveryState.CLAIMED,
                deliveries.c.attempt_id == attempt,
            )
        )
        .scalars()
        .all()
    )


def _verdict(
    mailing: Mailing,
    delivery: DeliveryId,
    flight: FlightRecord | None,
    provider: Provider | None,
) -> Outcome:
    """Say what is proven of one dead claim; the flight log first, then the provider."""
    if flight is not None:
        if answer := flight.landed.get(delivery.subscriber):
            return answer
        if delivery.subscriber not in flight.launched:
            return Outcome(delivery, OutcomeKind.NOT_SENT)
    evidence = provider.evidence(mailing, delivery) if provider is not None else None
    return evidence or Outcome(delivery, OutcomeKind.UNKNOWN, detail=LOST)
