"""When a message was first tried."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column. What is owed counts as never tried: nothing is given up because of the time it waited."""
    op.add_column("outbox", sa.Column("tried_at", sa.Double))
