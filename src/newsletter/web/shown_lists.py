"""What the pages need to know of lists and of one subscriber; read only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from newsletter.audience.consent import MembershipStatus
from newsletter.logs import mask_address
from newsletter.storage.tables import lists, memberships, subscribers

_NAME = re.compile(r"[a-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class ShownList:
    """One list as a page shows it."""

    id: int
    name: str
    title: str
    language: str | None
    timezone: str | None
    public: bool


_COLUMNS = (
    lists.c.id,
    lists.c.name,
    lists.c.title,
    lists.c.language,
    lists.c.timezone,
    lists.c.public,
)


def _shown(row: Row[*tuple[Any, ...]]) -> ShownList:
    return ShownList(**row._mapping)


def public_lists(connection: Connection) -> list[ShownList]:
    """Return the lists that anybody may join, by title."""
    query = select(*_COLUMNS).where(lists.c.public).order_by(lists.c.title, lists.c.id)
    return [_shown(row) for row in connection.execute(query)]


def public_list(connection: Connection, name: str) -> ShownList | None:
    """Return a public list; None where there is none, or none that is public."""
    if not _NAME.fullmatch(name):
        return None
    query = select(*_COLUMNS).where(lists.c.name == name, lists.c.public)
    row = connection.execute(query).first()
    return _shown(row) if row is not None else None


def list_by_id(connection: Connection, list_id: int) -> ShownList | None:
    """Return any list, public or not, by its number."""
    row = connection.execute(select(*_COLUMNS).where(lists.c.id == list_id)).first()
    return _shown(row) if row is not None else None


def has_other_lists(connection: Connection, list_id: int) -> bool:
    """Return whether there is any other list, whoever is on it."""
    query = select(lists.c.id).where(lists.c.id != list_id).limit(1)
    return connection.execute(query).first() is not None


def masked(address: str) -> str:
    """Return an address so that its owner knows it and nobody else; never cut at a line's end."""
    return mask_address(address).replace("…@", "…\u2060@")


@dataclass(frozen=True, slots=True)
class Reader:
    """The subscriber that a personal link speaks of."""

    id: int
    address: str
    language: str | None
    timezone: str | None
    epoch: int
    """Of the address: what links made for an earlier one may do no more."""

    @property
    def masked(self) -> str:
        """The address so that its owner knows it and nobody else: `a…@example.org`."""
        return masked(self.address)


def reader_of(connection: Connection, subscriber: int) -> Reader | None:
    """Return a subscriber; None for somebody who was erased."""
    row = connection.execute(
        select(
            subscribers.c.id,
            subscribers.c.address,
            subscribers.c.language,
            subscribers.c.timezone,
            subscribers.c.address_epoch,
        ).where(subscribers.c.id == subscriber, subscribers.c.address != "")
    ).first()
    return Reader(*row) if row is not None else None


def statuses_of(connection: Connection, subscriber: int) -> dict[int, MembershipStatus]:
    """Return how a subscriber stands on each list."""
    rows = connection.execute(
        select(memberships.c.list_id, memberships.c.status).where(
            memberships.c.subscriber_id == subscriber
        )
    )
    return {row.list_id: MembershipStatus(row.status) for row in rows}


def last_left(connection: Connection, subscriber: int, list_id: int | None) -> datetime | None:
    """Return when a subscriber left a list, or the last one (None); None: never."""
    query = select(func.max(memberships.c.changed_at)).where(
        memberships.c.subscriber_id == subscriber,
        memberships.c.status == MembershipStatus.UNSUBSCRIBED.value,
    )
    if list_id is not None:
        query = query.where(memberships.c.list_id == list_id)
    when: datetime | None = connection.execute(query).scalar()
    return when
