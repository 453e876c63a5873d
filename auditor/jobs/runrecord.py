"""What is written down of one pass: its outcomes, its ledger, and what it could not say. Pure."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from auditor.inventory.model import Coverage, Gap
from auditor.inventory.schema import EVENT_KIND
from auditor.inventory.usage import is_report
from auditor.jobs.poll import Polled
from auditor.policy.model import EVENT, Policy, PolicyResult, Verdict
from auditor.store.runs import PolicyLine, Run, UnknownLine
from auditor.terms import Outcome


def event_results(policies: Iterable[Policy], polled: Polled) -> list[PolicyResult]:
    """What the event policies said in this pass: an unreadable log is UNKNOWN, never a pass."""
    results = []
    for policy in policies:
        if policy.kind != EVENT:
            continue
        fails = [verdict for verdict in polled.verdicts if verdict.policy == policy.name]
        unknowns = [_unseen(policy, gap) for gap in polled.gaps]
        outcome = Outcome.FAIL if fails else Outcome.UNKNOWN if unknowns else Outcome.PASS
        results.append(PolicyResult(policy.name, outcome, passed=0, verdicts=(*fails, *unknowns)))
    return results


def _unseen(policy: Policy, gap: Gap) -> Verdict:
    return Verdict(
        policy=policy.name,
        level=policy.level,
        outcome=Outcome.UNKNOWN,
        kind=EVENT_KIND,
        ids=gap.scope,
        name=f"{gap.scope[0]} audit log",
        message=f"{policy.title}: {gap.reason}",
        gap=gap,
        why=gap.reason,
    )


def run_of(
    organization: str,
    policies: Mapping[str, Policy],
    results: Sequence[PolicyResult],
    coverage: Sequence[Coverage],
    standing: Collection[str],
    now: int,
) -> Run:
    """The run of a pass at `now` (Unix seconds).

    `standing` are event policies with an occurrence that has not grown old: in the picture they fail, although only
    the pass that saw the event has a verdict on it.
    """
    results = [_with_standing(result, standing) for result in results]
    outcomes = [result.outcome for result in results]
    unknowns = [verdict for result in results for verdict in result.verdicts if verdict.outcome is Outcome.UNKNOWN]
    return Run(
        id=uuid.uuid4().hex,
        organization=organization,
        kind="snapshot",
        started_at=now,
        finished_at=now,
        resources=sum(line.items for line in coverage if line.kind != EVENT_KIND and not is_report(line.kind)),
        summary={outcome.value: outcomes.count(outcome) for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN)},
        policies=tuple(_line(policies[result.policy], result) for result in results),
        coverage=tuple(coverage),
        unknowns=tuple(_unknown(verdict) for verdict in unknowns),
    )


def _with_standing(result: PolicyResult, standing: Collection[str]) -> PolicyResult:
    return replace(result, outcome=Outcome.FAIL) if result.policy in standing else result


def _line(policy: Policy, result: PolicyResult) -> PolicyLine:
    said = [verdict.outcome for verdict in result.verdicts]
    return PolicyLine(
        policy=policy.name,
        title=policy.title,
        level=policy.level,
        outcome=result.outcome,
        passed=result.passed,
        failed=said.count(Outcome.FAIL),
        unknown=said.count(Outcome.UNKNOWN),
        judgement=policy.judgement,
    )


def _unknown(verdict: Verdict) -> UnknownLine:
    gap = verdict.gap
    return UnknownLine(
        policy=verdict.policy,
        level=verdict.level,
        kind=gap.kind if gap else verdict.kind,
        scope=verdict.ids,
        name=verdict.name,
        message=verdict.message,
        reason=gap.reason if gap else "",
        hint=gap.hint if gap else "",
    )
