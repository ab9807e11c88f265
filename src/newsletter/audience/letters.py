"""Letters asked for: single messages to one reader, such as the one that asks to confirm.

Here they are only written down, within the limits (C11); `newsletter.delivery.letters` sends them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select, update

from newsletter.audience.address import Address
from newsletter.audience.keys import Keys
from newsletter.audience.tokens import TokenClaims
from newsletter.storage.tables import letters


class LetterKind(StrEnum):
    """What a letter says."""

    CONFIRM = "confirm"
    """Press the button to join."""
    ALREADY = "already"
    """You asked to join and are on the list already."""
    NEW_ADDRESS = "new_address"
    """Press the button to get mail here: goes to the address that is to become theirs."""
    MOVED = "moved"
    """Your mail goes to another address from now on: goes to the old one."""


LIFE = timedelta(days=7)
"""How long a letter may wait to be sent, and its link works (C5)."""
_HOUR = timedelta(hours=1)
_PENDING = 0
_COUNTED = (LetterKind.CONFIRM, LetterKind.ALREADY, LetterKind.NEW_ADDRESS)


@dataclass(frozen=True, slots=True)
class LetterLimits:
    """How many letters somebody else can make us send to one address (C11)."""

    per_hour: int = 1
    in_all: int = 3
    """Without the address ever pressing a link."""


@dataclass(frozen=True, slots=True)
class LetterRequest:
    """One letter to be sent; `elsewhere`: not to the subscriber's own address."""

    kind: LetterKind
    subscriber: int
    list_id: int
    address: Address
    elsewhere: bool = False
    lifts: bool = False


def write_letter(
    connection: Connection, request: LetterRequest, keys: Keys, now: datetime, limits: LetterLimits
) -> bool:
    """Put a letter down to be sent; returns False when the limits say no.

    Within the hour of another one it is put off, not lost; but the same letter never waits twice.
    An operator's own letter (`lifts`) is not limited.
    """
    mark = keys.hash_address(request.address.key)
    not_before = None
    if request.kind in _COUNTED and not request.lifts:
        if _waits_already(connection, request) or _too_many(connection, mark, now, limits):
            return False
        not_before = _next_free(connection, mark, now, limits)
    connection.execute(
        insert(letters).values(
            kind=request.kind.value,
            subscriber_id=request.subscriber,
            list_id=request.list_id,
            address=request.address.text if request.elsewhere else None,
            address_hash=mark,
            lifts=request.lifts,
            state=_PENDING,
            not_before=not_before,
            created_at=now,
            expires_at=now + LIFE,
        )
    )
    return True


def _waits_already(connection: Connection, request: LetterRequest) -> bool:
    waiting = select(letters.c.id).where(
        letters.c.subscriber_id == request.subscriber,
        letters.c.list_id == request.list_id,
        letters.c.kind == request.kind.value,
        letters.c.state == _PENDING,
        letters.c.used_at.is_(None),
    )
    if request.elsewhere:
        waiting = waiting.where(letters.c.address == request.address.text)
    return connection.execute(waiting.limit(1)).first() is not None


def _too_many(connection: Connection, mark: str, now: datetime, limits: LetterLimits) -> bool:
    last_used = connection.execute(
        select(func.max(letters.c.used_at)).where(letters.c.address_hash == mark)
    ).scalar()
    counted = select(func.count()).where(
        letters.c.address_hash == mark, letters.c.kind.in_(_COUNTED), letters.c.created_at <= now
    )
    if last_used is not None:
        counted = counted.where(letters.c.created_at > last_used)
    return connection.execute(counted).scalar_one() >= limits.in_all


def _next_free(
    connection: Connection, mark: str, now: datetime, limits: LetterLimits
) -> datetime | None:
    goes_out = func.coalesce(letters.c.not_before, letters.c.created_at)
    recent = connection.execute(
        select(letters.c.created_at, letters.c.not_before)
        .where(
            letters.c.address_hash == mark,
            letters.c.kind.in_(_COUNTED),
            goes_out > now - _HOUR,
        )
        .order_by(goes_out.desc())
    ).all()
    if len(recent) < limits.per_hour:
        return None
    created, put_off = recent[limits.per_hour - 1]
    last: datetime = put_off or created
    return last + _HOUR


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """A letter whose link was pressed."""

    id: int
    kind: LetterKind
    address: str | None
    lifts: bool
    created_at: datetime
    used: bool
    over: bool
    """Its time is over."""


def find_letter(
    connection: Connection, claims: TokenClaims, kind: LetterKind, now: datetime
) -> OpenLetter | None:
    """Return the letter that a token's link stood in; None when there is none of that kind."""
    row = connection.execute(
        select(letters)
        .where(
            letters.c.id == claims.number,
            letters.c.subscriber_id == claims.subscriber,
            letters.c.list_id == claims.list_id,
            letters.c.kind == kind.value,
        )
        .with_for_update()
    ).first()
    if row is None:
        return None
    return OpenLetter(
        row.id,
        kind,
        row.address,
        row.lifts,
        row.created_at,
        row.used_at is not None,
        row.expires_at <= now,
    )


def use_letter(connection: Connection, letter: OpenLetter, now: datetime) -> None:
    """Note that its link was pressed: it works once."""
    connection.execute(update(letters).where(letters.c.id == letter.id).values(used_at=now))
