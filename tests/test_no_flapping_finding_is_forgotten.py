"""The end of flapping, its reminders, what it never touches, and its due date: passes over one finding, and a store."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from audits import SQLITE_ONLY, auditing, begin, routed
from organization import NOW

from auditor.alerts.message import Alert, AlertKind, decode
from auditor.config import Findings
from auditor.findings.flapping import Guard
from auditor.findings.model import Decision, Finding, Reason, Transition
from auditor.findings.reconcile import reconcile
from auditor.findings.waivers import Decided
from auditor.inventory.model import Collection, Record, Snapshot
from auditor.jobs import announce, flapping, lifecycle
from auditor.jobs.context import Audit
from auditor.policy.model import Policy, PolicyResult, Verdict
from auditor.store import findings, outbox, transitions
from auditor.store.database import Store
from auditor.terms import Level, Outcome, State

pytest_plugins = ["databases"]

HOUR = 3600
DAY = 86_400
QUARTER = 900
PLAIN = "owner-outside-groups"
PROTECTED = "auditor-key-ending"


class Passes:
    """What each pass does with the verdicts on one resource, without the collecting before it."""

    def __init__(self, audit: Audit, policy: str = PLAIN) -> None:
        rules = Findings.model_validate({"due": {"critical": "2d", "high": "2d", "medium": "2d", "low": "2d"}})
        self.audit = replace(audit, rules=rules, routing=routed(sinks=("here",)))
        self.policy: Policy = audit.policies.by_name[policy]
        self.record = Record(self.policy.kind, ("thing_1",), {"id": "thing_1", "name": "<!channel>"})
        self.now = NOW

    def go(self, fails: bool, seconds: int = QUARTER) -> None:
        """A pass in which the resource is at fault, or complies."""
        self.now += seconds
        policies, record, kind = self.audit.policies.by_name, self.record, self.policy.kind
        snapshot = Snapshot("acme", self.now, {kind: Collection(kind, (record,), ())})
        fail = Verdict(
            self.policy.name, self.policy.level, Outcome.FAIL, kind, record.ids, record.name, "bad", record=record
        )
        verdicts = (fail,) if fails else ()
        result = PolicyResult(self.policy.name, Outcome.FAIL if fails else Outcome.PASS, 1, verdicts, frozenset())
        with self.audit.store.transaction() as tx:
            active, known = findings.active(tx, "acme"), {each.id: each for each in findings.search(tx, "acme")}
            changed = reconcile("acme", active, [result], snapshot, policies, self.now, known)
            standing = lifecycle.standing(active, changed)
            late = lifecycle.overdue(tx, self.audit, standing, Decided(), self.now)
            findings.save(tx, (*changed.findings, *late))
            transitions.add(tx, changed.transitions, None)
            announce.transitions(
                tx, self.audit, flapping.calmed(tx, self.audit, changed.transitions, self.now), self.now
            )

    def toggle(self, times: int, seconds: int) -> None:
        """Open and close, each for `seconds`."""
        for _ in range(times):
            self.go(fails=True, seconds=seconds)
            self.go(fails=False, seconds=seconds)

    @property
    def finding(self) -> Finding:
        with self.audit.store.transaction() as tx:
            (found,) = findings.search(tx, "acme")
        return found

    def put(self, finding: Finding) -> None:
        with self.audit.store.transaction() as tx:
            findings.save(tx, [finding])

    @property
    def told(self) -> Sequence[Alert]:
        with self.audit.store.transaction() as tx:
            return [decode(each.message.alert) for each in reversed(outbox.listing(tx, limit=10_000))]

    @property
    def notices(self) -> list[Alert]:
        return [each for each in self.told if each.title.startswith("Flapping: ")]


@SQLITE_ONLY
async def test_what_flapped_once_and_then_seldom_goes_is_told_of(store: Store) -> None:
    """Four openings within two hours, then off for a quarter of an hour in each 22 hours: open nearly all the time."""
    begin(store)
    async with auditing("http://127.0.0.1:9/v1", store) as audit:
        passes = Passes(audit)
        passes.toggle(4, QUARTER)
        assert len(passes.notices) == 1
        before = len(passes.told)
        for _ in range(15):
            passes.go(fails=True)
            for _ in range(3):
                passes.go(fails=True, seconds=(22 * HOUR - 2 * QUARTER) // 3)
            passes.go(fails=False)
        passes.go(fails=True)
        changes = [each.kind for each in passes.told[before:] if not each.about]

    assert passes.finding.flapping_since is None
    assert passes.finding.state is State.REOPENED
    assert changes == [AlertKind.REOPENED, *(AlertKind.RESOLVED, AlertKind.REOPENED) * 14]
    assert len(passes.notices) == 1


async def test_while_it_goes_on_people_are_told_so_once_a_day(store: Store) -> None:
    begin(store)
    async with auditing("http://127.0.0.1:9/v1", store) as audit:
        passes = Passes(audit)
        passes.toggle(4, HOUR)
        began = passes.finding.flapping_since
        assert began is not None
        while passes.now < began + 4 * DAY - 2 * HOUR:
            passes.toggle(1, HOUR)
            again = Passes(audit)
            with store.transaction() as tx:
                assert flapping.calmed(tx, again.audit, [], passes.now) == [], "a second process"
        assert len({each.id for each in passes.notices}) == len(passes.notices) == 4
        assert [each.text for each in passes.notices[1:]] == [
            "Comes and goes: opened 12 times within a day, told once a day while that lasts: bad"
        ] * 3
        assert all(0 <= each.at - began - day * DAY < 2 * HOUR for day, each in enumerate(passes.notices))
        assert [each for each in passes.told if each.at > began and not each.about] == []


@SQLITE_ONLY
@pytest.mark.parametrize("state", [State.ACKNOWLEDGED, State.WAIVED])
async def test_what_somebody_decided_is_not_told_again(store: Store, state: State) -> None:
    begin(store)
    async with auditing("http://127.0.0.1:9/v1", store) as audit:
        passes = Passes(audit)
        passes.toggle(12, HOUR)
        passes.go(fails=True, seconds=HOUR)
        passes.put(replace(passes.finding, state=state, decision=Decision("jo@example.com", passes.now)))
        passes.go(fails=True, seconds=7 * HOUR)
        assert passes.finding.flapping_since == NOW + 7 * HOUR
        assert passes.now - NOW > DAY + 7 * HOUR
        assert len(passes.notices) == 1


@SQLITE_ONLY
async def test_nothing_is_withheld_of_what_nothing_may_hold_back(store: Store) -> None:
    begin(store)
    async with auditing("http://127.0.0.1:9/v1", store) as audit:
        passes = Passes(audit, PROTECTED)
        passes.toggle(6, QUARTER)
        assert [each.kind for each in passes.told if not each.about] == [
            *(AlertKind.OPENED, AlertKind.RESOLVED),
            *(AlertKind.REOPENED, AlertKind.RESOLVED) * 5,
        ]
        assert passes.notices == []


@SQLITE_ONLY
async def test_what_an_earlier_version_withheld_of_it_is_told_in_the_next_pass(store: Store) -> None:
    begin(store)
    async with auditing("http://127.0.0.1:9/v1", store) as audit:
        passes = Passes(audit, PROTECTED)
        passes.toggle(6, QUARTER)
        mended = passes.finding
        with store.transaction() as tx:
            reopened = replace(mended, state=State.REOPENED, changed_at=passes.now, flapping_since=NOW)
            findings.save(tx, [reopened])
            transitions.add(tx, [Transition(reopened, State.RESOLVED, Reason.DETECTED_AGAIN, passes.now)], None)
        before = len(passes.told)
        passes.go(fails=True)
        assert [each.kind for each in passes.told[before:]] == [AlertKind.REOPENED]
        assert passes.finding.flapping_since is None
        passes.go(fails=False)
        assert [each.kind for each in passes.told[before:]] == [AlertKind.REOPENED, AlertKind.RESOLVED]


@SQLITE_ONLY
async def test_coming_and_going_gives_no_more_time(store: Store) -> None:
    begin(store)
    async with auditing("http://127.0.0.1:9/v1", store) as audit:
        passes = Passes(audit)
        passes.toggle(4, HOUR)
        began = passes.finding.flapping_since
        assert began is not None
        while passes.now < began + 3 * DAY:
            passes.toggle(1, HOUR)
        late = [each for each in passes.told if each.title.startswith("Overdue: ")]
        assert [each.at - began for each in late] == [2 * DAY]
        passes.go(fails=True)
        for _ in range(9):
            passes.go(fails=True, seconds=6 * HOUR)
        calm = passes.finding
        assert (calm.flapping_since, calm.state) == (None, State.REOPENED)
        assert calm.due_from == began, "it stood all the time, or nearly"
        assert len([each for each in passes.told if each.title.startswith("Overdue: ")]) == 1


@SQLITE_ONLY
async def test_a_clock_that_was_ahead_keeps_no_finding_flapping(store: Store) -> None:
    begin(store)
    async with auditing("http://127.0.0.1:9/v1", store) as audit:
        passes = Passes(audit)
        passes.now += 400 * DAY
        passes.toggle(5, QUARTER)
        flaps = passes.finding
        assert flaps.flapping_since == passes.now - 3 * QUARTER
        before = len(passes.told)
        passes.now -= 400 * DAY
        passes.go(fails=True)
        assert passes.finding.flapping_since is None
        assert [each.kind for each in passes.told[before:]] == [AlertKind.REOPENED]


@SQLITE_ONLY
async def test_flapping_that_began_by_a_clock_ahead_and_goes_on_is_told_of(store: Store) -> None:
    begin(store)
    async with auditing("http://127.0.0.1:9/v1", store) as audit:
        passes = Passes(audit)
        passes.toggle(4, QUARTER)
        passes.put(replace(passes.finding, flapping_since=NOW + 400 * DAY))
        passes.toggle(4, QUARTER)
        assert len(passes.notices) == 2
        assert passes.finding.due_from <= passes.now


@pytest.mark.parametrize(("most", "few"), [(1, 1), (2, 1), (3, 2), (4, 2), (10, 5)])
def test_it_is_over_with_half_as_many_openings_as_what_begins_it(most: int, few: int) -> None:
    finding = Finding("f", "acme", "p", "user", ("u",), "u", Level.HIGH, State.OPEN, "t", "m", 1, 1, 1)
    flaps = replace(finding, flapping_since=1)
    change = Transition(finding, None, Reason.DETECTED, 1)
    for count in range(most + 3):
        guard = Guard(most, {"f": count}, {})
        assert (guard.settled([flaps]) == [flaps]) is (count <= few)
        assert bool(guard.calm([change]).began) is (count > most)
