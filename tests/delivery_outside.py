"""What is around a delivery and cannot be relied on: time, sinks that misbehave, processes that die or are stopped."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from auditor import clock
from auditor.alerts.message import Alert
from auditor.alerts.sink import Context, Receipt, Send, SinkConfig
from auditor.errors import DeliveryError
from auditor.store.database import Store, Transaction, open_store

BEGIN = 1_767_225_600
_JULIAN_BEGIN = 2_440_587.5
"""The Julian day on which Unix time begins."""


class Death(BaseException):
    """The process ends here. No Exception: nothing may catch it, as nothing does the real one."""


class Outcome(StrEnum):
    """What comes of sending a message."""

    TAKEN = "taken"
    DOWN = "down"
    """An error that may pass; nothing arrived."""
    UNANSWERED = "unanswered"
    """It arrived, and no answer came in time."""
    LIMITED = "limited"
    """429, with a time to wait."""
    DIES_BEFORE = "dies before"
    """The process, before the message arrived."""
    DIES_AFTER = "dies after"
    STOPS_BEFORE = "stops before"
    """The process, before the message arrived; it may go on later."""
    STOPS_AFTER = "stops after"


@dataclass
class Times:
    """The clock of the database, and how far that of the processes is off. Seconds."""

    database: float = BEGIN
    skew: float = 0

    def julian(self, *_what: object) -> float:
        """SQLite's function of this name, for `now`."""
        return self.database / 86_400 + _JULIAN_BEGIN

    def now(self) -> datetime:
        """The clock of the processes."""
        return clock.from_epoch(self.database + self.skew)


def store_in(times: Times) -> Store:
    """A store in memory that lives in these times."""
    store = open_store("sqlite://")
    with store._engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.create_function("julianday", 1, times.julian)
    return store


class Mortal(Store):
    """A store as one process has it, which may die at a commit."""

    deadly = 0
    """In how many transactions it dies, this one included; 0 for never."""
    commits = False
    """Whether the last one is committed."""

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """As ever, until the last."""
        last = self.deadly == 1
        self.deadly -= self.deadly > 0
        with super().transaction() as tx:
            yield tx
            if last and not self.commits:
                raise Death
        if last:
            raise Death


class Inline(ThreadPoolExecutor):
    """Runs what is submitted at once: with threads, the same history would not always be the same."""

    def submit(self, act: Callable[..., Any], /, *given: Any, **named: Any) -> "Future[Any]":
        """Run it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(act(*given, **named))
        except BaseException as error:  # noqa: BLE001 - whoever waits for the result gets it
            future.set_exception(error)
        return future


@dataclass(frozen=True)
class Arrived:
    """A message as a sink got it."""

    key: str
    names: tuple[str, ...]
    late: bool
    """Whether the process had stood still on the way, and may no longer hold the lease."""


class Outside:
    """Sinks, what comes of sending to them next, and all that came to them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.arrived: dict[str, list[Arrived]] = {name: [] for name in names}
        self.plan: list[Outcome] = []
        """Of the next sendings; all later ones are taken."""
        self.poison: set[str] = set()
        """What no sink ever takes."""
        self.apart: set[tuple[str, str]] = set()
        """Sink and name of what was refused together with poison, and is told in smaller parts from then on."""
        self.seen: Counter[str] = Counter()
        """How often each outcome came."""

    def sender(self, sink: str, stop: Callable[[], Awaitable[None]], late: Callable[[], bool]) -> Send:
        """What a sink of one process sends with; `stop` returns when that process goes on, `late` is whether it had."""

        async def send(_config: SinkConfig, alert: Alert, _context: Context) -> Receipt:
            # A notice has a name of its own only where it is told alone.
            told = tuple(line.resource for line in alert.lines if line.policy)
            names = told if alert.lines else (alert.resource_name or alert.id,)
            if self.poison & set(names):
                self.apart |= {(sink, name) for name in names}
                raise DeliveryError("400", retryable=False)
            outcome = self.plan.pop(0) if self.plan else Outcome.TAKEN
            self.seen[outcome] += 1
            if outcome is Outcome.STOPS_BEFORE:
                await stop()
            if error := _BEFORE.get(outcome):
                raise error()
            self.arrived[sink].append(Arrived(alert.id, names, late()))
            if outcome is Outcome.STOPS_AFTER:
                await stop()
            if error := _AFTER.get(outcome):
                raise error()
            return Receipt()

        return send


_BEFORE: Mapping[Outcome, Callable[[], BaseException]] = {
    Outcome.DOWN: lambda: DeliveryError("503", retryable=True),
    Outcome.LIMITED: lambda: DeliveryError("429", retryable=True, retry_after=40),
    Outcome.DIES_BEFORE: Death,
}
_AFTER: Mapping[Outcome, Callable[[], BaseException]] = {
    Outcome.UNANSWERED: lambda: DeliveryError("no answer in time", retryable=True),
    Outcome.DIES_AFTER: Death,
}
"""What a sending ends with, by where the message is then."""
