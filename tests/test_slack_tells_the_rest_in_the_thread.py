"""What a digest in Slack has no room for follows in its thread: every line once, whatever happens in between."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from alerts import ALERT
from deliveries import alert, later, put, routing, rows
from slack import Server, by_token
from sqlalchemy import update

from auditor.alerts import digests, slackthread
from auditor.alerts.deliver import Delivered, Deliverer
from auditor.alerts.lane import Terms
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.registry import build
from auditor.alerts.sink import Context, Receipt
from auditor.errors import DeliveryError
from auditor.simulator.slack_rules import length
from auditor.simulator.slack_workspace import FakeSlack, Fault, FaultKind, Posted
from auditor.store import tables
from auditor.store.database import Store, open_store
from auditor.store.outbox import Progress
from auditor.terms import Level

pytest_plugins = ["databases", "slackserver"]

TERMS = Terms(first_wait=0, jitter=0, storm_limit=1)
TEXT = "last used 91 days ago; its owner ada@example.com left the organization, and nobody else knows what it is for"


@pytest.fixture
def address(server: Server, slack: FakeSlack) -> str:
    assert server.slack is slack
    return server.address


@pytest.fixture
def lite(sqlite_url: str) -> Iterator[Store]:
    opened = open_store(sqlite_url)
    yield opened
    opened.close()


def told(count: int, policies: int = 1) -> list[Alert]:
    ids = [(f"f{n:04}", f"key_{n:04}", f"p{n % policies}") for n in range(count)]
    return [alert(finding, resource_id=key, policy=policy, text=TEXT) for finding, key, policy in ids]


def storm(count: int) -> Alert:
    return digests.merged(told(count), 1_767_225_600)


def keys(posted: Posted) -> list[str]:
    """What the message names, in its order."""
    return re.findall(r"'(key_\d{4})'", str(posted.blocks))


def all_keys(slack: FakeSlack) -> list[str]:
    return [key for posted in slack.messages for key in keys(posted)]


def words(posted: Posted) -> str:
    return str(posted.blocks)


def expected(count: int) -> list[str]:
    return [f"key_{n:04}" for n in range(count)]


async def arrived(slack: FakeSlack, count: int = 1) -> None:
    """Until so many messages are there: the next one comes a second later."""
    while len(slack.messages) < count:  # noqa: ASYNC110 - the fake is in another thread
        await asyncio.sleep(0.01)


async def kept_of(address: str, digest: Alert, kept: dict[str, Any] | None = None) -> dict[str, Any]:
    """What an error keeps of a try that fails."""
    with pytest.raises(DeliveryError) as caught:
        await build("chat", by_token(address)).send(digest, Context(kept=kept or {}))
    assert caught.value.retryable, "in smaller digests all would be told again"
    return caught.value.kept


async def test_every_line_is_told_once_in_order_at_the_pace_of_slack(slack: FakeSlack, address: str) -> None:
    slack.pace = 1
    receipt = await build("chat", by_token(address)).send(storm(400), Context())
    parent, *parts = slack.messages
    assert receipt.details == {"channel": parent.channel, "ts": parent.ts}
    assert len(parts) >= 2
    assert {each.thread_ts for each in parts} == {parent.ts}
    assert not any(each.broadcast for each in parts)
    assert all_keys(slack) == expected(400)
    assert f"... and {400 - len(keys(parent))} more in the thread" in words(parent)
    assert all(9000 < length(each.blocks) < 10_500 for each in slack.messages[:-1])
    first, last = len(keys(parent)) + 1, len(keys(parent)) + len(keys(parts[0]))
    assert parts[0].text == f"📋 400 alerts at once: {first} to {last} of 400"
    assert parts[-1].text.endswith("to 400 of 400")
    assert slack.calls == ["chat.postMessage"] * len(slack.messages), "nothing came too soon"


async def test_what_is_refused_as_too_fast_is_told_a_little_later(slack: FakeSlack, address: str) -> None:
    sink = build("chat", by_token(address))
    sending = asyncio.ensure_future(sink.send(storm(150), Context()))
    await arrived(slack)
    slack.fail_next(Fault(FaultKind.RATE_LIMITED, seconds=1), times=2)
    await sending
    assert all_keys(slack) == expected(150)


async def test_a_digest_that_fits_has_no_thread(slack: FakeSlack, address: str) -> None:
    stored: list[object] = []

    async def keep(kept: object) -> None:
        stored.append(kept)

    await build("chat", by_token(address)).send(storm(20), Context(keep=keep))
    assert [keys(each) for each in slack.messages] == [expected(20)]
    assert "more in the thread" not in words(slack.messages[0])
    assert not stored


async def test_a_part_whose_answer_was_lost_is_repeated_alone_under_its_id(slack: FakeSlack, address: str) -> None:
    digest = storm(150)
    sink = build("chat", by_token(address))
    sending = asyncio.ensure_future(sink.send(digest, Context()))
    await arrived(slack)
    slack.fail_next(Fault(FaultKind.CUT))
    with pytest.raises(DeliveryError) as caught:
        await sending
    parent, lost = slack.messages
    assert caught.value.kept["told"] == len(keys(parent))
    await sink.send(digest, Context(kept=caught.value.kept))
    again, *others = slack.messages[2:]
    assert again.metadata == lost.metadata != parent.metadata
    assert (again.blocks, again.thread_ts) == (lost.blocks, parent.ts)
    assert keys(parent) + keys(again) + [key for each in others for key in keys(each)] == expected(150)


async def test_a_part_that_never_arrived_is_all_that_is_told_by_the_next_try(slack: FakeSlack, address: str) -> None:
    digest = storm(150)
    sink = build("chat", by_token(address))
    sending = asyncio.ensure_future(sink.send(digest, Context()))
    await arrived(slack)
    slack.fail_next(Fault(FaultKind.SERVER_ERROR), times=2)
    with pytest.raises(DeliveryError) as caught:
        await sending
    assert not await kept_of(address, digest, caught.value.kept), "nothing more was confirmed"
    receipt = await sink.send(digest, Context(kept=caught.value.kept))
    assert receipt.details["ts"] == slack.messages[0].ts
    assert all_keys(slack) == expected(150)


async def test_a_parent_whose_answer_was_lost_is_told_again_and_its_thread_once(slack: FakeSlack, address: str) -> None:
    digest = storm(150)
    slack.fail_next(Fault(FaultKind.CUT))
    assert not await kept_of(address, digest)
    await build("chat", by_token(address)).send(digest, Context())
    lost, parent, *parts = slack.messages
    assert lost.metadata == parent.metadata
    assert {each.thread_ts for each in parts} == {parent.ts}
    assert [key for each in (parent, *parts) for key in keys(each)] == expected(150)


async def test_what_follows_a_message_that_somebody_deleted_is_told_in_the_channel(
    slack: FakeSlack, address: str
) -> None:
    sending = asyncio.ensure_future(build("chat", by_token(address)).send(storm(250), Context()))
    await arrived(slack)
    deleted = slack.messages[0]
    slack.delete(deleted.ts)
    await sending
    first, *others = slack.messages
    assert first.thread_ts == ""
    assert {each.thread_ts for each in others} == {first.ts}
    assert keys(deleted) + all_keys(slack) == expected(250)


async def test_a_try_that_takes_too_long_leaves_the_rest_to_the_next(
    slack: FakeSlack, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slackthread, "TIME", 1)
    digest, tries = storm(250), 0
    kept: dict[str, Any] = {}
    while len(all_keys(slack)) < 250:
        tries += 1
        try:
            await build("chat", by_token(address)).send(digest, Context(kept=kept))
        except DeliveryError as error:
            kept = error.kept
    assert tries >= 2
    assert all_keys(slack) == expected(250)


async def test_what_another_digest_kept_is_not_this_one_s(slack: FakeSlack, address: str) -> None:
    """Of what was given up together somebody tries one again."""
    receipt = Receipt({"channel": slack.channels[0].id, "ts": "1.0"})
    kept = slackthread.Begun("storm/other", receipt, 50, "1.0").kept
    await build("chat", by_token(address)).send(ALERT, Context(kept=kept))
    assert slack.messages[0].metadata["event_payload"]["id"] == ALERT.id


async def test_more_than_a_thousand_lines_are_counted_at_the_end(slack: FakeSlack, address: str) -> None:
    lines = tuple(Line(Level.LOW, "p", f"n{n}", "stale", "", "f", "", f"key_{n:04}") for n in range(1005))
    await build("chat", by_token(address)).send(replace(storm(2), lines=lines), Context())
    assert all_keys(slack) == expected(1000)
    assert "... and 5 more findings (with `auditor findings list --policy p`)" in words(slack.messages[-1])
    assert f"... and {1005 - len(keys(slack.messages[0])):,} more in the thread" in words(slack.messages[0])


async def deliver(store: Store, address: str, terms: Terms = TERMS) -> Delivered:
    """A process of its own."""
    sinks = {"chat": build("chat", by_token(address))}
    return await Deliverer(store, sinks, "owner", terms=terms).deliver_due()


async def test_a_process_that_dies_within_the_thread_repeats_no_confirmed_message(
    store: Store, slack: FakeSlack, address: str
) -> None:
    put(store, routing(), *told(250, policies=7))
    later(store, 400)
    dying = asyncio.ensure_future(deliver(store, address))
    await arrived(slack, 2)
    await asyncio.sleep(0.3)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    with store.transaction() as tx:
        tx.execute(update(tables.outbox).values(lease_until=None))
    assert await deliver(store, address) == Delivered(sent=1)
    assert sorted(all_keys(slack)) == expected(250)
    assert len({str(each.metadata) for each in slack.messages}) == len(slack.messages)
    states = {each.state for each in rows(store)}
    assert states == {Progress.DELIVERED}
    receipts = [each.receipt or {} for each in rows(store)]
    assert {each["ts"] for each in receipts} == {slack.messages[0].ts}
    assert not any("told" in each for each in receipts)


async def test_a_thread_that_is_broken_off_goes_on_when_the_window_has_room(
    store: Store, slack: FakeSlack, address: str
) -> None:
    put(store, routing(), *told(150, policies=7))
    later(store, 400)
    first = asyncio.ensure_future(deliver(store, address))
    await arrived(slack)
    slack.fail_next(Fault(FaultKind.SERVER_ERROR))
    assert await first == Delivered(failed=150)
    put(store, routing(), *[replace(each, id=each.id + "x", finding=each.id) for each in told(3)])
    later(store, 700)
    await deliver(store, address)
    parent, *parts = [each for each in slack.messages if "150 alerts" in str(each)]
    assert {each.thread_ts for each in parts} == {parent.ts}
    assert sorted(key for each in (parent, *parts) for key in keys(each)) == expected(150)


async def test_a_group_that_is_too_large_for_one_message_is_told_in_its_thread(
    lite: Store, slack: FakeSlack, address: str
) -> None:
    put(lite, routing(), *(replace(each, policy="stale") for each in told(150)))
    later(lite, 400)
    assert await deliver(lite, address, Terms(first_wait=0, jitter=0)) == Delivered(sent=1)
    parent, *parts = slack.messages
    assert parent.text.startswith("🔺 150 open")
    assert [key for each in parts for key in keys(each)] == expected(150), "the message above names some of them"
    put(lite, routing(), replace(told(1)[0], id="f0000.resolved", policy="stale", kind=AlertKind.RESOLVED))
    later(lite, 400)
    await deliver(lite, address, Terms(first_wait=0, jitter=0))
    assert slack.messages[-1].thread_ts == parent.ts, "what comes of them goes on there"
    assert parent.text.startswith("🔺 149 open, 1 resolved")
