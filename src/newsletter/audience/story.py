"""The story of one address: where it is, how it came and left, what came back, why it is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from newsletter.audience.address import Address
from newsletter.audience.bounce_pauses import PAUSE_ACTION
from newsletter.audience.keys import Keys
from newsletter.audience.suppressions import SuppressionReason
from newsletter.audience.tags import tags_of
from newsletter.errors import AudienceError
from newsletter.logs import mask_address
from newsletter.storage.tables import (
    audit_log,
    consents,
    events,
    lists,
    memberships,
    subscribers,
    suppressions,
)

NEWEST_EVENTS = 20
"""So many of what came back are told."""


@dataclass(frozen=True, slots=True)
class Membership:
    """How an address stands on one list.

    `paused_because` is set where not the reader paused it; `evidence` says then what it rests on.
    """

    list: str
    status: str
    changed_at: datetime
    paused_until: datetime | None
    paused_because: str | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why an address must not be mailed, since when, and the evidence as it was noted."""

    reason: str
    since: datetime
    note: str | None

    @property
    def needs_the_person(self) -> bool:
        """Return whether only the person can lift it, by a letter they confirm (C10)."""
        return self.reason in (SuppressionReason.COMPLAINT, SuppressionReason.ERASED)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that came back for an address.

    `kind` and `bounce` are the words of the glossary and of D3. `delivery` is the one that it
    speaks of, `7-1234`. `proof` and `why` say how a mail was matched (D8). Nothing followed where
    `believed` is False; nothing yet where `applied_at` is None. `source` is who told: sendgrid,
    mail, or the provider whose answer came late.
    """

    at: datetime
    kind: str
    bounce: str | None
    reason: str | None
    status: str | None
    diagnostic: str | None
    delivery: str | None
    campaign: int | None
    source: str | None
    proof: str | None
    why: str | None
    believed: bool
    received_at: datetime | None
    applied_at: datetime | None


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
    """All of it; `subscriber` is None for an address that is only suppressed or only heard of.

    `suppressed` is the reason alone. `events` are the newest, the newest first.
    """

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
    suppression: Suppression | None = None
    events: tuple[Event, ...] = ()


def story_of(
    connection: Connection, address: Address, keys: Keys, *, newest: int = NEWEST_EVENTS
) -> Story:
    """Gather the story, with so many events; raises `AudienceError` when nothing is known."""
    mark = keys.hash_address(address.key)
    suppression = _suppression(connection, mark)
    suppressed = suppression.reason if suppression else None
    row = connection.execute(
        select(subscribers).where(subscribers.c.address_key == address.key)
    ).first()
    came_back = _events(connection, mark, row.id if row else None, newest)
    if row is None:
        if suppressed is None and not came_back:
            raise AudienceError(
                f"nothing is known of {mask_address(address.text)}", fix="check the spelling"
            )
        return Story(
            *(address.text, None, None, None, None, {}, (), suppressed, (), ()),
            suppression=suppression,
            events=came_back,
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
        _memberships(connection, row.id),
        _consents(connection, row.id),
        suppression=suppression,
        events=came_back,
    )


def _suppression(connection: Connection, mark: str) -> Suppression | None:
    row = connection.execute(select(suppressions).where(suppressions.c.key == mark)).first()
    return Suppression(row.reason, row.at, row.note) if row else None


def _memberships(connection: Connection, subscriber: int) -> tuple[Membership, ...]:
    rows = connection.execute(
        select(
            memberships.c.list_id,
            lists.c.name,
            memberships.c.status,
            memberships.c.changed_at,
            memberships.c.paused_until,
            memberships.c.paused_because,
        )
        .join(lists, lists.c.id == memberships.c.list_id)
        .where(memberships.c.subscriber_id == subscriber)
        .order_by(lists.c.name)
    ).all()
    evidence: Mapping[int, str] = {}
    if any(row.paused_because for row in rows):
        evidence = _why_paused(connection, subscriber)
    return tuple(
        Membership(*row[1:], evidence=evidence.get(row.list_id) if row.paused_because else None)
        for row in rows
    )


def _why_paused(connection: Connection, subscriber: int) -> dict[int, str]:
    """Return for each list what the newest pause by feedback rested on, from the audit log."""
    details = connection.execute(
        select(audit_log.c.detail)
        .where(
            audit_log.c.action == PAUSE_ACTION, audit_log.c.subject == f"subscriber {subscriber}"
        )
        .order_by(audit_log.c.id)
    ).scalars()
    return {detail["list"]: detail["evidence"] for detail in details if detail}


def _consents(connection: Connection, subscriber: int) -> tuple[Consent, ...]:
    rows = connection.execute(
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
        .where(consents.c.subscriber_id == subscriber)
        .order_by(consents.c.id)
    )
    return tuple(Consent(*row) for row in rows)


def _events(
    connection: Connection, mark: str, subscriber: int | None, newest: int
) -> tuple[Event, ...]:
    """Return what names the subscriber, or the address where nobody stands for it."""
    theirs = events.c.address_hash == mark
    if subscriber is not None:
        theirs = or_(theirs, events.c.subscriber_id == subscriber)
    rows = connection.execute(
        select(events).where(theirs).order_by(events.c.at.desc(), events.c.id.desc()).limit(newest)
    )
    return tuple(
        Event(
            row.at,
            row.kind,
            row.bounce,
            row.reason,
            _told(row.detail, "status"),
            _told(row.detail, "diagnostic", "answer", "response", "reason"),
            row.delivery or _delivery(row.campaign_id, row.subscriber_id),
            row.campaign_id,
            row.provider,
            _told(row.detail, "proof"),
            _told(row.detail, "why"),
            row.believed,
            row.received_at,
            row.applied_at,
        )
        for row in rows
    )


def _delivery(campaign: int | None, subscriber: int | None) -> str | None:
    return f"{campaign}-{subscriber}" if campaign and subscriber else None


def _told(detail: object, *names: str) -> str | None:
    """Return the first text that an event's detail has under one of the names."""
    if not isinstance(detail, Mapping):
        return None
    found = (detail.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value), None)
