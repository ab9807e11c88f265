"""Events of which nothing follows, for they prove nothing or nobody: shown, and taken back (D8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from newsletter.delivery.domains import domain_of
from newsletter.feedback.events import Arrival, Provenance
from newsletter.storage.tables import events


@dataclass(frozen=True, slots=True)
class Unbelieved:
    """One such event; `kept` is the file of its mail in `feedback.kept_mail`, empty where none."""

    at: datetime
    kind: str
    reason: str | None
    bounce: str | None
    address: str | None
    delivery: str | None
    proof: str
    why: str
    kept: str


def list_unbelieved(connection: Connection, *, limit: int) -> list[Unbelieved]:
    """Return events that were not believed, or that are nobody's of ours; the newest first."""
    rows = connection.execute(
        select(events).where(_without_effect()).order_by(events.c.id.desc()).limit(limit)
    )
    return [
        Unbelieved(
            at=row.at,
            kind=row.kind,
            reason=row.reason,
            bounce=row.bounce,
            address=row.address,
            delivery=row.delivery,
            proof=_told(row.detail, "proof") or "none",
            why=_told(row.detail, "why") or "it names nobody of ours",
            kept=_told(row.detail, "kept"),
        )
        for row in rows
    ]


def count_unbelieved(connection: Connection) -> dict[str, int]:
    """Count them by kind, the most frequent first."""
    number = func.count()
    rows = connection.execute(
        select(events.c.kind, number)
        .where(_without_effect())
        .group_by(events.c.kind)
        .order_by(number.desc(), events.c.kind)
    )
    return {str(kind): int(count) for kind, count in rows.all()}


def believe_after_all(connection: Connection, arrivals: Sequence[Arrival]) -> int:
    """Let stored events that were not believed wait to be applied, as they are told now.

    Returns how many; those believed before are left as they are. Runs in the caller's transaction.
    """
    turned = 0
    for arrival in arrivals:
        turned += connection.execute(
            update(events)
            .where(
                events.c.provider_event_id == arrival.id,
                events.c.provider == Provenance.MAIL.value,
                events.c.believed.is_(False),
            )
            .values(
                at=arrival.at,
                kind=arrival.kind.value,
                bounce=arrival.bounce.value if arrival.bounce is not None else None,
                reason=arrival.reason[:40] or None,
                delivery=str(arrival.delivery) if arrival.delivery is not None else None,
                campaign_id=None,
                subscriber_id=arrival.subscriber,
                address=arrival.address[:320] or None,
                domain=domain_of(arrival.address)[:255] or None if arrival.address else None,
                detail=dict(arrival.detail),
                believed=True,
                applied_at=None,
            )
        ).rowcount
    return turned


def _without_effect() -> ColumnElement[bool]:
    nobodys = (
        events.c.applied_at.is_not(None)
        & events.c.delivery.is_(None)
        & events.c.subscriber_id.is_(None)
    )
    return events.c.provider.in_([one.value for one in Provenance]) & or_(
        events.c.believed.is_(False), nobodys
    )


def _told(detail: Any, name: str) -> str:
    return str(detail.get(name) or "") if isinstance(detail, dict) else ""
