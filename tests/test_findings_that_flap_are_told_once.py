"""The flap guard: what opens and resolves all day is one notice, its state stays right, and its end is told."""

from dataclasses import replace

import pytest
from audits import SQLITE_ONLY, auditing, begin, routed
from organization import NOW, served, small

from auditor.alerts.message import Alert, AlertKind, decode
from auditor.config import Findings
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.simulator.dice import Dice
from auditor.simulator.model import Organization
from auditor.simulator.people import new_user
from auditor.store import findings, outbox
from auditor.store.database import Store
from auditor.terms import State

pytest_plugins = ["databases"]

POLICY = "owner-outside-groups"
RULES = Findings.model_validate({"flapping": 2, "due": dict.fromkeys(("critical", "high", "medium", "low"), "900d")})
STEP = 900


class World:
    """An organization with one owner who is taken the role, and given it again."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, NOW
        self.organization: Organization = small()
        dice = Dice(self.organization.seed, "stranger", 0)
        self.user = new_user(dice, name="Stranger", email="stranger@example.net", role="reader", added_at=NOW)
        self.organization.users[self.user.id] = self.user

    async def go(self, role: str, seconds: int = STEP) -> State | None:
        """A pass while the person has this role; the state of the finding about them."""
        self.now += seconds
        self.user.role = role
        with served(self.organization, keys=None) as (address, _):
            async with auditing(address, self.store) as audit:
                strict = replace(audit, rules=RULES, routing=routed())
                await take(strict, await poll(strict, self.now), self.now)
        with self.store.transaction() as tx:
            mine = [each for each in findings.search(tx, policy=POLICY) if each.ids[-1] == self.user.id]
        return mine[0].state if mine else None

    @property
    def told(self) -> list[Alert]:
        with self.store.transaction() as tx:
            found = [decode(each.message.alert) for each in outbox.listing(tx, limit=1000)]
            return [
                alert
                for alert in reversed(found)
                if alert.policy == POLICY and "Stranger" in alert.resource_name + alert.text
            ]

    @property
    def kinds(self) -> list[AlertKind]:
        """What one sink is told, in its order."""
        return [alert.kind for alert in self.told[::2]]


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


async def test_what_comes_back_once_a_day_is_told_each_time(store: Store) -> None:
    begin(store)
    world = World(store)
    for each in ("owner", "reader") * 4:
        await world.go(each, 43_200)
    assert world.kinds == [AlertKind.OPENED, AlertKind.RESOLVED, *(AlertKind.REOPENED, AlertKind.RESOLVED) * 3]
