"""The story of one address: where it is, how it came, how it left, whether it may be mailed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from newsletter.audience.address import Address
from newsletter.audience.keys import Keys
from newsletter.audience.suppressions import suppression_of
from newsletter.audience.tags import tags_of
from newsletter.errors import AudienceError
from newsletter.logs import mask_address
from newsletter.storage.tables import consents, lists, memberships, subscribers


@dataclass(frozen=True, slots=True)
class Membership:
    """How an address stands on one list."""

    list: str
    status: str
    changed_at: datetime
    paused_until: datetime | None


@dataclass(frozen=True, slots=True)
class Consent:
    """One piece of evidence."""

    list: str
    act: str
    how: str
    source: str | None
    wording: str | None
    version: str | None
    network: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Story:
    """All of it; `subscriber` is None for an address that is only suppressed."""

    address: str
    subscriber: int | None
    name: str | None
    timezone: str | None
    language: str | None
    attributes: dict[str, str]
    tags: tuple[str, ...]
    suppressed: str | None
    memberships: tuple[Membership, ...]
    consents: tuple[Consent, ...]


def story_of(connection: Connection, address: Address, keys: Keys) -> Story:
    """Gather the story; raises `AudienceError` when nothing is known of the address."""
    suppressed = suppression_of(connection, keys, address)
    row = connection.execute(
        select(subscribers).where(subscribers.c.address_key == address.key)
    ).first()
    if row is None:
        if suppressed is None:
            raise AudienceError(
                f"nothing is known of {mask_address(address.text)}", fix="check the spelling"
            )
        return Story(address.text, None, None, None, None, {}, (), suppressed, (), ())
    stands = connection.execute(
        select(
            lists.c.name,
            memberships.c.status,
            memberships.c.changed_at,
            memberships.c.paused_until,
        )
        .join(lists, lists.c.id == memberships.c.list_id)
        .where(memberships.c.subscriber_id == row.id)
        .order_by(lists.c.name)
    )
    evidence = connection.execute(
        select(
            lists.c.name,
            consents.c.act,
            consents.c.how,
            consents.c.source,
            consents.c.wording,
            consents.c.version,
            consents.c.network,
            consents.c.at,
        )
        .join(lists, lists.c.id == consents.c.list_id)
        .where(consents.c.subscriber_id == row.id)
        .order_by(consents.c.id)
    )
    return Story(
        row.address,
        row.id,
        row.name,
        row.timezone,
        row.language,
        row.attributes or {},
        tuple(tags_of(connection, row.id)),
        suppressed,
        tuple(Membership(*stand) for stand in stands),
        tuple(Consent(*piece) for piece in evidence),
    )
