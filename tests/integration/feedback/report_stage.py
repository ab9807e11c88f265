"""Arranges ledgers and events by hand, whatever may be in them, for the tests of the report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, update
from tests.builders import Stage

from newsletter.delivery.states import DeliveryState
from newsletter.storage.tables import attempts, campaigns, consents, deliveries, events

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient: `attempt` is the number of one of the `began` attempts, or one not kept."""

    subscriber: int
    state: DeliveryState
    reason: str | None = None
    attempt: int | None = 1
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a delivery, so many minutes after the start."""

    subscriber: int | None
    kind: str
    minutes: float = 1
    bounce: str | None = None
    reason: str | None = None
    believed: bool = True
    detail: dict[str, Any] | None = None


def fill(
    connection: Connection, campaign: int, rows: list[Row], told: list[Told], *, begun: int = 1
) -> None:
    """Put rows and events in the place of what a campaign has; attempts take a minute each."""
    connection.execute(delete(events).where(events.c.campaign_id == campaign))
    connection.execute(delete(deliveries).where(deliveries.c.campaign_id == campaign))
    connection.execute(delete(attempts).where(attempts.c.campaign_id == campaign))
    for number in range(1, begun + 1):
        at = START + timedelta(minutes=3 * (number - 1))
        connection.execute(
            insert(attempts).values(
                id=1000 * campaign + number,
                campaign_id=campaign,
                worker="test",
                size=len(rows),
                claimed_at=at,
                lease_until=at,
                finished_at=at + timedelta(minutes=1) if number % 2 else None,
            )
        )
    for row in rows:
        connection.execute(
            insert(deliveries).values(
                campaign_id=campaign,
                subscriber_id=row.subscriber,
                state=int(row.state),
                reason=row.reason,
                answer=row.answer,
                attempt_id=None if row.attempt is None else 1000 * campaign + row.attempt,
            )
        )
    for number, one in enumerate(told):
        connection.execute(
            insert(events).values(
                at=START + timedelta(minutes=one.minutes),
                received_at=START,
                applied_at=START,
                kind=one.kind,
                campaign_id=campaign,
                subscriber_id=one.subscriber,
                provider="sendgrid",
                provider_event_id=f"event {campaign}-{number}",
                bounce=one.bounce,
                reason=one.reason,
                believed=one.believed,
                detail=one.detail,
            )
        )
    connection.execute(
        update(campaigns).where(campaigns.c.id == campaign).values(recipients=len(rows))
    )


def leave(connection: Connection, stage: Stage, subscriber: int, minutes: float, how: str) -> None:
    """Let somebody leave the list, so many minutes after the start."""
    connection.execute(
        insert(consents).values(
            subscriber_id=subscriber,
            list_id=stage.list_id,
            act="withdrawn",
            how=how,
            at=START + timedelta(minutes=minutes),
        )
    )
