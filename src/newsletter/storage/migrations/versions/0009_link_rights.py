"""Links bound to the address they were sent to; limits of letters by mailbox."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("subscribers", "letters"):
        op.add_column(
            table,
            sa.Column("address_epoch", sa.BigInteger(), server_default="0", nullable=False),
        )
    op.add_column(
        "letters",
        sa.Column("mailbox_hash", sa.String(length=64), server_default="", nullable=False),
    )
    # Links in mail to an address that somebody has left already are over, too.
    op.execute(
        "UPDATE subscribers SET address_epoch = (SELECT count(*) FROM letters WHERE "
        "letters.subscriber_id = subscribers.id AND letters.kind = 'new_address' AND "
        "letters.used_at IS NOT NULL) WHERE id IN (SELECT subscriber_id FROM letters WHERE "
        "kind = 'new_address' AND used_at IS NOT NULL)"
    )
    # Addresses with a tag are counted apart from their mailbox until the window is over.
    op.execute("UPDATE letters SET mailbox_hash = address_hash")
    op.create_index(op.f("ix_letters_mailbox_hash"), "letters", ["mailbox_hash"])
