"""Of many who ask, one gets a piece of work or a message; who was too slow cannot write any more."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import pytest
from deliveries import later
from sqlalchemy import update

from auditor.errors import LeaseLost, StoreError
from auditor.store import events, leases, outbox, tables, tally, work
from auditor.store.database import Store, Transaction, open_store
from auditor.store.events import StoredEvent
from auditor.store.outbox import Leased, Message, Progress
from auditor.store.work import Lease
from auditor.terms import Stream

pytest_plugins = ["databases"]

KINDS = ("poll", "snapshot")
LEASE = 60
"""Seconds of a lease, which no test lasts; with `passes` it runs out."""


def message(name: str, sink: str = "slack", due_at: float = 1, order_key: str = "") -> Message:
    return Message(name, "acme", sink, name.encode(), created_at=1, due_at=due_at, order_key=order_key)


def put(store: Store, *messages: Message) -> None:
    with store.transaction() as tx:
        outbox.add(tx, messages)


def lease(store: Store, seconds: float = LEASE, limit: int = 10, sinks: tuple[str, ...] = ("slack",)) -> list[Leased]:
    with store.transaction() as tx:
        return leases.lease(tx, sinks, "me", seconds, limit)


def names(leased: list[Leased]) -> list[str]:
    return [each.message.id for each in leased]


def claim(store: Store, owner: str = "me", seconds: float = LEASE) -> Lease | None:
    with store.transaction() as tx:
        return work.claim(tx, owner, ["acme"], KINDS, seconds)


def passes(store: Store, seconds: float = LEASE) -> None:
    """What waits for a time comes `seconds` closer to it."""
    with store.transaction() as tx:
        due, leased = (column - seconds for column in (tables.work.c.due_at, tables.work.c.lease_until))
        tx.execute(update(tables.work).values(due_at=due, lease_until=leased))
    later(store, seconds)


def fails(store: Store, act: Callable[[Transaction], None]) -> None:
    with pytest.raises(LeaseLost), store.transaction() as tx:
        act(tx)


def test_work_is_claimed_once_until_it_is_due_again(store: Store) -> None:
    with store.transaction() as tx:
        work.ensure(tx, "acme", "poll", 5)
        work.ensure(tx, "acme", "poll", 99)
        work.ensure(tx, "other", "poll", 1)
        work.ensure(tx, "acme", "report", 1)
    mine = claim(store)
    assert mine == Lease("acme", "poll", "me", 1, 5)
    assert claim(store, "you") is None
    with store.transaction() as tx:
        work.verify(tx, mine)
        work.complete(tx, mine, time.time() + LEASE)
    assert claim(store, "you") is None
    passes(store)
    again = claim(store, "you")
    assert again is not None
    assert again.fence == 2


def test_several_pieces_of_work_are_claimed_in_one_transaction(store: Store) -> None:
    with store.transaction() as tx:
        work.ensure(tx, "acme", "poll", 5)
        work.ensure(tx, "acme", "snapshot", 3)
    with store.transaction() as tx:
        claimed = [work.claim(tx, "me", ["acme"], KINDS, 60) for _ in range(3)]
    assert [each.kind if each else None for each in claimed] == ["snapshot", "poll", None]


@pytest.mark.parametrize("next_owner", ["you", "me"])
def test_a_paused_owner_cannot_write_once_another_took_over(store: Store, next_owner: str) -> None:
    with store.transaction() as tx:
        work.ensure(tx, "acme", "poll", 5)
    mine = claim(store)
    assert mine is not None
    passes(store)
    with store.transaction() as tx:
        work.verify(tx, mine)  # late, but nobody else is at it
    assert claim(store, next_owner) is not None
    fails(store, lambda tx: work.verify(tx, mine))
    fails(store, lambda tx: work.renew(tx, mine, 60))
    fails(store, lambda tx: work.complete(tx, mine, 0))


def test_a_lease_that_is_renewed_is_kept(store: Store) -> None:
    with store.transaction() as tx:
        work.ensure(tx, "acme", "poll", 5)
    mine = claim(store)
    assert mine is not None
    with store.transaction() as tx:
        work.renew(tx, mine, 2 * LEASE)
    passes(store)
    assert claim(store, "you") is None


def test_a_message_is_queued_once_for_each_sink(store: Store) -> None:
    put(store, message("a"), message("a"), message("a", sink="console"))
    put(store, message("a"))
    with store.transaction() as tx:
        assert tally.pending(tx) == {"slack": 1, "console": 1}


def test_a_message_is_leased_sent_and_settled(store: Store) -> None:
    put(store, message("a"), message("later", due_at=time.time() + 99))
    (leased,) = lease(store)
    assert (leased.message, leased.attempts, leased.fence) == (message("a", order_key="a"), 1, 1)
    assert lease(store) == []
    with store.transaction() as tx:
        outbox.settle(tx, leased, {"ts": "1.2", "channel": "C1"})
    with store.transaction() as tx:
        (entry,) = outbox.listing(tx, Progress.DELIVERED, 10)
        assert (entry.message.id, entry.receipt, entry.error) == ("a", {"ts": "1.2", "channel": "C1"}, "")
        assert entry.settled_at is not None
        assert abs(entry.settled_at - time.time()) < 60
        assert [each.message.id for each in outbox.listing(tx)] == ["later", "a"]
        assert outbox.listing(tx, organization="other") == []
        assert outbox.listing(tx, sinks=["console"]) == []


def test_a_message_that_was_not_confirmed_is_due_again_later(store: Store) -> None:
    put(store, message("a"))
    (leased,) = lease(store)
    with store.transaction() as tx:
        outbox.postpone(tx, leased, LEASE, "503")
    assert lease(store) == []
    passes(store)
    (again,) = lease(store)
    assert (again.attempts, again.fence) == (2, 2)
    with store.transaction() as tx:
        assert outbox.listing(tx)[0].error == "503"
        outbox.bury(tx, again, "400")
        (dead,) = outbox.listing(tx, "dead")
        assert (dead.state, dead.error, dead.attempts) == (Progress.DEAD, "400", 2)
        assert tally.pending(tx) == {}
    assert lease(store) == []


def test_a_message_whose_sender_died_is_leased_by_another(store: Store) -> None:
    put(store, message("a"))
    (old,) = lease(store)
    passes(store)
    (new,) = lease(store)
    assert new.fence == old.fence + 1
    fails(store, lambda tx: outbox.settle(tx, old, {}))
    fails(store, lambda tx: outbox.postpone(tx, old, 1, ""))
    fails(store, lambda tx: outbox.bury(tx, old, ""))
    with store.transaction() as tx:
        outbox.settle(tx, new, {"ts": "1"})
    fails(store, lambda tx: outbox.settle(tx, new, {"ts": "2"}))


def sent_as_one(store: Store, limit: int) -> list[Leased]:
    """Leased and bound, and the lease of whoever sent them has run out."""
    with store.transaction() as tx:
        leased = leases.lease(tx, ["slack"], "dead", LEASE, limit)
        leases.bind(tx, leased)
    passes(store)
    return leased


def test_what_was_sent_as_one_is_leased_as_one_and_nothing_with_it(store: Store) -> None:
    put(store, *(message(name) for name in "abc"))
    sent_as_one(store, limit=3)
    put(store, message("older", due_at=-2 * LEASE), message("newer", due_at=2))
    assert names(lease(store)) == ["older", "newer"], "the oldest is of no batch"
    again = lease(store, limit=1)
    assert names(again) == ["a", "b", "c"]
    assert [each.batch for each in again] == ["a", "a", "a"]
    assert lease(store) == []


def test_what_was_refused_as_one_is_leased_apart(store: Store) -> None:
    put(store, *(message(name) for name in "abc"))
    sent_as_one(store, limit=3)
    with store.transaction() as tx:
        for each in leases.lease(tx, ["slack"], "me", 60, 1):
            outbox.unbind(tx, each, "400")
    assert [names(lease(store, limit=1)) for _ in range(4)] == [["a"], ["b"], ["c"], []]


def test_a_probe_takes_what_was_sent_already_even_before_it_is_due(store: Store) -> None:
    put(store, message("a"))
    sent_as_one(store, limit=1)
    with store.transaction() as tx:
        (sent,) = leases.lease(tx, ["slack"], "me", 60, 1)
        outbox.postpone(tx, sent, 900, "503")
    put(store, message("b"), message("later", due_at=time.time() + 900))

    def probe() -> list[str]:
        with store.transaction() as tx:
            return names(leases.lease(tx, ["slack"], "me", 60, 1, probing=True))

    assert [probe(), probe(), probe()] == [["a"], ["b"], []]


def test_of_two_who_ask_one_gets_all_that_was_sent_as_one(store: Store) -> None:
    put(store, *(message(str(number), due_at=number) for number in range(40)))
    with ThreadPoolExecutor(4) as several:
        with store.transaction() as tx:
            for limit in (7, 33):
                leases.bind(tx, leases.lease(tx, ["slack"], "dead", LEASE, limit))
        passes(store)
        got = [names(leased) for leased in several.map(lambda _: lease(store, limit=1), range(4))]
    assert sorted(len(some) for some in got) == [0, 0, 7, 33]


def test_a_message_is_leased_once_where_its_lease_ran_out_meanwhile(store: Store) -> None:
    grouped = [replace(message(name), group="g", flush_at=1) for name in "abc"]
    put(store, *grouped)
    slept = -1
    assert names(lease(store, slept)) == ["a", "b", "c"]
    with store.transaction() as tx:
        (first,) = leases.lease(tx, ["slack"], "me", slept, 1)
        assert names(leases.lease_rest(tx, first, "me", slept, 10)) == ["b", "c"]


def test_messages_of_one_finding_reach_a_sink_in_their_order(store: Store) -> None:
    put(store, message("opened", due_at=9, order_key="f1"), message("resolved", order_key="f1"))
    put(store, message("other", due_at=5), message("resolved", sink="console", order_key="f1"))
    first = lease(store)
    assert names(first) == ["other", "opened"]
    assert names(lease(store, sinks=("console",))) == ["resolved"]
    with store.transaction() as tx:
        outbox.postpone(tx, first[1], 60, "503")
    assert lease(store) == []


@pytest.mark.parametrize("given_up", [False, True])
def test_the_next_message_of_a_finding_goes_when_the_one_before_is_done(store: Store, given_up: bool) -> None:
    put(store, message("opened", order_key="f1"), message("resolved", order_key="f1"))
    (first,) = lease(store)
    with store.transaction() as tx:
        if given_up:
            outbox.bury(tx, first, "400")
        else:
            outbox.settle(tx, first, {"ts": "1"})
    (second,) = lease(store)
    assert second.message.id == "resolved"
    with store.transaction() as tx:
        outbox.settle(tx, second, {"ts": "2"})
        receipts = [entry.receipt for entry in outbox.listing(tx, sinks=["slack"])]
    assert receipts == [{"ts": "2"}, None if given_up else {"ts": "1"}]


def test_the_longest_due_message_goes_first_and_the_limit_holds(store: Store) -> None:
    put(store, message("c", due_at=3), message("a", due_at=1), message("b", due_at=2))
    assert names(lease(store, limit=2)) == ["a", "b"]
    assert names(lease(store, limit=2)) == ["c"]


def _take_all(url: str, owner: str) -> list[tuple[str, str]]:
    """What one process gets of the work and of the messages until nothing is left for it."""
    store = open_store(url)
    got: list[tuple[str, str]] = []
    idle = 0
    while idle < 3:
        with store.transaction() as tx:
            leased = leases.lease(tx, ["slack"], owner, 60, 3)
        with store.transaction() as tx:
            claimed = work.claim(tx, owner, [f"org{number}" for number in range(40)], KINDS, 60)
        got += [("message", each.message.id) for each in leased]
        got += [("work", claimed.organization)] if claimed else []
        idle = 0 if leased or claimed else idle + 1
    store.close()
    return got


def test_processes_never_lease_the_same_thing(store: Store, database_url: str) -> None:
    put(store, *(message(f"m{number}") for number in range(60)))
    with store.transaction() as tx:
        for number in range(40):
            work.ensure(tx, f"org{number}", "poll", 1)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        parts = list(pool.map(_take_all, [database_url] * 2, ["one", "two"]))
    got = Counter(thing for part in parts for thing in part)
    assert set(got.values()) == {1}
    assert len(got) == 100


def test_threads_of_one_store_never_lease_the_same_thing(store: Store) -> None:
    put(store, *(message(f"m{number}") for number in range(40)))

    def take() -> list[str]:
        return [name for _ in range(10) for name in names(lease(store, limit=1))]

    with ThreadPoolExecutor(8) as pool:
        parts = [pool.submit(take) for _ in range(8)]
    got = Counter(name for part in parts for name in part.result())
    assert set(got.values()) == {1}
    assert len(got) == 40


def test_two_polls_of_one_organization_do_not_both_find_an_event_new(store: Store, database_url: str) -> None:
    event = StoredEvent("e1", "login.failed", 1, 1, Stream.ORGANIZATION, b"{}")
    other = open_store(database_url)
    new: list[str] = []
    started = threading.Event()

    def late() -> None:
        started.set()
        with other.transaction() as tx:
            if "e1" not in events.known(tx, "acme", ["e1"]):
                new.append("late")

    with store.transaction() as tx:
        assert events.known(tx, "acme", ["e1"]) == set()
        thread = threading.Thread(target=late)
        thread.start()
        started.wait()
        time.sleep(0.2)
        events.insert(tx, "acme", [event])
        new.append("first")
    thread.join()
    other.close()
    assert new == ["first"]


HOLD = """
    import sys, time
    from auditor.store import outbox
    from auditor.store.database import open_store
    from auditor.store.outbox import Message
    with open_store(sys.argv[1]).transaction() as tx:
        outbox.add(tx, [Message(f"m{n}", "acme", "slack", b"x" * 1000, 1, 1) for n in range(5000)])
        print("written", flush=True)
        time.sleep(60)
"""


def test_kill_9_in_the_middle_of_a_transaction_leaves_nothing(store: Store, database_url: str) -> None:
    program = [sys.executable, "-c", textwrap.dedent(HOLD), database_url]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        os.kill(writer.pid, signal.SIGKILL)
    with store.transaction() as tx:
        assert tally.pending(tx) == {}
    put(store, message("a"))
    assert names(lease(store)) == ["a"]


def test_a_claim_does_not_wait_for_the_claim_of_another(postgres_url: str) -> None:
    store = open_store(postgres_url)
    put(store, message("a"), message("b"))
    with store.transaction() as tx:
        work.ensure(tx, "acme", "poll", 1)
        work.ensure(tx, "acme", "snapshot", 2)
    with store.transaction() as first:
        assert work.claim(first, "me", ["acme"], KINDS, 60) is not None
        assert names(leases.lease(first, ["slack"], "me", 60, 1)) == ["a"]
        second = claim(store, "you")
        assert second is not None
        assert second.kind == "snapshot"
        assert names(lease(store)) == ["b"]
    store.close()


def test_a_row_that_stays_locked_is_an_error_that_may_pass(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.store.postgres.LOCK_WAIT", 0.1)
    store = open_store(postgres_url)
    with store.transaction() as tx:
        work.ensure(tx, "acme", "poll", 1)
    mine = claim(store)
    assert mine is not None
    with store.transaction() as first:
        work.verify(first, mine)
        with pytest.raises(StoreError, match="locked") as caught, store.transaction() as second:
            work.verify(second, mine)
    assert caught.value.retryable
    store.close()
