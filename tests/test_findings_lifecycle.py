"""When a finding opens, stays, comes back and ends; and what never ends it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pytest

from auditor.findings.model import Collapse, Finding, Reason, Reconciled, Transition
from auditor.findings.reconcile import EXPIRY, expire, occur, reconcile
from auditor.inventory.model import Collection, Gap, Record, Scope, Snapshot
from auditor.policy.model import EVENT, Allowed, Policy, PolicyResult, Verdict
from auditor.terms import Level, Outcome, State, Status

KIND = "project_api_key"
STALE = Policy("stale", "Stale key", KIND, Level.HIGH, digest="d1")
FEW = Policy("few", "Too many keys", KIND, Level.LOW, allowed=Allowed(max=3))
POLICIES = {policy.name: policy for policy in (STALE, FEW)}
DAY = 86_400


def key(number: int) -> Record:
    return Record(KIND, ("proj_1", f"key_{number}"), {"name": f"deploy {number}"}, b'{"id":1}')


def picture(numbers: Iterable[int], at: int, gaps: Sequence[Gap] = ()) -> Snapshot:
    collection = Collection(KIND, tuple(key(number) for number in numbers), tuple(gaps))
    return Snapshot("acme", at, {KIND: collection})


def refused(*scope: str, kind: str = KIND) -> Gap:
    return Gap(kind, scope, Status.REFUSED, "403")


def fail(number: int, name: str = "deploy", policy: Policy = STALE) -> Verdict:
    record = key(number)
    return Verdict(
        policy.name, policy.level, Outcome.FAIL, KIND, record.ids, name, "unused", matched=("unused",), record=record
    )


def result(
    *verdicts: Verdict, policy: Policy = STALE, undecided: frozenset[Scope] | None = frozenset()
) -> PolicyResult:
    said = {verdict.outcome for verdict in verdicts}
    order = (Outcome.FAIL, Outcome.UNKNOWN)
    return PolicyResult(policy.name, next((o for o in order if o in said), Outcome.PASS), 0, verdicts, undecided)


class Life:
    """The findings of an organization from pass to pass."""

    def __init__(self) -> None:
        self.known: dict[str, Finding] = {}
        self.now = 0
        self.last = Reconciled()

    @property
    def active(self) -> dict[str, Finding]:
        return {key: finding for key, finding in self.known.items() if finding.state.active}

    def go(
        self,
        numbers: Iterable[int],
        *results: PolicyResult,
        gaps: Sequence[Gap] = (),
        policies: Mapping[str, Policy] = POLICIES,
        seconds: int = 900,
    ) -> list[tuple[State | None, State, Reason]]:
        self.now += seconds
        snapshot = picture(numbers, self.now, gaps)
        return self.keep(reconcile("acme", self.active, results, snapshot, policies, self.now, self.known))

    def keep(self, changed: Reconciled) -> list[tuple[State | None, State, Reason]]:
        self.last = changed
        self.known |= {finding.id: finding for finding in changed.findings}
        return [told(transition) for transition in changed.transitions]

    @property
    def only(self) -> Finding:
        (finding,) = self.known.values()
        return finding


def told(transition: Transition) -> tuple[State | None, State, Reason]:
    return transition.before, transition.finding.state, transition.reason


NEW = (None, State.OPEN, Reason.DETECTED)
MENDED = (State.OPEN, State.RESOLVED, Reason.COMPLIES)
GONE = (State.OPEN, State.RESOLVED, Reason.GONE)


@pytest.fixture
def life() -> Life:
    """One key that was found stale."""
    life = Life()
    assert life.go([1], result(fail(1))) == [NEW]
    return life


def test_a_new_finding_says_what_was_found_and_why(life: Life) -> None:
    assert life.only.title == "Stale key"
    assert (life.only.opened_at, life.only.seen_at, life.only.changed_at) == (900, 900, 900)
    assert not life.only.occurrence
    sha256 = hashlib.sha256(b'{"id":1}').hexdigest()
    assert life.only.evidence == {"matched": ["unused"], "body_sha256": sha256, "policy_digest": "d1"}


def test_a_finding_that_is_confirmed_is_refreshed_without_a_transition(life: Life) -> None:
    assert life.go([1], result(replace(fail(1), level=Level.LOW, message="still unused"))) == []
    assert (life.only.seen_at, life.only.changed_at) == (1800, 900)
    assert (life.only.level, life.only.message) == (Level.LOW, "still unused")


def test_renaming_a_resource_opens_and_resolves_nothing(life: Life) -> None:
    assert life.go([1], result(fail(1, name="renamed"))) == []
    assert life.only.name == "renamed"


def test_a_resource_that_was_seen_to_comply_resolves_its_finding(life: Life) -> None:
    assert life.go([1], result()) == [MENDED]
    assert life.only.resolved_at == 1800


@pytest.mark.parametrize("state", [State.ACKNOWLEDGED, State.WAIVED])
def test_what_people_decided_stays_while_the_fault_holds(life: Life, state: State) -> None:
    life.known = {life.only.id: replace(life.only, state=state)}
    assert life.go([1], result(fail(1))) == []
    assert life.only.state is state
    assert life.go([1], result()) == [(state, State.RESOLVED, Reason.COMPLIES)]


def test_a_fault_that_comes_back_reopens_its_finding(life: Life) -> None:
    life.go([1], result())
    assert life.go([1], result(fail(1))) == [(State.RESOLVED, State.REOPENED, Reason.DETECTED_AGAIN)]
    assert (life.only.opened_at, life.only.changed_at, life.only.resolved_at) == (900, 2700, None)
    assert life.go([1], result()) == [(State.REOPENED, State.RESOLVED, Reason.COMPLIES)]


def test_absence_resolves_in_the_second_complete_picture(life: Life) -> None:
    assert life.go([], result()) == []
    assert life.only.absences == 1
    assert life.go([], result()) == [GONE]
    assert life.only.absences == 2


def test_the_same_picture_judged_twice_is_one_absence(life: Life) -> None:
    life.go([], result())
    assert life.go([], result(), seconds=0) == []
    assert life.only.absences == 1


def test_a_resource_that_came_back_must_be_absent_twice_again(life: Life) -> None:
    life.go([], result())
    assert life.go([1], result(fail(1))) == []
    assert life.go([], result()) == []
    assert life.go([], result()) == [GONE]


def test_a_resource_that_came_back_undecided_must_be_absent_twice_again(life: Life) -> None:
    life.go([], result())
    assert life.go([1], result(undecided=frozenset({("proj_1", "key_1")}))) == []
    assert life.only.absences == 0
    assert life.go([], result()) == []


@pytest.mark.parametrize("scope", [(), ("proj_1",)])
def test_a_gap_that_may_hide_the_resource_changes_nothing(life: Life, scope: Scope) -> None:
    before = life.only
    for _ in range(3):
        assert life.go([], result(), gaps=[refused(*scope)]) == []
        assert life.go([1], result(), gaps=[refused(*scope)]) == []
    assert life.only == before


def test_a_gap_elsewhere_hides_nothing(life: Life) -> None:
    assert life.go([1], result(), gaps=[refused("proj_2")]) == [MENDED]


def test_a_kind_that_was_not_read_resolves_nothing(life: Life) -> None:
    before = life.only
    for at in (1800, 2700, 3600):
        changed = reconcile("acme", life.active, [result()], Snapshot("acme", at, {}), POLICIES, at, life.known)
        assert changed == Reconciled()
    assert life.only == before


def test_a_policy_without_a_result_resolves_nothing(life: Life) -> None:
    assert life.go([1]) == []
    assert life.only.state is State.OPEN


def test_a_record_that_could_not_be_judged_keeps_its_finding(life: Life) -> None:
    unknown = Verdict("stale", Level.HIGH, Outcome.UNKNOWN, KIND, (), "groups", "?", gap=refused(kind="group"))
    undecided = frozenset({("proj_1", "key_1")})
    assert life.go([1], result(unknown, undecided=undecided)) == []
    assert life.go([1], result(unknown, undecided=frozenset())) == [MENDED]


def test_an_unknown_verdict_keeps_all_findings_when_nobody_told_whose_it_is(life: Life) -> None:
    unknown = Verdict("stale", Level.HIGH, Outcome.UNKNOWN, KIND, (), "groups", "?", gap=refused(kind="group"))
    assert life.go([1], result(unknown, undecided=None)) == []
    assert life.go([1], result(undecided=None)) == [MENDED]


def test_a_removed_policy_closes_its_findings_as_that(life: Life) -> None:
    removed = (State.OPEN, State.RESOLVED, Reason.POLICY_REMOVED)
    assert life.go([1], policies={}, gaps=[refused()]) == [removed]


@pytest.mark.parametrize("policy", [replace(STALE, kind="user"), replace(STALE, allowed=Allowed(max=3))])
def test_a_policy_that_now_judges_something_else_closes_its_findings(life: Life, policy: Policy) -> None:
    policies = {"stale": policy}
    assert life.go([1], result(), policies=policies) == [(State.OPEN, State.RESOLVED, Reason.POLICY_REMOVED)]


def test_the_count_of_a_collection_resolves_only_when_it_passes() -> None:
    life = Life()
    count = replace(fail(1, policy=FEW), ids=("*",), record=None)
    assert life.go([1], result(count, policy=FEW)) == [NEW]
    unknown = Verdict("few", Level.LOW, Outcome.UNKNOWN, KIND, (), "keys", "?")
    assert life.go([1], result(unknown, policy=FEW)) == []
    assert life.go([], result(policy=FEW), gaps=[refused()]) == []
    assert life.go([], result(policy=FEW)) == [MENDED]


def test_a_collapse_is_held_back_and_named_until_it_lasted_a_day() -> None:
    life = Life()
    life.go(range(30), result(*(fail(number) for number in range(30))))
    rest = [result(*(fail(number) for number in range(12, 30)))]
    whole = (Collapse(KIND),)
    held: list[Sequence[Collapse]] = []
    for seconds in (900, 900, DAY - 901):
        assert life.go(range(12, 30), *rest, seconds=seconds) == []
        held.append(life.last.held)
    assert held == [(), whole, whole]
    assert life.go(range(12, 30), *rest, seconds=1) == [GONE] * 12
    assert not life.last.held


def test_a_collapse_of_a_kind_is_seen_across_its_policies() -> None:
    """Four policies find fault with three keys each: none of them is enough to be a collapse of its own."""
    several = [replace(STALE, name=f"stale-{number}") for number in range(4)]
    policies = {each.name: each for each in several}
    life = Life()
    found = [
        result(*(fail(3 * at + more, policy=policy) for more in range(3)), policy=policy)
        for at, policy in enumerate(several)
    ]
    life.go(range(12), *found, policies=policies)
    nothing = [result(policy=policy) for policy in several]
    for _ in range(3):
        assert life.go([], *nothing, policies=policies) == []
    assert life.last.held == (Collapse(KIND),)
    assert life.go([], *nothing, policies=policies, seconds=DAY) == [GONE] * 12


def test_a_collapse_of_one_policy_is_named_where_the_rest_of_its_kind_stands() -> None:
    policies = {"stale": STALE, "few": replace(STALE, name="few")}
    others = result(*(fail(number, policy=policies["few"]) for number in range(20, 60)), policy=policies["few"])
    life = Life()
    life.go(range(60), result(*(fail(number) for number in range(10))), others, policies=policies)
    for _ in range(2):
        assert life.go(range(20, 60), result(), others, policies=policies) == []
    assert life.last.held == (Collapse(KIND, "stale"),)


def test_few_resources_with_many_faults_are_no_collapse() -> None:
    several = [replace(STALE, name=f"stale-{number}") for number in range(4)]
    policies = {each.name: each for each in several}
    life = Life()
    found = [result(*(fail(number, policy=each) for number in range(3)), policy=each) for each in several]
    life.go(range(3), *found, policies=policies)
    nothing = [result(policy=policy) for policy in several]
    life.go([], *nothing, policies=policies)
    assert life.go([], *nothing, policies=policies) == [GONE] * 12


@pytest.mark.parametrize("number", [1, 12])
def test_absence_by_a_clock_that_was_ahead_begins_anew(number: int) -> None:
    """One picture 400 days ahead; the clock is set right, and what is gone ends as it would have without that."""
    life = Life()
    life.go(range(number), result(*(fail(each) for each in range(number))))
    life.go([], result(), seconds=400 * DAY)
    assert life.go([], result(), seconds=900 - 400 * DAY) == []
    assert {each.absent_since for each in life.known.values()} == {life.now}
    assert life.go([], result(), seconds=DAY) == [GONE] * number


def test_a_collapse_that_was_none_ends_when_the_resources_are_back() -> None:
    life = Life()
    everything = result(*(fail(number) for number in range(30)))
    life.go(range(30), everything)
    life.go([], result())
    assert life.go([], result()) == []
    assert life.go(range(30), everything) == []
    assert all(finding.absences == 0 for finding in life.known.values())


@pytest.mark.parametrize(("whole", "vanished"), [(12, 9), (40, 12)])
def test_a_few_resources_that_vanish_are_believed(whole: int, vanished: int) -> None:
    life = Life()
    life.go(range(whole), result(*(fail(number) for number in range(whole))))
    rest = result(*(fail(number) for number in range(vanished, whole)))
    life.go(range(vanished, whole), rest)
    assert life.go(range(vanished, whole), rest) == [GONE] * vanished


def test_resources_that_all_comply_are_believed_at_once() -> None:
    life = Life()
    life.go(range(30), result(*(fail(number) for number in range(30))))
    assert life.go(range(30), result()) == [MENDED] * 30


LOGIN = Policy("login-failures", "Login failures", EVENT, Level.MEDIUM)


def login(event: str, at: int) -> Verdict:
    actor = {"actor.email": "jo@example.com", "actor.ip": "192.0.2.1", "actor.type": "session", "type": "login.failed"}
    record = Record(EVENT, (event,), actor, b"{}")
    return Verdict(
        "login-failures",
        Level.MEDIUM,
        Outcome.FAIL,
        EVENT,
        (event,),
        event,
        "failed",
        record=record,
        events=(event,),
        at=at,
    )


def test_an_occurrence_is_told_once_with_who_did_it() -> None:
    life, policies = Life(), {"login-failures": LOGIN}
    verdicts = [login("event_1", 50), login("event_1", 50)]
    assert life.keep(occur("acme", verdicts, policies, life.known, 60)) == [NEW]
    assert life.keep(occur("acme", verdicts, policies, life.known, 70)) == []
    assert life.only.occurrence
    assert (life.only.opened_at, life.only.changed_at) == (50, 60)
    assert life.only.evidence["actor"] == {"email": "jo@example.com", "ip": "192.0.2.1", "type": "session"}
    assert life.only.evidence["events"] == ["event_1"]


def test_an_occurrence_ends_after_14_days_and_not_by_pictures() -> None:
    life, policies = Life(), {"login-failures": LOGIN}
    life.keep(occur("acme", [login("event_1", 50)], policies, life.known, 60))
    for _ in range(3):
        assert life.go([], policies=policies) == []
    assert life.keep(expire(life.active, 50 + EXPIRY - 1)) == []
    assert life.keep(expire(life.active, 50 + EXPIRY)) == [(State.OPEN, State.RESOLVED, Reason.EXPIRED)]
    assert life.keep(occur("acme", [login("event_1", 50)], policies, life.known, 70)) == []


def test_a_state_never_expires(life: Life) -> None:
    assert life.keep(expire(life.active, 10 * EXPIRY)) == []


def test_an_occurrence_of_a_removed_policy_is_closed_by_one_rule_alone() -> None:
    life = Life()
    life.keep(occur("acme", [login("event_1", 50)], {}, life.known, 60))
    young = reconcile("acme", life.active, [], picture([], 70), {}, 70, {})
    assert [told(each) for each in young.transitions] == [(State.OPEN, State.RESOLVED, Reason.POLICY_REMOVED)]
    late = 50 + EXPIRY
    assert reconcile("acme", life.active, [], picture([], late), {}, late, {}).transitions == ()
    assert len(expire(life.active, late).transitions) == 1
