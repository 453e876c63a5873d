"""A finding that closes because its policy was switched off is told, counted and listed as that, never as resolved."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from audits import auditing, opened
from commands import auditor, configured
from deliveries import alert, later
from organization import NOW, served, small
from slack import Server, by_token

from auditor.alerts import board, digests, message
from auditor.alerts.conversation import FINDINGS_MAX, Conversation, decode, encode
from auditor.alerts.deliver import Deliverer
from auditor.alerts.document import document
from auditor.alerts.message import AlertKind
from auditor.alerts.registry import build
from auditor.alerts.route import Routing
from auditor.config import Findings, Override
from auditor.findings.model import Reason
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.policy.load import PolicySet, load
from auditor.reporting.build import build as build_report
from auditor.reporting.facts import DAY
from auditor.reporting.headline import sentences
from auditor.reporting.render import render_report
from auditor.reporting.view import ChangeKind, Report, Score
from auditor.routing import Root, RoutingConfig
from auditor.simulator.slack_workspace import FakeSlack
from auditor.store import findings
from auditor.store.database import Store
from auditor.terms import State
from auditor.web.app import create_app
from auditor.web.reader import PageReader
from auditor.web.server import serve

pytest_plugins = ["slackserver"]

SIGN = "\N{HEAVY MINUS SIGN}"
STALE = "project-key-stale"
ON = load(["builtin:openai"], {}, {})
OFF = load(["builtin:openai"], {}, {STALE: Override(enabled=False)})
GROUPED = Routing(RoutingConfig(sinks=("chat", "file"), root=Root(group_wait="0s", group_interval="0s")))


@dataclass
class World:
    """An organization, and passes over it by policies that are switched on and off."""

    address: str
    store: Store
    folder: Path
    slack: Server
    now: int = NOW

    async def step(self, policies: PolicySet) -> None:
        """One pass, and what it tells goes out."""
        self.now += 900
        later(self.store, 900)
        async with auditing(self.address, self.store) as audit:
            watching = replace(audit, policies=policies, routing=GROUPED)
            await take(watching, await poll(watching, self.now), self.now)
        later(self.store, 400)
        chat = build("chat", by_token(self.slack.address))
        file = build("file", {"type": "jsonl", "path": str(self.folder / "alerts.jsonl")})
        await Deliverer(self.store, {"chat": chat, "file": file}, "owner").deliver_due()

    def told(self) -> list[dict[str, object]]:
        """What programs were told, oldest first."""
        return [json.loads(line) for line in (self.folder / "alerts.jsonl").read_text().splitlines()]


@pytest.fixture
def world(tmp_path: Path, server: Server, slack: FakeSlack) -> Iterator[World]:
    assert server.slack is slack
    with opened(tmp_path) as store, served(small()) as (address, _):
        yield World(address, store, tmp_path, server)


async def test_a_policy_that_is_switched_off_resolves_nothing_in_any_message(world: World, slack: FakeSlack) -> None:
    for policies in (OFF, ON, OFF):
        await world.step(policies)
    with world.store.transaction() as tx:
        ended = {each.id for each in findings.search(tx, "acme", states=(State.RESOLVED,), policy=STALE)}
    assert len(ended) == 6

    about = [each for each in slack.messages[1:] if STALE in json.dumps(each.blocks)]
    (kept,) = [each for each in about if not each.thread_ts]
    (reply,) = [each for each in about if each.thread_ts]
    assert kept.text.startswith(f"{SIGN} 6 policy removed: ")
    shown = [json.dumps(each.blocks, ensure_ascii=False) for each in (kept, reply)]
    assert all(each.lower().count("policy removed") >= 6 for each in shown)
    assert not any("resolved" in each.lower() or "✅" in each for each in [kept.text, reply.text, *shown])

    last = world.told()[-1]
    assert last["counts"] == {"policy removed": 6}
    lines = last["lines"]
    assert isinstance(lines, list)
    assert {each["finding"] for each in lines} == ended
    assert {(each["kind"], each["reason"]) for each in lines} == {("resolved", "policy removed")}
    assert all(each["message"].startswith("policy removed: ") for each in lines)


async def test_the_report_the_page_and_the_list_call_it_by_its_name(world: World) -> None:
    for policies in (OFF, ON):
        await world.step(policies)
    world.now += DAY
    await world.step(OFF)
    config = configured(world.folder, world.address)
    report = build_report(world.store, "acme", OFF.by_name, Findings(), start=world.now - DAY, now=world.now)
    resolved = [each for each in report.changes.rows if each.kind is ChangeKind.RESOLVED]
    assert (report.changes.removed, report.changes.resolved) == (6, len(resolved))
    assert {each.kind for each in report.changes.rows if each.finding.policy == STALE} == {ChangeKind.REMOVED}
    score = report.score
    assert (score.change or 0) > 0, "a policy that failed is gone"
    assert (score.gilded, score.earned_change) == (score.change, 0)
    page = render_report(report)
    assert f"The score rose by {score.change} point" in page
    assert f"{len(resolved)} resolved, 6 closed because their policy was removed" in page
    assert "Without the removal of policies it would not have moved." in page

    listed = auditor("findings", "list", "--state", "resolved", "--policy", STALE, cwd=config.parent)
    assert listed.out.count("policy removed") == 6
    assert "resolved" not in listed.out
    told = json.loads(auditor("findings", "list", "--state", "all", "-o", "json", cwd=config.parent).out)
    ended = {each["id"]: (each["state"], each["reason"]) for each in told if each["policy"] == STALE}
    assert list(ended.values()) == [("resolved", "policy removed")] * 6
    assert {each["reason"] for each in told if each["state"] != "resolved"} == {None}
    assert {each["reason"] for each in told if each["state"] == "resolved" and each["policy"] != STALE} == {
        "expired",
        "complies",
    }

    read = PageReader(world.store, ("acme",), lambda: OFF.by_name, lambda: world.now)
    paths = (f"/findings?state=resolved&policy={STALE}", f"/findings/{next(iter(ended))}")
    async with serve(create_app(read, bytes, tuple, tuple), "127.0.0.1", 0) as url, httpx.AsyncClient() as client:
        list_, one = [(await client.get(url + path)).text for path in paths]
    assert list_.count("Policy removed") == 6
    assert "<dt>Policy removed</dt>" in one


@pytest.mark.parametrize(
    ("gilded", "told"),
    [
        (0, ""),
        (5, "Without the removal of policies it would have risen by 5 points."),
        (10, "Without the removal of policies it would not have moved."),
        (11, "Without the removal of policies it would have fallen by 1 point."),
    ],
)
def test_the_report_says_how_the_score_would_have_moved(gilded: int, told: str) -> None:
    report = Report("acme", NOW - DAY, NOW, NOW, score=Score(now=60, before=50, gilded=gilded))
    said = sentences(report)
    assert "The score rose by 10 points since" in said[1]
    assert list(said[2:]) == ([told] if told else [])


DROPPED = alert("gone", kind=AlertKind.RESOLVED, reason=Reason.POLICY_REMOVED.value, at=NOW + 60)
MENDED = alert("done", kind=AlertKind.RESOLVED, reason=Reason.COMPLIES.value, at=NOW + 60)


def test_what_was_mended_and_what_lost_its_policy_are_counted_apart() -> None:
    folded = digests.together([MENDED, DROPPED, replace(DROPPED, id="2", finding="f2")], NOW)
    assert folded.counts == {"resolved": 1, "policy removed": 2}
    told = sorted(line.message.partition(":")[0] for line in folded.lines)
    assert told == ["policy removed", "policy removed", "resolved"]
    one = Conversation(NOW).after([alert("open"), MENDED, DROPPED])
    assert board.fallback(one) == "🔺 1 open, 1 resolved, 1 policy removed: Title"
    shown = [" ".join(text(block)) for block in board.blocks(one)]
    assert [each for each in shown if each.startswith(("✅ Resolved done", f"{SIGN} Policy removed gone"))] == shown[
        2:4
    ]


def test_what_is_forgotten_of_a_long_conversation_stays_apart() -> None:
    many = [replace(DROPPED, finding=f"gone-{number}") for number in range(FINDINGS_MAX)]
    one = Conversation(NOW).after([MENDED, *many, alert("open")]).trimmed(10)
    assert decode(encode(one)) == one
    assert board.fallback(one) == "🔺 1 open, 1 resolved, 100 policy removed: Title"
    assert (one.lasting(NOW).forgotten, one.lasting(NOW).forgotten_dropped) == (0, 0)


def test_what_an_older_version_stored_is_an_end_without_a_reason() -> None:
    stored = [message.encode(MENDED), encode(Conversation(NOW).after([MENDED]))]
    told, one = (data.replace(b'"reason":"complies",', b"").replace(b',"forgotten_dropped":0', b"") for data in stored)
    assert (told, one) != tuple(stored)
    assert message.decode(told) == replace(MENDED, reason="")
    assert board.fallback(decode(one)).startswith("✅ Resolved: Title")


SINKS: dict[str, dict[str, object]] = {
    "apprise": {"url": "json://192.0.2.1"},
    "console": {},
    "email": {"host": "192.0.2.1", "sender": "auditor@example.com", "to": ["ada@example.com"]},
    "slack": {"token": "xoxb-1", "channel": "#security"},
    "syslog": {"host": "192.0.2.1"},
    "teams": {"url": "https://192.0.2.1/1"},
}


@pytest.mark.parametrize("kind", SINKS)
def test_every_sink_that_people_read_calls_it_by_its_name(kind: str) -> None:
    sink = build("out", {"type": kind, **SINKS[kind]})
    mended, dropped = sink.preview(MENDED), sink.preview(DROPPED)
    assert "Resolved: Title" in mended
    assert "Policy removed: Title" in dropped
    assert "Resolved" not in dropped
    for green in ("#15803d", '"good"'):
        assert green not in dropped


def test_the_words_of_an_operator_may_name_the_reason() -> None:
    words = {"title": "{{ label }}, {{ kind }}: {{ reason }}"}
    shown = build("out", {"type": "console", "templates": words}).preview(DROPPED)
    assert "Policy removed, resolved: policy removed" in shown


@pytest.mark.parametrize("kind", ["pagerduty", "alertmanager"])
def test_where_findings_have_a_state_they_end_all_the_same(kind: str) -> None:
    settings = {"pagerduty": {"routing_key": "R" * 32}, "alertmanager": {"url": "https://192.0.2.1:9093"}}[kind]
    told = json.loads(build("out", {"type": kind, **settings}).preview(DROPPED))
    if kind == "pagerduty":
        assert told["event_action"] == "resolve"
    else:
        assert told[0]["startsAt"] == told[0]["endsAt"]
        assert told[0]["annotations"]["state"] == "Policy removed"


def test_programs_are_told_of_an_end_and_of_its_reason() -> None:
    assert (document(DROPPED)["kind"], document(DROPPED)["reason"]) == ("resolved", "policy removed")
    assert (document(MENDED)["kind"], document(MENDED)["reason"]) == ("resolved", "complies")
    assert document(alert("open"))["reason"] == ""


def text(value: object) -> Iterator[str]:
    """All that is written in blocks."""
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        else:
            yield from (found for each in value.values() for found in text(each))
    elif isinstance(value, list):
        yield from (found for each in value for found in text(each))
