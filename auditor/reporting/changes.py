"""What the period changed: state findings only, occurrences are told as events."""

from collections.abc import Mapping

from auditor.findings.duedates import Due
from auditor.findings.model import Reason
from auditor.policy.model import Policy
from auditor.reporting import rows
from auditor.reporting.facts import Facts
from auditor.reporting.view import Change, ChangeKind, Changes
from auditor.store.transitions import TransitionRow
from auditor.terms import State

MAX_CHANGES = 40


def changes(facts: Facts, policies: Mapping[str, Policy], due: Due) -> Changes:
    """The changes of the period, the latest first; at most MAX_CHANGES are listed, all are counted."""
    told = [change for row in facts.changes if (change := _change(row, facts, policies, due))]
    kinds = [change.kind for change in told]
    told.sort(key=lambda change: (-change.at, -change.finding.level.rank, change.finding.id))
    return Changes(
        opened=kinds.count(ChangeKind.OPENED),
        reopened=kinds.count(ChangeKind.REOPENED),
        resolved=kinds.count(ChangeKind.RESOLVED),
        removed=kinds.count(ChangeKind.REMOVED),
        rows=tuple(told[:MAX_CHANGES]),
    )


def _change(row: TransitionRow, facts: Facts, policies: Mapping[str, Policy], due: Due) -> Change | None:
    finding = facts.findings.get(row.finding)
    kind = _kind(row)
    if finding is None or finding.occurrence or kind is None:
        return None
    return Change(kind, row.at, row.reason.value, rows.row(finding, policies, due, facts.end))


def _kind(row: TransitionRow) -> ChangeKind | None:
    """None for what only people decided: acknowledged, waived."""
    if row.after is State.RESOLVED:
        return ChangeKind.REMOVED if row.reason is Reason.POLICY_REMOVED else ChangeKind.RESOLVED
    if row.after is State.REOPENED:
        return ChangeKind.REOPENED
    return ChangeKind.OPENED if row.before is None else None
