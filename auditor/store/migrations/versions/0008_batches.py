"""Which messages were sent as one."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column. What was sent before and is not confirmed may be told again in other company."""
    op.add_column("outbox", sa.Column("batch", sa.Text, nullable=False, server_default=""))
    op.create_index("ix_outbox_sink_batch", "outbox", ["sink", "batch"])
