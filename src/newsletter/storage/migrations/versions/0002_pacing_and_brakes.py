"""Warm-up days, held domains, canaries."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("canary", sa.Integer(), server_default="0", nullable=False),
        sa.Column("canary_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("campaigns", column)
    op.create_table(
        "sending_days",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "provider", name=op.f("pk_sending_days")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "account_rates",
        sa.Column("account", sa.String(length=16), nullable=False),
        sa.Column("next_free_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_account_rates")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "domain_holds",
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_domain_holds_campaign_id_campaigns"),
        ),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_domain_holds")),
        sqlite_with_rowid=False,
    )
