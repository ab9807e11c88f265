"""Schedules whose campaigns the archive does not name."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "schedules",
        sa.Column("listed", sa.Boolean(), server_default=sa.true(), nullable=False),
    )
