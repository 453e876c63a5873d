"""Which seconds of the audit log were proven read, and the last known values of the settings without an endpoint."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables. What complete walks read before is proven: no watermark moved past what was not read."""
    op.create_table(
        "intervals",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("since", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("taken_at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_events_organization_stream_effective_at", "events", ["organization", "stream", "effective_at"])
    op.execute(
        sa.text(
            "INSERT INTO intervals (organization, stream, since, until) "
            "SELECT w.organization, w.stream, MIN(e.effective_at), w.at FROM watermarks w "
            "JOIN events e ON e.organization = w.organization AND e.stream = w.stream "
            "WHERE w.status = 'complete' AND w.at IS NOT NULL "
            "GROUP BY w.organization, w.stream, w.at HAVING MIN(e.effective_at) < w.at"
        )
    )
