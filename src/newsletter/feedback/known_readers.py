"""Looks up readers and what was sent to them, for matching what came back.

Index of each statement: the primary keys and `subscribers.address_key`; the latest delivery is
looked for in the few campaigns that have not long expired. Reads only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select

from newsletter.audience.address import AddressRefused, parse_address
from newsletter.delivery.letter_claims import letter_delivery, letter_number
from newsletter.delivery.states import DeliveryState
from newsletter.providers.base import DeliveryId
from newsletter.storage.tables import attempts, campaigns, deliveries, letters, subscribers

WINDOW = timedelta(days=7)
"""How long after a message its reader's bare address may stand for it (D8)."""

_S = DeliveryState
_LEFT = (_S.UNKNOWN, _S.ACCEPTED, _S.DELIVERED, _S.BOUNCED, _S.COMPLAINED)
"""States of what may have reached somebody."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A subscriber, and the key of the address that a message of theirs went to."""

    subscriber: int
    key: str
    letter: bool = False


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message as the ledger has it; a letter has no salt, and no reader once they are gone."""

    delivery: DeliveryId
    subscriber: int | None
    list_id: int
    salt: str
    sent_at: datetime | None
    has_left: bool


def address_key(address: str) -> str | None:
    """Return the identity of an address (D11), None for what is none."""
    if "@" not in address:
        return None
    try:
        return parse_address(address).key
    except AddressRefused:
        return None


def reader_at(connection: Connection, key: str) -> Reader | None:
    """Return who reads at an address now."""
    number = connection.execute(
        select(subscribers.c.id).where(subscribers.c.address_key == key)
    ).scalar()
    return Reader(number, key) if number is not None else None


def reader_of(
    connection: Connection, delivery: DeliveryId | None, subscriber: int | None
) -> Reader | None:
    """Return the reader of a message, None once they are forgotten."""
    letter = _letter(connection, delivery) if delivery is not None else None
    if letter is not None and letter.address is not None:
        key = address_key(letter.address)
        return Reader(letter.subscriber_id or 0, key, letter=True) if key else None
    if subscriber is None:
        return None
    own = connection.execute(
        select(subscribers.c.address_key).where(subscribers.c.id == subscriber)
    ).scalar()
    return Reader(subscriber, own) if own is not None else None


def has_moved(connection: Connection, reader: Reader, *, since: datetime | None) -> bool:
    """Return whether a reader took another address, at any time or since one."""
    if reader.letter:
        return False
    changed_at: datetime | None = connection.execute(
        select(subscribers.c.address_changed_at).where(subscribers.c.id == reader.subscriber)
    ).scalar()
    return changed_at is not None and (since is None or changed_at >= since)


def sent_message(connection: Connection, delivery: DeliveryId) -> SentMessage | None:
    """Return a message of a campaign or a letter by its name; None when there is none such."""
    if letter_number(delivery) is not None:
        letter = _letter(connection, delivery)
        if letter is None:
            return None
        left = letter.state in _LEFT
        return SentMessage(
            delivery, letter.subscriber_id, letter.list_id, "", letter.created_at, left
        )
    row = connection.execute(
        _messages(
            (deliveries.c.campaign_id == delivery.campaign)
            & (deliveries.c.subscriber_id == delivery.subscriber)
        )
    ).first()
    return _message(row) if row is not None else None


def latest_delivery(connection: Connection, subscriber: int, now: datetime) -> SentMessage | None:
    """Return the newest message of a campaign that left for a reader within `WINDOW`."""
    row = connection.execute(
        _messages(
            (deliveries.c.subscriber_id == subscriber)
            # Nothing leaves after its campaign has expired.
            & (campaigns.c.expires_at >= now - WINDOW)
            & deliveries.c.state.in_(_LEFT)
            & attempts.c.claimed_at.between(now - WINDOW, now)
        )
        .order_by(attempts.c.claimed_at.desc(), deliveries.c.campaign_id.desc())
        .limit(1)
    ).first()
    return _message(row) if row is not None else None


def _messages(which: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            deliveries.c.campaign_id,
            deliveries.c.subscriber_id,
            deliveries.c.state,
            campaigns.c.list_id,
            campaigns.c.message_id_salt,
            campaigns.c.created_at,
            attempts.c.claimed_at,
        )
        .select_from(
            deliveries.join(campaigns, campaigns.c.id == deliveries.c.campaign_id).outerjoin(
                attempts, attempts.c.id == deliveries.c.attempt_id
            )
        )
        .where(which)
    )


def _message(row: Row[*tuple[Any, ...]]) -> SentMessage:
    return SentMessage(
        delivery=DeliveryId(row.campaign_id, row.subscriber_id),
        subscriber=row.subscriber_id,
        list_id=row.list_id,
        salt=row.message_id_salt,
        sent_at=row.claimed_at or row.created_at,
        has_left=row.state in _LEFT,
    )


def _letter(connection: Connection, delivery: DeliveryId) -> Row[*tuple[Any, ...]] | None:
    number = letter_number(delivery)
    if number is None:
        return None
    row = connection.execute(
        select(
            letters.c.id,
            letters.c.subscriber_id,
            letters.c.list_id,
            letters.c.address,
            letters.c.state,
            letters.c.created_at,
        ).where(letters.c.id == number)
    ).first()
    if row is None or letter_delivery(row.id, row.created_at) != delivery:
        return None
    return row
