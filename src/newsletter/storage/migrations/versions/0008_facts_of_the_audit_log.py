"""What was decided by the audit log so far stands in columns of its own; filled from that log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_LOG = sa.table(
    "audit_log",
    sa.column("id", sa.BigInteger()),
    sa.column("at", _INSTANT),
    sa.column("actor", sa.String()),
    sa.column("action", sa.String()),
    sa.column("subject", sa.String()),
    sa.column("detail", sa.JSON()),
)
_CAMPAIGNS = sa.table(
    "campaigns",
    sa.column("id", sa.Integer()),
    sa.column("wave_time", sa.String()),
    sa.column("wave_day", sa.String()),
    sa.column("wave_zone", sa.String()),
    sa.column("wave_expires_s", sa.Integer()),
    sa.column("bounces_braked_at", _INSTANT),
    sa.column("complaints_braked_at", _INSTANT),
)
_SUBSCRIBERS = sa.table(
    "subscribers", sa.column("id", sa.BigInteger()), sa.column("address_changed_at", _INSTANT)
)
_LETTERS = sa.table(
    "letters",
    sa.column("kind", sa.String()),
    sa.column("subscriber_id", sa.BigInteger()),
    sa.column("used_at", _INSTANT),
)
_LIFTS = sa.table("suppression_lifts", sa.column("key", sa.String()), sa.column("at", _INSTANT))
_INSTALLATION = sa.table(
    "installation", sa.column("copied_at", _INSTANT), sa.column("letters_held_until", _INSTANT)
)


def upgrade() -> None:
    for table, column in (
        ("installation", sa.Column("copied_at", _INSTANT, nullable=True)),
        ("installation", sa.Column("letters_held_until", _INSTANT, nullable=True)),
        ("subscribers", sa.Column("address_changed_at", _INSTANT, nullable=True)),
        ("campaigns", sa.Column("bounces_braked_at", _INSTANT, nullable=True)),
        ("campaigns", sa.Column("complaints_braked_at", _INSTANT, nullable=True)),
        ("campaigns", sa.Column("wave_day", sa.String(length=10), nullable=True)),
        ("campaigns", sa.Column("wave_zone", sa.String(length=64), nullable=True)),
        ("campaigns", sa.Column("wave_expires_s", sa.Integer(), nullable=True)),
    ):
        op.add_column(table, column)
    op.create_table(
        "suppression_lifts",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_suppression_lifts")),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    _fill_waves(connection)
    _fill_brakes(connection)
    _fill_addresses(connection)
    _fill_lifts(connection)
    _fill_copies(connection)


def _fill_waves(connection: sa.Connection) -> None:
    in_waves = sa.select(_CAMPAIGNS.c.id).where(_CAMPAIGNS.c.wave_time.is_not(None))
    for campaign in connection.execute(in_waves).scalars().all():
        detail = connection.execute(
            sa.select(_LOG.c.detail)
            .where(_LOG.c.subject == f"campaign {campaign}", _LOG.c.action == "campaign.freeze")
            .order_by(_LOG.c.id.desc())
        ).scalar()
        told: dict[str, Any] | None = (detail or {}).get("waves")
        if told:
            connection.execute(
                sa.update(_CAMPAIGNS)
                .where(_CAMPAIGNS.c.id == campaign)
                .values(
                    wave_day=told["day"],
                    wave_zone=told["timezone"],
                    wave_expires_s=told["expires_after_s"],
                )
            )


def _fill_brakes(connection: sa.Connection) -> None:
    for column, actors in (
        ("bounces_braked_at", ("brake", "brake:bounces")),
        ("complaints_braked_at", ("brake:complaints",)),
    ):
        paused = sa.and_(_LOG.c.action == "campaign.pause", _LOG.c.actor.in_(actors))
        for campaign, at in _latest(connection, paused, "campaign "):
            connection.execute(
                sa.update(_CAMPAIGNS).where(_CAMPAIGNS.c.id == campaign).values({column: at})
            )


def _fill_addresses(connection: sa.Connection) -> None:
    """Take over when readers changed their address: by the log, or by the letter they confirmed."""
    changed = dict(_latest(connection, _LOG.c.action == "subscriber.address", "subscriber "))
    confirmed = connection.execute(
        sa.select(_LETTERS.c.subscriber_id, sa.func.max(_LETTERS.c.used_at, type_=_INSTANT))
        .where(
            _LETTERS.c.kind == "new_address",
            _LETTERS.c.used_at.is_not(None),
            _LETTERS.c.subscriber_id.is_not(None),
        )
        .group_by(_LETTERS.c.subscriber_id)
    )
    for subscriber, at in confirmed:
        changed[subscriber] = max(at, changed.get(subscriber, at))
    rows = [{"b_id": subscriber, "b_at": at} for subscriber, at in changed.items()]
    if rows:
        connection.execute(
            sa.update(_SUBSCRIBERS)
            .where(_SUBSCRIBERS.c.id == sa.bindparam("b_id"))
            .values(address_changed_at=sa.bindparam("b_at")),
            rows,
        )


def _fill_lifts(connection: sa.Connection) -> None:
    """Take over what the log knows of lifts: the first digits of the key."""
    rows = [
        {"key": subject.removeprefix("suppression "), "at": at}
        for subject, at in _latest_of(connection, _LOG.c.action == "suppression.lift")
    ]
    if rows:
        connection.execute(sa.insert(_LIFTS), rows)


def _fill_copies(connection: sa.Connection) -> None:
    last = connection.execute(
        sa.select(_LOG.c.action, _LOG.c.at)
        .where(_LOG.c.action.in_(("installation.copy", "letters.release")))
        .order_by(_LOG.c.id.desc())
        .limit(1)
    ).first()
    copied = connection.execute(
        sa.select(_LOG.c.at)
        .where(_LOG.c.action == "installation.copy")
        .order_by(_LOG.c.id.desc())
        .limit(1)
    ).scalar()
    if copied is not None and last is not None:
        held = copied if last.action == "installation.copy" else None
        connection.execute(
            sa.update(_INSTALLATION).values(copied_at=copied, letters_held_until=held)
        )


def _latest(
    connection: sa.Connection, which: sa.ColumnElement[bool], kind: str
) -> Iterator[tuple[int, datetime]]:
    """Return the number of each subject that acts were done to, with the time of the last one."""
    for subject, at in _latest_of(connection, which):
        number = subject.removeprefix(kind)
        if number.isdecimal():
            yield int(number), at


def _latest_of(
    connection: sa.Connection, which: sa.ColumnElement[bool]
) -> Iterable[tuple[str, datetime]]:
    rows = connection.execute(
        sa.select(_LOG.c.subject, sa.func.max(_LOG.c.at, type_=_INSTANT))
        .where(which)
        .group_by(_LOG.c.subject)
    ).all()
    return [(row[0], row[1]) for row in rows]
