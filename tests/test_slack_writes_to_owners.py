"""Direct messages to the people who own what is told of: each of their own, and nobody of anybody else's.

Over HTTP, by the real slack-sdk, at a fake Slack.
"""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alerts import HOSTILE
from audits import POLICIES
from commands import auditor, configured
from deliveries import alert, put, rows
from slack import Server, by_token, by_webhook
from test_slack_keeps_one_message_for_a_group import Watch, parents, replies, resolved, shown

from auditor.alerts import digests
from auditor.alerts.deliver import Delivered
from auditor.alerts.lane import Terms
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.registry import build
from auditor.alerts.route import Routing
from auditor.alerts.sink import Context
from auditor.errors import ConfigError, DeliveryError
from auditor.findings.model import Finding
from auditor.jobs import announce
from auditor.jobs.context import Audit
from auditor.routing import RoutingConfig
from auditor.simulator.slack_workspace import FakeSlack, Fault, FaultKind
from auditor.store import outbox
from auditor.store.database import Store
from auditor.terms import Level, State

pytest_plugins = ["databases", "slackserver"]

ADA, BOB, GONE = "ada@example.com", "bob@example.com", "gone@example.com"
TABLE = Routing(RoutingConfig.model_validate({"sinks": ["chat"], "personal": ["chat"], "routes": [{"to": ["chat"]}]}))


@pytest.fixture
def slack(server: Server) -> FakeSlack:
    server.slack = FakeSlack(people={ADA: "U00000001", BOB: "U00000002"})
    return server.slack


def to_owners(address: str, **more: object) -> dict[str, object]:
    return by_token(address, channel="@owner", **more)


@pytest.fixture
def watch(store: Store, server: Server, slack: FakeSlack) -> Watch:
    assert server.slack is slack
    return Watch(store, server, TABLE, channel="@owner", otherwise="#security")


def owned(name: str, owner: str, **more: Any) -> Alert:
    return alert(name, owner=owner, **more)


async def test_each_owner_is_told_of_what_is_theirs(watch: Watch, slack: FakeSlack) -> None:
    await watch.tell(owned("a", ADA), owned("b", BOB), owned("c", ADA))
    told = {posted.channel: shown(posted) for posted in slack.messages}
    assert set(told) == {"D00000001", "D00000002"}
    assert "b Text" not in told["D00000001"]
    assert told["D00000001"].startswith("🔺 2 open: Title")
    assert told["D00000002"].startswith("🔺 High: Title")


async def test_a_message_to_an_owner_is_kept_up_to_date_as_others_are(watch: Watch, slack: FakeSlack) -> None:
    await watch.tell(owned("a", ADA))
    await watch.tell(resolved("a", owner=ADA))
    (parent,) = parents(slack)
    assert shown(parent).startswith("✅ Resolved")
    assert [reply.channel for reply in replies(slack, parent)] == ["D00000001"]
    assert slack.calls.count("users.lookupByEmail") == 1


async def test_people_are_looked_up_once_in_hours(server: Server, slack: FakeSlack) -> None:
    sink = build("people", to_owners(server.address))
    for number in range(3):
        await sink.send(owned(f"a{number}", ADA.upper()), Context())
    assert slack.calls.count("users.lookupByEmail") == slack.calls.count("conversations.open") == 1


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        (GONE, "Meant for gone@example.com, whom Slack does not know."),
        ("ci-bot", "Meant for ci-bot, who is no person."),
        ("", "Meant for its owner, which is nobody."),
    ],
)
async def test_what_no_known_person_owns_goes_to_another_channel_and_says_for_whom_it_was(
    owner: str, words: str, watch: Watch, slack: FakeSlack
) -> None:
    await watch.tell(owned("a", owner))
    await watch.tell(resolved("a", owner=owner))
    (parent,) = parents(slack)
    assert parent.channel == "C00000001"
    assert shown(parent).splitlines()[-1] == words, "after the change, too"
    assert words in json.dumps(parent.versions[0][1])


async def test_without_another_channel_it_is_given_up_with_a_hint(server: Server, slack: FakeSlack) -> None:
    for owner, words in ((GONE, "Slack knows nobody"), ("ci-bot", "no person owns")):
        with pytest.raises(DeliveryError, match=words) as caught:
            await build("people", to_owners(server.address)).send(owned("a", owner), Context())
        assert not caught.value.retryable
        assert "otherwise" in caught.value.hint
        assert "example.com" not in caught.value.message
    assert slack.messages == []


@pytest.mark.parametrize("scope", ["users:read.email", "im:write", "chat:write"])
async def test_a_scope_that_is_missing_is_named_and_nothing_is_given_up(
    scope: str, server: Server, slack: FakeSlack
) -> None:
    slack.scopes.discard(scope)
    with pytest.raises(DeliveryError) as caught:
        await build("people", to_owners(server.address, otherwise="#security")).send(owned("a", ADA), Context())
    assert caught.value.retryable
    assert caught.value.hint == f"give the bot the scope {scope} and install it again"
    assert slack.messages == []


async def test_a_lookup_that_fails_for_now_is_no_reason_to_tell_somebody_else(watch: Watch, slack: FakeSlack) -> None:
    slack.fail_next(Fault(FaultKind.SERVER_ERROR), method="users.lookupByEmail")
    slack.fail_next(Fault(FaultKind.RATE_LIMITED, seconds=0), method="conversations.open")
    assert await watch.tell(owned("a", ADA)) == Delivered(sent=1, failed=2)
    assert [posted.channel for posted in slack.messages] == ["D00000001"]


async def test_a_direct_message_that_is_gone_is_looked_for_again(server: Server, slack: FakeSlack) -> None:
    sink = build("people", to_owners(server.address))
    await sink.send(owned("a", ADA), Context())
    slack.fail_next(Fault(FaultKind.REFUSED, error="channel_not_found"))
    with pytest.raises(DeliveryError):
        await sink.send(owned("b", ADA), Context())
    await sink.send(owned("b", ADA), Context())
    assert slack.calls.count("users.lookupByEmail") == 2


async def test_a_storm_is_folded_for_each_owner_alone(watch: Watch, slack: FakeSlack) -> None:
    put(watch.store, TABLE, *(owned(f"{who[0]}{n}", who, policy=f"p{n}") for n in range(4) for who in (ADA, BOB, GONE)))
    terms = Terms(first_wait=0, jitter=0, storm_limit=1, storm_window=100)
    for _ in range(4):
        await watch.deliver(terms)
    told = {posted.channel: shown(posted) for posted in slack.messages}
    assert set(told) == {"D00000001", "D00000002", "C00000001"}
    assert len(slack.messages) == 3
    for channel, mine in (("D00000001", "a"), ("D00000002", "b"), ("C00000001", "g")):
        names = {f"{letter}{n} Text" for letter in "abg" for n in range(4)}
        assert {name for name in names if name in told[channel]} == {f"{mine}{n} Text" for n in range(4)}
    assert "Meant for gone@example.com" in told["C00000001"]
    assert [entry.attempts for entry in rows(watch.store)] == [1] * 12, "what was given back was not tried"


async def test_a_first_picture_is_told_to_each_owner_in_parts(store: Store, watch: Watch, slack: FakeSlack) -> None:
    audit = Audit("acme", None, store, POLICIES, routing=TABLE)  # type: ignore[arg-type] # nothing is read
    people = [ADA] * 5 + [BOB] * 5 + [""]
    found = [_finding(str(number), owner) for number, owner in enumerate(people)]
    with store.transaction() as tx:
        announce.baseline(tx, audit, found, int(time.time()))
        announce.baseline(tx, audit, found, int(time.time()))
        queued = outbox.listing(tx, limit=100)
    assert len(queued) == 3
    await watch.deliver()
    told = {posted.channel: shown(posted) for posted in slack.messages}
    assert set(told) == {"D00000001", "D00000002", "C00000001"}
    for channel, mine in (("D00000001", range(5)), ("D00000002", range(5, 10)), ("C00000001", [10])):
        assert {n for n in range(11) if f"key {n}." in told[channel]} == set(mine)


async def test_many_findings_at_once_are_folded_for_each_owner_alone(store: Store) -> None:
    audit = Audit("acme", None, store, POLICIES, routing=TABLE)  # type: ignore[arg-type] # nothing is read
    found = [_finding(str(number), owner) for number, owner in enumerate([ADA] * 5 + [BOB] * 5)]
    with store.transaction() as tx:
        assert announce.overdue(tx, audit, found, int(time.time())) == 2


def _finding(id_: str, owner: str) -> Finding:
    name = f"key {id_}."
    given = {"owner": owner} if owner else {}
    ids = ("proj_1", id_)
    one = Finding(id_, "acme", "p", "project_api_key", ids, name, Level.LOW, State.OPEN, "T", "m", 1, 1, 1)
    return replace(one, evidence=given)


def test_notices_that_nobody_routes_go_to_no_owner() -> None:
    table = Routing(
        RoutingConfig.model_validate(
            {"sinks": ["chat", "ops"], "personal": ["chat"], "routes": [{"to": ["chat"], "match": {"level": "low"}}]}
        )
    )
    notice = replace(alert("n"), kind=AlertKind.NOTICE, finding="", policy="")
    assert [goes.sink for goes in table.destinations(notice)] == ["ops"]


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_owner_is_nobody_and_shown_harmlessly(case: str, server: Server, slack: FakeSlack) -> None:
    sink = build("people", to_owners(server.address, otherwise="#security"))
    await sink.send(owned("a", HOSTILE[case]), Context())
    assert slack.messages[0].channel == "C00000001"
    assert "users.lookupByEmail" not in slack.calls
    assert "\u202e" not in shown(slack.messages[0])


BAD = {
    "a webhook": ({**by_webhook("http://127.0.0.1:9"), "channel": "@owner"}, "needs a bot token"),
    "somebody": (by_token("http://127.0.0.1:9", channel="@ada"), "no single person is a channel"),
    "otherwise without owners": (by_token("http://127.0.0.1:9", otherwise="#a"), "is the channel beside"),
    "otherwise to owners": (to_owners("http://127.0.0.1:9", otherwise="@owner"), "is the channel beside"),
}


@pytest.mark.parametrize("case", BAD)
def test_settings_that_mean_nothing_are_refused(case: str) -> None:
    raw, words = BAD[case]
    with pytest.raises(ConfigError, match=words):
        build("people", raw)


def test_the_commands_know_such_a_sink(tmp_path: Path, server: Server, slack: FakeSlack) -> None:
    configured(tmp_path, "http://127.0.0.1:9/v1", sinks={"people": to_owners(server.address)})
    assert "to owners" in auditor("sinks", "list", cwd=tmp_path).out
    (listed,) = auditor("sinks", "list", "-o", "json", cwd=tmp_path).document
    assert listed["to"] == "owners"
    done = auditor("sinks", "test", "people", cwd=tmp_path)
    said = ["people: not tried: it writes to owners alone", " hint: name one: --owner EMAIL"]
    assert (done.code, done.err.splitlines()) == (1, said)
    assert auditor("sinks", "test", "people", "--owner", ADA, cwd=tmp_path).code == 0
    assert [posted.channel for posted in slack.messages] == ["D00000001"]


async def test_a_digest_of_many_owners_is_never_a_direct_message(server: Server, slack: FakeSlack) -> None:
    both = [owned("a", ADA), owned("b", BOB)]
    sink = build("people", to_owners(server.address, otherwise="#security"))
    for fold in (digests.merged, digests.together):
        await sink.send(fold(both, 1), Context())
    assert {posted.channel for posted in slack.messages} == {"C00000001"}
