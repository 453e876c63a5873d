"""A state machine over histories of findings: what people and pictures do in any order breaks no rule of their life.

Each rule is one pass, or one decision, over the pure middle; a model that knows the truth is kept beside it. A sample
runs always, 5,000 histories with AUDITOR_PROVE=1.
"""

import os
from collections.abc import Mapping
from dataclasses import replace

from figures import Figure
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from auditor.findings.matcher import Matcher
from auditor.findings.model import Decision, Finding, Reason, Reconciled, Transition
from auditor.findings.reconcile import reconcile
from auditor.findings.waivers import Decided, Use, Waiver, decide
from auditor.inventory.model import Collection, Gap, Record, Scope, Snapshot
from auditor.policy.model import Policy, PolicyResult, Verdict
from auditor.terms import Level, Outcome, State, Status

KIND = "project_api_key"
POLICY = Policy("stale", "Stale key", KIND, Level.HIGH)
KEYS = ("key_1", "key_2", "key_3")
DAY = 86_400
PROVE = os.environ.get("AUDITOR_PROVE") == "1"
HISTORIES = 5000 if PROVE else 60
STEPS = 25

STANDING = (State.OPEN, State.ACKNOWLEDGED, State.REOPENED, State.WAIVED)
TURNS: Mapping[Reason, tuple[tuple[State | None, ...], State]] = {
    Reason.DETECTED: ((None,), State.OPEN),
    Reason.DETECTED_AGAIN: ((State.RESOLVED,), State.REOPENED),
    Reason.COMPLIES: (STANDING, State.RESOLVED),
    Reason.GONE: (STANDING, State.RESOLVED),
    Reason.POLICY_REMOVED: (STANDING, State.RESOLVED),
    Reason.ACKNOWLEDGED: ((State.OPEN, State.REOPENED), State.ACKNOWLEDGED),
    Reason.WAIVED: (STANDING, State.WAIVED),
    Reason.WAIVER_EXPIRED: ((State.WAIVED,), State.REOPENED),
    Reason.WAIVER_VOID: ((State.WAIVED,), State.REOPENED),
    Reason.WAIVER_REMOVED: ((State.WAIVED,), State.REOPENED),
}
"""From which states to which one each reason may lead."""

seen = {"histories": 0, "transitions": 0}


class Lives(RuleBasedStateMachine):
    """Three keys under one policy, and everything that can happen to their findings."""

    keys = st.sampled_from(KEYS)
    waiver_ids = st.sampled_from(["first", "second"])
    looks = st.sampled_from([True, True, True, False])

    @initialize()
    def begin(self) -> None:
        seen["histories"] += 1
        self.now = DAY
        self.truth: dict[str, str] = dict.fromkeys(KEYS, "fail")
        self.owners = dict.fromkeys(KEYS, "ada@example.com")
        self.hidden: set[str] = set()
        self.in_force = True
        self.waivers: dict[str, Waiver] = {}
        self.uses: dict[tuple[str, str], Use] = {}
        self.known: dict[str, Finding] = {}
        self.log: list[Transition] = []
        self.judged = True
        self.seen_owners: dict[str, str] = {}
        self.absences = dict.fromkeys(KEYS, 0)

    @rule(key=keys, what=st.sampled_from(["fail", "pass", "absent"]), look=looks)
    def happen(self, key: str, what: str, look: bool) -> None:
        """A key becomes stale, is mended, or is deleted."""
        self.truth[key] = what
        self.then(look)

    @rule(key=keys, look=looks)
    def hide(self, key: str, look: bool) -> None:
        """What is known of one key is refused from now on, or read again."""
        self.hidden ^= {key}
        self.then(look)

    @rule(key=keys, owner=st.sampled_from(["ada@example.com", "bo@example.com"]), look=looks)
    def change(self, key: str, owner: str, look: bool) -> None:
        """The fact that waivers may pin changes."""
        self.owners[key] = owner
        self.then(look)

    @rule(there=st.sampled_from([True, True, False]))
    def remove_policy(self, there: bool) -> None:
        """The policy is removed, or comes back."""
        self.in_force = there
        self.then(look=True)

    @rule(id_=waiver_ids, keys=st.sets(keys, min_size=1), days=st.integers(1, 5), pinned=st.booleans(), look=looks)
    def waive(self, id_: str, keys: set[str], days: int, pinned: bool, look: bool) -> None:
        """A waiver is written, or rewritten."""
        pins = ("owner.email",) if pinned else ()
        match = Matcher(policy=("stale",), resource=tuple(sorted(keys)))
        until = self.now + days * DAY
        self.waivers[id_] = Waiver(id_, match, "known", "ada@example.com", self.now, until, pinned=pins)
        self.judged = False
        self.then(look)

    @rule(id_=waiver_ids)
    def drop(self, id_: str) -> None:
        """A waiver is gone from the file."""
        self.waivers.pop(id_, None)
        self.judged = False
        self.then(look=True)

    @rule(key=keys)
    def acknowledge(self, key: str) -> None:
        """Somebody knows of it; what is waived or resolved cannot be acknowledged."""
        for finding in list(self.known.values()):
            if finding.ids[-1] == key and finding.state in {State.OPEN, State.REOPENED}:
                decision = Decision("jo@example.com", self.now)
                after = replace(finding, state=State.ACKNOWLEDGED, changed_at=self.now, decision=decision)
                turn = Transition(after, finding.state, Reason.ACKNOWLEDGED, self.now, "jo@example.com")
                self.keep((after,), (turn,))

    @rule(seconds=st.sampled_from([900, 900, 900, DAY, 3 * DAY]))
    def look(self, seconds: int) -> None:
        """A pass: picture, verdicts, waivers, and the same once more, which must change nothing."""
        self.now += seconds
        before = dict(self.known)
        self.judge()
        again = dict(self.known)
        count = len(self.log)
        self.judge()
        assert (self.known, len(self.log)) == (again, count), "the same picture twice"
        self.check_resolved(before)
        self.check_seen()
        self.check_gone()
        self.judged = True

    @rule(key=keys)
    def look_ahead(self, key: str) -> None:
        """A key is deleted, and first missed in a pass by a clock that is far ahead; then the clock is set right."""
        self.truth[key] = "absent"
        self.look(400 * DAY)
        self.now -= 400 * DAY
        self.look(900)
        self.look(900)

    def then(self, look: bool) -> None:
        """A pass a quarter of an hour later, or none before something else happens."""
        if look:
            self.look(900)

    def judge(self) -> None:
        """One pass at this time."""
        self.seen_owners = {
            key: self.owners[key] for key in KEYS if self.truth[key] != "absent" and key not in self.hidden
        }
        records = [self.record(key) for key in self.seen_owners]
        gaps = tuple(Gap(KIND, ("proj_1", key), Status.REFUSED, "403") for key in sorted(self.hidden))
        snapshot = Snapshot("acme", self.now, {KIND: Collection(KIND, tuple(records), gaps)})
        fails = tuple(self.fail(each) for each in records if self.truth[each.id] == "fail")
        results = [PolicyResult("stale", Outcome.FAIL if fails else Outcome.PASS, 0, fails, frozenset())]
        policies = {"stale": POLICY} if self.in_force else {}
        active = {id_: each for id_, each in self.known.items() if each.state.active}
        some = results if self.in_force else []
        changed: Reconciled = reconcile("acme", active, some, snapshot, policies, self.now, self.known)
        self.keep(changed.findings, changed.transitions)
        standing = [each for each in self.known.values() if each.state.active]
        fields = {each.ids: each.fields for each in records}
        decided: Decided = decide(
            list(self.waivers.values()), standing, lambda each: fields.get(each.ids), self.uses, policies, self.now
        )
        self.uses |= {(use.waiver, use.finding): use for use in decided.uses}
        self.keep(decided.findings, decided.transitions)

    def record(self, key: str) -> Record:
        return Record(KIND, ("proj_1", key), {"name": key, "owner.email": self.owners[key]})

    def fail(self, record: Record) -> Verdict:
        return Verdict("stale", Level.HIGH, Outcome.FAIL, KIND, record.ids, record.name, "unused", record=record)

    def keep(self, findings: tuple[Finding, ...], turns: tuple[Transition, ...]) -> None:
        """Write down what changed; every change of state must have its transition, in an order that is allowed."""
        told = {turn.finding.id: turn for turn in turns}
        assert len(told) == len(turns), "two transitions of one finding in one step"
        for finding in findings:
            before = self.known.get(finding.id)
            state = before.state if before else None
            if finding.state is not state:
                assert finding.id in told, f"{state} became {finding.state} without a transition"
            self.known[finding.id] = finding
        for turn in turns:
            self.check_order(turn)
        self.log += turns
        seen["transitions"] += len(turns)

    def check_order(self, turn: Transition) -> None:
        allowed, after = TURNS[turn.reason]
        assert turn.before in allowed, f"{turn.reason} of what was {turn.before}"
        assert turn.finding.state is after
        assert turn.finding == self.known[turn.finding.id]
        last = next((each for each in reversed(self.log) if each.finding.id == turn.finding.id), None)
        assert turn.before == (last.finding.state if last else None), "a transition was lost"

    def check_resolved(self, before: Mapping[str, Finding]) -> None:
        """What could not be seen resolves nothing while its policy stands."""
        for id_, old in before.items():
            key: Scope = old.ids
            if self.in_force and key[-1] in self.hidden and old.state.active:
                assert self.known[id_].state.active, "resolved behind a gap"

    def check_seen(self) -> None:
        """What a pass saw is what stands: a fault that was seen is a finding, and one that was seen mended is none."""
        standing = {each.ids[-1] for each in self.known.values() if each.state.active}
        if not self.in_force:
            assert not standing
            return
        for key in self.seen_owners:
            assert (key in standing) is (self.truth[key] == "fail")

    def check_gone(self) -> None:
        """What is absent ends in the second picture; in the third, if the first one came by a clock that was ahead."""
        standing = {each.ids[-1] for each in self.known.values() if each.state.active}
        for key in KEYS:
            absent = self.truth[key] == "absent" and key not in self.hidden
            self.absences[key] = self.absences[key] + 1 if absent else 0
            assert self.absences[key] < 3 or key not in standing

    @invariant()
    def every_state_is_the_last_transition(self) -> None:
        last = {turn.finding.id: turn.finding.state for turn in self.log}
        assert last == {id_: each.state for id_, each in self.known.items()}

    @invariant()
    def what_is_waived_has_a_waiver_that_is_worth_something(self) -> None:
        if not self.judged:
            return
        for finding in self.known.values():
            if not finding.waived:
                continue
            assert finding.decision
            waiver = self.waivers[finding.decision.waiver]
            assert waiver.on <= self.now < waiver.until
            assert waiver.match.matches(finding)
            use = self.uses.get((waiver.id, finding.id))
            if waiver.pinned:
                assert use
                assert use.void_at is None
                assert use.grant == waiver.grant
                if self.looked_at(finding):
                    assert use.facts["owner.email"] == self.seen_owners[finding.ids[-1]]

    def looked_at(self, finding: Finding) -> bool:
        """Whether the last pass saw the resource."""
        return finding.ids[-1] in self.seen_owners

    @invariant()
    def what_stands_open_is_covered_by_no_unpinned_waiver(self) -> None:
        if not self.judged:
            return
        covering = [each for each in self.waivers.values() if self.now < each.until and not each.pinned]
        for finding in self.known.values():
            if finding.state.active and not finding.waived:
                assert not any(each.match.matches(finding) for each in covering)


def test_no_order_of_what_pictures_and_people_do_breaks_the_life_of_a_finding(figure: Figure) -> None:
    for name in seen:
        seen[name] = 0
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not PROVE,
            suppress_health_check=list(HealthCheck),
        ),
    )
    figure(f"{seen['histories']:,} histories, {seen['transitions']:,} transitions: no order violated, none lost")
    assert seen["histories"] >= HISTORIES
    assert seen["transitions"] > HISTORIES
