"""A sink that hangs, one that is limited for hours and one that takes nothing delay no other sink.

How long messages take from their queueing to their confirmation, with and without a bad sink beside the good ones:
AUDITOR_PROVE=1 measures some thousand, and holds the figure.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import quantiles

import pytest
from deliveries import ALERT
from figures import Figure

from auditor.alerts.deliver import Deliverer
from auditor.alerts.lane import UNLIMITED, Terms
from auditor.alerts.message import Alert
from auditor.alerts.outgoing import queue
from auditor.alerts.sink import Context, Receipt, Sink, SinkConfig
from auditor.errors import DeliveryError
from auditor.store import outbox
from auditor.store.database import Store, open_store

PROVE = os.environ.get("AUDITOR_PROVE") == "1"
MESSAGES = 600 if PROVE else 15
"""For each sink."""
PAUSE = 0.04
"""Seconds between two that are queued."""
TERMS = Terms(storm_limit=UNLIMITED, send_timeout=3, breaker_after=10**9, first_wait=0.01, longest_wait=0.01)
"""Without the patience that would spare the good sinks: the bad one is always tried."""
GOOD = ("one", "two")

pytestmark = pytest.mark.timeout(1800 if PROVE else 300)

Act = Callable[[], Awaitable[None]]


async def hang() -> None:
    """Takes the whole timeout."""
    await asyncio.sleep(3600)


async def limit() -> None:
    """429, for hours."""
    raise DeliveryError("429", retryable=True, retry_after=7200)


async def refuse() -> None:
    """Every message becomes a dead letter."""
    raise DeliveryError("400", retryable=False)


BAD: dict[str, Act] = {"hangs": hang, "is limited for hours": limit, "takes nothing": refuse}


def _sink(name: str, act: Act | None = None) -> Sink:
    async def send(_config: SinkConfig, _alert: Alert, _context: Context) -> Receipt:
        if act:
            await act()
        return Receipt()

    return Sink(name, "test", SinkConfig(), send)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/auditor.db")
    yield opened
    opened.close()


@asynccontextmanager
async def _draining(deliverer: Deliverer) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(deliverer.drain(stop, grace=0.1))
    yield
    stop.set()
    await task


async def _seconds(store: Store, bad: Act | None, prefix: str) -> list[float]:
    """How long each message to a good sink took."""
    queued: dict[str, float] = {}
    took: list[float] = []
    sinks = [*map(_sink, GOOD), *([_sink("bad", bad)] if bad else [])]

    def confirmed(alert: Alert, sink: str) -> None:
        if sink in GOOD and alert.id in queued:  # and no notice about dead letters
            took.append(time.monotonic() - queued[alert.id])

    deliverer = Deliverer(store, {sink.name: sink for sink in sinks}, "test", terms=TERMS, on_delivered=confirmed)

    def put(number: int) -> None:
        alert = replace(ALERT, id=f"{prefix}/{number}", finding=f"{prefix}/{number}")
        queued[alert.id] = time.monotonic()
        with store.transaction() as tx:
            queue(tx, alert, [sink.name for sink in sinks], int(time.time()))

    async with _draining(deliverer):
        for number in range(MESSAGES):
            await asyncio.to_thread(put, number)
            deliverer.wake()
            await asyncio.sleep(PAUSE)
        while len(took) < MESSAGES * len(GOOD):  # noqa: ASYNC110 - the test's own limit of time ends it
            await asyncio.sleep(0.05)
    return took


def _p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[98]


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_sink_delays_no_other(store: Store, figure: Figure, what: str) -> None:
    alone = _p99(await _seconds(store, None, "alone"))
    beside = _p99(await _seconds(store, BAD[what], "beside"))
    with store.transaction() as tx:
        got = outbox.listing(tx, outbox.Progress.DELIVERED, 10**6, sinks=GOOD)
        assert outbox.listing(tx, outbox.Progress.DELIVERED, 1, sinks=["bad"]) == []
    assert len({(each.message.sink, each.message.id) for each in got if each.message.id[0] in "ab"}) == 4 * MESSAGES
    figure(
        f"{2 * MESSAGES} messages to two sinks, p99 {beside * 1000:.0f} ms beside one that {what}, "
        f"{alone * 1000:.0f} ms without it: {beside / alone:.2f} times"
    )
    if PROVE:
        # Whatever waited for the bad sink would wait for as long as its messages before, each for the whole timeout.
        assert beside < max(TERMS.send_timeout, 5 * alone)
