"""All that is known of one person, from every room: for the reader who asks for it (C15)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, select

from newsletter.audience.keys import Keys
from newsletter.audience.privacy import personal_data
from newsletter.delivery.reports import deliveries_of
from newsletter.storage.tables import events

EVERYTHING = 1_000_000
"""More mails than anybody ever got."""


def whole_record(connection: Connection, subscriber: int, keys: Keys) -> dict[str, Any]:
    """Return what is stored of a person and what was sent to them, as JSON data.

    Raises `AudienceError` for somebody unknown.
    """
    sent = deliveries_of(connection, subscriber, limit=EVERYTHING)
    known = personal_data(connection, subscriber, keys)
    deliveries = [
        {**asdict(row), "claimed_at": row.claimed_at and row.claimed_at.isoformat()} for row in sent
    ]
    return {**known, "deliveries": deliveries, "events": _events(connection, subscriber)}


def _events(connection: Connection, subscriber: int) -> list[dict[str, Any]]:
    """Return what came back of their mail: bounces, complaints, what a provider told."""
    rows = connection.execute(
        select(events).where(events.c.subscriber_id == subscriber).order_by(events.c.id)
    )
    return [
        {
            "at": row.at.isoformat(),
            "kind": row.kind,
            "delivery": row.delivery,
            "address": row.address,
            "reason": row.reason,
            "told_by": row.provider,
            "detail": row.detail,
        }
        for row in rows
    ]
