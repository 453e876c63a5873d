"""When things are done: APScheduler ticks, due work is claimed under a lease and run, messages go out, SIGTERM drains.

What is due lives in the `work` table, not in the scheduler: a restart neither loses nor repeats anything, and ten
processes on one store run the same code as one.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC
from functools import partial
from urllib.parse import urlsplit

from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from starlette.applications import Starlette

from auditor import clock, systemd
from auditor.alerts.aside import aside
from auditor.alerts.deliver import Delivered, Deliverer
from auditor.alerts.gate import Gate
from auditor.alerts.message import Alert
from auditor.assembly import Parts, audit_of, client_of, gate_of, listeners_of
from auditor.errors import AuditorError, LeaseLost
from auditor.inventory.collect import Progress, no_progress
from auditor.jobs import announce, poll, report, snapshot, usage
from auditor.jobs.context import Audit
from auditor.jobs.lookback import LookBack
from auditor.jobs.poll import Polled
from auditor.jobs.report import Written
from auditor.jobs.schedule import KINDS, REPORT, SNAPSHOT, SWEEP, USAGE, first_due, next_due
from auditor.jobs.slacklisten import Listeners
from auditor.jobs.snapshot import Taken
from auditor.log import get
from auditor.store import work
from auditor.store.database import Store
from auditor.store.work import Lease
from auditor.web.app import create_app
from auditor.web.metrics import Metrics
from auditor.web.people import People
from auditor.web.reader import PageReader

log = get(__name__)

LEASE = 60
"""Seconds a process may be silent before another takes its work over; renewed three times as often."""
TICK = 1.0
"""Seconds between looks at what is due."""
STALLED = 60.0
"""Seconds without a tick after which the loop counts as stuck."""
DRAIN = 4.0
"""Seconds that work under way has to finish after SIGTERM. What is cut then is safe: it is claimed and done again."""


@dataclass(frozen=True)
class Watchers:
    """Who is told as things happen, for a person at a terminal."""

    progress: Progress = no_progress
    polled: Callable[[Polled], None] = lambda polled: None
    taken: Callable[[Taken], None] = lambda taken: None
    written: Callable[[Written], None] = lambda written: None
    delivered: Callable[[Alert, str], None] = lambda alert, sink: None


class Daemon:
    """The service: one process of one or many."""

    def __init__(
        self,
        parts: Parts,
        store: Store,
        metrics: Metrics,
        *,
        now: clock.Clock = clock.now,
        watchers: Watchers | None = None,
        drain: float = DRAIN,
        tick: float = TICK,
    ) -> None:
        self._parts = parts
        self._store = store
        self._metrics = metrics
        self._now = now
        self._watchers = watchers or Watchers()
        self._drain_seconds = drain
        self._tick_seconds = tick
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._audits: Mapping[str, Audit] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._ticked_at = time.monotonic()
        self._ready = False

    def live(self) -> Sequence[str]:
        """What is wrong with the loop itself, empty when it turns. What the API does is no reason to restart."""
        return [] if time.monotonic() - self._ticked_at < STALLED else ["loop"]

    def ready(self) -> Sequence[str]:
        """What keeps the daemon from its work, empty when the store answered the last time it was asked."""
        return [] if self._ready else ["store"]

    def page(self) -> Starlette:
        """The page over what this daemon stores."""
        config = self._parts.loaded.config
        reader = PageReader(
            self._store,
            tuple(config.organizations),
            lambda: self._parts.policies.by_name,
            lambda: clock.epoch(self._now()),
            lambda: self._parts.loaded.config.findings,
            lambda: self._parts.waivers,
        )
        people = People(
            users=lambda: self._parts.users,
            deciders=lambda: self._parts.loaded.config.web.deciders,
            signed_in=self._metrics.sign_in,
            decided=self._metrics.page_decision,
        )
        named = (config.web.address[0], urlsplit(config.web.external_url).hostname or "")
        hosts = (*config.web.allowed_hosts, *(_in_header(host) for host in named))
        return create_app(reader, self._metrics.render, self.ready, self.live, hosts=hosts, people=people)

    async def run(
        self,
        stop: asyncio.Event,
        hangup: asyncio.Event | None = None,
        reload: Callable[[], Parts] | None = None,
    ) -> None:
        """Work until `stop` is set, then finish what is under way.

        When `hangup` is set, `reload` gives the new parts; one that raises leaves the old ones in force. A bug stops
        the daemon and is raised.
        """
        hangup = hangup or asyncio.Event()
        self._metrics.config_loaded(clock.epoch(self._now()))
        while not stop.is_set():
            async with AsyncExitStack() as stack:
                await self._open(stack)
                gate = gate_of(self._parts, self._now)
                deliverer = self._deliverer(gate)
                scheduler = self._scheduler(deliverer, LookBack(self._audits, gate, self._now), stop)
                scheduler.start()
                drained = asyncio.Event()
                self._spawn(deliverer.drain(drained), stop, _DELIVERY)
                listeners = self._listeners(stop)
                listeners.start()
                systemd.notify("READY=1")
                await _first_of(stop, hangup)
                systemd.notify("STOPPING=1" if stop.is_set() else "STATUS=reloading")
                scheduler.shutdown(wait=False)
                listeners.stop()
                await asyncio.gather(self._drain(drained), aside(partial(listeners.ended, self._drain_seconds)))
            if self._failure:
                raise self._failure
            if hangup.is_set() and not stop.is_set():
                hangup.clear()
                await self._reload(reload)

    async def _open(self, stack: AsyncExitStack) -> None:
        """Clients and due work for the parts in force."""
        loaded = self._parts.loaded
        audits: dict[str, Audit] = {}
        for name in loaded.config.organizations:
            client = await stack.enter_async_context(client_of(loaded, name, self._metrics.api_request))
            audits[name] = audit_of(self._parts, name, client, self._store, self._watchers.progress)
        self._audits = audits
        await asyncio.to_thread(self._ensure_work)

    def _deliverer(self, gate: Gate) -> Deliverer:
        return Deliverer(
            self._store,
            self._parts.queues,
            owner=self._owner,
            gate=gate,
            now=self._now,
            on_delivered=self._watchers.delivered,
            on_turn=self._delivered,
        )

    def _listeners(self, stop: asyncio.Event) -> Listeners:
        """Who listens to the buttons of the sinks in force, on threads of their own."""
        loop = asyncio.get_running_loop()

        def broken(bug: BaseException) -> None:
            self._failure = self._failure or bug
            loop.call_soon_threadsafe(stop.set)

        return listeners_of(self._parts, self._store, self._metrics, self._now, broken)

    def _ensure_work(self) -> None:
        now, schedule = clock.epoch(self._now()), self._parts.loaded.config.schedule
        with self._store.transaction() as tx:
            for name in self._audits:
                for kind in KINDS:
                    work.ensure(tx, name, kind, first_due(kind, schedule, now))

    def _scheduler(self, deliverer: Deliverer, lookback: LookBack, stop: asyncio.Event) -> AsyncIOScheduler:
        """Ticks only; a tick that is still busy is skipped, and a late one is not made up.

        They are of the scheduler's own time: the daemon's may be moved.
        """
        scheduler = AsyncIOScheduler(
            jobstores={"default": MemoryJobStore()},
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        every = {"trigger": "interval", "seconds": self._tick_seconds, "next_run_time": clock.now()}
        scheduler.add_job(self._tick, args=(deliverer, lookback, stop), **every)
        return scheduler

    async def _tick(self, deliverer: Deliverer, lookback: LookBack, stop: asyncio.Event) -> None:
        """Claim everything that is due, and see that messages go out."""
        self._ticked_at = time.monotonic()
        systemd.notify("WATCHDOG=1")
        # In a task of its own: the scheduler cancels its ticks when it is shut down, and a claim must not be cut.
        if not any(task.get_name() == _CLAIM for task in self._tasks):
            self._spawn(self._claim_due(stop), stop, _CLAIM)
        for look in lookback.due(self._ticked_at):
            self._spawn(lookback.take(look, deliverer.wake), stop, _REVIEW)
        deliverer.wake()

    async def _claim_due(self, stop: asyncio.Event) -> None:
        try:
            leases = await asyncio.to_thread(self._claim)
        except AuditorError as error:
            self._ready = False
            log.error("store.failed", error=error.message, hint=error.hint)
            return
        self._ready = True
        for lease in leases:
            self._spawn(self._work(lease), stop)

    def _claim(self) -> list[Lease]:
        leases = []
        with self._store.transaction() as tx:
            while lease := work.claim(tx, self._owner, list(self._audits), KINDS, LEASE):
                leases.append(lease)
        return leases

    def _spawn(self, job: Coroutine[object, object, None], stop: asyncio.Event, name: str = "work") -> None:
        task = asyncio.create_task(job, name=name)
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (bug := task.exception()):
                self._failure = self._failure or bug
                stop.set()

        task.add_done_callback(done)

    async def _work(self, lease: Lease) -> None:
        """Run one piece of due work, and say when it is due next, whether it went well or not."""
        audit = replace(self._audits[lease.organization], lease=lease)
        now = clock.epoch(self._now())
        failed = False
        try:
            async with self._renewing(lease):
                await self._run(lease.kind, audit, now)
        except asyncio.CancelledError:
            # Cut by a stop: whoever comes next need not wait until the lease runs out.
            await asyncio.shield(asyncio.to_thread(self._give_back, lease, lease.due_at))
            raise
        except LeaseLost:
            log.warning("work.lost", organization=lease.organization, kind=lease.kind)
            return
        except AuditorError as error:
            log.error(
                "work.failed", organization=lease.organization, kind=lease.kind, error=error.message, hint=error.hint
            )
            failed = True
        due = next_due(lease.kind, self._parts.loaded.config.schedule, lease.due_at, clock.epoch(self._now()), failed)
        await asyncio.to_thread(self._give_back, lease, due)

    def _give_back(self, lease: Lease, due: int) -> None:
        try:
            with self._store.transaction() as tx:
                work.complete(tx, lease, due)
        except AuditorError as error:
            # The lease runs out by itself, and the work is claimed again then.
            log.error("work.not_completed", organization=lease.organization, kind=lease.kind, error=error.message)

    async def _run(self, kind: str, audit: Audit, now: int) -> None:
        if kind == REPORT:
            self._watchers.written(await report.weekly(audit, now))
            return
        if kind == USAGE:
            await usage.daily(audit, now)
            return
        polled = await poll.poll(audit, now, poll.SWEEP if kind == SWEEP else poll.OVERLAP)
        self._watchers.polled(polled)
        # A snapshot reads the log first: settings are folded from it, and must be as fresh as the rest.
        if kind == SNAPSHOT:
            self._watchers.taken(await snapshot.take(audit, polled, now))

    @asynccontextmanager
    async def _renewing(self, lease: Lease) -> AsyncIterator[None]:
        """Keep the lease while the work goes on; once it is lost, the work's own writes fail."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(LEASE / 3)
                with suppress(AuditorError):
                    await asyncio.to_thread(self._renew, lease)

        task = asyncio.create_task(renew(), name="renew")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _renew(self, lease: Lease) -> None:
        with self._store.transaction() as tx:
            work.renew(tx, lease, LEASE)

    def _delivered(self, sink: str, done: Delivered) -> None:
        results = {"delivered": done.sent, "postponed": done.failed, "dead": done.dead, "suppressed": done.suppressed}
        for result, count in results.items():
            self._metrics.delivery(sink, result, count)

    async def _drain(self, drained: asyncio.Event) -> None:
        """Let work under way finish, then the messages that are due, those of that work among them.

        What does not finish in time is cut: its lease is given back, and what waits in the outbox goes out after the
        next start.
        """
        for name in (_CLAIM, "work"):
            await _finish([task for task in self._tasks if task.get_name() == name], self._drain_seconds)
        drained.set()
        await _finish(self._tasks, self._drain_seconds)

    async def _reload(self, reload: Callable[[], Parts] | None) -> None:
        if reload is None:
            return
        try:
            self._parts = reload()
        except AuditorError as error:
            log.error("config.refused", error=error.message, hint=error.hint, in_force="the last good configuration")
            self._metrics.config_refused()
            await asyncio.to_thread(self._tell_of_refusal, error.message)
            return
        log.info("config.reloaded", policies=len(self._parts.policies.policies))
        self._metrics.config_loaded(clock.epoch(self._now()))

    def _tell_of_refusal(self, reason: str) -> None:
        now = clock.epoch(self._now())
        try:
            with self._store.transaction() as tx:
                for audit in self._audits.values():
                    announce.misconfigured(tx, audit, reason, now)
        except AuditorError as error:
            log.error("store.failed", error=error.message, hint=error.hint)


_DELIVERY = "delivery"
_CLAIM = "claim"
_REVIEW = "review"


async def _finish(tasks: Iterable[asyncio.Task[None]], seconds: float) -> None:
    tasks = set(tasks)
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _in_header(host: str) -> str:
    """`host` as the Host header of a request shows it."""
    return f"[{host}]" if ":" in host else host


async def _first_of(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
