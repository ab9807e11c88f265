"""Pauses that soft bounces made (D5): of one list, and ended by the reader or by a delivery.

`memberships.changed_at` stays: it says since when the reader is on the list by their own will, and
bounces count from then, in whatever order they become known. The audit log has the pause itself.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select, update

from newsletter.audience.consent import MembershipStatus
from newsletter.storage.audit import record_audit
from newsletter.storage.tables import memberships

SOFT_BOUNCES = "soft_bounces"
"""`memberships.paused_because` of a pause that nobody asked for."""

PAUSE_ACTION = "membership.pause"
"""In the audit log, with the evidence in its detail."""

_M = memberships.c


def pause_for_bounces(
    connection: Connection, subscriber: int, list_id: int, now: datetime, *, evidence: str
) -> bool:
    """Send an active reader of a list nothing more until somebody ends it; returns whether it did.

    `evidence` says why, without an address. Who paused or left by themselves stays as they are.
    """
    return _change(
        connection,
        (subscriber, list_id, MembershipStatus.ACTIVE, None),
        {"status": MembershipStatus.PAUSED.value, "paused_because": SOFT_BOUNCES},
        now,
        (PAUSE_ACTION, evidence),
    )


def end_bounce_pause(
    connection: Connection, subscriber: int, list_id: int, now: datetime, *, evidence: str
) -> bool:
    """End a pause that soft bounces made, for mail arrives after all; returns whether there was."""
    return _change(
        connection,
        (subscriber, list_id, MembershipStatus.PAUSED, SOFT_BOUNCES),
        {"status": MembershipStatus.ACTIVE.value, "paused_because": None},
        now,
        ("membership.resume", evidence),
    )


def paused_by_bounces(
    connection: Connection, subscribers: Collection[int]
) -> frozenset[tuple[int, int]]:
    """Return which of up to 10,000 subscribers are paused so, as (subscriber, list)."""
    rows = connection.execute(
        select(_M.subscriber_id, _M.list_id).where(
            _M.subscriber_id.in_(list(subscribers)),
            _M.status == MembershipStatus.PAUSED.value,
            _M.paused_because == SOFT_BOUNCES,
        )
    )
    return frozenset((row.subscriber_id, row.list_id) for row in rows)


def active_since(connection: Connection, subscriber: int, list_id: int) -> datetime | None:
    """Return since when a reader gets a list's mail; None for who does not get it now."""
    since: datetime | None = connection.execute(
        select(_M.changed_at).where(
            _M.subscriber_id == subscriber,
            _M.list_id == list_id,
            _M.status == MembershipStatus.ACTIVE.value,
        )
    ).scalar()
    return since


def _change(
    connection: Connection,
    which: tuple[int, int, MembershipStatus, str | None],
    values: dict[str, str | None],
    now: datetime,
    act: tuple[str, str],
) -> bool:
    subscriber, list_id, status, because = which
    statement = update(memberships).where(
        _M.subscriber_id == subscriber, _M.list_id == list_id, _M.status == status.value
    )
    if because is not None:
        statement = statement.where(_M.paused_because == because)
    changed = connection.execute(statement.values(**values, paused_until=None)).rowcount
    if changed:
        action, evidence = act
        record_audit(
            connection,
            now,
            actor="feedback",
            action=action,
            subject=f"subscriber {subscriber}",
            detail={"list": list_id, "evidence": evidence},
        )
    return bool(changed)
