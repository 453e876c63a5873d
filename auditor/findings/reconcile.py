"""From verdicts to the life of findings: what is new, what came back, what is over, what cannot be told. Pure.

What could not be seen changes nothing: only a resource that was seen to comply, or two complete pictures without
it, end a finding.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from auditor.findings.absence import believed, is_first
from auditor.findings.evidence import carried, of_verdict
from auditor.findings.model import Collapse, Finding, Reason, Reconciled, Transition, identity
from auditor.findings.proof import Proof
from auditor.inventory.model import Snapshot
from auditor.policy.model import WHOLE, Policy, PolicyResult, Verdict
from auditor.terms import Outcome, State

EXPIRY = 14 * 86_400
"""Seconds after which an occurrence is over."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A row to write, with its transition if the state changed."""

    finding: Finding
    transition: Transition | None = None


def reconcile(
    organization: str,
    active: Mapping[str, Finding],
    results: Sequence[PolicyResult],
    snapshot: Snapshot,
    policies: Mapping[str, Policy],
    now: int,
    known: Mapping[str, Finding],
) -> Reconciled:
    """What the results of the state policies make of the findings that are `active`.

    Both mappings are by finding id; `known` holds at least those findings that a FAIL verdict is about, whatever
    their state. `policies` are all in force, by name. `now` is in Unix seconds. Running it again over the same
    picture on its own output changes no state.
    """
    failing = {_identity(organization, verdict): verdict for verdict in _fails(results)}
    changes = [
        _fail(active.get(key) or known.get(key), organization, verdict, policies, now)
        for key, verdict in failing.items()
    ]
    standing = [finding for key, finding in active.items() if key not in failing]
    changes += _removed(standing, policies, now)
    judged = [finding for finding in standing if not finding.occurrence and _in_force(policies, finding)]
    proof = Proof(snapshot, {result.policy: result for result in results})
    mended = [finding for finding in judged if proof.complies(finding)]
    changes += [_resolved(finding, Reason.COMPLIES, now) for finding in mended]
    changes += _seen_again(judged, mended, proof)
    absent = [finding for finding in judged if proof.absent(finding)]
    gone, held = believed(absent, _states(active), snapshot.taken_at)
    changes += [_resolved(finding, Reason.GONE, now) for finding in gone]
    changes += _first_absence(absent, snapshot.taken_at)
    return _reconciled(changes, active, held)


def occur(
    organization: str,
    verdicts: Sequence[Verdict],
    policies: Mapping[str, Policy],
    known: Mapping[str, Finding],
    now: int,
) -> Reconciled:
    """What matches of event policies and correlations make: one finding each, unless it is `known` (by id)."""
    fresh: dict[str, Verdict] = {}
    for verdict in verdicts:
        key = _identity(organization, verdict)
        if verdict.outcome is Outcome.FAIL and key not in known:
            fresh.setdefault(key, verdict)
    return _reconciled(_new(organization, verdict, policies, now, occurrence=True) for verdict in fresh.values())


def expire(active: Mapping[str, Finding], now: int) -> Reconciled:
    """End the occurrences that happened 14 days before `now` (Unix seconds), or earlier."""
    return _reconciled(_resolved(each, Reason.EXPIRED, now) for each in active.values() if _expired(each, now))


def is_fresh(finding: Finding, now: int) -> bool:
    """Whether it is an occurrence that has not grown old at `now` (Unix seconds)."""
    return finding.occurrence and not _expired(finding, now)


def _identity(organization: str, verdict: Verdict) -> str:
    return identity(organization, verdict.policy, verdict.kind, verdict.ids)


def _fails(results: Iterable[PolicyResult]) -> Iterator[Verdict]:
    for result in results:
        yield from (verdict for verdict in result.verdicts if verdict.outcome is Outcome.FAIL)


def _fail(
    before: Finding | None, organization: str, verdict: Verdict, policies: Mapping[str, Policy], now: int
) -> _Change:
    """A new finding, one that came back, or one that is confirmed; what people decided about it stays."""
    if before is None:
        return _new(organization, verdict, policies, now, occurrence=False)
    policy = policies.get(verdict.policy)
    seen = replace(
        before,
        name=verdict.name,
        level=verdict.level,
        title=policy.title if policy else before.title,
        message=verdict.message,
        seen_at=now,
        absences=0,
        absent_since=None,
        evidence={**(carried(before.evidence) if before.state.active else {}), **of_verdict(verdict, policy)},
    )
    if before.state.active:
        return _Change(seen)
    back = replace(
        seen,
        state=State.REOPENED,
        changed_at=now,
        resolved_at=None,
        decision=None,
        since=now,
        overdue_told=None if before.flapping_since is None else before.overdue_told,
    )
    return _Change(back, Transition(back, before.state, Reason.DETECTED_AGAIN, now))


def _new(organization: str, verdict: Verdict, policies: Mapping[str, Policy], now: int, *, occurrence: bool) -> _Change:
    policy = policies.get(verdict.policy)
    finding = Finding(
        id=_identity(organization, verdict),
        organization=organization,
        policy=verdict.policy,
        kind=verdict.kind,
        ids=verdict.ids,
        name=verdict.name,
        level=verdict.level,
        state=State.OPEN,
        title=policy.title if policy else verdict.policy,
        message=verdict.message,
        opened_at=now if verdict.at is None else verdict.at,
        seen_at=now,
        changed_at=now,
        occurrence=occurrence,
        evidence=of_verdict(verdict, policy),
    )
    return _Change(finding, Transition(finding, None, Reason.DETECTED, now))


def _removed(standing: Iterable[Finding], policies: Mapping[str, Policy], now: int) -> Iterator[_Change]:
    """Findings that no policy stands behind any more: closed as that, never as mended."""
    for finding in standing:
        if not _in_force(policies, finding) and not _expired(finding, now):
            yield _resolved(finding, Reason.POLICY_REMOVED, now)


def _in_force(policies: Mapping[str, Policy], finding: Finding) -> bool:
    """Whether the policy still exists and still says something of this kind of resource, one by one or as a whole."""
    policy = policies.get(finding.policy)
    if policy is None or policy.kind != finding.kind:
        return False
    return finding.occurrence or policy.allowed.each == (finding.ids != WHOLE)


def _expired(finding: Finding, now: int) -> bool:
    return finding.occurrence and now - finding.opened_at >= EXPIRY


def _states(active: Mapping[str, Finding]) -> list[Finding]:
    return [finding for finding in active.values() if not finding.occurrence]


def _seen_again(judged: Iterable[Finding], mended: Iterable[Finding], proof: Proof) -> Iterator[_Change]:
    """Resources that had been absent and are back, though nobody can say how they are: absence begins anew."""
    ended = {finding.id for finding in mended}
    for finding in judged:
        if finding.absent_since is not None and finding.id not in ended and proof.present(finding):
            yield _Change(replace(finding, absences=0, absent_since=None))


def _first_absence(absent: Iterable[Finding], taken_at: int) -> Iterator[_Change]:
    for finding in absent:
        if is_first(finding, taken_at):
            yield _Change(replace(finding, absences=1, absent_since=taken_at))


def _resolved(finding: Finding, reason: Reason, now: int) -> _Change:
    absences = 2 if reason is Reason.GONE else 0
    over = replace(finding, state=State.RESOLVED, changed_at=now, resolved_at=now, absences=absences, absent_since=None)
    return _Change(over, Transition(over, finding.state, reason, now))


def _reconciled(
    changes: Iterable[_Change], before: Mapping[str, Finding] | None = None, held: tuple[Collapse, ...] = ()
) -> Reconciled:
    """The changes in an order that depends on nothing but themselves: worst first, then by identity."""
    told = sorted(changes, key=_rank)
    stored = before or {}
    return Reconciled(
        findings=tuple(change.finding for change in told if change.finding != stored.get(change.finding.id)),
        transitions=tuple(change.transition for change in told if change.transition),
        held=held,
    )


def _rank(change: _Change) -> tuple[object, ...]:
    finding = change.finding
    return (-finding.level.rank, finding.policy, finding.kind, finding.ids)
