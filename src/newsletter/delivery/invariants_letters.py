"""What I3 and I5 say of letters: none to suppressed addresses, no claim that outlives its lease."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, or_, select

from newsletter.delivery.invariants_model import EXAMPLES, AnyRow, Trouble, View, search
from newsletter.delivery.states import DeliveryState
from newsletter.storage.tables import audit_log, letters, suppressions

ON_ITS_WAY = timedelta(minutes=15)
"""A letter that was claimed before a suppression may be recorded so much later."""


def overdue_letters(view: View) -> Iterator[Trouble]:
    """Find claims of letters whose lease is over, or that have none (I5)."""
    if view.campaign is not None:
        return
    query = select(letters.c.id).where(
        letters.c.state == DeliveryState.CLAIMED,
        or_(
            letters.c.fence.is_(None),
            letters.c.lease_until.is_(None),
            letters.c.lease_until < view.now,
        ),
    )
    yield from search(
        view,
        query.order_by(letters.c.id),
        what="letters whose claim outlived its lease",
        fix="'newsletter serve' or 'newsletter letters send' settles them",
        name=_letter_name,
    )


def letters_to_suppressed(view: View) -> Iterator[Trouble]:
    """Find letters that were accepted well after their address was suppressed (I3, C10).

    Those that an operator asked for are meant for such addresses. A suppression that came by an
    import may name an earlier day than it took effect.
    """
    if view.campaign is not None:
        return
    imported = view.connection.execute(
        select(func.max(audit_log.c.at)).where(audit_log.c.action == "suppression.import")
    ).scalar()
    rows = view.connection.execute(
        select(letters.c.id, letters.c.settled_at, suppressions.c.at)
        .join(suppressions, suppressions.c.key == letters.c.address_hash)
        .where(
            letters.c.state == DeliveryState.ACCEPTED,
            letters.c.lifts.is_(False),
            letters.c.settled_at > suppressions.c.at,
        )
        .order_by(letters.c.id)
    )
    late = [
        row
        for row in rows
        if row.settled_at - row.at > ON_ITS_WAY and (imported is None or row.settled_at > imported)
    ]
    if late:
        yield Trouble(
            len(late),
            tuple(_letter_name(row) for row in late[:EXAMPLES]),
            "letters sent after their address was suppressed",
            "look at the machine's clock first: they should not have gone out",
        )


def _letter_name(row: AnyRow) -> str:
    return f"letter {row[0]}"
