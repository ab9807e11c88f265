"""Consent: append-only evidence of how a subscriber came to be on a list, and left (C12)."""

from __future__ import annotations

from dataclasses import dataclass
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

    REQUESTED = "requested"
    """Somebody asked with this address; the address has not confirmed it yet (C11)."""
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an act came from (C12).

    `how`: form, preferences, one-click, page, import, api, operator. `source` is a page or a file.
    `wording` is what the person read, None where nothing is known; `version` names it. `network`
    is shortened or hashed already, as the operator's policy says.
    """

    how: str
    source: str | None = None
    wording: str | None = None
    version: str | None = None
    network: str | None = None


def record_consent(
    connection: Connection, subscriber: int, list_id: int, act: Act, at: datetime, *, origin: Origin
) -> None:
    """Append one row."""
    row = consent_row(subscriber, list_id, act, at, origin=origin)
    connection.execute(insert(consents).values(row))


def consent_row(
    subscriber: int, list_id: int, act: Act, at: datetime, *, origin: Origin
) -> dict[str, object]:
    """Return a row of evidence, for those who append many at once."""
    return {
        "subscriber_id": subscriber,
        "list_id": list_id,
        "act": act.value,
        "how": origin.how,
        "source": origin.source,
        "wording": origin.wording,
        "version": origin.version,
        "network": origin.network,
        "at": at,
    }
