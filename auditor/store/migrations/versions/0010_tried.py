"""When a message was first tried, and notices of flapping by their finding."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column. What is owed counts as never tried: nothing is given up because of the time it waited."""
    op.add_column("outbox", sa.Column("tried_at", sa.Double))
    # Notices that a finding comes and goes are looked up by it; before, each was known by its own id alone.
    told = sa.table("outbox", sa.column("row"), sa.column("id"), sa.column("order_key"))
    bind = op.get_bind()
    for row, id_ in bind.execute(sa.select(told.c.row, told.c.id).where(told.c.id.like("notice/flapping/%"))).all():
        bind.execute(told.update().where(told.c.row == row).values(order_key=id_.rpartition("/")[0]))
