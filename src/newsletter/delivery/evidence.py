"""Results that came behind their fence: events, and evidence for an unknown row (G5, G8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from newsletter.delivery.outcomes import plain_answer
from newsletter.delivery.states import DeliveryState
from newsletter.providers.base import Outcome, OutcomeKind
from newsletter.storage.tables import deliveries, events


def keep_late(
    connection: Connection,
    campaign: int,
    attempt: int,
    outcomes: Sequence[Outcome],
    *,
    now: datetime,
    provider: str,
) -> None:
    """Store outcomes that came behind their fence; accepted ones explain an unknown row (G8)."""
    current = {
        row.subscriber_id: row
        for row in connection.execute(
            select(deliveries.c.subscriber_id, deliveries.c.state, deliveries.c.attempt_id).where(
                deliveries.c.campaign_id == campaign,
                deliveries.c.subscriber_id.in_([o.delivery.subscriber for o in outcomes]),
            )
        )
    }
    for outcome in outcomes:
        if outcome.kind is OutcomeKind.UNKNOWN:
            continue  # that nothing is known is no evidence of anything
        row = current.get(outcome.delivery.subscriber)
        # NOT_SENT and DEFERRED rows that this very call wrote no longer match either.
        ours = row is not None and row.attempt_id == attempt
        if ours and row is not None and row.state != DeliveryState.UNKNOWN:
            continue
        connection.execute(
            insert(events).values(
                at=now,
                received_at=now,
                applied_at=now,
                kind=f"late_{outcome.kind}",
                campaign_id=campaign,
                subscriber_id=outcome.delivery.subscriber,
                attempt_id=attempt,
                provider=provider,
                detail={"code": outcome.code, "status": outcome.status, "answer": outcome.detail},
            )
        )
        if outcome.kind is OutcomeKind.ACCEPTED:
            connection.execute(
                update(deliveries)
                .where(
                    deliveries.c.campaign_id == campaign,
                    deliveries.c.subscriber_id == outcome.delivery.subscriber,
                    deliveries.c.state == DeliveryState.UNKNOWN,
                    deliveries.c.attempt_id == attempt,
                )
                .values(
                    state=DeliveryState.ACCEPTED, reason="evidence", answer=plain_answer(outcome)
                )
            )
