"""Which messages nothing may hold up is known before they are read."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column and its index. What is owed already waits as it did."""
    op.add_column("outbox", sa.Column("protected", sa.Boolean, nullable=False, server_default=sa.false()))
    protected = sa.column("protected", sa.Boolean)
    # As the queries ask: from another wording SQLite does not see that the index serves.
    asked = sa.text("protected = 1")
    op.create_index("ix_outbox_protected", "outbox", ["sink"], sqlite_where=asked, postgresql_where=protected)
