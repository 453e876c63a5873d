"""From facts to the view model: what a report says, in which order, and how much of it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from auditor import __version__
from auditor.config import Findings
from auditor.findings.model import Finding
from auditor.findings.waiverbook import Limits
from auditor.policy.model import EVENT, WHOLE, Policy
from auditor.reporting import controls, rows, score
from auditor.reporting.changes import changes
from auditor.reporting.facts import Facts, read
from auditor.reporting.unseen import ledger, unseen
from auditor.reporting.view import (
    Action,
    Activity,
    FindingGroup,
    FindingRow,
    PolicyRow,
    Proof,
    Report,
    Tally,
)
from auditor.reporting.waived import rows as waiver_rows
from auditor.store.database import Store
from auditor.store.runs import PolicyLine
from auditor.terms import Outcome

MAX_ACTIONS = 5
MAX_NAMES = 3
MAX_OCCURRENCES = 50
MAX_TYPES = 12
MAX_WAIVED = 50
MAX_OVERDUE = 50


def build(
    store: Store, organization: str, policies: Mapping[str, Policy], rules: Findings, *, start: int, now: int
) -> Report:
    """The report of `organization` from `start` to `now`, both Unix seconds; `now` is also when it is written.

    `policies` are those in force, by name, `rules` how findings live. It blocks, and holds the store only while it
    reads. Raises StoreError.
    """
    with store.transaction() as tx:
        facts = read(tx, organization, start, now)
    return compose(facts, policies, rules)


def compose(facts: Facts, policies: Mapping[str, Policy], rules: Findings) -> Report:
    """The same from facts already read. Pure: equal facts give an equal report."""
    latest = facts.latest
    watching = {name for name, policy in policies.items() if policy.kind == EVENT}
    judged = score.judged(latest.policies if latest else (), watching)
    due = rules.due.by_level
    active = (finding for finding in facts.findings.values() if finding.state.active)
    every = [rows.row(finding, policies, due, facts.end) for finding in active]
    standing = [row for row in every if not row.occurrence]
    occurred = _occurred(every, facts)
    waived = [row for row in standing if rows.is_waived(row)]
    still = [row for row in standing if not rows.is_waived(row)]
    late = sorted((row for row in still if row.overdue), key=lambda row: (row.due_at, row.id))
    accepted = {row.policy for row in waived} - {row.policy for row in still}
    groups = rows.groups(still)
    titles = {name: policy.title for name, policy in policies.items()}
    coverage = latest.coverage if latest else ()
    return Report(
        organization=facts.organization,
        start=facts.start,
        end=facts.end,
        generated_at=facts.end,
        score=replace(score.of_history(facts.history, latest, watching), accepted=score.accepting(judged, accepted)),
        summary=score.summary(judged),
        levels=_levels(standing),
        changes=changes(facts, policies, due),
        actions=_actions(groups, judged),
        findings=groups,
        waived=tuple(rows.worst_first(waived)[:MAX_WAIVED]),
        waived_count=len(waived),
        waivers=waiver_rows(
            facts.waivers,
            facts.voids,
            Limits(rules.unused_waiver, rules.broad_waiver, rules.max_waiver),
            facts.end,
        ),
        overdue=tuple(late[:MAX_OVERDUE]),
        overdue_count=len(late),
        occurrences=tuple(occurred[:MAX_OCCURRENCES]),
        occurrence_count=len(occurred),
        policies=policy_rows(judged, policies),
        activity=_activity(facts),
        streams=facts.streams,
        frameworks=controls.frameworks(policies.values(), {line.policy: line.outcome for line in judged}),
        ledger=ledger(coverage),
        unseen=unseen(coverage, latest.unknowns if latest else (), titles, facts.streams, facts.events),
        settings=facts.settings,
        proof=_proof(facts, policies),
        deliveries=facts.deliveries,
        version=__version__,
    )


def policy_rows(judged: Iterable[PolicyLine], policies: Mapping[str, Policy]) -> tuple[PolicyRow, ...]:
    """Every policy in force with its last outcome: failing first, then unknown, then by level and name."""
    lines = {line.policy: line for line in judged}
    made = [_policy_row(policy, lines.get(name)) for name, policy in policies.items()]
    order = {Outcome.FAIL: 0, Outcome.UNKNOWN: 1, Outcome.PASS: 2, None: 3}
    return tuple(sorted(made, key=lambda row: (order[row.outcome], -row.level.rank, row.name)))


def _policy_row(policy: Policy, line: PolicyLine | None) -> PolicyRow:
    return PolicyRow(
        name=policy.name,
        title=policy.title,
        level=policy.level,
        kind=policy.kind,
        outcome=line.outcome if line else None,
        passed=line.passed if line else 0,
        failed=line.failed if line else 0,
        unknown=line.unknown if line else 0,
    )


def _levels(standing: Iterable[FindingRow]) -> tuple[Tally, ...]:
    found = [row.level for row in standing]
    return tuple(Tally(level.value, found.count(level)) for level in rows.levels())


def _occurred(every: Iterable[FindingRow], facts: Facts) -> list[FindingRow]:
    fresh = [row for row in every if row.occurrence and facts.start <= row.opened_at <= facts.end]
    return sorted(fresh, key=lambda row: (-row.opened_at, -row.level.rank, row.id))


def _actions(groups: Iterable[FindingGroup], judged: Iterable[PolicyLine]) -> tuple[Action, ...]:
    lines = tuple(judged)
    earned, possible = score.points(lines)
    failing = {line.policy for line in lines if line.outcome is Outcome.FAIL}
    return tuple(
        Action(
            policy=group.policy,
            title=group.title,
            level=group.level,
            remediation=group.remediation,
            count=group.total,
            gain=_gain(group, earned, possible) if group.policy in failing else 0,
            names=tuple(_names(group)),
        )
        for group in list(groups)[:MAX_ACTIONS]
    )


def _gain(group: FindingGroup, earned: int, possible: int) -> int:
    now, then = score.percent(earned, possible), score.percent(earned + score.WEIGHTS[group.level], possible)
    return (then or 0) - (now or 0)


def _names(group: FindingGroup) -> list[str]:
    named = (row for row in group.rows if row.ids != WHOLE)
    return [row.name if row.name == row.ids[-1] else f"{row.name} ({row.ids[-1]})" for row in named][:MAX_NAMES]


def _activity(facts: Facts) -> Activity:
    types = sorted(facts.events.items(), key=lambda pair: (-pair[1], pair[0]))
    return Activity(
        total=sum(facts.events.values()),
        days=facts.days,
        types=tuple(Tally(name, count) for name, count in types[:MAX_TYPES]),
        other_types=max(len(types) - MAX_TYPES, 0),
    )


def _proof(facts: Facts, policies: Mapping[str, Policy]) -> Proof:
    digests = tuple(sorted((name, policy.digest) for name, policy in policies.items()))
    if not (run := facts.latest):
        return Proof(policies=digests)
    return Proof(
        run=str(run.id),
        taken_at=run.started_at,
        resources=run.resources,
        ledger_sha256=_sha256(run.coverage),
        findings_sha256=_sha256(_active(facts.findings.values())),
        policies=digests,
    )


def _active(findings: Iterable[Finding]) -> list[Finding]:
    return sorted((finding for finding in findings if finding.state.active), key=lambda finding: finding.id)


def _sha256(value: object) -> str:
    """SHA-256 of the canonical JSON (keys sorted) of what the store holds."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
