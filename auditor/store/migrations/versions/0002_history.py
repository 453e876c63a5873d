"""History that keeps changes, not copies."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ROWID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the tables; the runs that are there keep their bodies and have no number."""
    op.add_column("runs", sa.Column("number", sa.BigInteger))
    op.create_index("ix_runs_organization_number", "runs", ["organization", "number"])
    _ledger()
    _resources()
    _readings()


def _ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("row", _ROWID, primary_key=True),
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("pages", sa.Integer, nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("surprises", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("hint", sa.Text),
        sa.Column("complete_at", sa.BigInteger),
        sa.Column("first_run", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("end_run", sa.BigInteger),
        sa.Column("until", sa.BigInteger),
    )
    op.create_index("ix_ledger_organization_kind_end_run", "ledger", ["organization", "kind", "end_run"])


def _resources() -> None:
    op.create_table(
        "bodies",
        sa.Column("sha256", sa.LargeBinary, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("staged_at", sa.BigInteger),
    )
    op.create_index("ix_bodies_staged_at", "bodies", ["staged_at"])
    op.create_table(
        "versions",
        sa.Column("row", _ROWID, primary_key=True),
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("ids", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, sa.ForeignKey("bodies.sha256"), nullable=False),
        sa.Column("came", sa.Text, nullable=False),
        sa.Column("after", sa.BigInteger),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("seen_to", sa.BigInteger),
        sa.Column("valid_to", sa.BigInteger),
    )
    op.create_index("ix_versions_organization_kind_valid_to", "versions", ["organization", "kind", "valid_to"])
    op.create_index("ix_versions_organization_valid_from", "versions", ["organization", "valid_from"])
    op.create_index("ix_versions_body", "versions", ["body"])


def _readings() -> None:
    op.create_table(
        "readings",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("read_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "volatiles",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("ids", sa.Text, primary_key=True),
        sa.Column("current", sa.Text, nullable=False),
    )
    op.create_table(
        "volatile_days",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("moved", sa.LargeBinary, nullable=False),
    )
