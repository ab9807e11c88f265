"""Who may receive a campaign: chosen at the freeze, and asked again in the claim's transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, or_, select

from newsletter.audience.consent import MembershipStatus
from newsletter.audience.keys import Keys
from newsletter.audience.suppressions import suppressed_keys
from newsletter.storage.tables import memberships, subscribers

FIELDS_LOOKED_AT = 2000
"""Subscribers whose attributes tell which merge fields a list has."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who may be written to now; `values` are the merge fields."""

    subscriber: int
    address: str
    name: str
    timezone: str | None
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Skip:
    """Somebody who may not, and why: gone, unsubscribed, pending, paused or suppressed."""

    reason: str


def freeze_selection(list_id: int, now: datetime) -> Select[tuple[int]]:
    """Select the subscribers of a list that a campaign is frozen for now.

    Suppressed ones are among them and are skipped at the claim: so the report names them.
    """
    return (
        select(memberships.c.subscriber_id)
        .where(
            memberships.c.list_id == list_id,
            or_(
                memberships.c.status == MembershipStatus.ACTIVE,
                memberships.c.paused_until <= now,
            ),
        )
        .order_by(memberships.c.subscriber_id)
    )


def recheck(
    connection: Connection,
    list_id: int,
    chosen: Sequence[int],
    keys: Keys,
    now: datetime,
) -> dict[int, Recipient | Skip]:
    """Decide anew, inside the caller's transaction, who of the chosen may be written to (C9).

    Returns a verdict for each of them, in their order; up to 10,000 at once.
    """
    query = (
        select(
            subscribers.c.id,
            subscribers.c.address,
            subscribers.c.address_key,
            subscribers.c.name,
            subscribers.c.timezone,
            subscribers.c.attributes,
            memberships.c.status,
            memberships.c.paused_until,
        )
        .join(memberships, memberships.c.subscriber_id == subscribers.c.id)
        .where(memberships.c.list_id == list_id, subscribers.c.id.in_(chosen))
    )
    rows = {row.id: row for row in connection.execute(query)}
    hashes = {row.id: keys.hash_address(row.address_key) for row in rows.values()}
    suppressed = suppressed_keys(connection, list(hashes.values())) if hashes else {}
    verdicts: dict[int, Recipient | Skip] = {}
    for subscriber in chosen:
        row = rows.get(subscriber)
        if row is None:
            verdicts[subscriber] = Skip("gone")
        elif hashes[subscriber] in suppressed:
            verdicts[subscriber] = Skip("suppressed")
        elif reason := _standing(row, now):
            verdicts[subscriber] = Skip(reason)
        else:
            verdicts[subscriber] = Recipient(
                subscriber, row.address, row.name or "", row.timezone, _values(row)
            )
    return verdicts


def _standing(row: Row[*tuple[Any, ...]], now: datetime) -> str | None:
    if row.status == MembershipStatus.ACTIVE:
        return None
    if row.status == MembershipStatus.PAUSED and row.paused_until and row.paused_until <= now:
        return None
    return str(row.status)


def _values(row: Row[*tuple[Any, ...]]) -> dict[str, str]:
    values = {field_name(key): str(value) for key, value in (row.attributes or {}).items() if value}
    name = row.name or ""
    values["name"] = name
    values.setdefault("first_name", name.partition(" ")[0])
    values["email"] = row.address
    return values


def field_name(column: str) -> str:
    """Return how a column of an import is called as a merge field: `Favourite topic` → it."""
    return re.sub(r"[^a-z0-9_]+", "_", column.strip().lower()).strip("_")


def merge_field_names(connection: Connection, list_id: int) -> set[str]:
    """Return the attributes that subscribers of a list have, from the newest few thousand."""
    rows = connection.execute(
        select(subscribers.c.attributes)
        .join(memberships, memberships.c.subscriber_id == subscribers.c.id)
        .where(memberships.c.list_id == list_id)
        .order_by(subscribers.c.id.desc())
        .limit(FIELDS_LOOKED_AT)
    )
    return {field_name(key) for (attributes,) in rows for key in (attributes or {})}
