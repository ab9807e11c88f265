"""What an operator sees of letters: the newest ones, and whether any are stuck."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, select

from newsletter.delivery.letter_holding import count_held, read_hold
from newsletter.delivery.letter_records import PUT_OFF
from newsletter.delivery.outcomes import RETRIED
from newsletter.delivery.states import READY, DeliveryState
from newsletter.logs import mask_address
from newsletter.providers.base import Health
from newsletter.storage.tables import letters, lists, subscribers

LATE = timedelta(minutes=15)
"""So long after it became due a letter counts as stuck: nobody sends, or nothing gets through."""
RECENT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class LetterRow:
    """One letter; `address` is masked and None once its reader is forgotten.

    `not_before`: when it is tried next, if it waits; `settled_at`: since when it is done with.
    """

    letter: int
    kind: str
    list: str
    address: str | None
    state: str
    reason: str | None
    answer: str | None
    tries: int
    created_at: datetime
    not_before: datetime | None
    settled_at: datetime | None
    used_at: datetime | None


def list_letters(
    connection: Connection, *, state: DeliveryState | None = None, limit: int = 100
) -> list[LetterRow]:
    """Return letters, the newest first."""
    query = (
        select(
            letters,
            lists.c.name.label("list_name"),
            func.coalesce(letters.c.address, subscribers.c.address).label("goes_to"),
        )
        .join(lists, lists.c.id == letters.c.list_id)
        .outerjoin(subscribers, subscribers.c.id == letters.c.subscriber_id)
        .order_by(letters.c.id.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(letters.c.state == state)
    return [
        LetterRow(
            row.id,
            row.kind,
            row.list_name,
            mask_address(row.goes_to) if row.goes_to else None,
            DeliveryState(row.state).label,
            row.reason,
            row.answer,
            row.tries,
            row.created_at,
            row.not_before,
            row.settled_at,
            row.used_at,
        )
        for row in connection.execute(query)
    ]


def look_at_letters(connection: Connection, now: datetime) -> list[Health]:
    """Look whether letters get out, for `doctor`: stuck ones, lost ones, those of a copy."""
    due = func.coalesce(letters.c.not_before, letters.c.created_at)
    waits: ColumnElement[bool] = letters.c.state.in_((*READY, DeliveryState.CLAIMED))
    hold = read_hold(connection)
    if hold.until is not None:
        waits = waits & (letters.c.created_at > hold.until)
    stuck: int = connection.execute(
        select(func.count()).where(waits, due < now - LATE)
    ).scalar_one()
    put_off: str | None = connection.execute(
        select(letters.c.answer)
        .where(waits, letters.c.reason == PUT_OFF)
        .order_by(letters.c.id.desc())
        .limit(1)
    ).scalar()
    lost: int = connection.execute(
        select(func.count()).where(
            letters.c.state == DeliveryState.UNKNOWN,
            letters.c.reason == RETRIED,
            letters.c.created_at > now - RECENT,
        )
    ).scalar_one()
    held = count_held(connection)
    found = []
    if held:
        detail = f"{held} wait: this database counts as a copy"
        found.append(Health("letters", False, detail, "newsletter letters send --held"))
    if stuck or put_off:
        detail = f"{stuck} overdue" + (f"; {put_off}" if put_off else "")
        fix = "keep 'newsletter serve' running, or: newsletter letters send"
        found.append(Health("letters", False, detail, fix))
    if lost:
        detail = f"{lost} lost twice in {RECENT.days} days: nobody knows whether they arrived"
        found.append(Health("letters", False, detail, "newsletter letters list --state unknown"))
    return found or [Health("letters", ok=True, detail="none is stuck")]
