"""Who may receive a campaign: chosen at the freeze, and asked again in the claim's transaction."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Text, cast, func, or_, select

from newsletter.audience.consent import MembershipStatus
from newsletter.audience.keys import Keys
from newsletter.audience.suppressions import has_suppressions, suppressed_keys
from newsletter.storage.columns import read_instant
from newsletter.storage.tables import memberships, subscribers

_ACTIVE, _PAUSED = MembershipStatus.ACTIVE.value, MembershipStatus.PAUSED.value
_NO_ATTRIBUTES = ("null", "{}")

FIELDS_LOOKED_AT = 2000
"""Subscribers whose attributes tell which merge fields a list has."""


class Recipient(NamedTuple):
    """Somebody who may be written to now; a tuple, for a send makes one for each reader."""

    subscriber: int
    address: str
    name: str
    timezone: str | None
    attributes: str | None
    """What the list knows of this reader besides, as JSON text."""
    epoch: int = 0
    """Of the address: links in mail to it are good until the reader has another one."""

    @property
    def values(self) -> dict[str, str]:
        """The merge fields."""
        first_name = self.name.partition(" ")[0]
        if not self.attributes or self.attributes in _NO_ATTRIBUTES:
            return {"name": self.name, "first_name": first_name, "email": self.address}
        found = json.loads(self.attributes)
        named = {field_name(key): str(value) for key, value in found.items() if value}
        return {"first_name": first_name, **named, "name": self.name, "email": self.address}


@dataclass(frozen=True, slots=True)
class Skip:
    """Somebody who may not, and why: gone, unsubscribed, pending, paused or suppressed."""

    subscriber: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The chosen, sorted into those who may be written to and those who may not, in their order."""

    recipients: list[Recipient]
    skips: list[Skip]


def is_active(table: FromClause, now: datetime) -> ColumnElement[bool]:
    """Return what is true of a membership whose mail comes now: active, or its pause is over.

    `table` is `memberships` or an alias of it.
    """
    return or_(table.c.status == MembershipStatus.ACTIVE, table.c.paused_until <= now)


def freeze_selection(
    list_id: int, now: datetime, segment: ColumnElement[bool] | None = None
) -> Select[tuple[int]]:
    """Select the subscribers of a list that a campaign is frozen for now.

    All of them, or those of a segment (see `segment_sql.segment_filter`). Suppressed ones are among
    them and are skipped at the claim: so the report names them.
    """
    selection = (
        select(memberships.c.subscriber_id)
        .where(memberships.c.list_id == list_id, is_active(memberships, now))
        .order_by(memberships.c.subscriber_id)
    )
    if segment is None:
        return selection
    joined = memberships.join(subscribers, subscribers.c.id == memberships.c.subscriber_id)
    return selection.select_from(joined).where(segment)


def count_selected(connection: Connection, selection: Select[tuple[int]]) -> int:
    """Return how many a selection of subscribers has."""
    chosen = selection.order_by(None).subquery()
    return connection.execute(select(func.count()).select_from(chosen)).scalar_one()


class Standing(NamedTuple):
    """How a chosen subscriber stands with a list, as read from the database.

    `attributes` is JSON text; everything but `subscriber` is None for somebody who is gone.
    """

    subscriber: int
    address: str | None
    address_key: str | None
    name: str | None
    timezone: str | None
    attributes: str | None
    status: str | None
    paused_until: datetime | str | None
    """As it is stored, for `read_instant`."""
    epoch: int | None


def recheck(
    connection: Connection,
    list_id: int,
    chosen: Sequence[int],
    keys: Keys,
    now: datetime,
) -> Verdict:
    """Decide anew, inside the caller's transaction, who of the chosen may be written to (C9).

    Up to 10,000 at once.
    """
    query = (
        select(
            subscribers.c.id,
            subscribers.c.address,
            subscribers.c.address_key,
            subscribers.c.name,
            subscribers.c.timezone,
            cast(subscribers.c.attributes, Text),
            memberships.c.status,
            memberships.c.paused_until,
            subscribers.c.address_epoch,
        )
        .join(memberships, memberships.c.subscriber_id == subscribers.c.id)
        .where(memberships.c.list_id == list_id, subscribers.c.id.in_(chosen))
    )
    found = {row[0]: Standing._make(row) for row in connection.execute(query)}
    gone = (None,) * 8
    standings = [found.get(subscriber) or Standing(subscriber, *gone) for subscriber in chosen]
    return judge_standings(connection, standings, keys, now)


def judge_standings(
    connection: Connection, standings: Sequence[Standing], keys: Keys, now: datetime
) -> Verdict:
    """Say of each who may be written to now: suppression wins, then membership (C9, C10)."""
    suppressed = _suppressed(connection, standings, keys)
    recipients: list[Recipient] = []
    skips: list[Skip] = []
    for subscriber, address, _, name, zone, attributes, status, paused_until, epoch in standings:
        if address is None or status is None:
            skips.append(Skip(subscriber, "gone"))
        elif subscriber in suppressed:
            skips.append(Skip(subscriber, "suppressed"))
        elif status == _ACTIVE or (status == _PAUSED and _is_over(paused_until, now)):
            recipients.append(
                Recipient(subscriber, address, name or "", zone, attributes, epoch or 0)
            )
        else:
            skips.append(Skip(subscriber, status))
    return Verdict(recipients, skips)


def _is_over(paused_until: datetime | str | None, now: datetime) -> bool:
    until = read_instant(paused_until)
    return until is not None and until <= now


def _suppressed(
    connection: Connection, standings: Sequence[Standing], keys: Keys
) -> Collection[int]:
    if not has_suppressions(connection):
        return ()
    hashes = {keys.hash_address(s.address_key): s.subscriber for s in standings if s.address_key}
    return {hashes[key] for key in suppressed_keys(connection, list(hashes))}


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
