"""Joining a list by double opt-in, and coming back after leaving (C7, C11)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, select

from newsletter.audience.address import Address
from newsletter.audience.consent import Act, MembershipStatus, Origin, record_consent
from newsletter.audience.keys import Keys
from newsletter.audience.letters import (
    LetterKind,
    LetterLimits,
    LetterRequest,
    OpenLetter,
    find_letter,
    use_letter,
    write_letter,
)
from newsletter.audience.subscribers import activate, make_pending, make_subscriber
from newsletter.audience.suppressions import end_suppression, suppression_of
from newsletter.audience.tokens import TokenClaims
from newsletter.storage.tables import memberships, subscribers, suppressions

UNDO_WITHIN = timedelta(hours=1)
"""How long the button to undo a leaving works."""

_ON_LIST = (MembershipStatus.ACTIVE, MembershipStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What somebody typed who wants to join: not proven to be theirs yet."""

    address: Address
    list_id: int
    origin: Origin
    name: str | None = None
    timezone: str | None = None
    language: str | None = None


class Joined(StrEnum):
    """What pressing the button in the letter did."""

    JOINED = "joined"
    ALREADY = "already"
    OVER = "over"
    """The link was used or is too old: nothing changed."""
    REFUSED = "refused"
    """The address was suppressed meanwhile."""


def ask_to_join(
    connection: Connection, request: JoinRequest, keys: Keys, now: datetime, limits: LetterLimits
) -> None:
    """Put an address down as pending and write the letter that asks it to confirm.

    Says nothing about what was known, so that nobody can find out who reads what (C11). A
    suppressed address gets nothing (C10); one that is on the list gets a letter that says so.
    """
    if suppression_of(connection, keys, request.address):
        return
    subscriber = _find_or_make(connection, request, now)
    status = _status(connection, request.list_id, subscriber)
    kind = LetterKind.ALREADY if status in _ON_LIST else LetterKind.CONFIRM
    letter = LetterRequest(kind, subscriber, request.list_id, request.address)
    written = write_letter(connection, letter, keys, now, limits)
    if status is None:
        make_pending(connection, request.list_id, subscriber, now)
    if status is None or (written and kind is LetterKind.CONFIRM):
        record_consent(
            connection, subscriber, request.list_id, Act.REQUESTED, now, origin=request.origin
        )


def invite_back(
    connection: Connection,
    request: JoinRequest,
    keys: Keys,
    now: datetime,
    *,
    lifts: bool,
) -> None:
    """Write the letter by an operator's word; `lifts`: confirming it ends a suppression (C10)."""
    subscriber = _find_or_make(connection, request, now)
    if _status(connection, request.list_id, subscriber) is None:
        make_pending(connection, request.list_id, subscriber, now)
    record_consent(
        connection, subscriber, request.list_id, Act.REQUESTED, now, origin=request.origin
    )
    letter = LetterRequest(
        LetterKind.CONFIRM, subscriber, request.list_id, request.address, lifts=lifts
    )
    write_letter(connection, letter, keys, now, LetterLimits())


def confirm_joining(
    connection: Connection, claims: TokenClaims, keys: Keys, now: datetime, origin: Origin
) -> Joined:
    """Make a pending subscriber active by the link in the letter, which works once (C5, C11)."""
    letter = _open_confirmation(connection, claims, now, to_act=True)
    if letter is None:
        return Joined.OVER
    if _status(connection, claims.list_id, claims.subscriber) in _ON_LIST:
        use_letter(connection, letter, now)
        return Joined.ALREADY
    return _join(connection, claims, letter, keys, now, origin=origin)


def may_confirm(connection: Connection, claims: TokenClaims, now: datetime) -> bool:
    """Return whether the button behind the link in a letter still does anything."""
    return _open_confirmation(connection, claims, now, to_act=False) is not None


def _open_confirmation(
    connection: Connection, claims: TokenClaims, now: datetime, *, to_act: bool
) -> OpenLetter | None:
    """Return the letter of a link; None when it was used, is too old or was overtaken."""
    letter = find_letter(connection, claims, LetterKind.CONFIRM, now, to_act=to_act)
    if letter is None or letter.used or letter.over:
        return None
    row = connection.execute(
        select(memberships.c.status, memberships.c.changed_at).where(
            memberships.c.list_id == claims.list_id,
            memberships.c.subscriber_id == claims.subscriber,
        )
    ).first()
    # Who left after asking has thought again: an older letter does not bring them back.
    left_since = (
        row is not None
        and row.status == MembershipStatus.UNSUBSCRIBED
        and row.changed_at > letter.created_at
    )
    return None if row is None or left_since else letter


def _join(
    connection: Connection,
    claims: TokenClaims,
    letter: OpenLetter,
    keys: Keys,
    now: datetime,
    *,
    origin: Origin,
) -> Joined:
    key = connection.execute(
        select(subscribers.c.address_key).where(subscribers.c.id == claims.subscriber)
    ).scalar_one()
    mark = keys.hash_address(key)
    lifts_before = letter.created_at if letter.lifts else None
    if not _may_be_mailed(connection, mark, claims, now, lifts_before=lifts_before):
        return Joined.REFUSED
    activate(connection, claims.list_id, claims.subscriber, now)
    record_consent(connection, claims.subscriber, claims.list_id, Act.GRANTED, now, origin=origin)
    use_letter(connection, letter, now)
    return Joined.JOINED


def undo_leaving(
    connection: Connection, claims: TokenClaims, keys: Keys, now: datetime, origin: Origin
) -> bool:
    """Bring somebody back who pressed the wrong button, as a new consent (C7).

    Works once and for an hour after that very leaving (`claims.number`: its second since 1970);
    `claims.list_id` 0: all lists left then. Returns whether anything was undone.
    """
    row = connection.execute(
        select(subscribers.c.address_key, subscribers.c.address_epoch)
        .where(subscribers.c.id == claims.subscriber)
        .with_for_update()
    ).first()
    left_at = datetime.fromtimestamp(claims.number, tz=now.tzinfo)
    if row is None or row.address_epoch != claims.epoch:
        return False
    if not left_at <= now <= left_at + UNDO_WITHIN:
        return False
    if not _may_be_mailed(connection, keys.hash_address(row.address_key), claims, now):
        return False
    query = select(memberships.c.list_id).where(
        memberships.c.subscriber_id == claims.subscriber,
        memberships.c.status == MembershipStatus.UNSUBSCRIBED,
        memberships.c.changed_at >= left_at,
        memberships.c.changed_at < left_at + timedelta(seconds=1),
    )
    if claims.list_id:
        query = query.where(memberships.c.list_id == claims.list_id)
    returning = connection.execute(query).scalars().all()
    for list_id in returning:
        activate(connection, list_id, claims.subscriber, now)
        record_consent(connection, claims.subscriber, list_id, Act.GRANTED, now, origin=origin)
    return bool(returning)


def _may_be_mailed(
    connection: Connection,
    mark: str,
    claims: TokenClaims,
    now: datetime,
    *,
    lifts_before: datetime | None = None,
) -> bool:
    """Return whether an address is free; a suppression older than `lifts_before` ends here (C10).

    One that came after the operator's letter is news that the operator did not know: it stays.
    """
    found = suppressions.c.key == mark
    row = connection.execute(select(suppressions.c.reason, suppressions.c.at).where(found)).first()
    if row is None:
        return True
    if lifts_before is None or row.at > lifts_before:
        return False
    end_suppression(
        connection,
        mark,
        now,
        actor=f"subscriber {claims.subscriber}",
        detail={"reason": row.reason, "by": "double opt-in"},
    )
    return True


def _find_or_make(connection: Connection, request: JoinRequest, now: datetime) -> int:
    found = connection.execute(
        select(subscribers.c.id).where(subscribers.c.address_key == request.address.key)
    ).scalar()
    if found is not None:
        # What is known of somebody is not changed by whoever types their address.
        return int(found)
    return make_subscriber(
        connection,
        request.address,
        now,
        name=request.name,
        timezone=request.timezone,
        language=request.language,
    )


def _status(connection: Connection, list_id: int, subscriber: int) -> MembershipStatus | None:
    status = connection.execute(
        select(memberships.c.status).where(
            memberships.c.list_id == list_id, memberships.c.subscriber_id == subscriber
        )
    ).scalar()
    return None if status is None else MembershipStatus(status)
