"""What becomes of unknown deliveries: shown, held, retried once, or marked by the operator (G8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from newsletter.delivery.campaigns import (
    Campaign,
    change_status_in,
    get_campaign,
    lock_campaign,
)
from newsletter.delivery.outcomes import RETRIED, RETRY_MARK
from newsletter.delivery.states import CampaignStatus, DeliveryState, Move, before
from newsletter.errors import DeliveryError
from newsletter.storage.audit import record_audit
from newsletter.storage.database import Database
from newsletter.storage.tables import attempts, campaigns, deliveries, subscribers


@dataclass(frozen=True, slots=True)
class UnknownDelivery:
    """One delivery whose answer was lost: who, when it was claimed, and what is known."""

    delivery: str
    subscriber: int
    address: str | None
    claimed_at: datetime
    reason: str | None
    answer: str | None


def unknown_deliveries(database: Database, campaign: int) -> list[UnknownDelivery]:
    """List the deliveries of a campaign that wait for evidence or a decision."""
    with database.read() as connection:
        get_campaign(connection, campaign)
        rows = connection.execute(
            select(
                deliveries.c.subscriber_id,
                subscribers.c.address,
                attempts.c.claimed_at,
                deliveries.c.reason,
                deliveries.c.answer,
            )
            .join(attempts, attempts.c.id == deliveries.c.attempt_id)
            .outerjoin(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
            .where(
                deliveries.c.campaign_id == campaign,
                deliveries.c.state == DeliveryState.UNKNOWN,
            )
            .order_by(deliveries.c.subscriber_id)
        )
        return [
            UnknownDelivery(
                f"{campaign}-{row.subscriber_id}",
                row.subscriber_id,
                row.address,
                row.claimed_at,
                row.reason,
                row.answer,
            )
            for row in rows
        ]


def retry_by_policy(
    database: Database, campaign: Campaign, now: datetime, *, wait: timedelta
) -> int:
    """Send unknown deliveries again where the campaign's policy is `retry`; returns how many.

    Only rows without evidence for `wait` since their claim, and only once each, with the same
    Message-ID. Under `hold` nothing happens: the operator decides.
    """
    if campaign.on_unknown != "retry" or campaign.status is not CampaignStatus.SENDING:
        return 0
    old = select(attempts.c.id).where(
        attempts.c.campaign_id == campaign.id, attempts.c.claimed_at <= now - wait
    )
    with database.write() as connection:
        return connection.execute(
            update(deliveries)
            .where(
                deliveries.c.campaign_id == campaign.id,
                deliveries.c.state.in_(before(Move.RETRY)),
                deliveries.c.reason != RETRIED,
                deliveries.c.attempt_id.in_(old),
            )
            .values(state=DeliveryState.PENDING, reason=RETRY_MARK)
        ).rowcount


def hold_unknown(database: Database, campaign: int, now: datetime, *, actor: str) -> None:
    """Keep unknown deliveries as they are, whatever the policy was: evidence or the operator."""
    with database.write() as connection:
        get_campaign(connection, campaign)
        connection.execute(
            update(campaigns).where(campaigns.c.id == campaign).values(on_unknown="hold")
        )
        record_audit(
            connection, now, actor=actor, action="campaign.hold", subject=f"campaign {campaign}"
        )


def decide_unknown(
    database: Database,
    campaign: int,
    decision: str,
    now: datetime,
    *,
    actor: str,
    only: Sequence[int] | None = None,
) -> int:
    """Settle unknown deliveries by the operator's word; returns how many rows it settled.

    `decision`: `retry` (send again, same Message-ID, once; opens a finished campaign again),
    `accepted` or `rejected` (mark, because the operator found out). `only`: subscriber numbers.
    Raises `DeliveryError` for a campaign that was cancelled.
    """
    states = {
        "retry": (DeliveryState.PENDING, RETRY_MARK, Move.RETRY),
        "accepted": (DeliveryState.ACCEPTED, "by operator", Move.ACCEPT),
        "rejected": (DeliveryState.REJECTED, "by operator", Move.REJECT),
    }
    state, reason, move = states[decision]
    with database.write() as connection:
        # A cancel comes wholly before or wholly after: nothing waits in a cancelled campaign.
        lock_campaign(connection, campaign)
        current = get_campaign(connection, campaign)
        if current.status is CampaignStatus.CANCELLED and decision == "retry":
            raise DeliveryError(
                f"campaign {campaign} is cancelled; nothing of it goes out again",
                fix="mark its unknown deliveries instead: --mark accepted or --mark rejected",
            )
        statement = update(deliveries).where(
            deliveries.c.campaign_id == campaign,
            deliveries.c.state.in_(set(before(move)) & {DeliveryState.UNKNOWN}),
        )
        if decision == "retry":
            statement = statement.where(deliveries.c.reason != RETRIED)
        if only is not None:
            statement = statement.where(deliveries.c.subscriber_id.in_(list(only)))
        settled = connection.execute(statement.values(state=state, reason=reason)).rowcount
        record_audit(
            connection,
            now,
            actor=actor,
            action=f"campaign.resolve.{decision}",
            subject=f"campaign {campaign}",
            detail={"deliveries": settled},
        )
        if decision == "retry" and settled and current.status is CampaignStatus.SENT:
            change_status_in(connection, campaign, "reopen", now, actor=actor)
    return settled
