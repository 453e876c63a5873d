"""Messages that sinks keep up to date, and of which stage before its end a finding was told."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the table and the column. Messages of before stay as they were sent."""
    op.add_column("findings", sa.Column("ending_told", sa.BigInteger))
    op.create_table(
        "conversations",
        sa.Column("sink", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("began_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_conversations_sink_began_at", "conversations", ["sink", "began_at"])
