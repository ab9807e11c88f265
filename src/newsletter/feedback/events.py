"""Events: what came back, stored as it came before anything follows from it (D2, E2).

Each is stored once, whatever tells of it and how often. What follows is decided in `policy` and
done in `applying`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select

from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.domains import domain_of
from newsletter.providers.base import DeliveryId
from newsletter.storage.database import insert_for
from newsletter.storage.tables import events


class EventKind(StrEnum):
    """What happened; the words of the glossary."""

    PROCESSED = "processed"
    """The provider took the message: evidence of `accepted`."""
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    """The remote server puts it off; the provider goes on trying."""
    BOUNCED = "bounced"
    """It came back; `bounce` says whether for good."""
    BLOCKED = "blocked"
    """We are refused, not the person: never suppresses (D6)."""
    DROPPED = "dropped"
    """The provider did not try: it holds the address, or us, back (D10)."""
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    RESUBSCRIBED = "resubscribed"
    OPENED = "opened"
    CLICKED = "clicked"
    REPLIED = "replied"
    """An automatic answer."""
    OTHER = "other"
    """Something we do not know: stored, nothing follows (E1)."""


class Provenance(StrEnum):
    """Who tells of an event; the column `provider`."""

    SENDGRID = "sendgrid"
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as it is stored.

    `id` is unique to the event, however often it is told. `delivery` is the delivery it names (a
    letter has the campaign number 0), None where it names none; `subscriber` is given where the
    event proves a person without a delivery. `address` is the one it speaks of. `bounce` is the
    class of a failure (D3). `detail` is what was told, as JSON. `believed` is False for what
    nobody proved: it is kept and shown, and nothing follows (D8).
    """

    id: str
    at: datetime
    kind: EventKind
    provenance: Provenance
    delivery: DeliveryId | None = None
    subscriber: int | None = None
    address: str = ""
    bounce: BounceClass | None = None
    reason: str = ""
    believed: bool = True
    detail: Mapping[str, Any] = field(default_factory=dict)


def store_events(connection: Connection, arrivals: Iterable[Arrival], received_at: datetime) -> int:
    """Store events inside the caller's transaction, which must be durable before any answer (E2).

    Returns how many were new; those told before are left as they are.
    """
    rows = [_row(arrival, received_at) for arrival in arrivals]
    if not rows:
        return 0
    statement = (
        insert_for(connection)(events)
        .values(dict.fromkeys(rows[0]))
        .on_conflict_do_nothing(index_elements=["provider_event_id"])
    )
    return connection.execute(statement, rows).rowcount


def _row(arrival: Arrival, received_at: datetime) -> dict[str, Any]:
    return {
        "at": arrival.at,
        "kind": arrival.kind.value,
        "provider": arrival.provenance.value,
        "provider_event_id": arrival.id[:128],
        "delivery": str(arrival.delivery) if arrival.delivery is not None else None,
        "subscriber_id": arrival.subscriber,
        "address": arrival.address[:320] or None,
        "domain": domain_of(arrival.address)[:255] or None if arrival.address else None,
        "bounce": arrival.bounce.value if arrival.bounce is not None else None,
        "reason": arrival.reason[:40] or None,
        "believed": arrival.believed,
        "detail": dict(arrival.detail),
        "received_at": received_at,
    }


def count_waiting(connection: Connection) -> int:
    """Return how many stored events wait to be applied."""
    waiting = select(func.count()).select_from(events).where(events.c.applied_at.is_(None))
    return int(connection.execute(waiting).scalar_one())


def known_ids(connection: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Return those of the ids whose events are stored already; up to 10,000 at once."""
    rows = connection.execute(
        select(events.c.provider_event_id).where(events.c.provider_event_id.in_(list(ids)))
    )
    return frozenset(rows.scalars())
