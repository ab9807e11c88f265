"""Consent: append-only evidence of how a subscriber came to be on a list, and left (C12)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, insert

from newsletter.storage.tables import consents


class MembershipStatus(StrEnum):
    """How a subscriber stands on a list."""

    ACTIVE = "active"
    PENDING = "pending"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"


class Act(StrEnum):
    """What a consent row says happened."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


def record_consent(
    connection: Connection,
    subscriber: int,
    list_id: int,
    act: Act,
    at: datetime,
    *,
    how: str,
    source: str | None = None,
    wording: str | None = None,
) -> None:
    """Append one row; `how`: form, import, api, operator, one-click. No wording: not stated."""
    connection.execute(
        insert(consents).values(
            subscriber_id=subscriber,
            list_id=list_id,
            act=act.value,
            how=how,
            source=source,
            wording=wording,
            at=at,
        )
    )
