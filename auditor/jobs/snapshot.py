"""Taking the picture: collect, join, fold, judge, reconcile, and write it all down in one transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.findings.model import Transition, identity
from auditor.findings.reconcile import expire, is_fresh, reconcile
from auditor.inventory.collect import collect
from auditor.inventory.model import Coverage, Gap, Snapshot
from auditor.inventory.schema import SETTING
from auditor.inventory.usage import is_report
from auditor.jobs import announce, causes, flapping, lifecycle, picture, settings, usage
from auditor.jobs.context import Audit
from auditor.jobs.fanout import FanOut
from auditor.jobs.poll import Polled
from auditor.jobs.runrecord import event_results, run_of
from auditor.jobs.staging import Staging
from auditor.log import get
from auditor.policy.evaluate import evaluate
from auditor.policy.model import PolicyResult, Verdict
from auditor.store import bodies, findings, organizations, readings, runs, transitions, versions, volatiles, work
from auditor.store import settings as store_settings
from auditor.store.database import Transaction
from auditor.store.runs import Run
from auditor.store.settings import SettingLine
from auditor.terms import Outcome, Status

log = get(__name__)


@dataclass(frozen=True)
class Taken:
    """What one pass saw and said."""

    run: Run
    results: tuple[PolicyResult, ...]
    opened: int
    resolved: int
    alerts: int
    settings: tuple[SettingLine, ...] = ()
    """What is known of the settings that no endpoint shows."""
    waived: frozenset[str] = frozenset()
    """Ids of the findings whose risk somebody accepted."""

    def is_waived(self, verdict: Verdict) -> bool:
        """Whether the finding of a verdict is one of those."""
        return identity(self.run.organization, verdict.policy, verdict.kind, verdict.ids) in self.waived


async def take(audit: Audit, polled: Polled, now: int) -> Taken:
    """Take and judge the picture at `now` (Unix seconds); `polled` is what the audit log said just before.

    What the API refuses becomes gaps. Costs and use come from the daily series, which is begun here where it is empty.
    Raises StoreError, and LeaseLost when another process took the work over.
    """
    await usage.first(audit, now)
    staging = Staging(audit.store, now)
    seen = await collect(
        audit.client,
        audit.organization,
        now,
        progress=audit.progress,
        stage=staging.add,
        carry=FanOut(audit, now).carry,
    )
    await staging.finish()
    taken = await asyncio.to_thread(_judge_and_store, audit, seen, polled, now)
    log.info(
        "snapshot.taken",
        organization=audit.organization,
        resources=taken.run.resources,
        gaps=sum(line.gap is not None for line in taken.run.coverage),
        **taken.run.summary,
    )
    return taken


def blind(coverage: Sequence[Coverage]) -> Gap | None:
    """The first gap of a pass that saw not one object, None when anything was seen.

    A wrong key or a wrong address gives such a pass. It proves nothing, and what stood before is still to be told.
    """
    seen = any(line.items for line in coverage if not is_report(line.kind))
    return None if seen else next((line.gap for line in coverage if line.gap), None)


def _judge_and_store(audit: Audit, seen: Snapshot, polled: Polled, now: int) -> Taken:
    joined = picture.joined(audit, seen)
    with audit.store.transaction() as tx:
        snapshot = picture.completed(tx, audit, joined)
    results = evaluate(audit.policies, snapshot, now)
    coverage = (*snapshot.coverage, *polled.coverage)
    everything = (*results, *event_results(audit.policies, polled))
    with audit.store.transaction() as tx:
        if audit.lease:
            work.verify(tx, audit.lease)
        standing = {each.policy for each in findings.active(tx, audit.organization).values() if is_fresh(each, now)}
        run = run_of(audit.organization, audit.policies.by_name, everything, coverage, standing, now)
        return _write(tx, audit, snapshot, results, everything, run, now)


def _is_baseline(run: Run, before: Run | None) -> bool:
    """Whether `run` shows what stood before anybody watched: the first pass in which no list failed.

    What lasts is not waited for: refusals, and failures in the second pass that saw anything. An API that comes up in
    the middle of a pass would otherwise make the rest of it news, one alert each.
    """
    if blind(run.coverage):
        return False
    failed = any(line.status in {Status.FAILED, Status.PARTIAL} for line in run.coverage)
    return not failed or (before is not None and blind(before.coverage) is None)


def _healed(run: Run, before: Run | None) -> bool:
    """Whether it saw what the pass before could not see: most of what that shows is no news, only newly seen."""
    hidden = {line.gap.key for line in before.coverage if line.gap} if before else set()
    return bool(hidden - {line.gap.key for line in run.coverage if line.gap})


def _introduced(run: Run, before: Run | None) -> frozenset[str]:
    """The policies that did not judge the picture before, or judged it by other conditions or parameters.

    Where that is not known, none is.
    """
    if before is None:
        return frozenset()
    judged = {line.policy: line.judgement for line in before.policies}
    return frozenset(line.policy for line in run.policies if judged.get(line.policy) not in {"", line.judgement})


def _tell(
    tx: Transaction,
    audit: Audit,
    changes: Sequence[Transition],
    worse: Sequence[lifecycle.Worse],
    run: Run,
    before: Run | None,
    now: int,
) -> int:
    """Queue what is news; of the baseline one digest. Returns how many messages were queued."""
    if organizations.read(tx, audit.organization).baseline_at is not None:
        told = flapping.calmed(tx, audit, changes, now)
        fresh = _introduced(run, before)
        queued = announce.transitions(tx, audit, told, now, fold=_healed(run, before), introduced=fresh)
        return queued + announce.raised(tx, audit, worse, now)
    if not _is_baseline(run, before):
        return 0
    organizations.mark_baseline(tx, audit.organization, now)
    standing = [each for each in findings.active(tx, audit.organization).values() if not each.waived]
    return announce.baseline(tx, audit, standing, now)


def _tell_of_gaps(
    tx: Transaction, audit: Audit, run: Run, before: Run | None, seen: Sequence[Coverage], now: int
) -> None:
    """Tell what of the picture, in the lines `seen` of the ledger, cannot be read.

    A key that never worked is told to whoever set it up; one that worked is told to those who rely on it. What only
    failed may be there in the next pass: it is told in the second one. The audit log has findings of its own, and
    reports are told of by whoever reads them, once a day.
    """
    if organizations.read(tx, audit.organization).baseline_at is None:
        return
    gap = blind(run.coverage)
    if gap:
        if gap.status is Status.REFUSED:
            announce.refused(tx, audit, gap, now)
        return
    unread = {line.gap.key for line in before.coverage if line.gap} if before else set()
    gaps = [line.gap for line in seen if line.gap and not is_report(line.kind)]
    announce.unseen(tx, audit, [gap for gap in gaps if gap.status is Status.REFUSED or gap.key in unread], now)


def _remember(tx: Transaction, audit: Audit, snapshot: Snapshot) -> None:
    """What the picture shows of each resource; before the run is added, which tells what was read whole before."""
    organization = audit.organization
    differing = versions.record(tx, organization, snapshot, runs.before(tx, organization))
    readings.record(tx, organization, snapshot, differing, audit.role_assignments)
    volatiles.record(tx, organization, snapshot)
    bodies.forget_abandoned(tx, snapshot.taken_at)


def _write(
    tx: Transaction,
    audit: Audit,
    snapshot: Snapshot,
    results: Sequence[PolicyResult],
    everything: tuple[PolicyResult, ...],
    run: Run,
    now: int,
) -> Taken:
    """Findings, their transitions, history, the run, and what must be told, or none of them."""
    organization = audit.organization
    active = findings.active(tx, organization)
    fails = [verdict for result in results for verdict in result.verdicts if verdict.outcome is Outcome.FAIL]
    known = findings.by_ids(tx, [identity(organization, each.policy, each.kind, each.ids) for each in fails])
    changed = reconcile(organization, active, results, snapshot, audit.policies.by_name, now, known)
    _remember(tx, audit, snapshot)
    changed = causes.explained(tx, audit, snapshot, changed, now)
    old = expire(active, now)
    standing = lifecycle.standing(active, changed, old)
    facts = lifecycle.facts_of(snapshot)
    decided = lifecycle.judge(tx, audit, standing, facts, now)
    late = lifecycle.overdue(tx, audit, standing, decided, now)
    soon = lifecycle.ending(tx, audit, (*standing, *decided.findings, *late), facts, now)
    if changed.held:
        held = [each.policy or each.kind for each in changed.held]
        log.warning("findings.held", organization=organization, held=held)
        announce.held(tx, audit, changed.held, now)
    findings.save(tx, (*changed.findings, *old.findings, *decided.findings, *late, *soon))
    transitions.add(tx, (*changed.transitions, *old.transitions, *decided.transitions), run.id)
    lifecycle.keep(tx, audit, decided, now)
    before = runs.latest(tx, organization, "snapshot")
    worse = lifecycle.raised(active, (*standing, *decided.findings))
    alerts = _tell(tx, audit, lifecycle.news(changed.transitions, decided), worse, run, before, now)
    _tell_of_gaps(tx, audit, run, before, snapshot.coverage, now)
    runs.add(tx, run)
    announce.contradicted(tx, audit, snapshot.collection(SETTING), now)
    lines = settings.lines(snapshot)
    store_settings.write(tx, organization, run.started_at, lines)
    resolved = sum(not change.finding.state.active for change in changed.transitions)
    return Taken(
        run,
        everything,
        len(changed.transitions) - resolved,
        resolved,
        alerts,
        tuple(lines),
        lifecycle.waived([*active.values(), *standing], decided),
    )
