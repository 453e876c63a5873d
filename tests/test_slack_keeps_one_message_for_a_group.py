"""What belongs together is one message in Slack: it shows how things stand, and its thread what happened.

Over HTTP, by the real slack-sdk, at a fake Slack that refuses what Slack refuses.
"""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from deliveries import ALERT, alert, later, put, routing, rows
from slack import Server, by_token, by_webhook
from sqlalchemy import text, update

from auditor import clock
from auditor.alerts.board import ENDED
from auditor.alerts.conversation import FINDINGS_MAX, LONGEST, Conversation, decode, encode, turn
from auditor.alerts.deliver import Delivered, Deliverer
from auditor.alerts.lane import Terms
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.outgoing import mark, queue
from auditor.alerts.registry import build
from auditor.alerts.route import Routing
from auditor.alerts.sink import Context
from auditor.simulator.slack_calls import Refusal
from auditor.simulator.slack_workspace import FakeSlack, Fault, FaultKind, Posted
from auditor.store import conversations, leases, outbox, tables, tally
from auditor.store.database import Store, open_store
from auditor.store.outbox import Progress
from auditor.terms import Level

pytest_plugins = ["databases", "slackserver"]

TERMS = Terms(first_wait=0, jitter=0, storm_limit=1_000_000)
STORM = replace(TERMS, storm_limit=1, storm_window=60)
LATER = 1_767_225_700


@pytest.fixture
def lite(sqlite_url: str) -> Iterator[Store]:
    """For what the database does not matter to."""
    opened = open_store(sqlite_url)
    yield opened
    opened.close()


class Watch:
    """Alerts that come in, and a process of its own for each delivery."""

    def __init__(self, store: Store, server: Server, table: Routing | None = None, **settings: object) -> None:
        self.store = store
        self.settings = {**by_token(server.address), **settings}
        self.table = table or routing()
        self.ahead = 0

    async def tell(self, *alerts: Alert) -> Delivered:
        put(self.store, self.table, *alerts)
        return await self.deliver()

    async def mark(self, *alerts: Alert) -> Delivered:
        with self.store.transaction() as tx:
            for each in alerts:
                for goes in self.table.destinations(each):
                    mark(tx, each, goes, int(time.time()))
        return await self.deliver()

    async def deliver(self, terms: Terms = TERMS) -> Delivered:
        later(self.store, 400)
        sink = build("chat", self.settings)
        now = lambda: clock.from_epoch(int(time.time()) + self.ahead)  # noqa: E731
        return await Deliverer(self.store, {"chat": sink}, "owner", terms=terms, now=now).deliver_due()


@pytest.fixture
def watch(store: Store, server: Server, slack: FakeSlack) -> Watch:
    assert server.slack is slack
    return Watch(store, server)


@pytest.fixture
def quick(lite: Store, server: Server, slack: FakeSlack) -> Watch:
    assert server.slack is slack
    return Watch(lite, server)


def resolved(name: str, **more: Any) -> Alert:
    return alert(name, kind=AlertKind.RESOLVED, at=LATER, **more)


def acknowledged(name: str, by: str = "ada@example.com") -> Alert:
    made = alert(name, kind=AlertKind.ACKNOWLEDGED, at=LATER, by=by)
    return replace(made, id=f"{outbox.MARK}{made.id}")


def shown(posted: Posted) -> str:
    """All that the message shows, in reading order."""
    return "\n".join(words(posted.blocks))


def words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("type") in ("rich_text_section", "section", "header") and (line := "".join(leaves(value))):
            yield line
        elif isinstance(value.get("text"), str):
            yield value["text"]
        else:
            for inner in value.values():
                yield from words(inner)
    elif isinstance(value, list):
        for item in value:
            yield from words(item)


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        else:
            for inner in value.values():
                yield from leaves(inner)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)


def parents(slack: FakeSlack) -> list[Posted]:
    return [posted for posted in slack.messages if not posted.thread_ts]


def replies(slack: FakeSlack, parent: Posted) -> list[Posted]:
    return [posted for posted in slack.messages if posted.thread_ts == parent.ts]


async def test_a_group_is_one_message_that_shows_how_it_stands(watch: Watch, slack: FakeSlack) -> None:
    await watch.tell(alert("a"), alert("b"))
    await watch.tell(alert("c", level=Level.CRITICAL))
    await watch.tell(resolved("a"))
    (parent,) = parents(slack)
    assert shown(parent).splitlines()[0] == "🛑 2 open, 1 resolved: Title"
    assert parent.text == "🛑 2 open, 1 resolved: Title"
    lines = shown(parent).splitlines()[1:-1]
    assert lines == [
        "🛑 Critical",
        "c Text stale finding c",
        "🔺 High",
        "b Text stale finding b",
        "✅ Resolved",
        "a Text · resolved at 2026-01-01 00:01:40 UTC stale finding a",
    ]
    assert [shown(reply).splitlines()[0] for reply in replies(slack, parent)] == [
        "🛑 Critical: Title",
        "✅ Resolved: Title",
    ]


async def test_one_finding_alone_looks_as_it_did_and_says_how_it_ended(watch: Watch, slack: FakeSlack) -> None:
    await watch.tell(alert("a", facts=(("Who", "ada@example.com"),)))
    (parent,) = slack.messages
    assert shown(parent).splitlines()[:3] == ["🔺 High: Title", "Text", "Who: ada@example.com"]
    await watch.tell(resolved("a", facts=(("Why", "complies"),)))
    lines = shown(parent).splitlines()
    assert lines[:4] == [
        "✅ Resolved: Title",
        "Text",
        "Resolved at 2026-01-01 00:01:40 UTC",
        "Why: complies",
    ]
    assert len(replies(slack, parent)) == 1


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
@pytest.mark.parametrize("signs", ["&", "<>", "://", "@here "])
async def test_a_message_full_of_what_slack_wants_escaped_can_be_changed(
    signs: str, names: tuple[str, ...], quick: Watch, slack: FakeSlack
) -> None:
    words = {"title": signs * 2000, "text": signs * 2000}
    await quick.tell(*(alert(name, **words) for name in names))
    await quick.tell(resolved("a", **words))
    (parent,) = parents(slack)
    assert len(parent.versions) == 2
    assert 1000 < len(parent.text) <= 4000
    assert re.fullmatch(r"([^&<>]|&(amp|lt|gt);)*", parent.text), "nothing is cut in the middle"


async def test_what_is_resolved_is_told_in_words_and_struck_and_not_by_colour(quick: Watch, slack: FakeSlack) -> None:
    await quick.tell(alert("a"), alert("b"))
    await quick.tell(resolved("a"))
    leaf = next(each for each in flat(slack.messages[0].blocks) if each.get("text") == "a Text")
    assert leaf["style"] == {"strike": True}
    assert "✅ Resolved" in shown(slack.messages[0])


def flat(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from flat(inner)
    elif isinstance(value, list):
        for item in value:
            yield from flat(item)


async def test_the_channel_hears_of_high_findings_in_a_thread_and_of_nothing_else(
    quick: Watch, slack: FakeSlack
) -> None:
    await quick.tell(alert("a"))
    for told in (
        alert("b"),
        alert("c", level=Level.CRITICAL, kind=AlertKind.REOPENED),
        alert("d", level=Level.MEDIUM),
        resolved("b", level=Level.CRITICAL),
    ):
        await quick.tell(told)
    assert [(shown(reply).splitlines()[0], reply.broadcast) for reply in replies(slack, slack.messages[0])] == [
        ("🔺 High: Title", True),
        ("🛑 Critical again: Title", True),
        ("🔶 Medium: Title", False),
        ("✅ Resolved: Title", False),
    ]


async def test_what_a_person_took_on_is_shown_with_who_it_was(watch: Watch, slack: FakeSlack) -> None:
    await watch.tell(alert("a"), alert("b"))
    assert await watch.mark(acknowledged("a")) == Delivered(sent=1)
    (parent,) = parents(slack)
    assert shown(parent).splitlines()[0] == "🔺 1 open, 1 acknowledged: Title"
    assert "a Text · acknowledged by ada@example.com at 2026-01-01 00:01:40 UTC stale" in shown(parent)
    (reply,) = replies(slack, parent)
    assert shown(reply).splitlines()[0] == "👀 Acknowledged: Title"
    assert not reply.broadcast


async def test_a_mark_of_what_was_never_told_here_is_told_nowhere(watch: Watch, slack: FakeSlack) -> None:
    assert await watch.mark(acknowledged("a")) == Delivered()
    await watch.tell(alert("b"))
    assert await watch.mark(acknowledged("c")) == Delivered()
    assert len(slack.messages) == 1
    assert [entry.error for entry in rows(watch.store, "suppressed")] == ["nothing to mark"] * 2
    with watch.store.transaction() as tx:
        assert tally.counts(tx, "acme", 0) == {("chat", Progress.DELIVERED): 1}


async def test_a_mark_does_not_hold_back_what_comes_next(watch: Watch) -> None:
    await watch.tell(alert("a"))
    before = [entry.message.flush_at for entry in rows(watch.store)]
    await watch.mark(acknowledged("a"))
    assert before[0] is not None
    assert [entry.message.flush_at for entry in rows(watch.store)][1:] == [None]


async def test_when_all_is_resolved_a_later_fault_begins_a_new_message(watch: Watch, slack: FakeSlack) -> None:
    await watch.tell(alert("a"))
    await watch.tell(resolved("a"))
    await watch.tell(alert("a", kind=AlertKind.REOPENED, at=LATER + 60))
    first, second = parents(slack)
    assert shown(first).startswith("✅ Resolved")
    assert shown(second).startswith("🔺 High again")
    assert replies(slack, second) == []


async def test_after_two_weeks_what_is_new_begins_a_new_message_with_what_is_still_open(
    quick: Watch, slack: FakeSlack
) -> None:
    await quick.tell(alert("a"), alert("b"))
    await quick.tell(resolved("b"))
    quick.ahead = LONGEST
    await quick.tell(alert("c"))
    first, second = parents(slack)
    assert ENDED in shown(first)
    assert ENDED not in shown(second)
    assert shown(second).splitlines()[:4] == [
        "🔺 2 open: Title",
        "🔺 High",
        "a Text stale finding a",
        "c Text stale finding c",
    ]


async def test_after_two_weeks_what_ends_is_still_shown_where_it_was_told(quick: Watch, slack: FakeSlack) -> None:
    await quick.tell(alert("a"), alert("b"))
    quick.ahead = 3 * LONGEST
    await quick.tell(resolved("b"))
    (parent,) = parents(slack)
    assert shown(parent).startswith("🔺 1 open, 1 resolved")


async def test_hundreds_of_findings_stay_within_the_limits_of_slack(quick: Watch, slack: FakeSlack) -> None:
    names = [f"key-{number:03}" for number in range(FINDINGS_MAX - 5)]
    hostile = "<!channel> " * 200
    await quick.tell(*(alert(name, text=hostile, level=list(Level)[int(name[-1]) % 5]) for name in names))
    await quick.tell(*(resolved(name, text=hostile) for name in names[:20]))
    await quick.tell(*(alert(f"more-{number}") for number in range(20)))
    (parent,) = parents(slack)
    assert "95 open, 20 resolved" in parent.text
    assert "<!channel>" not in parent.text
    await quick.tell(*(alert(f"yet-{number}") for number in range(20)))
    first, second = parents(slack)
    assert ENDED in shown(first)
    assert second.text == "🔺 20 open: Title"


TROUBLES = ["message_not_found", "cant_update_message", "edit_window_closed", "is_inactive", "invalid_blocks"]


@pytest.mark.parametrize("error", TROUBLES)
async def test_a_message_that_cannot_be_changed_any_more_is_begun_anew(
    error: str, quick: Watch, slack: FakeSlack
) -> None:
    await quick.tell(alert("a"))
    slack.fail_next(Fault(FaultKind.REFUSED, error=error), method="chat.update")
    await quick.tell(alert("b"))
    first, second = parents(slack)
    assert replies(slack, first) == []
    await quick.tell(alert("c"))
    assert len(replies(slack, second)) == 1
    assert shown(second).startswith("🔺 3 open")


async def test_a_message_that_somebody_deleted_is_begun_anew(quick: Watch, slack: FakeSlack) -> None:
    await quick.tell(alert("a"))
    slack.delete(slack.messages[0].ts)
    await quick.mark(acknowledged("a"))
    assert slack.messages == [], "a mark alone is no reason for a new message"
    await quick.tell(alert("b"))
    assert [posted.thread_ts for posted in slack.messages] == [""]
    assert shown(slack.messages[0]).startswith("🔺 1 open, 1 acknowledged: Title")


async def test_after_a_message_was_deleted_the_new_one_holds_all_that_is_open(watch: Watch, slack: FakeSlack) -> None:
    await watch.tell(alert("a"), alert("b"), alert("c"), alert("d"))
    await watch.tell(resolved("d"))
    slack.messages.clear()
    await watch.tell(alert("e"))
    (second,) = slack.messages
    assert shown(second).startswith("🔺 4 open: Title")
    assert [name for name in "abcde" if f"\n{name} Text" in shown(second)] == list("abce")
    await watch.tell(resolved("e"))
    assert shown(second).startswith("🔺 3 open, 1 resolved: Title")


async def test_what_ends_after_a_message_was_deleted_is_told_beside_what_is_open(
    quick: Watch, slack: FakeSlack
) -> None:
    await quick.tell(alert("a"), alert("b"))
    slack.messages.clear()
    await quick.tell(resolved("a"))
    (second,) = slack.messages
    assert shown(second).startswith("🔺 1 open, 1 resolved: Title")


async def test_a_notice_after_a_message_was_deleted_is_told_and_nothing_open_is_forgotten(
    quick: Watch, slack: FakeSlack
) -> None:
    await quick.tell(alert("a"), alert("b"))
    slack.messages.clear()
    notice = replace(ALERT, id="notice/overdue/a/1", kind=AlertKind.NOTICE, title="Overdue", finding="", about="a")
    await quick.tell(notice)
    assert [shown(posted).splitlines()[0] for posted in slack.messages] == ["🔺 About the auditor: Overdue"]
    await quick.tell(alert("c"))
    assert shown(parents(slack)[-1]).startswith("🔺 3 open: Title")


LOCKED = ["cannot_reply_to_message", "restricted_action_thread_locked"]


@pytest.mark.parametrize("error", LOCKED)
async def test_a_message_whose_thread_refuses_says_that_it_is_left_behind(
    error: str, quick: Watch, slack: FakeSlack
) -> None:
    await quick.tell(alert("a"), alert("b"))
    slack.fail_next(Fault(FaultKind.REFUSED, error=error))
    await quick.tell(alert("c"))
    first, second = parents(slack)
    assert ENDED in shown(first)
    assert ENDED not in shown(second)
    assert shown(second).startswith("🔺 3 open: Title")
    await quick.tell(resolved("c"))
    assert shown(second).startswith("🔺 2 open, 1 resolved: Title")
    assert shown(first).startswith("🔺 3 open: Title")


@pytest.mark.parametrize("error", LOCKED)
async def test_a_mark_in_a_thread_that_refuses_is_shown_in_the_message_alone(
    error: str, quick: Watch, slack: FakeSlack
) -> None:
    await quick.tell(alert("a"), alert("b"))
    slack.fail_next(Fault(FaultKind.REFUSED, error=error))
    await quick.mark(acknowledged("a"))
    (only,) = slack.messages
    assert ENDED not in shown(only)
    await quick.tell(alert("c"))
    assert shown(only).startswith("🔺 2 open, 1 acknowledged: Title")
    assert len(replies(slack, only)) == 1


async def test_when_slack_takes_no_message_of_all_that_is_open_the_new_one_is_told_alone(
    quick: Watch, slack: FakeSlack
) -> None:
    await quick.tell(alert("a"), alert("b"))
    for method in ("chat.update", "chat.postMessage"):
        slack.fail_next(Fault(FaultKind.REFUSED, error="msg_blocks_too_long"), method=method)
    assert await quick.tell(alert("c")) == Delivered(sent=1)
    assert shown(parents(slack)[-1]).splitlines()[0] == "🔺 High: Title"
    assert ENDED in shown(parents(slack)[0])


async def test_a_thread_that_is_gone_between_two_calls_is_begun_anew(quick: Watch, slack: FakeSlack) -> None:
    await quick.tell(alert("a"))
    slack.fail_next(Fault(FaultKind.REFUSED, error="thread_not_found"))
    await quick.tell(alert("b"))
    assert len(parents(slack)) == 2


async def test_a_channel_that_was_changed_in_the_configuration_gets_a_message_of_its_own(
    quick: Watch, slack: FakeSlack
) -> None:
    await quick.tell(alert("a"))
    quick.settings["channel"] = "#platform"
    await quick.tell(alert("b"))
    assert [posted.channel for posted in parents(slack)] == ["C00000001", "C00000002"]
    assert [ENDED in shown(posted) for posted in parents(slack)] == [True, False]


async def test_a_stored_state_that_cannot_be_read_is_begun_anew(
    watch: Watch, slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    await watch.tell(alert("a"))
    with watch.store.transaction() as tx:
        tx.execute(update(tables.conversations).values(state=b"{"))
    await watch.tell(alert("b"))
    assert len(parents(slack)) == 2
    assert [posted.thread_ts for posted in slack.messages] == ["", ""]


async def test_a_notice_about_a_finding_goes_into_its_thread(quick: Watch, slack: FakeSlack) -> None:
    await quick.tell(alert("a"))
    notice = replace(
        ALERT, id="notice/overdue/a/1", kind=AlertKind.NOTICE, title="Overdue: Title", finding="", about="a"
    )
    await quick.tell(notice)
    (parent,) = parents(slack)
    assert [reply.text for reply in replies(slack, parent)] == ["🔺 About the auditor: Overdue: Title - Text"]
    assert shown(parent).startswith("🔺 High: Title")
    await quick.tell(replace(notice, id="notice/overdue/z/1", about="z"))
    assert len(parents(slack)) == 2, "of what is in no conversation it is a message of its own"


async def test_digests_reports_and_other_notices_are_messages_of_their_own(quick: Watch, slack: FakeSlack) -> None:
    await quick.tell(alert("a"))
    with quick.store.transaction() as tx:
        for kind in (AlertKind.DIGEST, AlertKind.REPORT, AlertKind.NOTICE):
            told = replace(ALERT, id=kind.value, kind=kind, finding="", policy="")
            queue(tx, told, ["chat"], int(time.time()))
    await quick.deliver()
    assert len(parents(slack)) == 4


async def test_what_a_storm_folds_is_shown_in_the_message_at_its_next_change(watch: Watch, slack: FakeSlack) -> None:
    await watch.tell(alert("a"), alert("b"))
    put(watch.store, watch.table, resolved("a"), alert("x", policy="other"), alert("y", policy="third"))
    await watch.deliver(STORM)
    parent, digest = parents(slack)
    assert shown(digest).startswith("📋 Digest: 3 alerts at once")
    assert shown(parent).startswith("🔺 2 open")
    await watch.tell(alert("c"))
    assert shown(parent).startswith("🔺 2 open, 1 resolved")


async def test_what_a_storm_ended_is_shown_before_a_new_message_begins(quick: Watch, slack: FakeSlack) -> None:
    await quick.tell(alert("a"))
    put(quick.store, quick.table, resolved("a"), alert("x", policy="other"))
    await quick.deliver(STORM)
    await quick.tell(alert("b"))
    first, _digest, second = parents(slack)
    assert shown(first).startswith("✅ Resolved")
    assert shown(second).startswith("🔺 High")


async def test_marks_alone_are_no_storm_and_are_shown_at_the_next_change(quick: Watch, slack: FakeSlack) -> None:
    await quick.tell(alert("a"), alert("b"), alert("x", policy="other"))
    with quick.store.transaction() as tx:
        for each in (acknowledged("a"), replace(acknowledged("x"), policy="other")):
            mark(tx, each, quick.table.destinations(each)[0], int(time.time()))
    await quick.deliver(STORM)
    assert len(slack.messages) == 2
    await quick.tell(resolved("b"))
    assert shown(slack.messages[0]).startswith("👀 1 acknowledged, 1 resolved")


async def test_a_webhook_gets_each_message_as_before(lite: Store, server: Server, slack: FakeSlack) -> None:
    hook = Watch(lite, server)
    hook.settings = by_webhook(server.address)
    await hook.tell(alert("a"))
    await hook.tell(resolved("a"))
    assert len(parents(slack)) == 2
    assert len({json_of(posted) for posted in slack.messages}) == 2
    with lite.transaction() as tx:
        assert tx.execute(text("SELECT count(*) FROM conversations")).scalar() == 0


def json_of(posted: Posted) -> str:
    return f"{posted.text}{posted.blocks}"


LOST = [Fault(FaultKind.CUT), Fault(FaultKind.SERVER_ERROR), Fault(FaultKind.RATE_LIMITED, seconds=0)]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: fault.kind.value)
@pytest.mark.parametrize("method", ["chat.update", "chat.postMessage"])
async def test_a_call_that_fails_for_now_is_made_again_and_repeats_at_most_one_message(
    method: str, fault: Fault, quick: Watch, slack: FakeSlack
) -> None:
    await quick.tell(alert("a"))
    slack.fail_next(fault, method=method)
    await quick.tell(alert("b"))
    await quick.deliver()
    (parent,) = parents(slack)
    ids = [reply.metadata["event_payload"]["id"] for reply in replies(slack, parent)]
    accepted = fault.kind is FaultKind.CUT and method == "chat.postMessage"
    assert ids == [alert("b").id] * (2 if accepted else 1)
    assert shown(parent).startswith("🔺 2 open")


async def test_all_calls_of_one_message_together_take_no_longer_than_the_sink_may(
    lite: Store, server: Server, slack: FakeSlack
) -> None:
    slow = Watch(lite, server, timeout=1)
    await slow.tell(alert("a"))
    slack.fail_next(Fault(FaultKind.SLOW, seconds=0.7), method="chat.update")
    slack.fail_next(Fault(FaultKind.SLOW, seconds=0.7))
    started = time.monotonic()
    assert await slow.tell(alert("b")) == Delivered(sent=1, failed=1)
    assert time.monotonic() - started < 5
    assert len(replies(slack, slack.messages[0])) <= 2


@pytest.mark.parametrize("calls", range(1, 5))
async def test_an_answer_that_is_lost_after_any_call_repeats_at_most_one_message(
    calls: int, quick: Watch, slack: FakeSlack
) -> None:
    """The first message is one call, the change of it and the reply are two more."""
    put(quick.store, quick.table, alert("a"))
    later(quick.store, 2)
    put(quick.store, quick.table, alert("b"))
    later(quick.store, 400)
    made = 0
    post = slack.post
    update = slack.update

    def counted(act: Any) -> Any:
        def call(*args: Any) -> Any:
            nonlocal made
            made += 1
            done = act(*args)
            if made == calls:
                raise Refusal("internal_error")
            return done

        return call

    slack.post, slack.update = counted(post), counted(update)  # type: ignore[method-assign]
    await quick.deliver()
    slack.post, slack.update = post, update  # type: ignore[method-assign]
    await quick.deliver()
    ids = [posted.metadata["event_payload"]["id"] for posted in slack.messages]
    assert set(ids) == {alert("a").id, alert("b").id}
    assert len(ids) - len(set(ids)) <= 1
    last = parents(slack)[-1]
    assert shown(last).startswith("🔺 2 open")


@pytest.mark.parametrize("accepted", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [1, 2, 3])
async def test_a_process_that_is_killed_at_any_call_loses_nothing_and_repeats_at_most_one_message(
    call: int, accepted: bool, watch: Watch, server: Server, slack: FakeSlack
) -> None:
    """The first message is one call, the change of it and the reply are two more."""
    put(watch.store, watch.table, alert("a"))
    later(watch.store, 2)
    put(watch.store, watch.table, alert("b"))
    later(watch.store, 400)
    url = watch.store._engine.url.render_as_string(hide_password=False)
    _die(slack, (url, server.address), call, accepted=accepted)
    _kill_at(slack, None, 0, accepted=False)
    await watch.deliver()
    ids = [posted.metadata["event_payload"]["id"] for posted in slack.messages]
    assert set(ids) == {alert("a").id, alert("b").id}
    # A change that was cut off is made again; nobody sees that.
    repeated = accepted and call != 2
    assert len(ids) - len(set(ids)) == repeated
    assert shown(parents(slack)[-1]).startswith("🔺 2 open")


def _die(slack: FakeSlack, where: tuple[str, str], call: int, *, accepted: bool) -> None:
    program = [sys.executable, str(Path(__file__).with_name("delivering.py")), *where]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        _kill_at(slack, child, call, accepted=accepted)
    assert child.returncode == -signal.SIGKILL


def _kill_at(slack: FakeSlack, child: "subprocess.Popen[bytes] | None", call: int, *, accepted: bool) -> None:
    """Let `child` die at the `call`th call that changes something, before or after Slack took it."""
    made = 0

    def fatal(act: Callable[..., Posted]) -> Callable[..., Posted]:
        def called(*args: Any) -> Posted:
            nonlocal made
            made += 1
            if child and made == call and not accepted:
                child.kill()
                raise Refusal("internal_error")
            done = act(*args)
            if child and made == call:
                child.kill()
            return done

        return called

    cls = type(slack)
    slack.post = fatal(partial(cls.post, slack))  # type: ignore[method-assign]
    slack.update = fatal(partial(cls.update, slack))  # type: ignore[method-assign]


async def test_two_processes_tell_one_conversation_one_after_the_other(store: Store) -> None:
    table = routing()
    put(store, table, alert("a"))
    later(store, 400)
    put(store, table, alert("b"))
    put(store, table, alert("c", policy="other"))
    later(store, 400)
    with store.transaction() as tx:
        (first,) = leases.lease(tx, ["chat"], "one", 60, 1, apart=True)
    with store.transaction() as tx:
        second = leases.lease(tx, ["chat"], "two", 60, 5, apart=True)
    assert first.message.id == alert("a").id
    assert [each.message.id for each in second] == [alert("c", policy="other").id]


async def test_old_conversations_are_forgotten(watch: Watch) -> None:
    await watch.tell(alert("a"))
    watch.ahead = 7 * LONGEST
    await watch.tell(alert("x", policy="other"))
    with watch.store.transaction() as tx:
        assert tx.execute(text("SELECT count(*) FROM conversations")).scalar() == 1


def test_a_conversation_comes_back_from_the_store_as_it_was() -> None:
    one = Conversation(1).after([alert("a"), resolved("a"), alert("b")])
    assert decode(encode(one)) == one
    alone = Conversation(1).after([alert("a", facts=(("Who", "\ud800"),))])
    assert decode(encode(replace(alone, alone=None))) == replace(alone, alone=None)


def test_alerts_told_again_change_nothing() -> None:
    one = Conversation(1).after([alert("a")])
    again = replace(alert("a"), id="again", title="Still open: Title")
    assert one.after([again]) == one
    told = turn(one, {"ts": "1"}, [again], 2)
    assert told is not None
    assert told.standing == one


async def test_a_template_holds_for_the_message_and_its_thread(lite: Store, server: Server, slack: FakeSlack) -> None:
    worded = Watch(lite, server, templates={"title": "[{{ organization }}] {{ title }}"})
    await worded.tell(alert("a"))
    await worded.tell(resolved("a"))
    assert [shown(posted).splitlines()[0] for posted in slack.messages] == ["✅ Resolved: [acme] Title"] * 2


async def test_a_template_holds_for_the_head_of_several_findings(quick: Watch, slack: FakeSlack) -> None:
    title = "[{{ organization }} {{ policy }} {{ level }} {{ findings }}{{ resource.name }}] {{ title }}"
    quick.settings["templates"] = {"title": title, "text": "never"}
    await quick.tell(alert("a"), alert("b", level=Level.LOW))
    await quick.tell(alert("c"))
    parent = slack.messages[0]
    assert shown(parent).splitlines()[:3] == [
        "🔺 3 open: [acme stale high 3] Title",
        "🔺 High",
        "a Text stale finding a",
    ]
    assert parent.text == "🔺 3 open: [acme stale high 3] Title"
    key = rows(quick.store)[0].message.group
    with quick.store.transaction() as tx:
        stored = conversations.read(tx, "chat", [key])[key]
    assert decode(stored.state).head == "", "the words of today are not those of tomorrow"


async def test_two_of_one_name_are_told_apart_wherever_they_are_shown(quick: Watch, slack: FakeSlack) -> None:
    good, evil = (alert(key, resource_name="ci-bot", resource_id=f"key_{key}") for key in ("good", "evil"))
    await quick.tell(good, evil)
    await quick.tell(replace(evil, id="evil.resolved", kind=AlertKind.RESOLVED))
    (parent,) = parents(slack)
    first, then = parent.versions[0][1], parent.blocks
    assert [line for line in words(first) if "ci-bot" in line] == [
        "ci-bot key_good Text stale finding good",
        "ci-bot key_evil Text stale finding evil",
    ]
    assert any(line.startswith("ci-bot (key_evil) Text · resolved") for line in words(then))
    (reply,) = replies(slack, parent)
    assert reply.text == "✅ Resolved: Title - Text - ci-bot (key_evil)"
    assert "Resource: ci-bot key_evil" in shown(reply)


async def test_more_findings_than_fit_are_counted_and_it_is_said_where_they_are(quick: Watch, slack: FakeSlack) -> None:
    link = "https://auditor.example.com/findings/x"
    await quick.tell(*(alert(f"key-{number:03}", link=link, text="Text " * 25) for number in range(90)))
    (parent,) = parents(slack)
    lines = shown(parent).splitlines()
    left = 90 - sum(line.startswith("key-") for line in lines)
    assert 0 < left < 50
    more = f"... and {left} more findings: {left} open (on the page and with `auditor findings list --policy stale`)"
    assert more in lines
    await quick.tell(
        *(alert(f"long-{n}", policy="other", text="long " * 100, resource_name="n" * 300) for n in range(60))
    )
    long = shown(parents(slack)[-1])
    assert "with `auditor findings list --policy other`)" in long
    assert 9000 < len(long) < 10_800


async def test_no_name_of_a_member_can_mention_or_link(quick: Watch, slack: FakeSlack) -> None:
    name = "<!channel> @here <http://evil.example.com|x> :smile: \u202e"
    await quick.tell(*(alert(key, resource_name=name, text=name, title=name) for key in "ab"))
    await quick.mark(replace(acknowledged("a", by=name), resource_name=name, title=name, facts=(("Comment", name),)))
    for posted in slack.messages:
        for mark_ in ("<!", "@here", "://", "<http"):
            assert mark_ not in posted.text
        kinds = {each["type"] for each in flat(posted.blocks) if isinstance(each.get("text"), str)}
        assert kinds <= {"plain_text", "text", "link"}


async def test_a_message_of_its_own_needs_no_conversation(slack: FakeSlack, server: Server) -> None:
    receipt = await build("chat", by_token(server.address)).send(ALERT, Context())
    assert receipt.place is None
    assert set(receipt.details) == {"channel", "ts"}


async def test_the_state_is_written_with_what_settles_the_delivery(watch: Watch, slack: FakeSlack) -> None:
    await watch.tell(alert("a"))
    (entry,) = rows(watch.store)
    with watch.store.transaction() as tx:
        (stored,) = conversations.read(tx, "chat", [entry.message.group]).values()
    assert stored.place == {"channel": "C00000001", "ts": slack.messages[0].ts, "asked": "#security"}
    assert [each.finding for each in decode(stored.state).standings] == ["a"]
