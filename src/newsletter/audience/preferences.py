"""What a subscriber may see and change by the personal link: name, zone, lists, pause, address."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select, update

from newsletter.audience.address import Address, parse_address
from newsletter.audience.consent import Act, MembershipStatus, Origin, record_consent
from newsletter.audience.keys import Keys
from newsletter.audience.letters import (
    LetterKind,
    LetterLimits,
    LetterRequest,
    find_letter,
    use_letter,
    write_letter,
)
from newsletter.audience.privacy import forget
from newsletter.audience.subscribers import activate, is_taken, unsubscribe
from newsletter.audience.suppressions import suppression_of
from newsletter.audience.tokens import TokenClaims
from newsletter.clock import is_zone
from newsletter.errors import AudienceError
from newsletter.one_line import has_controls, one_line
from newsletter.storage.audit import record_audit
from newsletter.storage.tables import lists, memberships, subscribers

LONGEST_NAME = 200
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_MAY_CHOOSE = (MembershipStatus.ACTIVE, MembershipStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class Choice:
    """One list on the page; `status` is None for a public list that the subscriber is not on."""

    list_id: int
    name: str
    title: str
    status: MembershipStatus | None
    paused_until: datetime | None

    @property
    def chosen(self) -> bool:
        """Whether its mail comes, now or after a pause."""
        return self.status in _MAY_CHOOSE


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the page shows of a subscriber."""

    subscriber: int
    address: str
    name: str | None
    timezone: str | None
    language: str | None
    choices: tuple[Choice, ...]
    suppressed: str | None


def preferences_of(connection: Connection, subscriber: int, keys: Keys) -> Preferences | None:
    """Return what the page shows; None for somebody who is gone."""
    row = connection.execute(select(subscribers).where(subscribers.c.id == subscriber)).first()
    if row is None or not row.address:
        return None
    stands = connection.execute(
        select(
            lists.c.id,
            lists.c.name,
            lists.c.title,
            memberships.c.status,
            memberships.c.paused_until,
        )
        .outerjoin(
            memberships,
            (memberships.c.list_id == lists.c.id) & (memberships.c.subscriber_id == subscriber),
        )
        .where(or_(lists.c.public, memberships.c.status.is_not(None)))
        .order_by(lists.c.title, lists.c.id)
    )
    choices = tuple(
        Choice(
            stand.id,
            stand.name,
            stand.title,
            MembershipStatus(stand.status) if stand.status else None,
            stand.paused_until,
        )
        for stand in stands
    )
    return Preferences(
        subscriber,
        row.address,
        row.name,
        row.timezone,
        row.language,
        choices,
        suppression_of(connection, keys, parse_address(row.address)),
    )


@dataclass(frozen=True, slots=True)
class Details:
    """What a subscriber says of themselves; None leaves it as it is, empty clears it."""

    name: str | None = None
    timezone: str | None = None
    language: str | None = None


def change_details(
    connection: Connection, subscriber: int, now: datetime, details: Details
) -> None:
    """Set name, zone and language.

    Raises `AudienceError` for an unknown zone and for values that are too long or hold controls.
    """
    values: dict[str, object] = {"updated_at": now}
    if details.name is not None:
        values["name"] = _name(details.name) or None
    if details.timezone is not None:
        values["timezone"] = _zone(details.timezone.strip()) or None
    if details.language is not None:
        values["language"] = _language(details.language.strip()) or None
    connection.execute(update(subscribers).where(subscribers.c.id == subscriber).values(values))


def _name(text: str) -> str:
    name = one_line(text)
    if len(name) > LONGEST_NAME or has_controls(text.strip()):
        raise AudienceError("this is no name", fix=f"use at most {LONGEST_NAME} plain characters")
    return name


def _zone(zone: str) -> str:
    if zone and not is_zone(zone):
        raise AudienceError("this time zone is not known", fix="use Europe/Paris")
    return zone


def _language(language: str) -> str:
    if language and not _LANGUAGE.fullmatch(language):
        raise AudienceError("this is no language", fix="use a tag such as en or pt-BR")
    return language


def choose_lists(
    connection: Connection,
    preferences: Preferences,
    wanted: Collection[int],
    now: datetime,
    *,
    origin: Origin,
) -> None:
    """Join the lists that are wanted and leave the others, of those the page offered.

    The personal link came by mail, so the address is proven: no second letter. A suppressed
    subscriber can leave and cannot join (C10); who only asked to join has to confirm by the letter.
    """
    for choice in preferences.choices:
        if choice.chosen and choice.list_id not in wanted:
            unsubscribe(connection, preferences.subscriber, choice.list_id, now, origin)
        may_join = choice.status is not MembershipStatus.PENDING and not preferences.suppressed
        if choice.list_id in wanted and not choice.chosen and may_join:
            activate(connection, choice.list_id, preferences.subscriber, now)
            record_consent(
                connection,
                preferences.subscriber,
                choice.list_id,
                Act.GRANTED,
                now,
                origin=origin,
            )


def pause(
    connection: Connection,
    subscriber: int,
    now: datetime,
    *,
    until: datetime | None,
    list_id: int | None = None,
) -> int:
    """Send nothing until then (None: until they come back); returns how many lists are paused.

    One list, or all the subscriber is on. Who left or never confirmed stays as they are.
    """
    if until is not None and until <= now:
        raise AudienceError("a pause ends in the future", fix="name a later day")
    query = update(memberships).where(
        memberships.c.subscriber_id == subscriber, memberships.c.status.in_(_MAY_CHOOSE)
    )
    if list_id is not None:
        query = query.where(memberships.c.list_id == list_id)
    return connection.execute(
        query.values(
            status=MembershipStatus.PAUSED.value,
            changed_at=now,
            paused_until=until,
            paused_because=None,
        )
    ).rowcount


def end_pause(
    connection: Connection, subscriber: int, now: datetime, *, list_id: int | None = None
) -> int:
    """Let the mail of paused lists come again; returns of how many."""
    query = update(memberships).where(
        memberships.c.subscriber_id == subscriber,
        memberships.c.status == MembershipStatus.PAUSED.value,
    )
    if list_id is not None:
        query = query.where(memberships.c.list_id == list_id)
    return connection.execute(
        query.values(
            status=MembershipStatus.ACTIVE.value,
            changed_at=now,
            paused_until=None,
            paused_because=None,
        )
    ).rowcount


def ask_to_change_address(
    connection: Connection,
    subscriber: int,
    list_id: int,
    new: Address,
    keys: Keys,
    *,
    now: datetime,
    limits: LetterLimits,
) -> None:
    """Write to the new address, which has to confirm (C14); says nothing about who reads there.

    An address that is suppressed, or that another subscriber has, gets nothing.
    """
    if is_taken(connection, new.key) or suppression_of(connection, keys, new):
        return
    letter = LetterRequest(LetterKind.NEW_ADDRESS, subscriber, list_id, new, elsewhere=True)
    write_letter(connection, letter, keys, now, limits)


def ask_for_link(
    connection: Connection,
    subscriber: int,
    list_id: int,
    keys: Keys,
    *,
    now: datetime,
    limits: LetterLimits,
) -> None:
    """Write the letter with a link to see and change everything, to the address on file.

    Says nothing of whether it is sent: a suppressed address gets nothing.
    """
    text = connection.execute(
        select(subscribers.c.address).where(subscribers.c.id == subscriber)
    ).scalar_one()
    address = parse_address(text)
    if suppression_of(connection, keys, address) is None:
        letter = LetterRequest(LetterKind.MANAGE, subscriber, list_id, address)
        write_letter(connection, letter, keys, now, limits)


def may_manage(connection: Connection, claims: TokenClaims, now: datetime, *, to_act: bool) -> bool:
    """Return whether a link that shows and changes everything still does."""
    letter = find_letter(connection, claims, LetterKind.MANAGE, now, to_act=to_act)
    return letter is not None and not letter.over


def address_to_confirm(connection: Connection, claims: TokenClaims, now: datetime) -> str | None:
    """Return the address that a letter's link gives a subscriber; None once there is nothing to."""
    letter = find_letter(connection, claims, LetterKind.NEW_ADDRESS, now, to_act=False)
    return None if letter is None or letter.used or letter.over else letter.address


def confirm_new_address(
    connection: Connection, claims: TokenClaims, keys: Keys, now: datetime
) -> bool:
    """Give a subscriber the address that a letter was sent to; returns False when it is over.

    The old address is told, and the links in mail to it can do no more than leave. The suppression
    of an old address stays with that address.
    """
    letter = find_letter(connection, claims, LetterKind.NEW_ADDRESS, now)
    if letter is None or letter.used or letter.over or letter.address is None:
        return False
    new = parse_address(letter.address)
    old = connection.execute(
        select(subscribers.c.address, subscribers.c.address_epoch).where(
            subscribers.c.id == claims.subscriber
        )
    ).one()
    if is_taken(connection, new.key) or suppression_of(connection, keys, new):
        return False
    never_confirmed = connection.execute(
        select(subscribers.c.id).where(subscribers.c.address_key == new.key)
    ).scalar()
    if never_confirmed is not None:
        forget(connection, never_confirmed)
    connection.execute(
        update(subscribers)
        .where(subscribers.c.id == claims.subscriber)
        .values(
            address=new.text,
            address_key=new.key,
            # The second is part of it: a restored backup must not give an epoch once more.
            address_epoch=max(old.address_epoch + 1, int(now.timestamp())),
            address_changed_at=now,
            updated_at=now,
        )
    )
    use_letter(connection, letter, now)
    record_audit(
        connection,
        now,
        actor=f"subscriber {claims.subscriber}",
        action="subscriber.address",
        subject=f"subscriber {claims.subscriber}",
    )
    before = parse_address(old.address)
    if suppression_of(connection, keys, before) is None:
        told = LetterRequest(
            LetterKind.MOVED, claims.subscriber, claims.list_id, before, elsewhere=True
        )
        write_letter(connection, told, keys, now, LetterLimits())
    return True
