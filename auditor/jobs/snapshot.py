"""Taking the picture: collect, join, fold, judge, reconcile, and write it all down in one transaction."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.findings.model import identity
from auditor.findings.reconcile import expire, reconcile
from auditor.inventory import settings
from auditor.inventory.collect import collect
from auditor.inventory.events import record_of
from auditor.inventory.model import Coverage, Gap, Snapshot
from auditor.inventory.relations import join
from auditor.inventory.schema import EVENT_KIND
from auditor.jobs import announce
from auditor.jobs.context import Audit
from auditor.jobs.poll import Polled
from auditor.log import get
from auditor.policy.evaluate import evaluate
from auditor.policy.model import EVENT, Policy, PolicyResult, Verdict
from auditor.store import events, findings, organizations, runs, transitions, watermarks, work
from auditor.store.database import Transaction
from auditor.store.runs import PolicyLine, Run, UnknownLine
from auditor.terms import Outcome, Status, Stream

log = get(__name__)


@dataclass(frozen=True)
class Taken:
    """What one pass saw and said."""

    run: Run
    results: tuple[PolicyResult, ...]
    opened: int
    resolved: int
    alerts: int


async def take(audit: Audit, polled: Polled, now: int) -> Taken:
    """Take and judge the picture at `now` (Unix seconds); `polled` is what the audit log said just before.

    What the API refuses becomes gaps. Raises StoreError, and LeaseLost when another process took the work over.
    """
    seen = await collect(audit.client, audit.organization, now, progress=audit.progress)
    taken = await asyncio.to_thread(_judge_and_store, audit, join(seen), polled, now)
    log.info(
        "snapshot.taken",
        organization=audit.organization,
        resources=taken.run.resources,
        gaps=sum(line.gap is not None for line in taken.run.coverage),
        **taken.run.summary,
    )
    return taken


def _judge_and_store(audit: Audit, seen: Snapshot, polled: Polled, now: int) -> Taken:
    with audit.store.transaction() as tx:
        snapshot = _with_settings(tx, audit, seen)
    results = evaluate(audit.policies, snapshot, now)
    coverage = (*seen.coverage, *polled.coverage)
    everything = (*results, *_event_results(audit, polled))
    run = _run(audit, everything, coverage, now)
    with audit.store.transaction() as tx:
        if audit.lease:
            work.verify(tx, audit.lease)
        return _write(tx, audit, snapshot, results, everything, run, now)


def _with_settings(tx: Transaction, audit: Audit, seen: Snapshot) -> Snapshot:
    stored = events.of_types(tx, audit.organization, settings.EVENT_TYPES)
    mark = watermarks.read(tx, audit.organization, Stream.ORGANIZATION)
    gap: Gap | None = None
    if mark is None:
        gap = settings.gap_of("the audit log was not read yet", "", refused=False)
    elif mark.status is not Status.COMPLETE:
        gap = settings.gap_of(
            mark.reason, "settings are known from audit events only", refused=mark.status is Status.REFUSED
        )
    return settings.fold(seen, [record_of(event.raw) for event in stored], gap)


def _event_results(audit: Audit, polled: Polled) -> list[PolicyResult]:
    """What the event policies said in this pass: an unreadable log is UNKNOWN, never a pass."""
    results = []
    for policy in audit.policies.policies:
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
    )


def _run(audit: Audit, results: Sequence[PolicyResult], coverage: Sequence[Coverage], now: int) -> Run:
    policies = audit.policies.by_name
    outcomes = [result.outcome for result in results]
    unknowns = [verdict for result in results for verdict in result.verdicts if verdict.outcome is Outcome.UNKNOWN]
    return Run(
        id=uuid.uuid4().hex,
        organization=audit.organization,
        kind="snapshot",
        started_at=now,
        finished_at=now,
        resources=sum(line.items for line in coverage if line.kind != EVENT_KIND),
        summary={outcome.value: outcomes.count(outcome) for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN)},
        policies=tuple(_line(policies[result.policy], result) for result in results),
        coverage=tuple(coverage),
        unknowns=tuple(_unknown(verdict) for verdict in unknowns),
    )


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


def _write(
    tx: Transaction,
    audit: Audit,
    snapshot: Snapshot,
    results: Sequence[PolicyResult],
    everything: tuple[PolicyResult, ...],
    run: Run,
    now: int,
) -> Taken:
    """Findings, their transitions, the run, and what must be told, or none of them."""
    organization = audit.organization
    active = findings.active(tx, organization)
    fails = [verdict for result in results for verdict in result.verdicts if verdict.outcome is Outcome.FAIL]
    known = findings.by_ids(tx, [identity(organization, each.policy, each.kind, each.ids) for each in fails])
    changed = reconcile(organization, active, results, snapshot, audit.policies.by_name, now, known)
    old = expire(active, now)
    if changed.held:
        log.warning("findings.held", organization=organization, policies=list(changed.held))
    findings.save(tx, (*changed.findings, *old.findings))
    transitions.add(tx, (*changed.transitions, *old.transitions), run.id)
    runs.add(tx, run)
    if organizations.read(tx, organization).baseline_at is None:
        alerts = announce.baseline(tx, audit, list(findings.active(tx, organization).values()), now)
        organizations.mark_baseline(tx, organization, now)
    else:
        alerts = announce.transitions(tx, audit, changed.transitions, now)
    resolved = sum(not change.finding.state.active for change in changed.transitions)
    return Taken(run, everything, len(changed.transitions) - resolved, resolved, alerts)
