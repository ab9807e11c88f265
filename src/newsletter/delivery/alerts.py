"""Alerts: what needs an operator, written down in the transaction of what it tells of.

How people are told stands in `alert_post`; here it is only seen to that nothing is told twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from newsletter.logs import get_logger
from newsletter.storage.database import insert_for
from newsletter.storage.tables import alerts

log = get_logger("alerts")


class AlertKind(StrEnum):
    """What kind of trouble it is."""

    CAMPAIGN_PAUSED = "campaign_paused"
    DOMAIN_HELD = "domain_held"
    UNKNOWN_WAITS = "unknown_waits"
    FEEDBACK_UNREAD = "feedback_unread"
    """The mailbox, the webhook or the provider's lists cannot be read."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing an operator must know.

    `key` names the trouble: a second alert with the same one is dropped. `subject` is one line,
    `body` says what happened, what it means and what to do, without an address in clear.
    """

    kind: AlertKind
    key: str
    subject: str
    body: str
    campaign: int | None = None


def raise_alert(connection: Connection, alert: Alert, at: datetime) -> bool:
    """Write an alert down inside the caller's transaction; returns False when it is known."""
    made = connection.execute(
        insert_for(connection)(alerts)
        .values(
            key=alert.key[:200],
            kind=alert.kind.value,
            subject=alert.subject,
            body=alert.body,
            campaign_id=alert.campaign,
            at=at,
        )
        .on_conflict_do_nothing()
        .returning(alerts.c.id)
    ).scalar()
    if made is not None:
        log.error("alert", kind=alert.kind.value, alert=made, campaign=alert.campaign)
    return made is not None
