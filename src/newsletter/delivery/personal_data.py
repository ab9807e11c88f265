"""All that is known of one person, from every room: for the reader who asks for it (C15)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from newsletter.audience.keys import Keys
from newsletter.audience.privacy import personal_data
from newsletter.delivery.reports import deliveries_of

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
    return {**known, "deliveries": deliveries}
