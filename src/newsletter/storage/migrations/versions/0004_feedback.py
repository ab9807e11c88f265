"""Events that wait to be applied, alerts, pauses by soft bounces."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for table, column in (
        ("installation", sa.Column("reconciled_at", _INSTANT, nullable=True)),
        ("campaigns", sa.Column("reviewed_at", _INSTANT, nullable=True)),
        ("memberships", sa.Column("paused_because", sa.String(length=16), nullable=True)),
        ("events", sa.Column("delivery", sa.String(length=40), nullable=True)),
        ("events", sa.Column("address", sa.String(length=320), nullable=True)),
        ("events", sa.Column("address_hash", sa.String(length=64), nullable=True)),
        ("events", sa.Column("domain", sa.String(length=255), nullable=True)),
        ("events", sa.Column("bounce", sa.String(length=8), nullable=True)),
        ("events", sa.Column("reason", sa.String(length=40), nullable=True)),
        (
            "events",
            sa.Column("believed", sa.Boolean(), server_default=sa.true(), nullable=False),
        ),
        ("events", sa.Column("received_at", _INSTANT, nullable=True)),
        ("events", sa.Column("applied_at", _INSTANT, nullable=True)),
    ):
        op.add_column(table, column)
    # Late answers were applied as they came.
    op.execute("UPDATE events SET applied_at = at, received_at = at")
    for column_name in ("subscriber_id", "address_hash"):
        op.create_index(op.f(f"ix_events_{column_name}"), "events", [column_name])
    _partial_index("ix_events_waiting", "events", ["id"], "applied_at IS NULL")
    # What ended before soft refusals were counted is left alone.
    op.execute("UPDATE campaigns SET reviewed_at = finished_at WHERE finished_at IS NOT NULL")
    op.create_index(op.f("ix_audit_log_subject"), "audit_log", ["subject"])
    _partial_index("ix_events_complained", "events", ["campaign_id"], "kind = 'complained'")
    _partial_index("ix_events_blocked", "events", ["domain", "at"], "bounce = 'blocked'")
    _create_alerts()


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("told_at", _INSTANT, nullable=True),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("next_try", _INSTANT, nullable=True),
        sa.Column("ways", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("key", name=op.f("uq_alerts_key")),
    )
    _partial_index("ix_alerts_untold", "alerts", ["id"], "told_at IS NULL")


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
