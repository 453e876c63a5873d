"""A state machine over histories of deliveries: whatever fails, nothing is lost, overtaken, or told under two names.

Findings come and go, sinks fail in every way, two processes die and stand still at any point, clocks jump, people
silence. A sample runs always, 5,000 histories with AUDITOR_PROVE=1.
"""

import asyncio
import os
from collections import Counter

import pytest
from delivery_checks import at_the_end, so_far
from delivery_outside import Inline, Outcome, Times, store_in
from delivery_world import World
from figures import Figure
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from auditor.alerts.lane import UNLIMITED
from auditor.store.outbox import Progress

PROVE = os.environ.get("AUDITOR_PROVE") == "1"
PARTS = 2 if PROVE else 1
"""For two cores."""
HISTORIES = 5000 // PARTS if PROVE else 60
STEPS = 20
YEAR = 365 * 86_400

pytestmark = pytest.mark.timeout(7200 if PROVE else 300)

TIMES = Times()
seen: Counter[str] = Counter()


class Deliveries(RuleBasedStateMachine):
    """Four findings under two policies, two sinks, two processes."""

    store = store_in(TIMES)
    runner = asyncio.Runner()
    which = st.integers(0, 1)
    outcomes = st.lists(st.sampled_from(Outcome), max_size=6)

    @initialize(storm_limit=st.sampled_from([UNLIMITED, 4, 2, 1]))
    def begin(self, storm_limit: int) -> None:
        seen["histories"] += 1
        self.told = 0
        self.runner.get_loop().set_default_executor(Inline())
        self.runner.run(self._begin(storm_limit))

    async def _begin(self, storm_limit: int) -> None:
        self.world = World(self.store, TIMES, storm_limit)

    @rule(findings=st.lists(st.integers(0, 3), min_size=1, max_size=4), poison=st.sampled_from([False] * 9 + [True]))
    def change(self, findings: list[int], poison: bool) -> None:
        """Findings open or end."""
        for finding in findings:
            self.world.change(f"f{finding}", f"p{finding % 2}", poison=poison)
            seen["changes"] += 1

    @rule(process=which, plan=outcomes)
    def deliver(self, process: int, plan: list[Outcome]) -> None:
        """A process sends what is due, with these outcomes."""
        self.world.outside.plan = list(plan)
        self.runner.run(self.world.processes[process].deliver())

    @rule(process=which, plan=outcomes, deadly=st.integers(1, 12), commits=st.booleans())
    def die(self, process: int, plan: list[Outcome], deadly: int, commits: bool) -> None:
        """A process sends what is due and dies at one of its commits, if it comes so far."""
        self.world.outside.plan = list(plan)
        self.runner.run(self.world.processes[process].deliver(deadly, commits=commits))

    @rule(plan=outcomes)
    def deliver_together(self, plan: list[Outcome]) -> None:
        """Both at the same time."""
        self.world.outside.plan = list(plan)
        self.runner.run(self._together())

    async def _together(self) -> None:
        await asyncio.gather(*(process.deliver() for process in self.world.processes))

    @rule(process=which)
    def go_on(self, process: int) -> None:
        """Whoever stood still goes on."""
        self.runner.run(self.world.processes[process].go_on())

    @rule(process=which)
    def restart(self, process: int) -> None:
        """Killed from outside, whatever it was doing."""
        self.runner.run(self._restart(process))

    async def _restart(self, process: int) -> None:
        self.world.processes[process].start()

    @rule(seconds=st.sampled_from([1, 21, 50, 100, 1000, 86_400]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        TIMES.database += seconds

    @rule(seconds=st.sampled_from([-YEAR, -3600, -1, 3600, YEAR]))
    def jump(self, seconds: int) -> None:
        """The clock of the processes is set."""
        TIMES.skew += seconds
        seen["jumps"] += 1

    @rule(policy=which, seconds=st.sampled_from([60, 3600, 10**9]))
    def silence(self, policy: int, seconds: int) -> None:
        """Somebody silences a policy."""
        self.world.silence(f"p{policy}", seconds)
        seen["silences"] += 1

    @rule(ends=st.booleans())
    def review(self, ends: bool) -> None:
        """What nothing holds back is let go; all silences may end before."""
        if ends:
            self.world.expire()
        self.world.review()

    @rule()
    def retry(self) -> None:
        """Somebody mends the sinks, and has what was given up told again."""
        self.world.retry()

    @invariant()
    def all_is_well(self) -> None:
        so_far(self.world)

    def teardown(self) -> None:
        """Nothing fails any more, much time passes, and all is accounted for."""
        self.runner.run(self.world.end())
        so_far(self.world)
        seen.update(at_the_end(self.world))
        seen.update(self.world.outside.seen)
        seen["deaths"] += self.world.deaths


@pytest.mark.parametrize("part", range(PARTS))
def test_no_history_of_a_delivery_loses_or_overtakes_anything(figure: Figure, part: int) -> None:
    seen.clear()
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not PROVE,
            suppress_health_check=list(HealthCheck),
        ),
    )
    figure(
        f"{seen['histories']:,} histories of deliveries (part {part + 1} of {PARTS}), "
        f"{seen['changes']:,} changes, {seen['deaths']:,} deaths, "
        f"{seen['jumps']:,} jumps of the clock, {seen['silences']:,} silences, "
        f"{seen[Outcome.UNANSWERED]:,} answers lost: {seen['delivered']:,} messages delivered, "
        f"{seen['dead']:,} given up with a word, {seen['suppressed']:,} held back, "
        f"{seen['arrived'] - seen['delivered']:,} repeated; none lost or overtaken, none repeated under another key "
        "but for what was refused with others or retried by hand between"
    )
    assert seen["histories"] >= HISTORIES
    assert seen["delivered"] > HISTORIES


def test_a_death_while_a_digest_is_given_up_leaves_none_of_it_to_be_told_alone() -> None:
    """The history in which it did: what was told together is tried for days, and then one process dies."""
    history = Deliveries()
    history.begin(UNLIMITED)
    history.change(findings=[0, 0], poison=False)
    history.wait(seconds=21)
    history.deliver(process=0, plan=[Outcome.DOWN] * 6)
    history.wait(seconds=4 * 86_400)
    history.deliver_together(plan=[Outcome.UNANSWERED, Outcome.DIES_BEFORE])
    history.all_is_well()
    assert any(row.state is Progress.DEAD for row in history.world.rows().values())
    history.teardown()


def test_a_digest_that_may_have_arrived_is_let_go_whole_after_a_silence() -> None:
    """The history in which only the end of a finding was, under another key than with its opening before."""
    history = Deliveries()
    history.begin(UNLIMITED)
    history.change(findings=[1, 0, 0], poison=False)
    history.deliver_together(plan=[Outcome.STOPS_BEFORE, Outcome.UNANSWERED])
    history.wait(seconds=21)
    history.silence(policy=0, seconds=60)
    history.teardown()


@pytest.mark.timeout(60)
def test_a_storm_of_one_group_finds_the_message_that_no_sink_takes() -> None:
    """The history that never ended: the same digest was made of it again and again, at once."""
    history = Deliveries()
    history.begin(1)
    history.change(findings=[0], poison=False)
    history.change(findings=[2], poison=True)
    history.wait(seconds=21)
    history.deliver(process=0, plan=[])
    history.all_is_well()
    history.teardown()
