"""From the outbox to the sinks: once, in order, patiently, and never silently lost. Real SQLite, real HTTP."""

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from deliveries import later
from services import FakeSplunk, serving
from slack import Server, by_token, by_webhook
from sqlalchemy import delete, select, update

from auditor import log, redaction
from auditor.alerts import conversing, digests
from auditor.alerts.deliver import Delivered, Deliverer
from auditor.alerts.gate import Gate, Judge
from auditor.alerts.lane import Terms
from auditor.alerts.message import Alert, AlertKind, encode
from auditor.alerts.outgoing import queue
from auditor.alerts.registry import build
from auditor.alerts.route import Routing
from auditor.alerts.sink import Context, Receipt, Sink, SinkConfig
from auditor.alerts.teller import Teller
from auditor.errors import DeliveryError, StoreError
from auditor.routing import RoutingConfig
from auditor.simulator.slack_workspace import FakeSlack, Fault, FaultKind
from auditor.store import leases, outbox, tally
from auditor.store.database import Store, Transaction, open_store
from auditor.store.outbox import Message
from auditor.store.tables import outbox as messages
from auditor.terms import Level

pytest_plugins = ["slackserver"]

ALERT = Alert("00.open.1", AlertKind.OPENED, "acme", Level.HIGH, "Title", "Text", 1_767_225_600, finding="00")
QUICK = Terms(first_wait=0.2, jitter=0, poll=0.02, send_timeout=5)
PATIENT = replace(QUICK, first_wait=60)
"""For what must not be tried again while a slow machine looks at it; with `later` the wait is over."""


@pytest.fixture
def address(server: Server, slack: FakeSlack) -> str:
    assert server.slack is slack
    return server.address


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("store") / "empty.db"
    open_store(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def store(tmp_path: Path, empty: Path) -> Iterator[Store]:
    shutil.copy(empty, tmp_path / "auditor.db")
    opened = open_store(f"sqlite:///{tmp_path / 'auditor.db'}")
    yield opened
    opened.close()


def put(store: Store, alerts: list[Alert], *sinks: str, created_at: int | None = None) -> None:
    with store.transaction() as tx:
        for alert in alerts:
            queue(tx, alert, sinks, int(time.time()) if created_at is None else created_at)


def pending(store: Store) -> dict[str, int]:
    with store.transaction() as tx:
        return dict(tally.pending(tx))


def numbered(count: int) -> list[Alert]:
    return [replace(ALERT, id=f"{number:02}.open.1", finding=f"{number:02}") for number in range(count)]


class Recorder:
    """A sink in the memory of the test; `trouble` is awaited before each message is taken."""

    def __init__(self, trouble: Callable[[Alert, Context], Awaitable[None]] | None = None) -> None:
        self.got: list[Alert] = []
        self.attempts: list[tuple[str, int]] = []
        self.trouble = trouble

    async def send(self, _config: SinkConfig, alert: Alert, context: Context) -> Receipt:
        self.attempts.append((alert.id, context.attempt))
        if self.trouble:
            await self.trouble(alert, context)
        self.got.append(alert)
        return Receipt({"n": str(len(self.got))})

    def named(self, name: str) -> Sink:
        return Sink(name, "recorder", SinkConfig(), self.send)


def deliverer(store: Store, *sinks: Sink, terms: Terms = QUICK, owner: str = "one") -> Deliverer:
    return Deliverer(store, {sink.name: sink for sink in sinks}, owner, terms=terms)


@contextlib.asynccontextmanager
async def draining(delivery: Deliverer, grace: float = 1) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(delivery.drain(stop, grace))
    try:
        yield
    finally:
        stop.set()
        await task


async def until(reached: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not reached():  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.01)


async def test_an_alert_is_sent_once_and_settled(store: Store, slack: FakeSlack, address: str) -> None:
    put(store, [ALERT], "security")
    delivery = deliverer(store, build("security", by_token(address)))
    assert await delivery.deliver_due() == Delivered(sent=1)
    assert await delivery.deliver_due() == Delivered()
    assert len(slack.messages) == 1
    assert pending(store) == {}


async def test_who_asked_is_told_of_every_delivery(store: Store) -> None:
    told: list[tuple[str, str]] = []
    put(store, [ALERT], "a", "b")
    sinks = {name: Recorder().named(name) for name in "ab"}
    delivery = Deliverer(
        store, sinks, "one", terms=QUICK, on_delivered=lambda alert, sink: told.append((alert.id, sink))
    )
    await delivery.deliver_due()
    assert sorted(told) == [(ALERT.id, "a"), (ALERT.id, "b")]


async def test_a_rate_limit_is_waited_out(store: Store, slack: FakeSlack, address: str) -> None:
    slack.fail_next(Fault(FaultKind.RATE_LIMITED, seconds=2))
    put(store, numbered(2), "security")
    delivery = deliverer(store, build("security", by_token(address)))
    assert await delivery.deliver_due() == Delivered(failed=1)
    assert await delivery.deliver_due() == Delivered(), "the limit is the sink's: the other message waits too"
    limited = time.monotonic()
    async with draining(delivery):
        await until(lambda: len(slack.messages) == 2)
    assert time.monotonic() - limited >= 1.5
    assert slack.calls == ["chat.postMessage"] * 3


@pytest.mark.parametrize("kind", [FaultKind.SLOW, FaultKind.CUT])
@pytest.mark.parametrize("way", [by_token, by_webhook])
async def test_an_accepted_message_without_an_answer_is_repeated_once_under_the_same_id(
    store: Store, slack: FakeSlack, address: str, kind: FaultKind, way: Callable[..., dict[str, object]]
) -> None:
    slack.fail_next(Fault(kind, seconds=1.5))
    put(store, [ALERT], "security")
    delivery = deliverer(store, build("security", way(address, timeout=1)), terms=PATIENT)
    assert await delivery.deliver_due() == Delivered(failed=1)
    later(store, PATIENT.first_wait)
    async with draining(delivery):
        await until(lambda: pending(store) == {})
    assert [message.metadata["event_payload"]["id"] for message in slack.messages] == [ALERT.id, ALERT.id]


async def test_an_outage_of_slack_delays_the_alert_and_does_not_repeat_it(
    store: Store, slack: FakeSlack, address: str
) -> None:
    slack.fail_next(Fault(FaultKind.SERVER_ERROR), times=2)
    put(store, [ALERT], "security")
    async with draining(deliverer(store, build("security", by_token(address)))):
        await until(lambda: pending(store) == {}, seconds=8)
    assert len(slack.messages) == 1
    assert len(slack.calls) == 3


async def test_a_slow_sink_delays_no_other(store: Store) -> None:
    async def sleep(_alert: Alert, _context: Context) -> None:
        await asyncio.sleep(60)

    slow, quick = Recorder(sleep), Recorder()
    put(store, numbered(10), "slow", "quick")
    started = time.monotonic()
    async with draining(deliverer(store, slow.named("slow"), quick.named("quick")), grace=0.1):
        await until(lambda: len(quick.got) == 10, seconds=3)
    assert time.monotonic() - started < 4
    assert slow.got == []


async def test_peers_that_never_answer_do_not_hold_up_the_store(store: Store, slack: FakeSlack, address: str) -> None:
    sinks = [build(f"hung{number}", by_token(address, timeout=20)) for number in range(40)]
    quick = Recorder()
    slack.fail_next(Fault(FaultKind.SLOW, seconds=3), times=len(sinks))
    put(store, [ALERT], *(sink.name for sink in sinks))
    async with draining(deliverer(store, *sinks, quick.named("quick")), grace=0.1):
        await until(lambda: len(slack.messages) == len(sinks))
        put(store, [ALERT], "quick")
        await until(lambda: len(quick.got) == 1, seconds=2)


async def test_a_final_refusal_is_a_dead_letter_that_the_other_sinks_are_told_of(
    store: Store, slack: FakeSlack, address: str
) -> None:
    other = Recorder()
    put(store, numbered(3), "security")
    slack.fail_next(Fault(FaultKind.REFUSED, error="invalid_blocks"), times=3)
    delivery = deliverer(store, build("security", by_token(address)), other.named("other"))
    async with draining(delivery):
        await until(lambda: len(other.got) == 1 and pending(store) == {})
    (notice,) = other.got
    assert notice.kind is AlertKind.NOTICE
    assert notice.title == "Messages to security are lost"
    assert ("Error", "Slack refused the message: invalid_blocks") in notice.facts
    with store.transaction() as tx:
        dead = [row for row in outbox.listing(tx, state="dead", limit=10) if row.message.sink == "security"]
    assert len(dead) == 3
    assert slack.messages == []


async def test_dead_letters_about_dead_letters_are_not_told(store: Store) -> None:
    async def refuse(_alert: Alert, _context: Context) -> None:
        raise DeliveryError("no")

    put(store, [ALERT], "a")
    a, b = Recorder(refuse), Recorder(refuse)
    delivery = deliverer(store, a.named("a"), b.named("b"))
    total = Delivered()
    for _ in range(3):
        total += await delivery.deliver_due()
    assert total == Delivered(dead=2)
    assert [len(a.attempts), len(b.attempts)] == [1, 1]


async def down(_alert: Alert, _context: Context) -> None:
    raise DeliveryError("503", hint="start it", retryable=True)


def tried(store: Store, hours: float, *ids: str) -> None:
    """The messages (all when none is named) were tried in vain for the first time so long ago, and are due."""
    since = time.time() - hours * 3600
    with store.transaction() as tx:
        mine = messages.c.id.in_(ids) if ids else messages.c.state == "pending"
        tx.execute(update(messages).where(mine).values(tried_at=since, attempts=99, error="503", due_at=since))


async def test_a_message_is_given_up_when_it_was_tried_for_long_enough(store: Store) -> None:
    put(store, [ALERT], "a")
    tried(store, 73)
    delivery = deliverer(store, Recorder(down).named("a"), terms=replace(PATIENT, watch=2))
    assert await delivery.deliver_due() == Delivered(failed=1), "who was off tries for a while at first"
    await asyncio.sleep(2)
    later(store, PATIENT.longest_wait)
    assert await delivery.deliver_due() == Delivered(dead=1)


@pytest.mark.parametrize("attempts", [0, 1, 12])
async def test_what_waited_while_the_machine_was_off_is_not_lost_by_one_failure(store: Store, attempts: int) -> None:
    put(store, [ALERT], "a", created_at=int(time.time()) - 73 * 3600)
    if attempts:
        tried(store, 73)
    sink = Recorder(down)
    assert await deliverer(store, sink.named("a"), terms=Terms()).deliver_due() == Delivered(failed=1)
    assert pending(store) == {"a": 1}


async def test_a_message_that_was_given_back_was_not_tried(store: Store) -> None:
    put(store, [ALERT], "a")
    with store.transaction() as tx:
        (leased,) = leases.lease(tx, ["a"], "one", 60, 1)
        outbox.give_back(tx, leased)
        assert tx.execute(select(messages.c.tried_at)).scalar() is None
        (again,) = leases.lease(tx, ["a"], "one", 60, 1)
        outbox.postpone(tx, again, -1, "503")
    tried(store, 2)
    with store.transaction() as tx:
        (late,) = leases.lease(tx, ["a"], "one", 60, 1)
        assert late.tried_for == pytest.approx(7200, abs=60)
        outbox.give_back(tx, late)
        assert tally.tried_since(tx)["a"] == pytest.approx(time.time() - 7200, abs=60)


async def test_what_is_owed_to_a_sink_that_is_gone_is_given_up_as_late_and_told(store: Store) -> None:
    old, young = numbered(2)
    put(store, [old], "removed", created_at=int(time.time()) - 72 * 3600)
    put(store, [young], "removed")
    other = Recorder()
    async with draining(deliverer(store, other.named("other"))):
        await until(lambda: len(other.got) == 1)
    (notice,) = other.got
    assert notice.title == "Messages to removed are lost"
    assert ("Error", "there is no sink of this name any more") in notice.facts
    assert pending(store) == {"removed": 1}
    with store.transaction() as tx:
        assert [row.message.id for row in outbox.listing(tx, state="dead")] == [old.id]
        assert [each.message.id for each in leases.lease(tx, ["removed"], "again", 60, 9)] == [young.id]


async def test_what_may_have_been_told_together_is_given_up_together(store: Store) -> None:
    now = int(time.time())
    old, new = numbered(2)
    with store.transaction() as tx:
        both = [
            Message(each.id, "acme", "a", encode(each), now, now - 1, group="g", flush_at=now) for each in (old, new)
        ]
        outbox.add(tx, both)
    sink = Recorder(down)
    delivery = deliverer(store, sink.named("a"), terms=replace(PATIENT, watch=0))
    assert await delivery.deliver_due() == Delivered(failed=2)
    tried(store, 73, old.id)
    assert await delivery.deliver_due() == Delivered(failed=2), "not before the last of them"
    tried(store, 73)
    assert await delivery.deliver_due() == Delivered(dead=2)


async def test_a_sink_that_takes_nothing_is_told_of_through_the_others_once_a_day(store: Store) -> None:
    a, b = Recorder(down), Recorder()
    events = replace(Recorder().named("b/events"), alerts=False)
    put(store, numbered(30), "a")
    terms = replace(QUICK, breaker_after=3, first_wait=0.05, longest_wait=0.1)
    async with draining(deliverer(store, a.named("a"), b.named("b"), events, terms=terms)):
        await until(lambda: len(a.attempts) >= 12)
    (notice,) = b.got
    assert (notice.title, notice.kind, notice.level) == ("Messages to a do not arrive", AlertKind.NOTICE, Level.HIGH)
    assert notice.protected
    facts = dict(notice.facts)
    assert (facts["Error"], facts["Owed"], notice.remediation) == ("503", "30 messages", "start it")
    assert facts["Since"].endswith("UTC")
    assert pending(store) == {"a": 30}, "none is lost"


async def test_one_message_that_always_fails_keeps_no_other_from_going_out(store: Store) -> None:
    async def trip(alert: Alert, _context: Context) -> None:
        if alert.id == "poison":
            await down(alert, _context)

    a = Recorder(trip)
    put(store, [replace(ALERT, id="poison", finding="poison")], "a")
    terms = replace(QUICK, breaker_after=3, first_wait=0.02, longest_wait=0.04)
    async with draining(deliverer(store, a.named("a"), terms=terms)):
        await until(lambda: len(a.attempts) >= 3)
        put(store, numbered(5), "a")
        await until(lambda: len(a.got) == 5)
    assert pending(store) == {"a": 1}


async def test_a_replaced_token_costs_no_message(store: Store) -> None:
    """Final refusals were 300 dead letters within seconds."""
    with serving(FakeSplunk("new")) as address:
        settings = {"type": "splunk_hec", "url": address, "allow_private": True}
        put(store, numbered(30), "siem")
        terms = replace(PATIENT, breaker_after=3, storm_limit=1000)
        old, new = (build("siem", {**settings, "token": token}) for token in ("old", "new"))
        assert await deliverer(store, old, terms=terms).deliver_due() == Delivered(failed=3)
        assert pending(store) == {"siem": 30}
        with store.transaction() as tx:
            tx.execute(update(messages).values(due_at=time.time() - 1))
        assert await deliverer(store, new, terms=terms).deliver_due() == Delivered(sent=30)


async def test_two_sinks_that_take_nothing_tell_of_each_other_once(store: Store) -> None:
    put(store, [ALERT], "a", "b")
    a, b = Recorder(down), Recorder(down)
    terms = replace(QUICK, breaker_after=2, first_wait=0.02, longest_wait=0.02)
    async with draining(deliverer(store, a.named("a"), b.named("b"), terms=terms)):
        await until(lambda: min(len(a.attempts), len(b.attempts)) >= 12)
    assert pending(store) == {"a": 2, "b": 2}
    with store.transaction() as tx:
        tx.execute(update(messages).where(messages.c.id == ALERT.id).values(state="delivered"))
        tx.execute(delete(messages).where(messages.c.sink == "b"))
    async with draining(deliverer(store, a.named("a"), b.named("b"), terms=terms)):
        await until(lambda: len(a.attempts) >= 24)
    assert pending(store) == {"a": 1}, "that a notice of b does not arrive is no news for b"


async def test_a_wish_for_a_long_rest_is_told_at_once(store: Store) -> None:
    async def later(_alert: Alert, _context: Context) -> None:
        raise DeliveryError("429", retryable=True, retry_after=7200)

    put(store, [ALERT], "a")
    b = Recorder()
    async with draining(deliverer(store, Recorder(later).named("a"), b.named("b"))):
        await until(lambda: len(b.got) == 1)
    assert b.got[0].title == "Messages to a do not arrive"


async def test_a_clock_ahead_of_the_database_s_holds_nothing_up_that_is_due_at_once(store: Store) -> None:
    sink = Recorder()
    put(store, [ALERT], "a", created_at=int(time.time()) + 86_400)
    assert await deliverer(store, sink.named("a")).deliver_due() == Delivered(sent=1)


async def test_a_stored_alert_that_cannot_be_read_does_not_block_the_next(store: Store) -> None:
    now = int(time.time())
    with store.transaction() as tx:
        outbox.add(tx, [Message("broken", "acme", "a", b"{", now - 1, now - 1)])
    put(store, [ALERT], "a")
    sink = Recorder()
    assert await deliverer(store, sink.named("a")).deliver_due() == Delivered(sent=1, dead=1)
    assert sink.got == [ALERT]


async def test_a_message_no_sink_can_take_does_not_block_the_next(store: Store) -> None:
    async def poison(alert: Alert, _context: Context) -> None:
        if alert.id == "00.open.1":
            raise DeliveryError("500", retryable=True)

    sink = Recorder(poison)
    put(store, numbered(5), "a")
    delivery = deliverer(store, sink.named("a"), terms=PATIENT)
    assert await delivery.deliver_due() == Delivered(sent=4, failed=1)


async def test_a_storm_is_told_in_few_messages_that_name_everything(
    store: Store, slack: FakeSlack, address: str
) -> None:
    put(store, numbered(50), "security")
    recorder = Recorder()
    put(store, numbered(50), "memory")
    delivery = deliverer(store, build("security", by_token(address)), recorder.named("memory"))
    assert await delivery.deliver_due() == Delivered(sent=40)
    assert len(slack.messages) == 20
    assert pending(store) == {}
    assert len(recorder.got[-1].lines) == 31
    assert await delivery.deliver_due() == Delivered()


async def test_what_nothing_may_hold_back_holds_nothing_else_up(store: Store) -> None:
    sink = Recorder()
    delivery = deliverer(store, sink.named("a"), terms=replace(QUICK, storm_limit=3))
    for number in range(6):
        put(store, [replace(ALERT, id=f"protected/{number}", finding=f"p{number}", protected=True)], "a")
        await delivery.deliver_due()
    assert len(sink.got) == 3
    put(store, [ALERT], "a")
    assert await delivery.deliver_due() == Delivered(sent=1)
    assert sink.got[-1] == ALERT
    assert pending(store) == {"a": 3}


async def test_what_was_sent_with_something_protected_waits_behind_no_storm(store: Store) -> None:
    sink = Recorder()
    delivery = deliverer(store, sink.named("a"), terms=replace(QUICK, storm_limit=2))
    both = [replace(ALERT, id=name, finding=name, protected=name == "second") for name in ("first", "second")]
    put(store, both, "a")
    with store.transaction() as tx:
        leases.bind(tx, leases.lease(tx, ["a"], "dead", 60, 2))
    put(store, numbered(3), "a")
    await delivery.deliver_due()
    assert len(sink.got) == 2
    later(store, 60)
    assert await delivery.deliver_due() == Delivered(sent=1)
    assert {line.finding for line in sink.got[-1].lines} == {"first", "second"}


async def test_what_nothing_may_hold_back_waits_behind_no_storm(store: Store) -> None:
    sink = Recorder()
    delivery = deliverer(store, sink.named("a"), terms=replace(QUICK, storm_limit=3))
    put(store, numbered(9), "a")
    await delivery.deliver_due()
    more = [replace(each, id=f"more/{each.id}", finding="") for each in numbered(4)]
    protected = [replace(each, id=f"protected/{each.id}", finding="", protected=True) for each in numbered(6)]
    put(store, more, "a")
    put(store, protected, "a")
    await delivery.deliver_due()
    # A new process knows what was sent, and keeps to it.
    again = deliverer(store, sink.named("a"), owner="two", terms=replace(QUICK, storm_limit=3))
    assert await again.deliver_due() == Delivered()
    alone = ["00.open.1", "01.open.1"]
    assert [each.id for each in sink.got if each.kind is not AlertKind.DIGEST] == [
        *alone,
        "protected/00.open.1",
        "protected/01.open.1",
    ]
    assert [len(each.lines) for each in sink.got if each.kind is AlertKind.DIGEST] == [7, 4]
    assert pending(store) == {"a": 4}


@pytest.mark.parametrize("place", [0, 19, 20, 41, 59])
async def test_a_message_that_is_refused_for_good_takes_none_of_its_storm_with_it(store: Store, place: int) -> None:
    alerts = numbered(60)
    alerts[place] = replace(alerts[place], text="poison")

    async def refuse(alert: Alert, _context: Context) -> None:
        if "poison" in (alert.text, *(line.message for line in alert.lines)):
            raise DeliveryError("no")

    put(store, alerts, "a")
    sink = Recorder(refuse)
    delivery = deliverer(store, sink.named("a"), terms=replace(QUICK, storm_window=0.3))
    async with draining(delivery):
        await until(lambda: pending(store) == {})
    with store.transaction() as tx:
        dead = [row.message.id for row in outbox.listing(tx, state="dead", limit=100)]
        delivered = outbox.listing(tx, state="delivered", limit=100)
    assert dead == [alerts[place].id]
    assert len(delivered) == 59


async def test_a_store_that_fails_at_the_start_does_not_end_the_delivery(store: Store) -> None:
    class Locked(Store):
        failures = 1

        @contextlib.contextmanager
        def transaction(self) -> Iterator[Transaction]:
            if self.failures:
                self.failures -= 1
                raise StoreError("the database is locked")
            with store.transaction() as tx:
                yield tx

    sink = Recorder()
    put(store, [ALERT], "a")
    locked = Locked.__new__(Locked)
    async with draining(deliverer(locked, sink.named("a"))):
        await until(lambda: pending(store) == {})
    assert sink.got == [ALERT]


async def test_what_an_operator_mends_is_told_once_it_is_mended(store: Store, slack: FakeSlack, address: str) -> None:
    slack.fail_next(Fault(FaultKind.REFUSED, error="token_revoked"), times=2)
    put(store, [ALERT], "security")
    async with draining(deliverer(store, build("security", by_token(address)))):
        await until(lambda: pending(store) == {})
    assert len(slack.messages) == 1


async def test_resolved_does_not_overtake_opened(store: Store) -> None:
    async def once(_alert: Alert, context: Context) -> None:
        if context.attempt == 1 and not sink.got:
            raise DeliveryError("down", retryable=True)

    sink = Recorder(once)
    resolved = replace(ALERT, id="00.resolved.2", kind=AlertKind.RESOLVED)
    put(store, [ALERT], "a", created_at=int(time.time()) - 1)
    delivery = deliverer(store, sink.named("a"), terms=PATIENT)
    assert await delivery.deliver_due() == Delivered(failed=1)
    put(store, [resolved], "a")
    later(store, PATIENT.first_wait)
    async with draining(delivery):
        await until(lambda: pending(store) == {})
    assert [alert.id for alert in sink.got] == [ALERT.id, resolved.id]


async def test_the_order_of_a_finding_survives_a_restart(store: Store) -> None:
    async def fail(_alert: Alert, _context: Context) -> None:
        raise DeliveryError("down", retryable=True)

    put(store, [ALERT], "a", created_at=int(time.time()) - 1)
    assert await deliverer(store, Recorder(fail).named("a"), terms=PATIENT).deliver_due() == Delivered(failed=1)
    put(store, [replace(ALERT, id="00.resolved.2", kind=AlertKind.RESOLVED)], "a")
    later(store, PATIENT.first_wait)
    sink = Recorder()
    async with draining(deliverer(store, sink.named("a"), owner="two")):
        await until(lambda: pending(store) == {})
    assert [alert.id for alert in sink.got] == [ALERT.id, "00.resolved.2"]


async def test_a_dead_sink_is_left_alone_after_a_few_failures(store: Store) -> None:
    async def fail(_alert: Alert, _context: Context) -> None:
        raise DeliveryError("down", retryable=True)

    sink = Recorder(fail)
    put(store, numbered(50), "a")
    delivery = deliverer(store, sink.named("a"), terms=replace(PATIENT, breaker_after=3))
    assert await delivery.deliver_due() == Delivered(failed=3)
    assert await delivery.deliver_due() == Delivered()
    assert pending(store) == {"a": 50}


async def test_waking_sends_at_once(store: Store) -> None:
    sink = Recorder()
    delivery = deliverer(store, sink.named("a"), terms=replace(QUICK, poll=60))
    async with draining(delivery):
        await asyncio.sleep(0.1)
        put(store, [ALERT], "a")
        delivery.wake()
        await until(lambda: len(sink.got) == 1, seconds=2)
        await asyncio.sleep(0.1)
        stopped = time.monotonic()
    assert time.monotonic() - stopped < 0.8, "the stop wakes too, it does not wait for the grace"


async def test_a_message_being_sent_at_the_stop_is_confirmed_if_it_is_quick(store: Store) -> None:
    async def little(_alert: Alert, _context: Context) -> None:
        await asyncio.sleep(0.3)

    sink = Recorder(little)
    put(store, [ALERT], "a")
    async with draining(deliverer(store, sink.named("a")), grace=3):
        await until(lambda: len(sink.attempts) == 1)
    assert pending(store) == {}


async def test_a_message_cut_off_by_the_stop_goes_out_again_when_its_lease_ends(store: Store) -> None:
    async def hang(_alert: Alert, _context: Context) -> None:
        await asyncio.sleep(60)

    hung, sink = Recorder(hang), Recorder()
    put(store, [ALERT], "a")
    terms = replace(QUICK, send_timeout=1, settle_margin=0)
    started = time.monotonic()
    async with draining(deliverer(store, hung.named("a"), terms=terms), grace=0.1):
        await until(lambda: len(hung.attempts) == 1)
    assert time.monotonic() - started < 2
    async with draining(deliverer(store, sink.named("a"), owner="two")):
        await until(lambda: pending(store) == {})
    assert sink.got == [ALERT]


async def test_two_deliverers_send_each_message_once(store: Store) -> None:
    sink = Recorder()
    put(store, numbered(15), "a")
    one, two = (deliverer(store, sink.named("a"), owner=owner) for owner in ("one", "two"))
    first, second = await asyncio.gather(one.deliver_due(), two.deliver_due())
    assert first.sent + second.sent == 15
    assert sorted(alert.id for alert in sink.got) == [alert.id for alert in numbered(15)]


async def test_a_bug_in_a_sink_is_logged_with_its_traceback_and_holds_up_no_other(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    redaction.register("hunter2-hunter2")

    async def bug(_alert: Alert, context: Context) -> None:
        if context.attempt < 3:
            raise ZeroDivisionError("by hunter2-hunter2")

    log.configure("info", "json")
    put(store, [ALERT], "a", "b")
    a, b = Recorder(bug), Recorder()
    async with draining(deliverer(store, a.named("a"), b.named("b"))):
        await until(lambda: pending(store) == {})
    assert [len(a.attempts), len(a.got), len(b.got)] == [3, 1, 1]
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    broke = [each for each in told if each["event"] == "delivery.broke"]
    assert [(each["level"], each["sink"], each["alert"]) for each in broke] == [("error", "a", ALERT.id)] * 2
    assert all(
        "Traceback" in each["exception"] and "ZeroDivisionError: by [secret]" in each["exception"] for each in broke
    )
    (first, _) = [each for each in told if each["event"] == "alert.postponed"]
    assert (first["error"], first["hint"]) == (
        "the sink (recorder) failed: ZeroDivisionError",
        "this is a bug: the log has its traceback",
    )


async def test_a_bug_in_a_sink_follows_the_rules_of_what_fails(store: Store) -> None:
    async def bug(_alert: Alert, _context: Context) -> None:
        raise RecursionError

    sink = Recorder(bug)
    put(store, numbered(50), "a")
    delivery = deliverer(store, sink.named("a"), terms=replace(PATIENT, breaker_after=3))
    assert await delivery.deliver_due() == Delivered(failed=3)
    assert await delivery.deliver_due() == Delivered()


async def test_a_bug_in_making_a_digest_leads_to_messages_one_by_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_what: object) -> Alert:
        raise KeyError("level")

    monkeypatch.setattr(digests, "merged", bug)
    put(store, numbered(6), "a")
    sink = Recorder()
    delivery = deliverer(store, sink.named("a"), terms=replace(QUICK, storm_limit=3, storm_window=0.3))
    async with draining(delivery):
        await until(lambda: pending(store) == {})
    assert sorted(alert.id for alert in sink.got) == [alert.id for alert in numbered(6)]


async def test_a_bug_in_keeping_a_conversation_repeats_no_message(
    store: Store, slack: FakeSlack, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_what: object) -> None:
        raise KeyError("place")

    monkeypatch.setattr(conversing, "keep", bug)
    put(store, [ALERT], "security")
    assert await deliverer(store, build("security", by_token(address))).deliver_due() == Delivered(sent=1)
    assert len(slack.messages) == 1
    with store.transaction() as tx:
        (told,) = outbox.listing(tx, state="delivered")
    assert (told.receipt or {}).keys() == {"channel", "ts"}


@pytest.mark.parametrize("stored", [b"\xff", b'{"id": "\xff"}', b"[" * 100_000, b"null", b"{}"])
async def test_whatever_is_stored_in_place_of_an_alert_is_given_up_with_a_word(store: Store, stored: bytes) -> None:
    now = int(time.time())
    with store.transaction() as tx:
        outbox.add(tx, [Message("broken", "acme", "a", stored, now - 1, now - 1)])
    put(store, [ALERT], "a")
    sink = Recorder()
    assert await deliverer(store, sink.named("a")).deliver_due() == Delivered(sent=1, dead=1)
    assert sink.got == [ALERT]


async def test_a_bug_beside_the_sending_ends_no_lane(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    def count(_sink: str, _delivered: Delivered) -> None:
        raise LookupError("no such counter")

    class Broken(Gate):
        def at(self, tx: Transaction) -> Judge:
            raise ZeroDivisionError

    log.configure("info", "json")
    put(store, numbered(3), "a")
    sink = Recorder()
    async with draining(Deliverer(store, {"a": sink.named("a")}, "one", terms=QUICK, on_turn=count), grace=0.1):
        await until(lambda: pending(store) == {})
    assert len(sink.got) == 3
    assert "LookupError: no such counter" in capsys.readouterr().err
    put(store, [replace(ALERT, id="another")], "a")
    gate = Broken(Teller({}, Routing(RoutingConfig(sinks=("a",)))))
    terms = replace(PATIENT, poll=0.01, breaker_after=3)
    said: list[str] = []

    def broke() -> int:
        said.append(capsys.readouterr().err)
        return "".join(said).count('"lane.broke"')

    async with draining(Deliverer(store, {"a": sink.named("a")}, "two", terms=terms, gate=gate), grace=0.1):
        await until(lambda: broke() == 3)
        await asyncio.sleep(0.2)
    assert broke() == 3, "and then it rests"
    assert pending(store) == {"a": 1}
