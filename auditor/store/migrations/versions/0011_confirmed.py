"""What each sink confirmed lately is looked up before each message."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_outbox_sink_settled_at", "outbox", ["sink", "settled_at"])
