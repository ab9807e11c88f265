"""Letters asked for: single messages to one reader, such as the one that asks to confirm.

Here they are only written down, within the limits (C11); `newsletter.delivery.letters` sends them.
The limits count within a window that is no longer than the links in the letters work: whenever
they refuse another letter, the link of an earlier one still works.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, ScalarSelect, func, insert, select, update

from newsletter.audience.address import Address
from newsletter.audience.keys import Keys
from newsletter.audience.tokens import TokenClaims
from newsletter.storage.tables import letters, subscribers


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
    MANAGE = "manage"
    """The link to see and change everything that you asked for."""


LIFE = timedelta(days=7)
"""How long a letter may wait to be sent, and its link works (C5)."""
MANAGE_LIFE = timedelta(days=1)
"""The same of a link that shows and changes everything."""
_HOUR = timedelta(hours=1)
_PENDING = 0
_LOCK_DIGITS = 15
"""So many hexadecimal digits of a hash fit into the number of a lock."""
# What strangers can cause does not use up what only readers can ask for.
_COUNTED_TOGETHER = (
    (LetterKind.CONFIRM, LetterKind.ALREADY, LetterKind.NEW_ADDRESS),
    (LetterKind.MANAGE,),
)


@dataclass(frozen=True, slots=True)
class LetterLimits:
    """How many letters somebody else can make us send to one mailbox."""

    per_hour: int = 1
    per_window: int = 3
    """Within `window`, and since anybody there last pressed a link."""
    window: timedelta = timedelta(days=3)


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
    mailbox = keys.hash_address(request.address.mailbox)
    life = MANAGE_LIFE if request.kind is LetterKind.MANAGE else LIFE
    counted = next((kinds for kinds in _COUNTED_TOGETHER if request.kind in kinds), None)
    not_before = None
    if counted and not request.lifts:
        _in_turn(connection, mailbox)
        before = _Before(mailbox, counted, now, min(limits.window, life))
        if _waits_already(connection, request, now):
            return False
        if before.count(connection) >= limits.per_window:
            return False
        not_before = before.next_free(connection, limits.per_hour)
    connection.execute(
        insert(letters).values(
            kind=request.kind.value,
            subscriber_id=request.subscriber,
            address_epoch=_epoch_of(request.subscriber),
            list_id=request.list_id,
            address=request.address.text if request.elsewhere else None,
            address_hash=keys.hash_address(request.address.key),
            mailbox_hash=mailbox,
            lifts=request.lifts,
            state=_PENDING,
            not_before=not_before,
            created_at=now,
            expires_at=now + life,
        )
    )
    return True


def _in_turn(connection: Connection, mailbox: str) -> None:
    """Let one transaction at a time count a mailbox's letters and write another one.

    Lock: on PostgreSQL one of the mailbox's own, until the transaction ends; on SQLite the write
    transaction.
    """
    if connection.dialect.name == "postgresql":
        number = int(mailbox[:_LOCK_DIGITS], 16)
        connection.execute(select(func.pg_advisory_xact_lock(number)))


def _epoch_of(subscriber: int) -> ScalarSelect[int]:
    epoch = select(subscribers.c.address_epoch).where(subscribers.c.id == subscriber)
    return epoch.scalar_subquery()


def _waits_already(connection: Connection, request: LetterRequest, now: datetime) -> bool:
    waiting = select(letters.c.id).where(
        letters.c.subscriber_id == request.subscriber,
        letters.c.list_id == request.list_id,
        letters.c.kind == request.kind.value,
        letters.c.state == _PENDING,
        letters.c.used_at.is_(None),
        letters.c.expires_at > now,
        # What waits for an earlier address is not sent any more.
        letters.c.address_epoch == _epoch_of(request.subscriber),
    )
    if request.elsewhere:
        waiting = waiting.where(letters.c.address == request.address.text)
    return connection.execute(waiting.limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class _Before:
    """The letters of some kinds that a mailbox was sent, or will be, within the window.

    What a clock that ran ahead has written does not count.
    """

    mailbox: str
    kinds: tuple[LetterKind, ...]
    now: datetime
    window: timedelta

    def count(self, connection: Connection) -> int:
        """Return how many there are since a link was last pressed there."""
        last_used = connection.execute(
            select(func.max(letters.c.used_at)).where(letters.c.mailbox_hash == self.mailbox)
        ).scalar()
        counted = select(func.count()).where(self._these)
        if last_used is not None:
            counted = counted.where(letters.c.created_at > last_used)
        return connection.execute(counted).scalar_one()

    def next_free(self, connection: Connection, per_hour: int) -> datetime | None:
        """Return when the next one may go out; None: at once."""
        goes_out = func.coalesce(letters.c.not_before, letters.c.created_at)
        recent = connection.execute(
            select(letters.c.created_at, letters.c.not_before)
            .where(self._these, goes_out > self.now - _HOUR)
            .order_by(goes_out.desc())
        ).all()
        if len(recent) < per_hour:
            return None
        created, put_off = recent[per_hour - 1]
        last: datetime = put_off or created
        return last + _HOUR

    @property
    def _these(self) -> ColumnElement[bool]:
        return (
            (letters.c.mailbox_hash == self.mailbox)
            & letters.c.kind.in_(self.kinds)
            & (letters.c.created_at > self.now - self.window)
            & (letters.c.created_at <= self.now)
        )


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
    """Its time is over, or its subscriber has another address since."""


def find_letter(
    connection: Connection,
    claims: TokenClaims,
    kind: LetterKind,
    now: datetime,
    *,
    to_act: bool = True,
) -> OpenLetter | None:
    """Return the letter that a token's link stood in; None when there is none of that kind.

    `to_act`: what is decided by it holds until the end of the transaction. Lock: on PostgreSQL the
    letter and its subscriber.
    """
    query = (
        select(letters, subscribers.c.address_epoch.label("reader_epoch"))
        .join(subscribers, subscribers.c.id == letters.c.subscriber_id)
        .where(
            letters.c.id == claims.number,
            letters.c.subscriber_id == claims.subscriber,
            letters.c.list_id == claims.list_id,
            letters.c.kind == kind.value,
        )
    )
    # Rows that refer to the subscriber may be written meanwhile, as those of the next letter are.
    locked = query.with_for_update(key_share=True)
    row = connection.execute(locked if to_act else query).first()
    if row is None:
        return None
    return OpenLetter(
        row.id,
        kind,
        row.address,
        row.lifts,
        row.created_at,
        row.used_at is not None,
        row.expires_at <= now or row.address_epoch != row.reader_epoch,
    )


def use_letter(connection: Connection, letter: OpenLetter, now: datetime) -> None:
    """Note that its link was pressed: it works once."""
    connection.execute(update(letters).where(letters.c.id == letter.id).values(used_at=now))
