"""Taking the next alert that nobody was told of yet, and writing down by which ways it was told.

Each function works inside the caller's transaction. Index: `ix_alerts_untold` and the key. Lock: on
PostgreSQL the alert's row, those of others skipped; on SQLite the write transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, update

from newsletter.delivery.alert_ways import Notice, Way
from newsletter.delivery.alerts import AlertKind
from newsletter.storage.tables import alerts

LEASE = timedelta(minutes=10)
"""How long a claimed alert is left to its teller; then another one takes it up."""
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
"""How long a way that failed is left alone; the last one again and again."""
GIVE_UP = timedelta(hours=24)
"""Older alerts are given up once each of `WAITS` was waited for."""


class AlertState(StrEnum):
    """Where an alert stands."""

    WAITING = "waiting"
    """Somebody has to be told still."""
    TOLD = "told"
    GIVEN_UP = "given up"
    """At least one way failed until the end."""


@dataclass(frozen=True, slots=True)
class ClaimedAlert:
    """An alert that this process tells now; `told` names the ways that it was told by before."""

    notice: Notice
    tries: int
    told: frozenset[str]


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert as the operator sees it; `ways` says of each way what came of it."""

    alert: int
    kind: AlertKind
    campaign: int | None
    at: datetime
    subject: str
    body: str
    state: AlertState
    told_at: datetime | None
    tries: int
    next_try: datetime | None
    ways: dict[str, str]


def any_due(connection: Connection, now: datetime) -> bool:
    """Return whether an alert is to be told now."""
    return connection.execute(select(alerts.c.id).where(_due(now)).limit(1)).first() is not None


def count_untold(connection: Connection) -> int:
    """Return how many alerts somebody has to be told of still."""
    counted: int = connection.execute(
        select(func.count()).select_from(alerts).where(alerts.c.told_at.is_(None))
    ).scalar_one()
    return counted


def claim_alert(connection: Connection, now: datetime) -> ClaimedAlert | None:
    """Take the oldest alert that is due, for `LEASE`; None when there is none.

    The transaction must be durable before anybody is told.
    """
    row = connection.execute(
        select(alerts)
        .where(_due(now))
        .order_by(alerts.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    connection.execute(
        update(alerts)
        .where(alerts.c.id == row.id)
        .values(tries=row.tries + 1, next_try=now + LEASE)
    )
    notice = Notice(
        row.id, row.kind, row.subject, row.body, row.campaign_id, row.at, row.edition_id
    )
    return ClaimedAlert(notice, row.tries + 1, _told(_ways(row.ways)))


def renew_alert(connection: Connection, claimed: ClaimedAlert, now: datetime) -> None:
    """Leave a claimed alert to its teller for another `LEASE`, unless somebody took it up since."""
    connection.execute(
        update(alerts)
        .where(
            alerts.c.id == claimed.notice.alert,
            alerts.c.tries == claimed.tries,
            alerts.c.told_at.is_(None),
        )
        .values(next_try=now + LEASE)
    )


def note_way(
    connection: Connection, claimed: ClaimedAlert, way: Way, now: datetime, problem: str | None
) -> None:
    """Write down at once what came of one way, so that a killed process does not repeat it."""
    this = alerts.c.id == claimed.notice.alert
    row = connection.execute(select(alerts.c.ways).where(this).with_for_update()).one()
    ways = _ways(row.ways)
    if problem is not None and way.name in _told(ways):
        return
    told_at = now.isoformat() if problem is None else None
    ways[way.name] = {"way": way.label, "told_at": told_at, "problem": problem}
    connection.execute(update(alerts).where(this).values(ways=ways))


def settle_alert(
    connection: Connection, claimed: ClaimedAlert, wanted: Collection[str], now: datetime
) -> AlertState:
    """End a claim: the alert is told once all `wanted` ways have it, given up, or tried later."""
    this = alerts.c.id == claimed.notice.alert
    row = connection.execute(select(alerts).where(this).with_for_update()).one()
    if row.told_at is not None:
        return _state(row)
    if _told(_ways(row.ways)).issuperset(wanted):
        connection.execute(update(alerts).where(this).values(told_at=now, next_try=None))
        return AlertState.TOLD
    if row.tries > len(WAITS) and now - row.at >= GIVE_UP:
        connection.execute(update(alerts).where(this).values(told_at=now, next_try=None))
        return AlertState.GIVEN_UP
    # Another process has taken it up since: the time is that one's to set.
    if row.tries == claimed.tries:
        wait = WAITS[min(row.tries, len(WAITS)) - 1]
        connection.execute(update(alerts).where(this).values(next_try=now + wait))
    return AlertState.WAITING


def list_alerts(connection: Connection, *, limit: int) -> list[AlertRow]:
    """Return the newest alerts, the newest first."""
    rows = connection.execute(select(alerts).order_by(alerts.c.id.desc()).limit(limit))
    return [
        AlertRow(
            alert=row.id,
            kind=AlertKind(row.kind),
            campaign=row.campaign_id,
            at=row.at,
            subject=row.subject,
            body=row.body,
            state=_state(row),
            told_at=row.told_at,
            tries=row.tries,
            next_try=row.next_try,
            ways={
                str(way["way"]): "told" if way["told_at"] else str(way["problem"])
                for way in _ways(row.ways).values()
            },
        )
        for row in rows
    ]


def _due(now: datetime) -> ColumnElement[bool]:
    return alerts.c.told_at.is_(None) & or_(alerts.c.next_try.is_(None), alerts.c.next_try <= now)


def _state(row: Row[*tuple[Any, ...]]) -> AlertState:
    if row.told_at is None:
        return AlertState.WAITING
    ways = _ways(row.ways)
    return AlertState.TOLD if _told(ways) == ways.keys() else AlertState.GIVEN_UP


def _ways(stored: Any) -> dict[str, dict[str, str | None]]:
    # A JSON column may come back as text from a server that was told so; accept both.
    return dict(json.loads(stored) if isinstance(stored, str) else stored or {})


def _told(ways: Mapping[str, Mapping[str, str | None]]) -> frozenset[str]:
    return frozenset(name for name, way in ways.items() if way["told_at"])
