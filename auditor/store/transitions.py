"""Every change of state of every finding: the history that reports tell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select

from auditor.findings.model import Finding, Reason, Transition
from auditor.store.database import Transaction, slices
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
    """Id of the run that saw it; None for what came with the audit log, or from a person."""
    by: str = ""
    """Who decided it; empty for what was seen."""
    comment: str = ""
    waiver: str = ""
    """Id of the waiver that began or ended."""
    until: int | None = None


def add(tx: Transaction, changes: Sequence[Transition], run_id: str | None) -> None:
    """Write changes down; their findings must have been saved before."""
    for some in slices(changes):
        tx.execute(transitions.insert(), [_row(change, run_id) for change in some])


def since(tx: Transaction, organization: str, at: int) -> list[TransitionRow]:
    """Changes since `at` (Unix seconds, included), in the order in which they were written."""
    query = (
        select(transitions)
        .where(transitions.c.organization == organization, transitions.c.at >= at)
        .order_by(transitions.c.at, transitions.c.row)
    )
    return [_transition(row) for row in tx.execute(query)]


def of_finding(tx: Transaction, finding: str) -> list[TransitionRow]:
    """The life of one finding, in the order in which it was written."""
    query = select(transitions).where(transitions.c.finding == finding).order_by(transitions.c.row)
    return [_transition(row) for row in tx.execute(query)]


def decided(tx: Transaction, organization: str, since: int) -> dict[str, TransitionRow]:
    """The last decision of a person since `since` (Unix seconds, included) about each finding that has one, by id."""
    query = (
        select(transitions)
        .where(
            transitions.c.organization == organization,
            transitions.c.at >= since,
            transitions.c.reason.in_([Reason.ACKNOWLEDGED, Reason.WAIVED]),
        )
        .order_by(transitions.c.row)
    )
    return {row.finding: _transition(row) for row in tx.execute(query)}


def ends(tx: Transaction, found: Iterable[Finding]) -> dict[str, Reason]:
    """Why each of the findings that are resolved ended, by id: the last of its ends counts."""
    over = [finding.id for finding in found if not finding.state.active]
    known: dict[str, Reason] = {}
    for some in slices(over):
        query = (
            select(transitions.c.finding, transitions.c.reason)
            .where(transitions.c.finding.in_(some), transitions.c.after == State.RESOLVED)
            .order_by(transitions.c.row)
        )
        known.update((row.finding, Reason(row.reason)) for row in tx.execute(query))
    return known


def openings(tx: Transaction, ids: Iterable[str], since: int, until: int) -> dict[str, int]:
    """How often each of these findings opened or came back by itself from `since` to `until` (Unix seconds), both in.

    What a clock wrote that was ahead is not counted.
    """
    found: dict[str, int] = {}
    for some in slices(sorted(set(ids))):
        query = (
            select(transitions.c.finding, func.count().label("number"))
            .where(
                transitions.c.finding.in_(some),
                transitions.c.at.between(since, until),
                transitions.c.reason.in_([Reason.DETECTED, Reason.DETECTED_AGAIN]),
            )
            .group_by(transitions.c.finding)
        )
        found.update((row.finding, row.number) for row in tx.execute(query))
    return found


def _transition(row: Row[Any]) -> TransitionRow:
    return TransitionRow(
        row.finding,
        State(row.before) if row.before else None,
        State(row.after),
        Reason(row.reason),
        row.at,
        row.run,
        row.by or "",
        row.comment or "",
        row.waiver or "",
        row.until,
    )


def _row(change: Transition, run_id: str | None) -> dict[str, object]:
    return {
        "organization": change.finding.organization,
        "finding": change.finding.id,
        "before": change.before,
        "after": change.finding.state,
        "reason": change.reason,
        "at": change.at,
        "run": run_id,
        "by": change.by or None,
        "comment": change.comment or None,
        "waiver": change.waiver or None,
        "until": change.until,
    }
