"""Taking the next due letter, inside the caller's transaction: durable before a byte leaves (G3).

What becomes of a claim stands in `letter_records`.
Index: `letters.state`. Lock: on PostgreSQL the letter's row, those of others skipped; on SQLite the
write transaction.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, or_, select, update

from newsletter.audience.address import AddressRefused, parse_address
from newsletter.audience.consent import MembershipStatus
from newsletter.audience.keys import Keys
from newsletter.audience.letters import LetterKind
from newsletter.audience.lists import MailingList
from newsletter.audience.subscribers import is_taken
from newsletter.delivery.domains import domain_of, held_domains
from newsletter.delivery.ledger import HELD_DOMAIN
from newsletter.delivery.letter_rules import LetterStanding, why_skip
from newsletter.delivery.outcomes import RETRY_MARK
from newsletter.delivery.proofs import NO_CAMPAIGN
from newsletter.delivery.statements import lease_end
from newsletter.delivery.states import READY, DeliveryState, Move, before
from newsletter.providers.base import DeliveryId
from newsletter.storage.tables import letters, lists, memberships, subscribers, suppressions

_PLACES = 10**8
"""The last digits of a delivery's number are the letter's; those before, the second of its
writing."""
_FIRST = 10**17
"""Smaller numbers are those of alerts and tests."""


@dataclass(frozen=True, slots=True)
class ClaimedLetter:
    """A letter that this carrier alone may send until its lease ends; `fence` proves it (G5).

    `reader_address` is the subscriber's own now with its `epoch`, `language` theirs. `mark` is the
    row's reason.
    """

    id: int
    kind: LetterKind
    subscriber: int
    mailing_list: MailingList
    address: str
    reader_address: str
    epoch: int
    language: str | None
    created_at: datetime
    expires_at: datetime
    tries: int
    mark: str | None
    fence: str

    @property
    def delivery(self) -> DeliveryId:
        """Return its name at the provider, the same on every try (A2)."""
        return letter_delivery(self.id, self.created_at)


def letter_delivery(number: int, created_at: datetime) -> DeliveryId:
    """Return the name of a letter at the provider: in its Message-ID, return path, outbox file.

    The second of its writing is part of it: a restored backup gives a letter's number once more,
    and the new letter must not be taken for the old one, least of all by the outbox.
    """
    return DeliveryId(NO_CAMPAIGN, int(created_at.timestamp()) * _PLACES + number % _PLACES)


def letter_number(delivery: DeliveryId) -> int | None:
    """Return the number of the letter that a delivery may be; None for one of a campaign."""
    of_letter = delivery.campaign == NO_CAMPAIGN and delivery.subscriber >= _FIRST
    return delivery.subscriber % _PLACES if of_letter else None


def ready_letters(now: datetime, held_until: datetime | None) -> ColumnElement[bool]:
    """Say that a letter may be claimed now; those written up to `held_until` wait (G19)."""
    ready = (
        letters.c.state.in_(READY)
        & or_(letters.c.not_before.is_(None), letters.c.not_before <= now)
        & (letters.c.expires_at > now)
    )
    return ready if held_until is None else ready & (letters.c.created_at > held_until)


def claim_letter(
    connection: Connection,
    keys: Keys,
    now: datetime,
    *,
    lease: timedelta,
    held_until: datetime | None,
) -> ClaimedLetter | DeliveryState | None:
    """Take the next due letter; suppression and membership are read in this transaction (C9).

    Returns the letter, or the state of one that does not go out now (skipped, or deferred for its
    domain is held: ask again), or None when none is due.
    """
    row = connection.execute(_due(now, held_until)).first()
    if row is None:
        return None
    this = letters.c.id == row.id
    reason = why_skip(_standing(connection, row, keys))
    if reason is not None:
        connection.execute(
            update(letters)
            .where(this, letters.c.state.in_(before(Move.SKIP)))
            .values(state=DeliveryState.SKIPPED, reason=reason, not_before=None, settled_at=now)
        )
        return DeliveryState.SKIPPED
    address = str(row.address or row.reader_address)
    hold = held_domains(connection, now).get(domain_of(address))
    if hold is not None:
        # One on its second way keeps the mark of it.
        waits = row.reason if row.reason == RETRY_MARK else HELD_DOMAIN
        connection.execute(
            update(letters)
            .where(this)
            .values(state=DeliveryState.DEFERRED, not_before=hold.until, reason=waits)
        )
        return DeliveryState.DEFERRED
    fence = str(uuid.uuid4())
    connection.execute(
        update(letters)
        .where(this, letters.c.state.in_(before(Move.CLAIM)))
        .values(
            state=DeliveryState.CLAIMED,
            fence=fence,
            lease_until=lease_end(connection, now, lease),
            not_before=None,
        )
    )
    return as_claimed(connection, row, fence)


def letters_with_readers() -> Select[Any]:
    """Select letters in their order, each with its reader and how they stand with the list."""
    reader, listed = subscribers.c, memberships.c
    return (
        select(
            letters,
            reader.address.label("reader_address"),
            reader.address_key.label("reader_key"),
            reader.address_epoch.label("reader_epoch"),
            reader.language.label("reader_language"),
            listed.status.label("status"),
            listed.changed_at.label("changed_at"),
        )
        .select_from(
            letters.outerjoin(subscribers, reader.id == letters.c.subscriber_id).outerjoin(
                memberships,
                (listed.subscriber_id == letters.c.subscriber_id)
                & (listed.list_id == letters.c.list_id),
            )
        )
        .order_by(letters.c.id)
    )


def _due(now: datetime, held_until: datetime | None) -> Select[Any]:
    return (
        letters_with_readers()
        .where(ready_letters(now, held_until))
        .limit(1)
        .with_for_update(of=letters, skip_locked=True)
    )


def _standing(connection: Connection, row: Row[*tuple[Any, ...]], keys: Keys) -> LetterStanding:
    there = row.subscriber_id is not None and bool(row.reader_address)
    text = (row.address or row.reader_address) if there else None
    key = row.reader_key if row.address is None else _key_of(row.address)
    suppression = connection.execute(
        select(suppressions.c.reason, suppressions.c.at).where(
            suppressions.c.key == row.address_hash
        )
    ).first()
    status = MembershipStatus(row.status) if row.status else None
    return LetterStanding(
        kind=LetterKind(row.kind),
        created_at=row.created_at,
        lifts=row.lifts,
        used=row.used_at is not None,
        address=text,
        same_address=key is not None
        and keys.hash_address(key) == row.address_hash
        and (row.kind == LetterKind.MOVED or row.address_epoch == row.reader_epoch),
        status=status,
        left_at=row.changed_at if status is MembershipStatus.UNSUBSCRIBED else None,
        taken=row.kind == LetterKind.NEW_ADDRESS and key is not None and is_taken(connection, key),
        suppression=suppression.reason if suppression else None,
        suppressed_at=suppression.at if suppression else None,
    )


def _key_of(address: str) -> str | None:
    try:
        return parse_address(address).key
    except AddressRefused:
        return None


def as_claimed(connection: Connection, row: Row[*tuple[Any, ...]], fence: str) -> ClaimedLetter:
    """Return a row of `letters_with_readers` as a claim with a fence."""
    return ClaimedLetter(
        id=row.id,
        kind=LetterKind(row.kind),
        subscriber=row.subscriber_id or 0,
        mailing_list=_list_of(connection, row.list_id),
        address=row.address or row.reader_address or "",
        reader_address=row.reader_address or "",
        epoch=row.reader_epoch or 0,
        language=row.reader_language,
        created_at=row.created_at,
        expires_at=row.expires_at,
        tries=row.tries,
        mark=row.reason,
        fence=fence,
    )


def _list_of(connection: Connection, number: int) -> MailingList:
    columns = [lists.c[field.name] for field in fields(MailingList)]
    row = connection.execute(select(*columns).where(lists.c.id == number)).one()
    return MailingList(**row._mapping)
