"""What became of claimed letters, and of those whose carrier ended; each inside a transaction.

Index: `letters.state` and the key. A row whose fence has moved on keeps its state (G5).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, or_, update

from newsletter.delivery.letter_claims import ClaimedLetter, as_claimed, letters_with_readers
from newsletter.delivery.outcomes import RETRIED, RETRY_MARK
from newsletter.delivery.statements import database_time, lease_end
from newsletter.delivery.states import READY, DeliveryState, Move, before
from newsletter.storage.tables import letters

SETTLED = (
    DeliveryState.ACCEPTED,
    DeliveryState.REJECTED,
    DeliveryState.SKIPPED,
    DeliveryState.EXPIRED,
)
"""States in which nothing more happens to a letter by itself."""


_LOST_OR_WAITING = tuple({DeliveryState.UNKNOWN, *READY} & set(before(Move.PROVE)))

PUT_OFF = "not sent"
"""`reason` of a letter that our account, the settings or a template kept from leaving."""


def settle_letter(
    connection: Connection, letter: ClaimedLetter, now: datetime, values: dict[str, Any]
) -> bool:
    """Write what became of a claimed letter; returns False when it is no longer ours (G5).

    The fence stays in the row: a late answer is known by it.
    """
    over = values["state"] in SETTLED or values["reason"] == RETRIED
    settled = now if over else None
    return bool(
        connection.execute(
            update(letters)
            .where(
                letters.c.id == letter.id,
                letters.c.state == DeliveryState.CLAIMED,
                letters.c.fence == letter.fence,
            )
            .values(**values, lease_until=None, settled_at=settled)
        ).rowcount
    )


def keep_late_yes(connection: Connection, letter: ClaimedLetter, now: datetime) -> bool:
    """Let a yes that came behind its fence explain a letter that counts as lost (G8).

    Returns whether it did: not when somebody has claimed it anew.
    """
    return bool(
        connection.execute(
            update(letters)
            .where(
                letters.c.id == letter.id,
                letters.c.fence == letter.fence,
                letters.c.state.in_(_LOST_OR_WAITING),
            )
            .values(
                state=DeliveryState.ACCEPTED, reason="evidence", not_before=None, settled_at=now
            )
        ).rowcount
    )


def renew_letter(
    connection: Connection, letter: ClaimedLetter, now: datetime, lease: timedelta
) -> None:
    """Let a claim hold for a whole lease from now, unless it is over already."""
    connection.execute(
        update(letters)
        .where(
            letters.c.id == letter.id,
            letters.c.fence == letter.fence,
            letters.c.state == DeliveryState.CLAIMED,
            letters.c.lease_until >= database_time(connection, now),
        )
        .values(lease_until=lease_end(connection, now, lease))
    )


def lose_overdue(connection: Connection, now: datetime) -> int:
    """Make claims whose lease is over unknown: their carrier ended; returns how many.

    They may be tried again at once, for they have waited already.
    """
    return connection.execute(
        update(letters)
        .where(
            letters.c.state.in_(before(Move.LOSE)),
            letters.c.lease_until < database_time(connection, now),
        )
        .values(state=DeliveryState.UNKNOWN, answer="its carrier ended before an answer was read")
    ).rowcount


def lost_letters(
    connection: Connection, now: datetime, held_until: datetime | None
) -> list[ClaimedLetter]:
    """Return the unknown letters whose wait for an answer is over, with what proves them."""
    query = letters_with_readers().where(
        letters.c.state == DeliveryState.UNKNOWN,
        letters.c.settled_at.is_(None),
        or_(letters.c.not_before.is_(None), letters.c.not_before <= now),
    )
    if held_until is not None:
        query = query.where(letters.c.created_at > held_until)
    return [as_claimed(connection, row, row.fence) for row in connection.execute(query).all()]


def retry_lost(connection: Connection, letter: ClaimedLetter, now: datetime) -> DeliveryState:
    """Let a lost letter go out once more; one lost twice, or too old, stays unknown for good (G8).

    A second one like it harms nobody, so letters need no operator's word. The Message-ID is the
    same. Returns the new state.
    """
    again = letter.mark not in (RETRY_MARK, RETRIED) and letter.expires_at > now
    state = DeliveryState.PENDING if again else DeliveryState.UNKNOWN
    connection.execute(
        update(letters)
        .where(
            letters.c.id == letter.id,
            letters.c.fence == letter.fence,
            letters.c.state.in_(before(Move.RETRY)),
        )
        .values(
            state=state,
            reason=RETRY_MARK if again else RETRIED,
            not_before=None,
            settled_at=None if again else now,
        )
    )
    return state


def expire_letters(connection: Connection, now: datetime) -> int:
    """Mark what has not left when its link's time is over; returns how many."""
    return connection.execute(
        update(letters)
        .where(letters.c.state.in_(before(Move.EXPIRE)), letters.c.expires_at <= now)
        .values(state=DeliveryState.EXPIRED, not_before=None, settled_at=now)
    ).rowcount
