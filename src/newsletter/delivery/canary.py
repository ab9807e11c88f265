"""The canary: the first few get a campaign alone; then it waits, is judged, and goes on (D7).

The same counts serve the brake of campaigns without a canary.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select, update

from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.braking import Brake, brake_campaign
from newsletter.delivery.states import DeliveryState
from newsletter.logs import get_logger
from newsletter.storage.database import Database
from newsletter.storage.tables import campaigns, deliveries

log = get_logger("delivery")

_S = DeliveryState

ATTEMPTED = (_S.UNKNOWN, _S.REJECTED, _S.ACCEPTED, _S.DELIVERED, _S.BOUNCED, _S.COMPLAINED)
"""States of recipients of whom the other side has been asked, and has answered or may have."""


def count_taken(connection: Connection, campaign: int) -> int:
    """Return how many recipients have been claimed at least once or skipped."""
    taken: int = connection.execute(
        select(func.count())
        .select_from(deliveries)
        .where(deliveries.c.campaign_id == campaign, deliveries.c.state != _S.PENDING)
    ).scalar_one()
    return taken


def count_judged(connection: Connection, campaign: int) -> tuple[int, int]:
    """Return how many recipients have an outcome, and how many of them bounced hard."""
    row = connection.execute(
        select(
            func.count(),
            func.count().filter(
                deliveries.c.state.in_((_S.REJECTED, _S.BOUNCED)),
                deliveries.c.reason == BounceClass.HARD.value,
            ),
        ).where(deliveries.c.campaign_id == campaign, deliveries.c.state.in_(ATTEMPTED))
    ).one()
    return int(row[0]), int(row[1])


def count_first(connection: Connection, campaign: int, first: int) -> tuple[int, int]:
    """Return what `count_judged` returns, of the first so many of the ledger alone (D7)."""
    chosen = (
        select(deliveries.c.state, deliveries.c.reason)
        .where(deliveries.c.campaign_id == campaign, deliveries.c.state.in_(ATTEMPTED))
        .order_by(deliveries.c.subscriber_id)
        .limit(first)
        .subquery()
    )
    row = connection.execute(
        select(
            func.count(),
            func.count().filter(
                chosen.c.state.in_((_S.REJECTED, _S.BOUNCED)),
                chosen.c.reason == BounceClass.HARD.value,
            ),
        )
    ).one()
    return int(row[0]), int(row[1])


def begin_wait(database: Database, campaign: int, until: datetime) -> None:
    """Write down until when the canary is watched; a restart goes on waiting for the same time."""
    with database.write() as connection:
        connection.execute(
            update(campaigns).where(campaigns.c.id == campaign).values(canary_until=until)
        )


def note_judged(
    connection: Connection, campaign: int, now: datetime, *, reason: str | None
) -> None:
    """Write down that the brake has looked at the campaign: it does so once.

    With a reason the campaign is paused in the same transaction.
    """
    connection.execute(update(campaigns).where(campaigns.c.id == campaign).values(judged_at=now))
    if reason is not None:
        brake_campaign(connection, campaign, Brake.BOUNCES, now, reason=reason)
