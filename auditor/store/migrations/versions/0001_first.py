"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROWID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make all tables in an empty database."""
    _observed()
    _judged()
    _sent()


def _observed() -> None:
    op.create_table(
        "organizations",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("baseline_at", sa.BigInteger),
    )
    op.create_table(
        "events",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("effective_at", sa.BigInteger, nullable=False),
        sa.Column("arrived_at", sa.BigInteger, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_events_organization_type_effective_at", "events", ["organization", "type", "effective_at"])
    op.create_index("ix_events_organization_effective_at", "events", ["organization", "effective_at"])
    op.create_table(
        "watermarks",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger),
        sa.Column("polled_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_runs_organization_kind_finished_at", "runs", ["organization", "kind", "finished_at"])


def _judged() -> None:
    op.create_table(
        "findings",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("ids", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("resolved_at", sa.BigInteger),
        sa.Column("absences", sa.Integer, nullable=False),
        sa.Column("absent_since", sa.BigInteger),
        sa.Column("occurrence", sa.Boolean, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
    )
    op.create_index("ix_findings_organization_state", "findings", ["organization", "state"])
    op.create_table(
        "transitions",
        sa.Column("row", _ROWID, primary_key=True),
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("finding", sa.Text, sa.ForeignKey("findings.id"), nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("run", sa.Text),
    )
    op.create_index("ix_transitions_organization_at", "transitions", ["organization", "at"])
    op.create_index("ix_transitions_finding", "transitions", ["finding"])
    op.create_table(
        "matches",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("correlation", sa.Text, primary_key=True),
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("group_sha256", sa.Text, primary_key=True),
        sa.Column("group_values", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("occurrence", sa.Text),
    )
    op.create_index(
        "ix_matches_organization_correlation_group_sha256_at",
        "matches",
        ["organization", "correlation", "group_sha256", "at"],
    )


def _sent() -> None:
    op.create_table(
        "outbox",
        sa.Column("row", _ROWID, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("sink", sa.Text, nullable=False),
        sa.Column("organization", sa.Text, nullable=False),
        sa.Column("order_key", sa.Text, nullable=False),
        sa.Column("alert", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("lease_until", sa.Double),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("receipt", sa.Text),
        sa.Column("settled_at", sa.Double),
        sa.UniqueConstraint("id", "sink", name="uq_outbox_id_sink"),
    )
    op.create_index("ix_outbox_state_due_at", "outbox", ["state", "due_at"])
    op.create_index("ix_outbox_sink_order_key_row", "outbox", ["sink", "order_key", "row"])
    op.create_table(
        "work",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("lease_until", sa.Double),
    )
    op.create_index("ix_work_due_at", "work", ["due_at"])
    op.create_table(
        "reports",
        sa.Column("organization", sa.Text, primary_key=True),
        sa.Column("period", sa.Text, primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
    )
