"""Tags, segments, letters to single readers, more about each consent, public lists."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for table, column in (
        ("lists", sa.Column("public", sa.Boolean(), server_default=sa.true(), nullable=False)),
        ("consents", sa.Column("version", sa.String(length=40), nullable=True)),
        ("consents", sa.Column("network", sa.String(length=64), nullable=True)),
        ("campaigns", sa.Column("segment", sa.String(length=64), nullable=True)),
        ("campaigns", sa.Column("segment_condition", sa.Text(), nullable=True)),
        (
            "installation",
            sa.Column("scrub_due", sa.Boolean(), server_default=sa.false(), nullable=False),
        ),
    ):
        op.add_column(table, column)
    op.create_table(
        "subscriber_tags",
        sa.Column("tag", sa.String(length=64), nullable=False),
        sa.Column("subscriber_id", _KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscribers.id"],
            name=op.f("fk_subscriber_tags_subscriber_id_subscribers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tag", "subscriber_id", name=op.f("pk_subscriber_tags")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_subscriber_tags_subscriber_id"), "subscriber_tags", ["subscriber_id"])
    op.create_table(
        "segments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segments")),
        sa.UniqueConstraint("name", name=op.f("uq_segments_name")),
    )
    _create_letters()


def _create_letters() -> None:
    op.create_table(
        "letters",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subscriber_id", _KEY, nullable=True),
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=True),
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("lifts", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("fence", sa.String(length=36), nullable=True),
        sa.Column("lease_until", _INSTANT, nullable=True),
        sa.Column("not_before", _INSTANT, nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("settled_at", _INSTANT, nullable=True),
        sa.Column("used_at", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["list_id"], ["lists.id"], name=op.f("fk_letters_list_id_lists")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"],
            ["subscribers.id"],
            name=op.f("fk_letters_subscriber_id_subscribers"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letters")),
        sqlite_autoincrement=True,
    )
    for column in ("address_hash", "state", "subscriber_id"):
        op.create_index(op.f(f"ix_letters_{column}"), "letters", [column])
