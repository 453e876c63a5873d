"""From findings as they are stored to rows as people read them."""

from collections.abc import Iterable, Mapping

from auditor.findings.duedates import Due, due_at, is_overdue
from auditor.findings.model import Finding, Reason
from auditor.findings.protected import protects
from auditor.policy.model import Policy
from auditor.reporting.view import FindingGroup, FindingRow
from auditor.terms import Level, State

MAX_ROWS = 300
"""Findings that one report lists one by one; the rest is counted by policy, and the page lists them all."""

MAX_ROWS_OF_POLICY = 25

_LABELS = {
    "matched": "matched",
    "cause": "change",
    "events": "audit event",
    "body_sha256": "body SHA-256",
    "policy_digest": "policy SHA-256",
}
"""Evidence that is shown, in the order of telling."""


def row(
    finding: Finding, policies: Mapping[str, Policy], due: Due, now: int, ended: Reason | None = None
) -> FindingRow:
    """One finding with the remediation of its policy; empty when the policy is gone. `ended` is why it is resolved."""
    policy = policies.get(finding.policy)
    evidence = finding.evidence
    return FindingRow(
        id=finding.id,
        policy=finding.policy,
        title=finding.title,
        level=finding.level,
        state=finding.state,
        kind=finding.kind,
        ids=finding.ids,
        name=finding.name,
        owner=_text(evidence.get("owner")),
        message=finding.message,
        remediation=policy.remediation if policy else "",
        opened_at=finding.opened_at,
        seen_at=finding.seen_at,
        changed_at=finding.changed_at,
        resolved_at=finding.resolved_at,
        occurrence=finding.occurrence,
        actor=_actor(evidence.get("actor")),
        evidence=tuple((label, _text(evidence[key])) for key, label in _LABELS.items() if evidence.get(key)),
        decision=finding.decision,
        due_at=due_at(finding, due),
        overdue=is_overdue(finding, due, now),
        waivable=not finding.occurrence and not protects(policies, finding),
        ended=ended if finding.state is State.RESOLVED else None,
    )


def worst_first(rows: Iterable[FindingRow]) -> list[FindingRow]:
    """By level, then the latest, then by id, so that equal input gives equal order."""
    return sorted(rows, key=lambda each: (-each.level.rank, -each.opened_at, each.id))


def groups(rows: Iterable[FindingRow]) -> tuple[FindingGroup, ...]:
    """Active findings by policy, worst level first, then most findings; at most MAX_ROWS rows are kept."""
    by_policy: dict[str, list[FindingRow]] = {}
    for each in worst_first(rows):
        by_policy.setdefault(each.policy, []).append(each)
    ordered = sorted(by_policy.values(), key=lambda some: (-some[0].level.rank, -len(some), some[0].policy))
    left, result = MAX_ROWS, []
    for some in ordered:
        kept = tuple(some[: min(left, MAX_ROWS_OF_POLICY)])
        left -= len(kept)
        first = some[0]
        result.append(FindingGroup(first.policy, first.title, first.level, first.remediation, len(some), kept))
    return tuple(result)


def is_waived(each: FindingRow) -> bool:
    """Whether somebody accepted the risk for a limited time."""
    return each.state is State.WAIVED


def levels() -> list[Level]:
    """All levels, worst first."""
    return sorted(Level, key=lambda level: -level.rank)


def _actor(value: object) -> str:
    """`bo@example.com (user_2) from 203.0.113.9`, as far as the event tells."""
    if not isinstance(value, Mapping):
        return _text(value)
    email, id_, address = (_text(value.get(name)) for name in ("email", "id", "ip"))
    who = f"{email} ({id_})" if email and id_ else email or id_ or _text(value.get("kind") or value.get("type"))
    return f"{who} from {address}" if address else who


def _text(value: object) -> str:
    """Evidence as one line: lists joined, objects as `key: value`."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(each) for each in value)
    return str(value)
