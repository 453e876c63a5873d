"""A server that takes a letter for some addresses and not for others: real SMTP, from the outbox to the listing."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mail
import pytest
from alerts import ALERT
from commands import auditor, configured
from sqlalchemy import select, update

from auditor.alerts.deliver import Delivered, Deliverer
from auditor.alerts.lane import Terms
from auditor.alerts.message import Alert
from auditor.alerts.outgoing import queue
from auditor.alerts.recipients import PATIENCE
from auditor.alerts.registry import build
from auditor.alerts.sink import Context, Sink
from auditor.errors import DeliveryError
from auditor.jobs import surroundings
from auditor.jobs.diagnosis import Mark
from auditor.store import dead, held, leases, outbox
from auditor.store.database import Store, open_store
from auditor.store.outbox import Entry, Message, Progress
from auditor.store.tables import outbox as rows

pytest_plugins = ["databases"]

A, B, C = "a@example.com", "b@example.com", "c@example.com"
WAIT = 0.2
QUICK = Terms(first_wait=WAIT, longest_wait=WAIT, jitter=0, breaker_after=2)
API = "http://127.0.0.1:9/v1"


def settings(inbox: mail.Inbox, *to: str) -> dict[str, Any]:
    place = {"type": "email", "host": "127.0.0.1", "port": inbox.port, "allow_private": True, "security": "none"}
    return {**place, "timeout": 5, "sender": "auditor@example.com", "to": list(to)}


@pytest.fixture
def inbox() -> Iterator[mail.Inbox]:
    with mail.serving() as serving:
        yield serving


def put(store: Store, *alerts: Alert) -> None:
    with store.transaction() as tx:
        for alert in alerts:
            queue(tx, alert, ["mail"], int(time.time()))


async def deliver(store: Store, *sinks: Sink, terms: Terms = QUICK) -> Delivered:
    """What is due now, by a process that knows nothing but the store."""
    return await Deliverer(store, {sink.name: sink for sink in sinks}, "one", terms=terms).deliver_due()


def entry(store: Store, sink: str = "mail") -> Entry:
    """The oldest message to the sink."""
    with store.transaction() as tx:
        return outbox.listing(tx, sinks=[sink])[-1]


async def test_who_is_put_off_gets_the_letter_later_and_nobody_gets_it_twice(store: Store, inbox: mail.Inbox) -> None:
    sink = build("mail", settings(inbox, A, B))
    put(store, ALERT)
    inbox.put_off = (B,)
    for _ in range(2):
        assert await deliver(store, sink) == Delivered(failed=1)
        assert entry(store).error == f"the mail server puts the letter off for {B}: 450 4.2.0; the others have it"
        await asyncio.sleep(WAIT)
    inbox.put_off = ()
    assert await deliver(store, sink) == Delivered(sent=1)
    assert inbox.recipients == [[A], [B]]
    assert len({letter["Message-ID"] for letter in inbox.letters}) == 1
    assert {letter["To"] for letter in inbox.letters} == {f"{A}, {B}"}
    assert "refused" not in (entry(store).receipt or {})


async def test_a_server_that_takes_nothing_in_between_forgets_nobody(store: Store, inbox: mail.Inbox) -> None:
    sink = build("mail", settings(inbox, A, B, C))
    put(store, ALERT)
    inbox.put_off, inbox.refuse = (B,), (C,)
    await deliver(store, sink)
    inbox.put_off, inbox.busy = (), True
    await asyncio.sleep(WAIT)
    assert await deliver(store, sink) == Delivered(failed=1)
    inbox.busy = False
    nowhere = build("mail", {**settings(inbox, A, B, C), "port": 9})
    await asyncio.sleep(WAIT)
    assert await deliver(store, nowhere) == Delivered(failed=1)
    await asyncio.sleep(WAIT)
    assert (await deliver(store, sink)).failed == 0
    assert inbox.recipients[:2] == [[A], [B]]
    assert (entry(store).receipt or {})["refused"] == f"{C}: 550 5.1.1"


async def test_who_is_put_off_delays_no_other_finding(store: Store, inbox: mail.Inbox) -> None:
    sink = build("mail", settings(inbox, A, B))
    inbox.put_off = (B,)
    alerts = [replace(ALERT, id=str(number), finding=str(number)) for number in range(6)]
    put(store, *alerts)
    assert await deliver(store, sink, terms=Terms(breaker_after=2)) == Delivered(failed=6), (
        "more than after which a sink rests"
    )
    assert inbox.recipients == [[A]] * 6


async def test_who_is_put_off_floods_nobody(store: Store, inbox: mail.Inbox) -> None:
    sink = build("mail", settings(inbox, A, B))
    inbox.put_off = (B,)
    put(store, *(replace(ALERT, id=str(number), finding=str(number)) for number in range(50)))
    await deliver(store, sink, terms=Terms(storm_limit=3))
    assert inbox.recipients == [[A]] * 3


async def test_a_digest_that_is_put_off_for_one_is_the_same_digest_later(store: Store, inbox: mail.Inbox) -> None:
    sink = build("mail", settings(inbox, A, B))
    inbox.put_off = (B,)
    put(store, *(replace(ALERT, id=str(number), finding=str(number)) for number in range(5)))
    terms = replace(QUICK, storm_limit=1)
    assert await deliver(store, sink, terms=terms) == Delivered(failed=5)
    inbox.put_off = ()
    await asyncio.sleep(WAIT)
    assert await deliver(store, sink, terms=terms) == Delivered(sent=1)
    assert inbox.recipients == [[A], [B]]
    first, second = inbox.letters
    assert first["Subject"] == second["Subject"]


async def test_a_refusal_for_one_is_told_once_a_day_through_the_other_sinks(
    store: Store, inbox: mail.Inbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.refuse = (B,)
    file = build("file", {"type": "jsonl", "path": str(tmp_path / "alerts.jsonl")})
    sinks = build("mail", settings(inbox, A, B)), file
    put(store, ALERT, replace(ALERT, id="2", finding="2"))
    assert (await deliver(store, *sinks)).failed == 0
    await deliver(store, *sinks)
    assert inbox.recipients == [[A], [A]]
    (told,) = map(json.loads, (tmp_path / "alerts.jsonl").read_text().splitlines())
    assert (told["kind"], told["level"], told["title"]) == ("notice", "high", f"{B} gets no messages from mail")
    assert told["facts"] == {"Sink": "mail", "Recipient": B, "Answer": "550 5.1.1", "Message": ALERT.id}
    assert "canary" not in json.dumps(told) + caplog.text


async def test_where_mail_is_all_there_is_the_others_are_told_and_it_ends(store: Store, inbox: mail.Inbox) -> None:
    inbox.refuse = (B,)
    sink = build("mail", settings(inbox, A, B))
    put(store, ALERT)
    total = Delivered()
    for _ in range(4):
        total += await deliver(store, sink)
    assert total == Delivered(sent=2)
    assert inbox.letters[1]["Subject"].endswith(f"{B} gets no messages from mail")
    assert inbox.recipients == [[A], [A]]


async def test_who_is_put_off_for_hours_is_left_out_and_told_of(inbox: mail.Inbox) -> None:
    inbox.put_off = (B,)
    sink = build("mail", settings(inbox, A, B))
    now = int(time.time())
    with pytest.raises(DeliveryError):
        await sink.send(ALERT, Context(kept={"taken": [A], "refused": {}, "since": now - PATIENCE + 60}))
    receipt = await sink.send(ALERT, Context(kept={"taken": [A], "refused": {}, "since": now - PATIENCE}))
    assert receipt.refused == {B: "450 4.2.0"}
    assert inbox.letters == []


async def test_a_letter_that_is_refused_later_was_still_delivered_to_the_others(inbox: mail.Inbox) -> None:
    kept = {"taken": [A], "refused": {}, "since": int(time.time())}
    for verb in ("MAIL", "RCPT", "DATA", "DOT"):
        with mail.scripted({verb: b"554 5.6.0 canary\r\n"}) as (port, _):
            sink = build("mail", {**settings(inbox, A, B), "port": port})
            assert (await sink.send(ALERT, Context(kept=kept))).refused == {B: "554 5.6.0"}


@pytest.mark.parametrize("verb", ["MAIL", "DATA", "DOT"])
async def test_what_is_refused_later_for_a_setting_is_waited_for(inbox: mail.Inbox, verb: str) -> None:
    kept = {"taken": [A], "refused": {}, "since": int(time.time())}
    with mail.scripted({verb: b"530 5.7.0 canary\r\n"}) as (port, _):
        sink = build("mail", {**settings(inbox, A, B), "port": port})
        with pytest.raises(DeliveryError, match=f"puts the letter off for {B}: 530 5.7.0") as caught:
            await sink.send(ALERT, Context(kept=kept))
    assert caught.value.kept == kept


async def test_an_address_that_is_not_configured_any_more_is_not_waited_for(inbox: mail.Inbox) -> None:
    sink = build("mail", settings(inbox, A))
    kept = {"taken": [A], "refused": {C: "550"}, "since": int(time.time())}
    assert (await sink.send(ALERT, Context(kept=kept))).refused == {C: "550"}
    assert inbox.letters == []


async def test_what_was_given_up_for_one_goes_out_again_for_that_one(store: Store, inbox: mail.Inbox) -> None:
    inbox.put_off = (B,)
    sink = build("mail", settings(inbox, A, B))
    put(store, ALERT)
    await deliver(store, sink)
    await asyncio.sleep(WAIT)
    assert await deliver(store, sink, terms=replace(QUICK, give_up_after=0, watch=0)) == Delivered(dead=1)
    inbox.put_off = ()
    with store.transaction() as tx:
        dead.revive(tx, ["mail"])
    put(store, *(replace(ALERT, id=str(number), finding=str(number)) for number in range(3)))
    await deliver(store, sink)
    assert inbox.recipients == [[A], [B], *[[A, B]] * 3]


@pytest.mark.parametrize("way", ["retried", "released"])
async def test_who_is_put_off_is_waited_for_anew_once_the_letter_is_owed_again(
    store: Store, inbox: mail.Inbox, way: str
) -> None:
    inbox.put_off = (B,)
    sink = build("mail", settings(inbox, A, B))
    put(store, ALERT)
    await deliver(store, sink)
    long_ago = int(time.time()) - PATIENCE - 60
    with store.transaction() as tx:
        kept = {**(tx.execute(select(rows.c.receipt)).scalar_one()), "since": long_ago}
        tx.execute(update(rows).values(receipt=kept, due_at=0))
        (leased,) = leases.lease(tx, ["mail"], "one", 60, 1)
        if way == "retried":
            outbox.bury(tx, leased, "given up")
            dead.revive(tx, ["mail"])
        else:
            outbox.suppress(tx, leased, "silence", final=False)
            held.release(tx, [each.row for each in held.suppressed(tx, ALERT.organization)])
    assert await deliver(store, sink) == Delivered(failed=1)
    now_kept = entry(store).receipt or {}
    assert (now_kept["taken"], now_kept["since"] > long_ago + PATIENCE) == ([A], True)
    assert inbox.recipients == [[A]]


async def test_what_one_has_already_is_told_with_nothing_that_he_has_not(store: Store) -> None:
    now = time.time()
    put_together = [
        Message(name, "acme", "mail", b"{}", int(now), now - 60, group="g", flush_at=now - 60) for name in "abc"
    ]
    with store.transaction() as tx:
        outbox.add(tx, put_together)
        for leased in leases.lease(tx, ["mail"], "one", 60, 3):
            if leased.message.id != "b":
                outbox.postpone(tx, leased, 0, "later", {"taken": [A], "since": 1})
        tx.execute(update(rows).values(state=Progress.DEAD, owner=None, lease_until=None))
        dead.revive(tx, ["mail"])
    with store.transaction() as tx:
        (first,) = leases.lease(tx, ["mail"], "one", 60, 1)
        assert [each.message.id for each in leases.lease_rest(tx, first, "one", 60, 9)] == ["c"]
        assert [each.message.id for each in leases.lease(tx, ["mail"], "one", 60, 9)] == ["b"]
        tx.execute(update(rows).values(owner=None, lease_until=None))
    with store.transaction() as tx:
        assert [each.message.id for each in leases.lease(tx, ["mail"], "one", 60, 9)] == ["a", "c"]


async def test_a_digest_repeats_nothing_that_one_has_already_and_leaves_nobody_out(
    store: Store, inbox: mail.Inbox
) -> None:
    inbox.put_off = (B,)
    sink = build("mail", settings(inbox, A, B))
    put(store, ALERT)
    await deliver(store, sink)
    await asyncio.sleep(WAIT)
    await deliver(store, sink, terms=replace(QUICK, give_up_after=0, watch=0))
    inbox.put_off = ()
    with store.transaction() as tx:
        dead.revive(tx, ["mail"])
    put(store, *(replace(ALERT, id=str(number), finding=str(number)) for number in range(3)))
    await deliver(store, sink, terms=replace(QUICK, storm_limit=1))
    assert inbox.recipients == [[A], [B]]
    await deliver(store, sink, terms=replace(QUICK, storm_limit=2))
    assert inbox.recipients == [[A], [B], [A, B]], "the fresh ones as one"


async def test_a_refusal_for_one_is_listed(tmp_path: Path, inbox: mail.Inbox) -> None:
    config = configured(tmp_path, API, sinks={"mail": settings(inbox, A, B)})
    inbox.refuse = (B,)
    store = open_store(f"sqlite:///{tmp_path}/auditor.db")
    put(store, ALERT)
    await deliver(store, build("mail", settings(inbox, A, B)))
    assert entry(store).state is Progress.DELIVERED
    store.close()
    told = auditor("deliveries", "--state", "delivered", cwd=config.parent, env={"COLUMNS": "300"}).out
    assert f", but refused for {B}: 550 5.1.1" in told


async def test_the_doctor_says_whom_a_test_message_does_not_reach(inbox: mail.Inbox) -> None:
    inbox.refuse = (B,)
    line = await surroundings.send_test(build("mail", settings(inbox, A, B)), ALERT)
    assert (line.mark, line.text) == (Mark.FAIL, f"email: the test message was refused for {B}: 550 5.1.1")


def test_a_trial_that_does_not_reach_everybody_fails(tmp_path: Path, inbox: mail.Inbox) -> None:
    config = configured(tmp_path, API, sinks={"mail": settings(inbox, A, B)})
    inbox.refuse = (B,)
    done = auditor("sinks", "test", "mail", cwd=config.parent)
    assert (done.code, done.err) == (1, f"mail: refused for {B}: 550 5.1.1\n")
    inbox.refuse, inbox.put_off = (), (B,)
    done = auditor("sinks", "test", "mail", cwd=config.parent)
    assert (done.code, f"puts the letter off for {B}: 450 4.2.0; the others have it" in done.err) == (1, True)
