"""Every change of state of every finding: the history that reports tell."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from auditor.findings.model import Reason, Transition
from auditor.store.database import Transaction
from auditor.store.tables import transitions
from auditor.terms import State


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """One change of state."""

    finding: str
    """Id of the finding."""
    before: State | None
    """None when the finding was new."""
    after: State
    reason: Reason
    at: int
    """Unix seconds."""
    run: str | None = None
    """Id of the run that saw it; None for what came with the audit log."""


def add(tx: Transaction, changes: Sequence[Transition], run_id: str | None) -> None:
    """Write changes down; their findings must have been saved before."""
    rows = [_row(change, run_id) for change in changes]
    if rows:
        tx.execute(transitions.insert(), rows)


def since(tx: Transaction, organization: str, at: int) -> list[TransitionRow]:
    """Changes since `at` (Unix seconds, included), in the order in which they were written."""
    query = (
        select(transitions)
        .where(transitions.c.organization == organization, transitions.c.at >= at)
        .order_by(transitions.c.at, transitions.c.row)
    )
    return [
        TransitionRow(
            row.finding,
            State(row.before) if row.before else None,
            State(row.after),
            Reason(row.reason),
            row.at,
            row.run,
        )
        for row in tx.execute(query)
    ]


def _row(change: Transition, run_id: str | None) -> dict[str, object]:
    return {
        "organization": change.finding.organization,
        "finding": change.finding.id,
        "before": change.before,
        "after": change.finding.state,
        "reason": change.reason,
        "at": change.at,
        "run": run_id,
    }
