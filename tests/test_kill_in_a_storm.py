"""A storm is folded into digests; a process that ends between a digest and its settling repeats that one message."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.alerts.deliver import Delivered, Deliverer
from auditor.alerts.lane import Terms
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.outgoing import queue
from auditor.alerts.sink import Context, Receipt, Sink, SinkConfig
from auditor.store import outbox, tally
from auditor.store.database import Store, open_store
from auditor.store.outbox import Progress
from auditor.terms import Level

ALERT = Alert("0.open.1", AlertKind.OPENED, "acme", Level.HIGH, "Title", "Text", 1_767_225_600)
TERMS = Terms(storm_limit=5)


class Death(BaseException):
    """The process ends here. No Exception: nothing may catch it, as nothing does the real one."""


class Channel:
    """Accepts everything; whoever sends the message number `last` does not hear of it: dead, or too `late`."""

    def __init__(self, last: int = 0, *, late: bool = False) -> None:
        self.got: list[Alert] = []
        self.last = last
        self.lost = TimeoutError if late else Death

    async def send(self, _config: SinkConfig, alert: Alert, _context: Context) -> Receipt:
        self.got.append(alert)
        if len(self.got) == self.last:
            raise self.lost
        return Receipt()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "auditor.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{path}")
    yield opened
    opened.close()


def put(store: Store, first: int, count: int) -> None:
    with store.transaction() as tx:
        for number in range(first, first + count):
            queue(tx, replace(ALERT, id=f"{number}.open.1", finding=str(number)), ["chat"], int(time.time()))


async def deliver(store: Store, channel: Channel, owner: str = "owner") -> Delivered:
    """A process of its own: what it knew of the storm dies with it."""
    sink = Sink("chat", "channel", SinkConfig(), channel.send)
    return await Deliverer(store, {"chat": sink}, owner, terms=TERMS).deliver_due()


async def killed(store: Store, path: Path, channel: Channel) -> None:
    """Ended at the last message, and started again after the lease has run out."""
    with pytest.raises(BaseExceptionGroup) as ended:
        await deliver(store, channel)
    assert ended.group_contains(Death)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE outbox SET lease_until = 0 WHERE lease_until IS NOT NULL")


async def test_a_digest_that_was_not_settled_is_told_again_as_that_digest(store: Store, path: Path) -> None:
    put(store, 0, 30)
    channel = Channel(last=5)
    await killed(store, path, channel)
    assert await deliver(store, channel) == Delivered(sent=1)
    assert len(channel.got) == 6
    assert channel.got[5].id == channel.got[4].id
    assert len(channel.got[5].lines) == 26


async def test_a_digest_whose_answer_was_lost_is_told_again_as_that_digest_and_without_what_came_since(
    store: Store, path: Path
) -> None:
    put(store, 0, 30)
    channel = Channel(last=5, late=True)
    assert await deliver(store, channel) == Delivered(sent=4, failed=26)
    put(store, 30, 8)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE outbox SET settled_at = settled_at - 601, due_at = due_at - 601")
    assert await deliver(store, channel) == Delivered(sent=5)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE outbox SET settled_at = settled_at - 601")
    assert await deliver(store, channel) == Delivered(sent=1)
    *others, digest = channel.got[5:]
    assert (digest.id, len(digest.lines)) == (channel.got[4].id, 26)
    assert sum(len(alert.lines) or 1 for alert in others) == 8


async def test_a_new_start_is_no_new_window(store: Store, path: Path) -> None:
    put(store, 0, 4)
    assert await deliver(store, Channel()) == Delivered(sent=4)
    put(store, 4, 20)
    assert await deliver(store, Channel()) == Delivered(sent=1)
    put(store, 24, 3)
    assert await deliver(store, Channel()) == Delivered(), "five messages went out in this window"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE outbox SET settled_at = settled_at - 601")
    assert await deliver(store, Channel()) == Delivered(sent=3)


async def test_a_clock_that_was_ahead_takes_no_place_in_the_window(store: Store, path: Path) -> None:
    put(store, 0, 5)
    await deliver(store, Channel())
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE outbox SET settled_at = settled_at + 86400")
    put(store, 5, 1)
    assert await deliver(store, Channel()) == Delivered(sent=1)


async def test_several_processes_have_one_window_together(store: Store, path: Path) -> None:
    """Each may have a message on its way that the others do not see yet, and be the last that was to tell the rest."""
    put(store, 0, 120)
    channel, processes = Channel(), 3
    await asyncio.gather(*(deliver(store, channel, f"owner {number}") for number in range(processes)))
    assert 5 <= len(channel.got) <= 5 + processes - 1
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE outbox SET settled_at = settled_at - 601")
    await deliver(store, channel)
    assert sum(len(alert.lines) or 1 for alert in channel.got) == 120


async def test_what_went_out_as_one_digest_counts_once(store: Store) -> None:
    put(store, 0, 30)
    await deliver(store, Channel())
    with store.transaction() as tx:
        assert len(tally.delivered_ages(tx, "chat", 600)) == 5
        digests = {str(entry.receipt) for entry in outbox.listing(tx, Progress.DELIVERED) if entry.receipt}
        assert len(digests) == 1
        assert tally.delivered_ages(tx, "chat", 0) == []
