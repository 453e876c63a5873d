"""Properties that hold for every picture: a second look changes nothing, order does not matter, a gap ends nothing."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.findings.model import Finding, Reason, Reconciled
from auditor.findings.reconcile import reconcile
from auditor.inventory.model import Collection, Gap, Record, Scope, Snapshot
from auditor.policy.model import Allowed, Policy, PolicyResult, Verdict
from auditor.terms import Level, Outcome, State, Status

T = TypeVar("T")

KINDS = ("user", "project_api_key")
POLICIES = {
    policy.name: policy
    for policy in (
        Policy("each-user", "Each user", "user", Level.HIGH),
        Policy("each-key", "Each key", "project_api_key", Level.LOW),
        Policy("count-keys", "Count of keys", "project_api_key", Level.MEDIUM, allowed=Allowed(min=1)),
    )
}

ids = st.tuples(st.sampled_from(["p1", "p2"]), st.integers(0, 25).map(str))
scopes = st.sampled_from([(), ("p1",), ("p2",)])


@dataclass(frozen=True)
class Pass:
    """What one pass saw of the world, and what the policies said of it."""

    snapshot: Snapshot
    results: tuple[PolicyResult, ...]


@st.composite
def passes(draw: st.DrawFn) -> Pass:
    collections, results = {}, []
    for kind in KINDS:
        present = sorted(draw(st.sets(ids)))
        gaps = tuple(Gap(kind, scope, Status.REFUSED, "403") for scope in draw(st.lists(scopes, max_size=2)))
        collections[kind] = Collection(kind, tuple(Record(kind, each, {}) for each in present), gaps)
    for policy in POLICIES.values():
        results += draw(st.lists(_result(policy, collections[policy.kind]), max_size=1))
    return Pass(Snapshot("acme", 0, collections), tuple(results))


@st.composite
def _result(draw: st.DrawFn, policy: Policy, collection: Collection) -> PolicyResult:
    if not policy.allowed.each:
        outcome = draw(st.sampled_from(list(Outcome)))
        said = () if outcome is Outcome.PASS else (_verdict(policy, ("*",), outcome),)
        return PolicyResult(policy.name, outcome, 0, said, frozenset())
    judged = {record.ids: draw(st.sampled_from(list(Outcome))) for record in collection.records}
    fails = [_verdict(policy, each, Outcome.FAIL) for each, outcome in judged.items() if outcome is Outcome.FAIL]
    undecided = frozenset(each for each, outcome in judged.items() if outcome is Outcome.UNKNOWN)
    unknowns = [_verdict(policy, (), Outcome.UNKNOWN)] if undecided or collection.gaps else []
    outcome = Outcome.FAIL if fails else Outcome.UNKNOWN if unknowns else Outcome.PASS
    return PolicyResult(policy.name, outcome, 0, (*fails, *unknowns), draw(st.sampled_from([undecided, None])))


def _verdict(policy: Policy, ids: Scope, outcome: Outcome) -> Verdict:
    return Verdict(policy.name, policy.level, outcome, policy.kind, ids, "name", "message")


def judge(before: Mapping[str, Finding], seen: Pass, at: int) -> Reconciled:
    active = {key: finding for key, finding in before.items() if finding.state.active}
    snapshot = replace(seen.snapshot, taken_at=at)
    return reconcile("acme", active, seen.results, snapshot, POLICIES, at, before)


def after(before: Mapping[str, Finding], changed: Reconciled) -> dict[str, Finding]:
    return {**before, **{finding.id: finding for finding in changed.findings}}


def lived(history: list[Pass]) -> dict[str, Finding]:
    """The findings after some passes, 15 minutes apart."""
    known: dict[str, Finding] = {}
    for number, seen in enumerate(history):
        known = after(known, judge(known, seen, 900 * number))
    return known


histories = st.lists(passes(), max_size=4)
LATER = 900 * 10


@settings(max_examples=60, deadline=None)
@given(histories, passes())
def test_a_second_look_at_the_same_picture_changes_nothing(history: list[Pass], seen: Pass) -> None:
    known = after(lived(history), judge(lived(history), seen, LATER))
    assert judge(known, seen, LATER) == Reconciled(held=judge(known, seen, LATER).held)


@settings(max_examples=60, deadline=None)
@given(histories, passes(), st.randoms(use_true_random=False))
def test_the_order_of_pages_and_policies_does_not_matter(
    history: list[Pass], seen: Pass, chance: random.Random
) -> None:
    known = lived(history)
    shuffled = Pass(
        replace(
            seen.snapshot,
            collections={
                kind: replace(collection, records=_shuffled(collection.records, chance))
                for kind, collection in _shuffled(tuple(seen.snapshot.collections.items()), chance)
            },
        ),
        tuple(replace(each, verdicts=_shuffled(each.verdicts, chance)) for each in _shuffled(seen.results, chance)),
    )
    mixed = dict(_shuffled(tuple(known.items()), chance))
    assert judge(mixed, shuffled, LATER) == judge(known, seen, LATER)


def _shuffled(items: tuple[T, ...], chance: random.Random) -> tuple[T, ...]:
    return tuple(chance.sample(items, len(items)))


@settings(max_examples=60, deadline=None)
@given(histories, st.lists(passes(), min_size=1, max_size=3))
def test_a_gap_ends_nothing_behind_it(history: list[Pass], blind: list[Pass]) -> None:
    known = before = lived(history)
    for number, seen in enumerate(blind):
        known = after(known, judge(known, _dark(seen), LATER + 900 * number))
    ended = [key for key, finding in known.items() if finding.state is State.RESOLVED]
    assert all(before[key].state is State.RESOLVED for key in ended)


def _dark(seen: Pass) -> Pass:
    """The same, but everything lies behind a gap."""
    hidden = {
        kind: replace(collection, gaps=(Gap(kind, (), Status.FAILED, "500"),))
        for kind, collection in seen.snapshot.collections.items()
    }
    return replace(seen, snapshot=replace(seen.snapshot, collections=hidden))


@settings(max_examples=60, deadline=None)
@given(histories, passes())
def test_what_is_undecided_or_behind_a_gap_is_never_resolved(history: list[Pass], seen: Pass) -> None:
    results = {result.policy: result for result in seen.results}
    for change in judge(lived(history), seen, LATER).transitions:
        finding = change.finding
        if finding.state is not State.RESOLVED:
            continue
        collection, result = seen.snapshot.collection(finding.kind), results[finding.policy]
        assert not collection.hides(finding.ids)
        assert finding.ids not in (result.undecided or ())
        present = finding.ids in {record.ids for record in collection.records}
        assert (change.reason is Reason.COMPLIES) == (present or finding.ids == ("*",))


@settings(max_examples=60, deadline=None)
@given(histories, passes(), st.text(min_size=1), st.text())
def test_renaming_and_rewording_open_and_end_nothing(history: list[Pass], seen: Pass, name: str, message: str) -> None:
    known = after(lived(history), judge(lived(history), seen, LATER))
    renamed = replace(
        seen,
        results=tuple(
            replace(
                result,
                verdicts=tuple(replace(verdict, name=name, message=message) for verdict in result.verdicts),
            )
            for result in seen.results
        ),
    )
    assert judge(known, renamed, LATER).transitions == ()


@settings(max_examples=60, deadline=None)
@given(st.lists(passes(), max_size=6))
def test_every_change_starts_where_the_one_before_ended(history: list[Pass]) -> None:
    known: dict[str, Finding] = {}
    for number, seen in enumerate(history):
        changed = judge(known, seen, 900 * number)
        for change in changed.transitions:
            before = known.get(change.finding.id)
            assert change.before == (before.state if before else None)
            assert change.finding in changed.findings
        known = after(known, changed)
