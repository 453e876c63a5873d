"""A delivery in an unreliable world: findings change, people silence, processes deliver, and all is accounted for.

Store, routes, deliverer, gate and review are the product's own.
"""

import asyncio
from collections import defaultdict
from dataclasses import replace

from delivery_outside import BEGIN, Death, Mortal, Outside, Times
from pydantic import SecretStr
from sqlalchemy import text

from auditor.adminapi.client import AdminClient
from auditor.alerts.deliver import Delivered, Deliverer
from auditor.alerts.gate import Gate
from auditor.alerts.lane import UNLIMITED, Terms
from auditor.alerts.message import decode
from auditor.alerts.outgoing import gather
from auditor.alerts.route import Routing
from auditor.alerts.sink import Sink, SinkConfig
from auditor.findings.model import Finding, Reason, Transition
from auditor.jobs.context import Audit
from auditor.jobs.review import release
from auditor.policy.load import PolicySet
from auditor.routing import RoutingConfig
from auditor.store import findings, outbox, silences
from auditor.store.database import Store
from auditor.store.dead import revive
from auditor.store.outbox import Entry
from auditor.terms import Level, State

SINKS = ("chat", "pager")
ROUTES = RoutingConfig.model_validate(
    {
        "sinks": SINKS,
        "routes": [
            {"to": ["chat"], "group_by": ["policy"], "group_wait": "20s", "group_interval": "90s", "continue": True},
            {"to": ["pager"], "group_by": ["..."], "group_wait": "0s", "group_interval": "0s"},
        ],
    }
)
NEW = Finding("f", "acme", "p", "user", ("u",), "", Level.HIGH, State.OPEN, "Title", "Text", BEGIN, BEGIN, BEGIN)


class Process:
    """One of the processes that deliver."""

    def __init__(self, world: "World", name: str) -> None:
        self._world = world
        self._name = name
        self._task: asyncio.Task[Delivered] | None = None
        self._stopped, self._onward = asyncio.Event(), asyncio.Event()
        self._since = 0.0
        self.start()

    def start(self) -> None:
        """Anew, knowing nothing of what was."""
        if self._task:
            self._task.cancel()
        self._task = None
        self._stopped.clear()
        world = self._world
        self._store = Mortal(world.store._engine, "")
        send = world.outside.sender
        sinks = {name: Sink(name, "outside", SinkConfig(), send(name, self._stop, self._is_late)) for name in SINKS}
        self._deliverer = Deliverer(
            self._store,
            sinks,
            self._name,
            terms=Terms(storm_limit=world.storm_limit, storm_window=60, watch=0),
            gate=world.gate,
            now=world.times.now,
            chance=lambda: 0.5,
        )

    async def deliver(self, deadly: int = 0, *, commits: bool = False) -> None:
        """Send what is due until nothing is left, or the process is dead or stands still."""
        if self._task is None:
            self._store.deadly, self._store.commits = deadly, commits
            self._since = self._world.times.database
            self._task = asyncio.create_task(self._deliverer.deliver_due())
        await self._follow()

    async def go_on(self) -> None:
        """If it stands still."""
        if self._task:
            self._stopped.clear()
            self._onward.set()
            await self._follow()

    def _is_late(self) -> bool:
        return self._world.times.database != self._since

    async def _stop(self) -> None:
        self._onward.clear()
        self._stopped.set()
        await self._onward.wait()

    async def _follow(self) -> None:
        assert self._task
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait([self._task, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not self._task.done():
            return
        task, self._task = self._task, None
        if error := task.exception():
            assert isinstance(error, BaseExceptionGroup)
            assert error.split(Death)[1] is None, error
            self._world.deaths += 1
            self.start()


class World:
    """One history."""

    def __init__(self, store: Store, times: Times, storm_limit: int = UNLIMITED) -> None:
        self.store, self.times, self.storm_limit = store, times, storm_limit
        with store.transaction() as tx:
            for table in ("outbox", "silences", "findings"):
                tx.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names of our own
        times.database, times.skew = BEGIN, 0
        self.outside = Outside(SINKS)
        client = AdminClient(SecretStr("sk-admin-1"), base_url="http://127.0.0.1:1")
        self.audit = Audit("acme", client, store, PolicySet(), routing=Routing(ROUTES))
        self.gate = Gate(self.audit.teller, times.now)
        self.changes: dict[str, list[Finding]] = defaultdict(list)
        self.deaths = 0
        self.held: set[tuple[str, str]] = set()
        """Sink and name of what was ever held back."""
        self.revived: set[tuple[str, str]] = set()
        """Sink and name of what was given up and is told again: late, and by itself."""
        self.processes = [Process(self, name) for name in ("one", "two")]

    @property
    def _now(self) -> int:
        return int(self.times.now().timestamp())

    def change(self, name: str, policy: str, *, poison: bool) -> None:
        """A finding opens, or ends; what is to be told of it is queued with that."""
        told = f"{name}-{len(self.changes[name])}"
        active = len(self.changes[name]) % 2 == 0
        state = (State.REOPENED if self.changes[name] else State.OPEN) if active else State.RESOLVED
        reason = Reason.COMPLIES if not active else Reason.DETECTED_AGAIN if self.changes[name] else Reason.DETECTED
        at = BEGIN + sum(map(len, self.changes.values()))
        finding = replace(NEW, id=name, policy=policy, name=told, state=state, changed_at=at)
        self.changes[name].append(finding)
        if poison:
            self.outside.poison.add(told)
        alert = self.audit.teller.of(Transition(finding, None, reason, at))
        assert alert
        with self.store.transaction() as tx:
            findings.save(tx, [finding])
            gather(tx, [(alert, goes) for goes in self.audit.routing.destinations(alert)], self._now)

    def silence(self, policy: str, seconds: int) -> None:
        """People do not want to hear of a policy for a while."""
        now = self._now
        with self.store.transaction() as tx:
            silences.add(tx, {"policy": [policy]}, "ada", "known", now=now, starts_at=now, ends_at=now + seconds)

    def expire(self) -> None:
        """All silences end now."""
        with self.store.transaction() as tx:
            tx.execute(text("UPDATE silences SET starts_at = 0, ends_at = 1"))

    def review(self) -> None:
        """What nothing holds back any more is let go."""
        release(self.audit, self.gate)

    def retry(self) -> None:
        """Whatever the sinks did not like is mended, and what was given up is told again."""
        self.outside.poison.clear()
        with self.store.transaction() as tx:
            back, _ = revive(tx, SINKS)
        self.revived |= {(each.message.sink, _name(each)) for each in back}

    def rows(self) -> dict[tuple[str, str], Entry]:
        """All messages by sink and name, oldest first."""
        with self.store.transaction() as tx:
            listed = outbox.listing(tx, limit=10_000)[::-1]
        return {(each.message.sink, _name(each)): each for each in listed}

    async def end(self) -> None:
        """Nothing fails any more, and much time passes."""
        self.outside.plan.clear()
        for process in self.processes:
            await process.go_on()
        self.expire()
        for _ in range(100):
            self.times.database += 7200
            self.review()
            for process in self.processes:
                await process.deliver()
            owed = [each for each in self.rows().values() if not each.settled_at]
            if not owed:
                return
        raise AssertionError(f"still owed at {self.times}: {owed}")


def _name(entry: Entry) -> str:
    alert = decode(entry.message.alert)
    return alert.resource_name or alert.id
