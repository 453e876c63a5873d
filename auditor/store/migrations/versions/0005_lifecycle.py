"""Decisions of people about findings: acknowledged, waived on which facts; since when what is due; what flaps."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add columns and tables. What had come back before stands since then."""
    op.add_column("findings", sa.Column("decision", sa.Text))
    for name in ("since", "overdue_told", "flapping_since"):
        op.add_column("findings", sa.Column(name, sa.BigInteger))
    op.execute(sa.text("UPDATE findings SET since = changed_at WHERE state = 'reopened'"))
    for name in ("by", "comment", "waiver"):
        op.add_column("transitions", sa.Column(name, sa.Text))
    op.add_column("transitions", sa.Column("until", sa.BigInteger))
    op.create_table(
        "waivers",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("known_at", sa.BigInteger, nullable=False),
        sa.Column("gone_at", sa.BigInteger),
        sa.Column("matched_at", sa.BigInteger),
        sa.Column("matches", sa.Integer, nullable=False),
    )
    op.create_table(
        "waiver_uses",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("waiver", sa.Text, primary_key=True),
        sa.Column("finding", sa.Text, sa.ForeignKey("findings.id"), primary_key=True),
        sa.Column("granted", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("void_at", sa.BigInteger),
        sa.Column("why", sa.Text, nullable=False),
    )
