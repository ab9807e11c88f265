"""Whom a stored event concerns: its delivery or letter, its reader, and the address it speaks of.

Reads only, but takes the rows of the ledger it will need: on PostgreSQL a row that a sender holds
is not waited for, its events come in the next round.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from newsletter.audience.address import Address, AddressRefused, parse_address
from newsletter.audience.keys import Keys
from newsletter.delivery.bounce_classes import BounceClass
from newsletter.delivery.letter_claims import letter_delivery, letter_number
from newsletter.delivery.proofs import NO_CAMPAIGN
from newsletter.delivery.statements import among
from newsletter.delivery.states import DeliveryState
from newsletter.feedback.events import EventKind, Provenance
from newsletter.feedback.policy import Landing, News
from newsletter.providers.base import DeliveryId
from newsletter.storage.tables import campaigns, deliveries, letters, subscribers

_KINDS = frozenset(EventKind)
_GREATEST_CAMPAIGN = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    """What feedback must know of a campaign."""

    id: int
    list_id: int
    salt: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LetterFacts:
    """What feedback must know of a letter."""

    id: int
    list_id: int
    subscriber: int | None
    address: str | None
    attempted: bool


@dataclass(frozen=True, slots=True)
class Concern:
    """One event and whom it concerns; all None where nobody of ours is meant.

    `address` is the one that must not be mailed any more, if anything follows for it. `row` is how
    the delivery or letter stands now; `attempted`, whether it was ever claimed to be sent.
    """

    event: int
    at: datetime
    news: News
    provenance: str
    believed: bool
    detail: Mapping[str, Any]
    campaign: CampaignFacts | None = None
    letter: LetterFacts | None = None
    row: Landing | None = None
    attempted: bool = False
    subscriber: int | None = None
    list_id: int | None = None
    address: Address | None = None
    address_hash: str | None = None

    @property
    def delivery(self) -> DeliveryId | None:
        """Return the delivery of a campaign that is meant."""
        if self.campaign is None or self.subscriber is None:
            return None
        return DeliveryId(self.campaign.id, self.subscriber)

    @property
    def evidence(self) -> str:
        """Say in a few words, without an address, what proves it: kept with what follows."""
        about = f"delivery {self.delivery}" if self.delivery else ""
        if self.letter is not None:
            about = f"letter {self.letter.id}"
        status = str(self.detail.get("status") or "")[:12]
        words = " ".join(part for part in (self.news.kind.value, status, self.news.reason) if part)
        return f"{about}: {words}, event {self.event}".removeprefix(": ")


class Rows:
    """The rows of the ledger, letters and readers that a round of events speaks of."""

    def __init__(self, connection: Connection, events: Sequence[Row[Any]]) -> None:
        self._connection = connection
        named = [one for row in events if (one := DeliveryId.parse(row.delivery or ""))]
        self.campaigns = self._read_campaigns({one.campaign for one in named})
        self.held: set[DeliveryId] = set()
        """Rows that a sender holds now."""
        self.attempted: set[DeliveryId] = set()
        """Rows of campaigns that were claimed at least once."""
        self.landings = self._lock_deliveries(named)
        self.letters = self._lock_letters(named)
        people = {one.subscriber for one in named if one.campaign != NO_CAMPAIGN}
        people |= {row.subscriber_id for row in events if row.subscriber_id is not None}
        people |= {
            facts.subscriber for facts, _ in self.letters.values() if facts.subscriber is not None
        }
        self._changed: dict[int, datetime | None] = {}
        self.addresses = self._read_addresses(people)
        self.by_key = self._read_keys(events)

    def _read_campaigns(self, numbers: Collection[int]) -> dict[int, CampaignFacts]:
        # A number from outside may be larger than any of ours.
        numbers = [number for number in numbers if number <= _GREATEST_CAMPAIGN]
        query = select(
            campaigns.c.id,
            campaigns.c.list_id,
            campaigns.c.message_id_salt,
            campaigns.c.created_at,
        ).where(campaigns.c.id.in_(numbers))
        return {row.id: CampaignFacts(*row) for row in self._connection.execute(query)}

    def _lock_deliveries(self, named: Iterable[DeliveryId]) -> dict[DeliveryId, Landing]:
        wanted: defaultdict[int, set[int]] = defaultdict(set)
        for one in named:
            if one.campaign in self.campaigns:
                wanted[one.campaign].add(one.subscriber)
        found: dict[DeliveryId, Landing] = {}
        for campaign, people in sorted(wanted.items()):
            query = select(
                deliveries.c.subscriber_id,
                deliveries.c.state,
                deliveries.c.reason,
                deliveries.c.attempt_id,
            ).where(
                deliveries.c.campaign_id == campaign,
                among(self._connection, deliveries.c.subscriber_id, sorted(people)),
            )
            locked = query.with_for_update(skip_locked=True)
            for row in self._connection.execute(locked):
                landing = Landing(DeliveryState(row.state), row.reason)
                name = DeliveryId(campaign, row.subscriber_id)
                found[name] = landing
                if row.attempt_id is not None:
                    self.attempted.add(name)
            if self._connection.dialect.name != "sqlite":
                there = self._connection.execute(query)
                names = {DeliveryId(campaign, row.subscriber_id) for row in there}
                self.held |= names - found.keys()
        return found

    def _lock_letters(
        self, named: Iterable[DeliveryId]
    ) -> dict[DeliveryId, tuple[LetterFacts, Landing]]:
        numbers = {number for one in named if (number := letter_number(one)) is not None}
        if not numbers:
            return {}
        query = select(letters).where(letters.c.id.in_(sorted(numbers))).with_for_update()
        return {
            letter_delivery(row.id, row.created_at): (
                LetterFacts(
                    row.id, row.list_id, row.subscriber_id, row.address, row.fence is not None
                ),
                Landing(DeliveryState(row.state), row.reason),
            )
            for row in self._connection.execute(query)
        }

    def _read_addresses(self, people: Collection[int]) -> dict[int, Address]:
        query = select(
            subscribers.c.id, subscribers.c.address, subscribers.c.address_changed_at
        ).where(among(self._connection, subscribers.c.id, sorted(people)))
        found = self._connection.execute(query).all()
        self._changed = {row.id: row.address_changed_at for row in found}
        return {row.id: address for row in found if (address := read_address(row.address))}

    def _read_keys(self, events: Sequence[Row[Any]]) -> dict[str, int]:
        told = [read_address(row.address) for row in events if not row.delivery and row.address]
        query = select(subscribers.c.address_key, subscribers.c.id).where(
            among(self._connection, subscribers.c.address_key, [one.key for one in told if one])
        )
        return {row.address_key: row.id for row in self._connection.execute(query)}

    def has_moved(self, subscriber: int, since: datetime) -> bool:
        """Return whether a reader got another address since then."""
        changed_at = self._changed.get(subscriber)
        return changed_at is not None and changed_at >= since


def read_address(text: str | None) -> Address | None:
    """Return an address that somebody told; None for what is none."""
    try:
        return parse_address(text) if text else None
    except AddressRefused:
        return None


def concern_of(row: Row[Any], rows: Rows, keys: Keys) -> Concern | None:
    """Return whom an event concerns; None when its row is held and it must wait a moment."""
    told = read_address(row.address)
    detail: dict[str, Any] = row.detail or {}
    base = Concern(
        event=row.id,
        at=row.at,
        news=News(
            EventKind(row.kind) if row.kind in _KINDS else EventKind.OTHER,
            BounceClass(row.bounce) if row.bounce else None,
            row.reason or "",
        ),
        provenance=row.provider,
        believed=row.believed,
        detail=detail,
        address=told,
        address_hash=keys.hash_address(told.key) if told else None,
    )
    named = DeliveryId.parse(row.delivery or "")
    if named is None:
        return _of_person(base, row, rows)
    if named in rows.held:
        return None
    if named in rows.letters:
        return _of_letter(base, named, rows)
    return _of_delivery(base, named, rows)


def _of_person(base: Concern, row: Row[Any], rows: Rows) -> Concern:
    """Return an event that names no message: a signed link names the reader, else the address."""
    subscriber = row.subscriber_id
    if subscriber is None and base.address is not None:
        subscriber = rows.by_key.get(base.address.key)
    listed = base.detail.get("list")
    return replace(
        base,
        subscriber=subscriber,
        list_id=listed if isinstance(listed, int) else None,
        address=base.address or rows.addresses.get(subscriber or 0),
    )


def _of_letter(base: Concern, named: DeliveryId, rows: Rows) -> Concern:
    letter, landing = rows.letters[named]
    own = read_address(letter.address) or rows.addresses.get(letter.subscriber or 0)
    return replace(
        base,
        letter=letter,
        row=landing,
        attempted=letter.attempted,
        subscriber=letter.subscriber,
        list_id=letter.list_id,
        address=own or base.address,
    )


def _of_delivery(base: Concern, named: DeliveryId, rows: Rows) -> Concern:
    campaign, landing = rows.campaigns.get(named.campaign), rows.landings.get(named)
    salt = base.detail.get("salt")
    if campaign is None or landing is None or (salt is not None and salt != campaign.salt):
        # Another newsletter's message, or another database's: nobody of ours is meant.
        return replace(base, address=None)
    own = rows.addresses.get(named.subscriber)
    attempted = named in rows.attempted
    told_of_another = base.address is not None and (own is None or base.address.key != own.key)
    if not attempted and told_of_another and base.provenance != Provenance.MAIL:
        # We sent no such message, and it is not this reader's: a mail's seal would say so.
        return replace(base, address=None)
    address = base.address or own
    if own is not None and address is not None and address.key != own.key:
        moved = rows.has_moved(named.subscriber, campaign.created_at)
        forwarded = base.provenance == Provenance.MAIL and not moved
        # A mail may name where the reader's own host passed it on to.
        address = own if forwarded else address
    if base.address is None and own and rows.has_moved(named.subscriber, campaign.created_at):
        address = None
    return replace(
        base,
        campaign=campaign,
        row=landing,
        attempted=attempted,
        subscriber=named.subscriber,
        list_id=campaign.list_id,
        address=address,
    )
