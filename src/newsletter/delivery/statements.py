"""The statements that the ledger lives by, for SQLite and PostgreSQL: freeze, claim, record.

Each says what it locks and which index it walks. `deliveries` has one index: its primary key
(campaign, subscriber), in which the rows themselves lie on SQLite.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Insert,
    MetaData,
    Select,
    String,
    Table,
    Text,
    Update,
    any_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import NullType

from newsletter.delivery.states import READY, DeliveryState
from newsletter.storage.columns import Instant
from newsletter.storage.tables import attempts, deliveries, memberships, subscribers


def freeze_audience(campaign: int, selection: Select[tuple[int]]) -> Insert:
    """Write a pending row for each subscriber of a selection.

    Lock: the write transaction's own. Index: memberships by list, then the ledger's key, appended
    in its order.
    """
    chosen = selection.subquery()
    return insert(deliveries).from_select(
        ["campaign_id", "subscriber_id", "state", "tries"],
        select(
            literal(campaign),
            chosen.c.subscriber_id,
            literal(int(DeliveryState.PENDING)),
            literal(0),
        ),
        include_defaults=False,
    )


@dataclass(frozen=True, slots=True)
class WaveTimes:
    """When readers of each zone are due (H6); None: at once.

    `others` are those without a zone, or with one that is not named here.
    """

    others: datetime | None
    zones: Mapping[str, datetime | None]

    @property
    def last(self) -> datetime | None:
        """Return when the last wave is due; None where everybody is due at once."""
        known = [at for at in (self.others, *self.zones.values()) if at is not None]
        return max(known, default=None)


# It lasts as long as one freeze: joined to, it is three times as quick as values in the statement.
_ZONES = Table(
    "wave_zones",
    MetaData(),
    Column("zone", String(64), primary_key=True),
    Column("due_at", Instant),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)


def freeze_waves(
    connection: Connection, campaign: int, selection: Select[tuple[int]], times: WaveTimes
) -> None:
    """Write a pending row for each subscriber of a selection, due when their zone's wave is.

    Lock and index: as `freeze_audience`; besides, subscribers by their key.
    """
    chosen = selection.subquery()
    others = bindparam("others", times.others, Instant)
    due = case((_ZONES.c.zone.is_(None), others), else_=_ZONES.c.due_at)
    with _zone_table(connection, times.zones):
        connection.execute(
            insert(deliveries).from_select(
                ["campaign_id", "subscriber_id", "state", "tries", "not_before"],
                select(
                    literal(campaign),
                    chosen.c.subscriber_id,
                    literal(int(DeliveryState.PENDING)),
                    literal(0),
                    due,
                ).select_from(
                    chosen.join(subscribers, subscribers.c.id == chosen.c.subscriber_id).outerjoin(
                        _ZONES, _ZONES.c.zone == subscribers.c.timezone
                    )
                ),
                include_defaults=False,
            )
        )


@contextmanager
def _zone_table(connection: Connection, zones: Mapping[str, datetime | None]) -> Iterator[None]:
    _ZONES.create(connection, checkfirst=False)
    if zones:
        rows = [{"zone": zone, "due_at": at} for zone, at in zones.items()]
        connection.execute(insert(_ZONES), rows)
    yield
    # What fails undoes it with the rest of the transaction.
    _ZONES.drop(connection, checkfirst=False)


READY_ROWS = (
    select(
        deliveries.c.subscriber_id.label("subscriber"),
        subscribers.c.address,
        subscribers.c.address_key,
        subscribers.c.name,
        subscribers.c.timezone,
        cast(subscribers.c.attributes, Text).label("attributes"),
        memberships.c.status,
        # As it is stored: most have none, and a typed column costs as much as all others.
        type_coerce(memberships.c.paused_until, NullType),
        subscribers.c.address_epoch,
    )
    .select_from(
        deliveries.outerjoin(
            memberships,
            (memberships.c.subscriber_id == deliveries.c.subscriber_id)
            & (memberships.c.list_id == bindparam("list")),
        ).outerjoin(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
    )
    .where(
        deliveries.c.campaign_id == bindparam("campaign"),
        deliveries.c.subscriber_id > bindparam("after"),
        deliveries.c.state.in_(READY),
        or_(deliveries.c.not_before.is_(None), deliveries.c.not_before <= bindparam("now")),
    )
    .order_by(deliveries.c.subscriber_id)
    .limit(bindparam("limit"))
    .with_for_update(of=deliveries, skip_locked=True)
)
"""The next ready rows behind `after`, each with how its subscriber stands with the list now (C9).

Lock: on PostgreSQL the rows themselves, those of other workers skipped; on SQLite the write
transaction. Index: the ledger's key from `after` on; subscribers and memberships by their keys.
"""


def claim_rows(connection: Connection, chosen: Sequence[int], now: datetime) -> Update:
    """Make ready rows this attempt's: those chosen of what `READY_ROWS` just gave.

    Lock: held already. Index: the ledger's key. On SQLite, where nobody else can have written
    since, one range does: whoever was skipped or put off is no longer ready.
    """
    statement = update(deliveries).where(
        deliveries.c.campaign_id == bindparam("b_campaign"), deliveries.c.state.in_(READY)
    )
    if connection.dialect.name == "sqlite":
        statement = statement.where(
            deliveries.c.subscriber_id.between(chosen[0], chosen[-1]),
            or_(deliveries.c.not_before.is_(None), deliveries.c.not_before <= now),
        )
    else:
        statement = statement.where(among(connection, deliveries.c.subscriber_id, chosen))
    return statement.values(
        state=DeliveryState.CLAIMED, attempt_id=bindparam("b_attempt"), not_before=None
    )


_FENCED = update(deliveries).where(
    deliveries.c.campaign_id == bindparam("b_campaign"),
    deliveries.c.state == DeliveryState.CLAIMED,
    deliveries.c.attempt_id == bindparam("b_attempt"),
)

RECORD_PLAIN = _FENCED.values(state=DeliveryState.ACCEPTED, reason=None, answer=None)
"""Accepts rows whose answer says no more than that; the caller adds which, with `among`.

The fence stands in the WHERE (G5): a row that is no longer this attempt's does not match.
Lock: the rows. Index: the ledger's key.
"""

RECORD_ROWS = _FENCED.where(deliveries.c.subscriber_id == bindparam("b_subscriber")).values(
    state=bindparam("b_state"),
    tries=bindparam("b_tries"),
    not_before=bindparam("b_not_before"),
    reason=bindparam("b_reason"),
    answer=bindparam("b_answer"),
)
"""Writes any outcome, row by row; the same fence, lock and index as `RECORD_PLAIN`."""

_ACCEPT_ROW = (
    "UPDATE deliveries SET state = ?, reason = NULL, answer = ? "
    "WHERE campaign_id = ? AND subscriber_id = ? AND state = ? AND attempt_id = ?"
)


def record_accepted(
    connection: Connection, campaign: int, attempt: int, answers: Sequence[tuple[int, str]]
) -> int:
    """Accept rows with the answer of each, as (subscriber, answer); returns how many took it.

    `RECORD_ROWS` for the common case, straight to the driver: this is what a send does most.
    """
    sql = _ACCEPT_ROW if connection.dialect.name == "sqlite" else _ACCEPT_ROW.replace("?", "%s")
    accepted, claimed = int(DeliveryState.ACCEPTED), int(DeliveryState.CLAIMED)
    rows = [
        (accepted, answer, campaign, subscriber, claimed, attempt) for subscriber, answer in answers
    ]
    return connection.exec_driver_sql(sql, rows).rowcount


def among(
    connection: Connection, column: ColumnElement[Any], values: Sequence[Any]
) -> ColumnElement[bool]:
    """Say that a column's value is one of many: one bound parameter, however many there are."""
    if connection.dialect.name == "sqlite":
        listed = func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(select(listed.c.value))
    return column == any_(bindparam(None, list(values), ARRAY(column.type), unique=True))


def lease_end(connection: Connection, now: datetime, lease: timedelta) -> datetime:
    """Return when a lease that begins now ends, by the database's own clock where it has one.

    A clock that jumps on one machine must not free what another still works on (G17). On SQLite
    one process sends at a time and a lock tells whether it lives: the time does not decide.
    """
    return database_time(connection, now) + lease


def database_time(connection: Connection, now: datetime) -> datetime:
    """Return the time of a database server; of an embedded database, the caller's."""
    if connection.dialect.name == "sqlite":
        return now
    told: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return told


OPEN_ATTEMPTS = select(func.coalesce(func.sum(attempts.c.size), 0)).where(
    attempts.c.finished_at.is_(None)
)
"""How many deliveries are claimed and not yet recorded, over all campaigns."""
