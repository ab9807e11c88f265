"""Subscribers one by one: found, added by an operator, and let go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, exists, select, update

from newsletter.audience.address import Address
from newsletter.audience.consent import Act, MembershipStatus, Origin, record_consent
from newsletter.audience.eligibility import field_name
from newsletter.audience.keys import Keys
from newsletter.audience.suppressions import refuse_suppressed
from newsletter.errors import AudienceError
from newsletter.logs import mask_address
from newsletter.one_line import one_line
from newsletter.storage.audit import record_audit
from newsletter.storage.database import insert_for
from newsletter.storage.tables import memberships, subscribers


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One person by number."""

    id: int
    address: str
    name: str | None


class Added(StrEnum):
    """What adding did."""

    ADDED = "added"
    RETURNED = "returned"
    ALREADY_ACTIVE = "already_active"


def find_subscriber(connection: Connection, address: Address) -> Subscriber:
    """Return the subscriber of an address; raises `AudienceError` when there is none."""
    row = connection.execute(
        select(subscribers.c.id, subscribers.c.address, subscribers.c.name).where(
            subscribers.c.address_key == address.key
        )
    ).first()
    if row is None:
        raise AudienceError(
            f"{mask_address(address.text)} is no subscriber", fix="check the spelling"
        )
    return Subscriber(row.id, row.address, row.name)


def add_subscriber(
    connection: Connection,
    address: Address,
    list_id: int,
    keys: Keys,
    now: datetime,
    *,
    actor: str,
    name: str | None = None,
    consent: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> Added:
    """Put an address on a list by the operator's word.

    Raises `AudienceError` when it is suppressed, or left the list and no new consent is stated.
    """
    refuse_suppressed(connection, keys, address)
    subscriber = _upsert(connection, address, now, name, attributes or {})
    status = connection.execute(
        select(memberships.c.status).where(
            memberships.c.list_id == list_id, memberships.c.subscriber_id == subscriber
        )
    ).scalar()
    if status == MembershipStatus.ACTIVE:
        return Added.ALREADY_ACTIVE
    if status == MembershipStatus.UNSUBSCRIBED and not consent:
        raise AudienceError(
            f"{mask_address(address.text)} left this list",
            fix="only with a new consent: add --consent 'how and when they asked to come back'",
        )
    activate(connection, list_id, subscriber, now)
    origin = Origin("operator", wording=consent)
    record_consent(connection, subscriber, list_id, Act.GRANTED, now, origin=origin)
    record_audit(
        connection, now, actor=actor, action="subscriber.add", subject=f"subscriber {subscriber}"
    )
    return Added.RETURNED if status is not None else Added.ADDED


def _upsert(
    connection: Connection,
    address: Address,
    now: datetime,
    name: str | None,
    attributes: Mapping[str, str],
) -> int:
    values = {field_name(key): one_line(value) for key, value in attributes.items()}
    name = one_line(name or "") or None
    row = connection.execute(
        select(subscribers.c.id, subscribers.c.attributes).where(
            subscribers.c.address_key == address.key
        )
    ).first()
    if row is None:
        return make_subscriber(connection, address, now, name=name, attributes=values or None)
    if name or values:
        changed: dict[str, object] = {"updated_at": now}
        if name:
            changed["name"] = name
        if values:
            changed["attributes"] = {**(row.attributes or {}), **values}
        connection.execute(update(subscribers).where(subscribers.c.id == row.id).values(**changed))
    return int(row.id)


def make_subscriber(
    connection: Connection,
    address: Address,
    now: datetime,
    *,
    name: str | None = None,
    timezone: str | None = None,
    language: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> int:
    """Write down a new subscriber and return the number; that of an equal one made meanwhile."""
    insert = insert_for(connection)
    made = connection.execute(
        insert(subscribers)
        .values(
            address=address.text,
            address_key=address.key,
            name=one_line(name or "") or None,
            timezone=timezone,
            language=language,
            attributes=attributes,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing()
        .returning(subscribers.c.id)
    ).scalar()
    if made is None:
        same = select(subscribers.c.id).where(subscribers.c.address_key == address.key)
        made = connection.execute(same).scalar_one()
    return int(made)


def is_taken(connection: Connection, address_key: str) -> bool:
    """Return whether somebody has an address, which nobody else can take then.

    Who only asked to join and never confirmed, on any list, has not: anybody can type an address.
    """
    of_this = memberships.c.subscriber_id == subscribers.c.id
    waits = exists().where(of_this, memberships.c.status == MembershipStatus.PENDING.value)
    is_more = exists().where(of_this, memberships.c.status != MembershipStatus.PENDING.value)
    found = select(subscribers.c.id).where(
        subscribers.c.address_key == address_key, ~waits | is_more
    )
    return connection.execute(found).first() is not None


def make_pending(connection: Connection, list_id: int, subscriber: int, now: datetime) -> None:
    """Put a subscriber on a list who has not confirmed yet; who is on it already stays as is."""
    connection.execute(
        insert_for(connection)(memberships)
        .values(
            list_id=list_id,
            subscriber_id=subscriber,
            status=MembershipStatus.PENDING.value,
            changed_at=now,
        )
        .on_conflict_do_nothing()
    )


def activate(connection: Connection, list_id: int, subscriber: int, now: datetime) -> None:
    """Let a subscriber get the list's mail from now on, whatever was before."""
    values = {
        "status": MembershipStatus.ACTIVE.value,
        "changed_at": now,
        "paused_until": None,
        "paused_because": None,
    }
    connection.execute(
        insert_for(connection)(memberships)
        .values(list_id=list_id, subscriber_id=subscriber, **values)
        .on_conflict_do_update(index_elements=["list_id", "subscriber_id"], set_=values)
    )


def unsubscribe(
    connection: Connection, subscriber: int, list_id: int | None, now: datetime, origin: Origin
) -> int:
    """Take a subscriber off one list, or off all (None); returns how many were left just now.

    Repeating it changes nothing (C2). Takes effect for campaigns being sent: the claim asks (C9).
    """
    # One statement: of two that leave at once, on a server, the second finds it done.
    leave = update(memberships).where(
        memberships.c.subscriber_id == subscriber,
        memberships.c.status != MembershipStatus.UNSUBSCRIBED.value,
    )
    if list_id is not None:
        leave = leave.where(memberships.c.list_id == list_id)
    left = {"status": MembershipStatus.UNSUBSCRIBED.value, "changed_at": now, "paused_until": None}
    leaving = (
        connection.execute(leave.values(left).returning(memberships.c.list_id)).scalars().all()
    )
    for number in leaving:
        record_consent(connection, subscriber, number, Act.WITHDRAWN, now, origin=origin)
    return len(leaving)
