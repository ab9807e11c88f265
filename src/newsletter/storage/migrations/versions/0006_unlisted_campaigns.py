"""Campaigns that the archive does not name."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "campaigns",
        sa.Column("listed", sa.Boolean(), server_default=sa.true(), nullable=False),
    )
    op.create_index(
        "ix_campaigns_archive",
        "campaigns",
        ["list_id", "digest_id", "status", "listed", "not_before", "created_at"],
    )
