"""Events: what came back, stored as it came before anything follows from it (D2, E2).

Each is stored once, whatever tells of it and how often. What follows is decided in `policy` and
done in `applying`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, func, select

from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.domains import domain_of
from newsletter.providers.base import DeliveryId
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
    dialect = connection.dialect
    # The types' own conversion, and then straight to the driver: events come in by the thousand.
    instant = events.c.at.type.bind_processor(dialect) or _as_it_is
    received = instant(received_at)
    rows = [_row(arrival, instant(arrival.at), received) for arrival in arrivals]
    if not rows:
        return 0
    if dialect.name == "sqlite":
        return connection.exec_driver_sql(_INSERT, rows).rowcount
    # Two writers that meet the same ids must meet them in one order, or they lock each other.
    rows.sort(key=itemgetter(_COLUMNS.index("provider_event_id")))
    return connection.exec_driver_sql(_INSERT.replace("?", "%s"), rows).rowcount


_COLUMNS = (
    *("at", "kind", "provider", "provider_event_id", "delivery", "subscriber_id", "address"),
    *("domain", "bounce", "reason", "believed", "detail", "received_at"),
)
_INSERT = (
    f"INSERT INTO events ({', '.join(_COLUMNS)})"  # noqa: S608 - names of columns, from above
    f" VALUES ({', '.join('?' * len(_COLUMNS))}) ON CONFLICT (provider_event_id) DO NOTHING"
)
"""Lock: the table (SQLite), or the new row's id. Index: that of the ids."""


def _row(arrival: Arrival, at: Any, received_at: Any) -> tuple[Any, ...]:
    return (
        at,
        arrival.kind.value,
        arrival.provenance.value,
        arrival.id[:128],
        str(arrival.delivery) if arrival.delivery is not None else None,
        arrival.subscriber,
        arrival.address[:320] or None,
        domain_of(arrival.address)[:255] or None if arrival.address else None,
        arrival.bounce.value if arrival.bounce is not None else None,
        arrival.reason[:40] or None,
        arrival.believed,
        json.dumps(dict(arrival.detail)),
        received_at,
    )


def _as_it_is(value: Any) -> Any:
    return value


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
