"""What policies would have found in the stored past: every event since then, and pictures of the snapshots."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from auditor.findings.model import Finding, Reason, Transition
from auditor.findings.reconcile import reconcile
from auditor.inventory.model import Snapshot
from auditor.jobs.eventtest import EventTest
from auditor.jobs.past import NOT_KEPT, Asked, Past, Surroundings, named
from auditor.jobs.tested import Backtest, Tested
from auditor.policy.evaluate import evaluate
from auditor.policy.model import PolicyResult
from auditor.policy.policyset import PolicySet
from auditor.policy.replay import Dated
from auditor.store import history, runs, versions
from auditor.store.database import Store
from auditor.store.ledger import Run
from auditor.terms import Outcome

DAY = 86_400
PICTURES = 400
"""Pictures that are rebuilt at most: the last one of each day, then the newest of those in which something changed."""


@dataclass(frozen=True)
class Subject:
    """What is tested, and where."""

    store: Store
    organization: str
    policies: PolicySet
    around: Surroundings
    dated: Dated


def backtest(subject: Subject, since: int, until: int, most: int = PICTURES) -> Backtest:
    """What the policies would have found from `since` to `until` (Unix seconds). Raises StoreError.

    Findings open, resolve and open again as they do in the daemon. Of the state of resources the pictures tell that
    are listed in the result, so that what came and went between two of them is not seen.
    """
    found = Backtest(since, until)
    with subject.store.transaction() as tx:
        found.began_at = versions.began_at(tx, subject.organization)
        found.event_at = history.first_at(tx, subject.organization)
    if subject.policies.states:
        _States(subject, found).run(most)
    if subject.policies.rules or subject.policies.correlations:
        EventTest(subject.store, subject.organization, subject.policies, subject.dated).run(found)
    for each in found.policies:
        each.shorten()
    found.policies.sort(key=lambda each: each.policy.name)
    return found


class _States:
    """The state policies, over one picture after the other."""

    def __init__(self, subject: Subject, found: Backtest) -> None:
        self._subject = subject
        self._found = found
        self._policies = PolicySet(states=subject.policies.states)
        self._tested = {judge.policy.name: Tested(judge.policy) for judge in subject.policies.states}
        for judge in subject.policies.states:
            self._tested[judge.policy.name].not_kept = tuple(sorted(NOT_KEPT.keys() & named(judge)))
        self._known: dict[str, Finding] = {}

    def run(self, most: int) -> None:
        """Judge the pictures, and enter what was found."""
        subject, found = self._subject, self._found
        past = Past(subject.store, subject.organization, subject.around, Asked.by(subject.policies.states))
        for run in self._chosen(most):
            self._judge(past.picture(run))
            found.pictures.append(run.at)
        for tested in self._tested.values():
            mine = [each for each in self._known.values() if each.policy == tested.policy.name]
            tested.enter(mine)
            tested.open = sum(each.state.active for each in mine)
        found.policies += self._tested.values()

    def _chosen(self, most: int) -> list[Run]:
        """The snapshots to look at; the last one before the time shows what stood at its beginning."""
        subject, since, until = self._subject, self._found.since, self._found.until
        kinds = {judge.policy.kind for judge in subject.policies.states}
        with subject.store.transaction() as tx:
            known = runs.snapshots(tx, subject.organization, until)
            changed = versions.times(tx, subject.organization, since, until, kinds)
        before = [run for run in known if run.at <= since]
        within = [run for run in known if run.at > since]
        self._found.snapshots = len(within) + bool(before)
        return chosen([*before[-1:], *within], changed, most)

    def _judge(self, snapshot: Snapshot) -> None:
        at = snapshot.taken_at
        results = evaluate(self._policies, snapshot, at)
        active = {key: each for key, each in self._known.items() if each.state.active}
        changed = reconcile(
            self._subject.organization, active, results, snapshot, self._policies.by_name, at, self._known
        )
        self._known.update((each.id, each) for each in changed.findings)
        for result in results:
            _note_unknown(self._tested[result.policy], result)
        self._count(changed.transitions, at)

    def _count(self, transitions: Sequence[Transition], at: int) -> None:
        first = not self._found.pictures
        for each in transitions:
            tested = self._tested[each.finding.policy]
            tested.stood += first
            tested.reopened += each.reason is Reason.DETECTED_AGAIN
            tested.resolved += not each.finding.state.active
            if not first:
                tested.by_day[at // DAY] += 1
        for tested in self._tested.values() if first else ():
            if tested.stood:
                tested.by_day[at // DAY] += 1


def _note_unknown(tested: Tested, result: PolicyResult) -> None:
    hidden = {verdict.message for verdict in result.verdicts if verdict.outcome is Outcome.UNKNOWN}
    if hidden:
        tested.unknown += 1
        tested.reasons.update(sorted(hidden)[:10])


def chosen(snapshots: Sequence[Run], changed: Collection[int], most: int) -> list[Run]:
    """The first, the last of each day, and the newest of those at a time in `changed`: at most `most`, in order."""
    last = {run.at // DAY: run for run in snapshots}
    daily = {run.number for run in (*snapshots[:1], *last.values())}
    rest = [run.number for run in snapshots if run.number not in daily and run.at in changed]
    kept = set(sorted(daily)[-most:])
    kept.update(rest[len(rest) - min(len(rest), most - len(kept)) :])
    return [run for run in snapshots if run.number in kept]
