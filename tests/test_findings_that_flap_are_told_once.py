"""The flap guard: what opens and resolves all day is one notice, its state stays right, and its end is told."""

from dataclasses import replace

import pytest
from audits import SQLITE_ONLY, auditing, begin, routed
from deliveries import Channel
from organization import NOW, served, small

from auditor.alerts.deliver import Deliverer
from auditor.alerts.gate import Gate
from auditor.alerts.lane import Terms
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.sink import Sink, SinkConfig
from auditor.config import Findings
from auditor.jobs.context import Audit
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.simulator.dice import Dice
from auditor.simulator.model import Organization
from auditor.simulator.people import new_user
from auditor.store import findings
from auditor.store.database import Store
from auditor.terms import State

pytest_plugins = ["databases"]

POLICY = "owner-outside-groups"
RULES = Findings.model_validate({"flapping": 2, "due": dict.fromkeys(("critical", "high", "medium", "low"), "900d")})
STEP = 900


class World:
    """An organization with strangers who are taken the role of owners, and given it again; a channel is told."""

    def __init__(self, store: Store, people: int = 1) -> None:
        self.store, self.now = store, NOW
        self.channel = Channel()
        self.organization: Organization = small()
        dice = Dice(self.organization.seed, "stranger", 0)
        for number in range(people):
            email = f"stranger{number}@example.net"
            user = new_user(dice, name=f"Stranger {number}", email=email, role="reader", added_at=NOW)
            self.organization.users[user.id] = user

    async def go(self, role: str, seconds: int = STEP) -> State | None:
        """A pass while they have this role, and what is delivered then; the state of the finding about the first."""
        self.now += seconds
        strangers = [each for each in self.organization.users.values() if "Stranger" in str(each.name)]
        for each in strangers:
            each.role = role
        with served(self.organization, keys=None) as (address, _):
            async with auditing(address, self.store) as audit:
                strict = replace(audit, rules=RULES, routing=routed())
                await take(strict, await poll(strict, self.now), self.now)
                await self._deliver(strict)
        with self.store.transaction() as tx:
            mine = [each for each in findings.search(tx, policy=POLICY) if each.ids[-1] == strangers[0].id]
        return mine[0].state if mine else None

    async def _deliver(self, audit: Audit) -> None:
        sinks = {"here": Sink("here", "channel", SinkConfig(), self.channel.send)}
        gate, terms = Gate(audit.teller), Terms(storm_limit=1_000_000)
        await Deliverer(self.store, sinks, "owner", terms=terms, gate=gate).deliver_due()

    @property
    def told(self) -> list[Alert]:
        """What the channel got, in its order."""
        return [each for each in self.channel.got if each.policy == POLICY and "Stranger" in each.resource_name]

    @property
    def kinds(self) -> list[AlertKind]:
        return [alert.kind for alert in self.told]


@SQLITE_ONLY
async def test_what_comes_and_goes_is_one_notice_and_its_state_stays_right(store: Store) -> None:
    begin(store)
    world = World(store)
    await world.go("reader")
    states = [await world.go(role) for role in ("owner", "reader") * 5]

    assert states == [State.OPEN, State.RESOLVED, *(State.REOPENED, State.RESOLVED) * 4]
    assert world.kinds == [
        *(AlertKind.OPENED, AlertKind.RESOLVED, AlertKind.REOPENED, AlertKind.RESOLVED),
        AlertKind.NOTICE,
    ]
    notice = world.told[-1]
    assert notice.title.startswith("Flapping: ")
    assert "opened 3 times within a day" in notice.text


@SQLITE_ONLY
@pytest.mark.parametrize(
    ("role", "kind", "state"),
    [("owner", AlertKind.REOPENED, State.REOPENED), ("reader", AlertKind.RESOLVED, State.RESOLVED)],
)
async def test_how_it_stands_is_told_once_it_stayed_so_for_a_day(
    store: Store, role: str, kind: AlertKind, state: State
) -> None:
    begin(store)
    world = World(store)
    for each in ("owner", "reader") * 3:
        await world.go(each)
    await world.go(role)
    before = world.kinds
    await world.go(role, 80_000)
    assert world.kinds == before
    assert await world.go(role, 86_400) is state
    assert world.kinds == [*before, kind]
    await world.go(role)
    assert world.kinds == [*before, kind]


@SQLITE_ONLY
@pytest.mark.parametrize("people", [1, 5])
async def test_the_last_word_of_each_is_told_however_many_come_and_go_together(store: Store, people: int) -> None:
    begin(store)
    world = World(store, people)
    for each in ("owner", "reader") * 3:
        await world.go(each)
    assert world.kinds[-people:] == [AlertKind.NOTICE] * people
    await world.go("reader", 90_000)
    assert world.kinds[-people:] == [AlertKind.RESOLVED] * people
    assert len({alert.finding for alert in world.told[-people:]}) == people


async def test_what_comes_back_once_a_day_is_told_each_time(store: Store) -> None:
    begin(store)
    world = World(store)
    for each in ("owner", "reader") * 4:
        await world.go(each, 43_200)
    assert world.kinds == [AlertKind.OPENED, AlertKind.RESOLVED, *(AlertKind.REOPENED, AlertKind.RESOLVED) * 3]
