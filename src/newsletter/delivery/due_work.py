"""What there is to do for workers: campaigns that are due, dead claims, deliveries that are ready.

It only looks, except that a scheduled campaign whose time has come is started here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, or_, select

from newsletter.delivery.campaigns import change_status_in, get_campaign
from newsletter.delivery.faults import Faults, campaign_thing
from newsletter.delivery.outcomes import RETRIED
from newsletter.delivery.statements import database_time
from newsletter.delivery.states import READY, UNSETTLED, CampaignStatus, DeliveryState
from newsletter.storage.database import Database
from newsletter.storage.tables import attempts, campaigns, deliveries


def start_due(database: Database, provider: str, faults: Faults, now: datetime) -> list[int]:
    """Set scheduled campaigns to sending whose time has come, each exactly once; returns them.

    Lock: the row of each, skipped where another worker starts it. One that cannot be started holds
    itself alone.
    """
    due = (
        select(campaigns.c.id)
        .where(
            campaigns.c.status == CampaignStatus.SCHEDULED,
            campaigns.c.not_before <= now,
            campaigns.c.provider == provider,
        )
        .order_by(campaigns.c.id)
    )
    with database.read() as connection:
        found = list(connection.execute(due).scalars())
    started = []
    for campaign in found:
        thing = campaign_thing(campaign)
        if faults.is_held(thing):
            continue
        mine = due.where(campaigns.c.id == campaign)
        with faults.holding(thing), database.write() as connection:
            locked = mine.with_for_update(key_share=True, skip_locked=True)
            if connection.execute(locked).first() is not None:
                change_status_in(connection, campaign, "start", now, actor="clock")
                started.append(campaign)
    return started


def dead_claims(connection: Connection, provider: str, now: datetime) -> set[int]:
    """Return the campaigns in which a lease ran out, by the database's clock (G17)."""
    rows = connection.execute(
        select(attempts.c.campaign_id)
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(
            campaigns.c.provider == provider,
            campaigns.c.status != CampaignStatus.SENT,
            attempts.c.finished_at.is_(None),
            attempts.c.lease_until < database_time(connection, now),
        )
        .distinct()
    )
    return set(rows.scalars())


def open_claims(connection: Connection, provider: str) -> set[int]:
    """Return the campaigns in which something is claimed, whether its worker lives or not."""
    rows = connection.execute(
        select(attempts.c.campaign_id)
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(
            campaigns.c.provider == provider,
            campaigns.c.status != CampaignStatus.SENT,
            attempts.c.finished_at.is_(None),
        )
        .distinct()
    )
    return set(rows.scalars())


def new_editions(connection: Connection, provider: str) -> set[int]:
    """Return the campaigns of editions that are being sent and that nobody has begun with."""
    begun = select(attempts.c.id).where(attempts.c.campaign_id == campaigns.c.id).exists()
    rows = connection.execute(
        select(campaigns.c.id).where(
            campaigns.c.status == CampaignStatus.SENDING,
            campaigns.c.provider == provider,
            campaigns.c.edition_id.is_not(None),
            ~begun,
        )
    )
    return set(rows.scalars())


def sending(connection: Connection, provider: str) -> list[int]:
    """Return the campaigns that are being sent by a provider."""
    rows = connection.execute(
        select(campaigns.c.id).where(
            campaigns.c.status == CampaignStatus.SENDING, campaigns.c.provider == provider
        )
    )
    return list(rows.scalars())


def wants_hands(connection: Connection, campaign: int, now: datetime, lease: timedelta) -> bool:
    """Return whether a worker could do something for a campaign that is sending.

    Something is ready; the time of what waits is over; an unknown delivery may go out again by
    policy; or all is done and only the word is missing.
    """
    current = get_campaign(connection, campaign)
    old = select(attempts.c.id).where(
        attempts.c.campaign_id == campaign, attempts.c.claimed_at <= now - lease
    )
    state, wait = deliveries.c.state, deliveries.c.not_before
    row = connection.execute(
        select(
            func.count(),
            func.count().filter(state.in_(READY)),
            func.count().filter(state.in_(READY), or_(wait.is_(None), wait <= now)),
            func.count().filter(
                state == DeliveryState.UNKNOWN,
                deliveries.c.reason != RETRIED,
                deliveries.c.attempt_id.in_(old),
            ),
        ).where(deliveries.c.campaign_id == campaign, state.in_(UNSETTLED))
    ).one()
    unsettled, waiting, due, lost = row
    expired = now >= current.expires_at
    again = current.on_unknown == "retry" and lost and not expired
    return bool(not unsettled or due or (waiting and expired) or again)


def others_send(database: Database, campaign: int) -> bool:
    """Return whether other processes hold claims of a campaign that is sending; never embedded."""
    if database.embedded:
        return False
    claimed = select(deliveries.c.subscriber_id).where(
        deliveries.c.campaign_id == campaign, deliveries.c.state == DeliveryState.CLAIMED
    )
    with database.read() as connection:
        sends = get_campaign(connection, campaign).status is CampaignStatus.SENDING
        return sends and connection.execute(claimed.limit(1)).first() is not None
