"""An alert names the edition it is about: a mail about it is made of that, not of its words."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alerts", sa.Column("edition_id", sa.Integer()))


def downgrade() -> None:
    op.drop_column("alerts", "edition_id")
