"""Pausing a campaign by a brake: each works once for a campaign.

Somebody has looked at it since; an operator who resumes it has the last word. When a brake is due
stands in `brakes`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select, update

from newsletter.delivery.campaigns import pause_unless_ended
from newsletter.logs import get_logger
from newsletter.storage.tables import campaigns

log = get_logger("delivery")


class Brake(StrEnum):
    """What a campaign is paused for; its value is the actor in the audit log."""

    BOUNCES = "brake:bounces"
    COMPLAINTS = "brake:complaints"


_BRAKED_AT = {
    Brake.BOUNCES: campaigns.c.bounces_braked_at,
    Brake.COMPLAINTS: campaigns.c.complaints_braked_at,
}


def brake_campaign(
    connection: Connection, campaign: int, brake: Brake, now: datetime, *, reason: str
) -> None:
    """Pause a campaign that is being sent, with an alert, and note that this brake did so."""
    if pause_unless_ended(connection, campaign, now, actor=brake.value, reason=reason):
        connection.execute(
            update(campaigns).where(campaigns.c.id == campaign).values({_BRAKED_AT[brake]: now})
        )
    log.error("campaign_paused", campaign=campaign, reason=reason)


def braked_before(connection: Connection, campaign: int, brake: Brake) -> bool:
    """Return whether this brake paused the campaign already."""
    at = connection.execute(select(_BRAKED_AT[brake]).where(campaigns.c.id == campaign)).scalar()
    return at is not None
