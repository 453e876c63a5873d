"""Groups of messages, and silences."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns and the table. Messages of before have no group: each is told alone."""
    op.add_column("outbox", sa.Column("group_key", sa.Text, nullable=False, server_default=""))
    op.add_column("outbox", sa.Column("flush_at", sa.Double))
    op.create_index("ix_outbox_sink_group_key_flush_at", "outbox", ["sink", "group_key", "flush_at"])
    op.create_table(
        "silences",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("matchers", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_silences_ends_at", "silences", ["ends_at"])
