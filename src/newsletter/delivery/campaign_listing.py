"""Taking a campaign out of the archive, and putting it back; its page is there either way."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from newsletter.delivery.campaigns import get_campaign, lock_campaign
from newsletter.storage.audit import record_audit
from newsletter.storage.database import Database
from newsletter.storage.tables import campaigns


def set_listed(
    database: Database, campaign: int, now: datetime, *, listed: bool, actor: str
) -> bool:
    """Say whether the archive, its feeds and the sitemap name a campaign; returns what changed.

    Addresses in mails that were sent go on working. Raises `DeliveryError` where there is no such
    campaign.
    """
    with database.write() as connection:
        lock_campaign(connection, campaign)
        if get_campaign(connection, campaign).listed == listed:
            return False
        connection.execute(
            update(campaigns).where(campaigns.c.id == campaign).values(listed=listed)
        )
        record_audit(
            connection,
            now,
            actor=actor,
            action="campaign.relist" if listed else "campaign.unlist",
            subject=f"campaign {campaign}",
        )
        return True


def told_address(connection: Connection, campaign: int) -> str | None:
    """Return the address of the page that a campaign's mails name; None: they name none."""
    identity = connection.execute(
        select(campaigns.c.identity).where(campaigns.c.id == campaign)
    ).scalar_one()
    told: str | None = identity.get("archive_url")
    return told
