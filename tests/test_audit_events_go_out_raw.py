"""A route with `events: all`: each new audit event once, as it came, beside the alerts and in nobody's way."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from audits import auditing, begin, opened, routed, stored, switch_off, told
from organization import NOW, served, small
from services import Call, FakeReceiver, Reply, serving
from slack import by_token
from slack import serving as serving_slack

from auditor import clock
from auditor.alerts.deliver import Deliverer
from auditor.alerts.document import RAW_MAX, compact, document
from auditor.alerts.gate import Gate
from auditor.alerts.lane import Terms
from auditor.alerts.message import AlertKind, decode
from auditor.alerts.registry import build
from auditor.alerts.samples import samples
from auditor.alerts.sink import Sink
from auditor.alerts.teller import Teller
from auditor.assembly import assemble
from auditor.configfile import parse
from auditor.errors import FaultyFiles
from auditor.jobs.poll import poll
from auditor.routing import Match, Route
from auditor.simulator.auditlog import AuditLog
from auditor.simulator.model import Organization
from auditor.store import outbox, silences
from auditor.store.database import Store
from auditor.terms import Level
from auditor.yamlfile import load

SECRET = "whsec_" + "canary00" * 4
ROUTES = (
    Route(match=Match(level=(Level.CRITICAL, Level.HIGH)), to=("chat",)),
    Route(events="all", to=("siem", "chat")),
)
SINKS = ("chat", "siem")
QUICK = Terms(first_wait=0.2, jitter=0, poll=0.02, send_timeout=5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


@pytest.fixture
def organization() -> Organization:
    return small()


def waiting(store: Store, sink: str) -> list[dict[str, Any]]:
    """The events that wait for a sink, oldest first."""
    with store.transaction() as tx:
        entries = outbox.listing(tx, sinks=[f"{sink}/events"], limit=1000)
    return [json.loads(decode(entry.message.alert).raw) for entry in reversed(entries)]


async def follow(store: Store, organization: Organization, *times: int) -> None:
    """Poll until each of `times`; before each but the first, somebody switches the allowlist off."""
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            for number, at in enumerate(times):
                if number:
                    switch_off(organization, at - 5)
                await poll(replace(audit, routing=routed(*ROUTES, sinks=SINKS)), at)


async def test_each_new_event_waits_once_for_each_sink_as_it_came(store: Store, organization: Organization) -> None:
    begin(store)
    await follow(store, organization, NOW, NOW + 10, NOW + 20)
    await follow(store, organization, NOW + 30)
    for sink in ("siem", "chat"):
        events = waiting(store, sink)
        assert [each["type"] for each in events] == ["ip_allowlist.config.deactivated"] * 2
        assert [each["effective_at"] for each in events] == [NOW + 5, NOW + 15]
        assert len({each["id"] for each in events}) == 2


async def test_the_first_event_ever_of_a_log_that_was_read_empty_is_news(
    store: Store, organization: Organization
) -> None:
    begin(store)
    organization.log = AuditLog(1, NOW)
    await follow(store, organization, NOW, NOW + 10)
    assert [each["effective_at"] for each in waiting(store, "siem")] == [NOW + 5]


async def test_what_happened_before_anybody_watched_is_no_news(store: Store, organization: Organization) -> None:
    await follow(store, organization, NOW)
    begin(store)
    assert stored(store)
    assert not [sink for sink in told(store) if sink.endswith("/events")]


def soon() -> datetime:
    """The simulated organization lives in a time of its own."""
    return clock.from_epoch(NOW + 600)


def queues(*sinks: Sink) -> dict[str, Sink]:
    events = [sink.of_events() for sink in sinks]
    return {sink.name: sink for sink in (*sinks, *events)}


async def test_programs_get_events_one_by_one_and_people_a_digest(store: Store, organization: Organization) -> None:
    """More than the 20 of a storm, which alerts would be folded at."""
    begin(store)
    await follow(store, organization, NOW, *(NOW + 10 * number for number in range(1, 31)))
    receiver = FakeReceiver(SECRET)
    with serving(receiver) as address, serving_slack() as chat:
        siem = build("siem", {"type": "webhook", "url": address, "secret": SECRET, "allow_private": True})
        sinks = queues(siem, build("chat", by_token(chat.address)))
        await Deliverer(store, sinks, "test", terms=QUICK, now=soon).deliver_due()
        assert len(receiver.taken) == 30
        assert {call.json["type"] for call in receiver.taken} == {"event"}
        assert {call.json["data"]["event"]["type"] for call in receiver.taken} == {"ip_allowlist.config.deactivated"}
        assert len({call.headers["webhook-id"] for call in receiver.taken}) == 30
        digests = [each for each in chat.slack.messages if "30 audit events" in each.text]
    assert len(digests) == 1
    assert json.dumps(digests[0].blocks).count("Who: ") == 30


async def test_events_that_nobody_takes_hold_no_alert_up(store: Store, organization: Organization) -> None:
    begin(store)
    await follow(store, organization, NOW, NOW + 10)
    with serving_slack() as chat:
        siem = build("siem", {"type": "webhook", "url": "http://127.0.0.1:9", "secret": SECRET, "allow_private": True})
        sinks = queues(siem, build("chat", by_token(chat.address)))
        await Deliverer(store, sinks, "test", terms=QUICK, now=soon).deliver_due()
        texts = [each.text for each in chat.slack.messages]
    assert any("allowlist" in text.lower() and "Audit event" not in text for text in texts)
    assert len(waiting(store, "siem")) == 1
    assert set(told(store)) == {"siem/events"}


async def test_a_silence_holds_alerts_back_and_no_event(store: Store, organization: Organization) -> None:
    begin(store)
    await follow(store, organization, NOW, NOW + 10)
    alerts = told(store)["chat"]
    with store.transaction() as tx:
        silences.add(tx, {}, "ada", "moving", now=NOW, starts_at=NOW, ends_at=NOW + 3600)
    gate = Gate(Teller({}, routed(*ROUTES, sinks=SINKS)), soon)
    receiver = FakeReceiver(SECRET)
    with serving(receiver) as address, serving_slack() as chat:
        siem = build("siem", {"type": "webhook", "url": address, "secret": SECRET, "allow_private": True})
        sinks = queues(siem, build("chat", by_token(chat.address)))
        done = await Deliverer(store, sinks, "test", terms=QUICK, now=soon, gate=gate).deliver_due()
        texts = [each.text for each in chat.slack.messages]
    assert len(receiver.taken) == len(texts) == 1
    assert (done.sent, done.suppressed) == (2, alerts)
    assert alerts > 1
    assert "ip_allowlist.config.deactivated" in texts[0]


async def test_a_refused_event_is_announced_to_the_queue_of_alerts_only(
    store: Store, organization: Organization
) -> None:
    class Strict(FakeReceiver):
        def answer(self, call: Call) -> Reply:
            return 422, b"no such schema"

    begin(store)
    await follow(store, organization, NOW, NOW + 10)
    with serving(Strict(SECRET)) as address, serving_slack() as chat:
        siem = build("siem", {"type": "webhook", "url": address, "secret": SECRET, "allow_private": True})
        sinks = queues(siem, build("chat", by_token(chat.address)))
        delivery = Deliverer(store, sinks, "test", terms=QUICK, now=soon)
        await delivery.deliver_due()
        await delivery.deliver_due()
        lost = [each.text for each in chat.slack.messages if "Messages to siem/events are lost" in each.text]
    assert len(lost) == 1


def test_a_route_for_events_takes_no_alert() -> None:
    alert = samples("acme", NOW)["opened"]
    low = replace(alert, level=Level.LOW)
    routing = routed(*ROUTES, sinks=SINKS)
    assert [goes.sink for goes in routing.destinations(alert)] == ["chat"]
    assert routing.destinations(low) == ()
    only = routed(*ROUTES[1:], sinks=SINKS)
    assert [goes.sink for goes in only.destinations(low)] == ["chat", "siem"], "as without routes"
    assert routing.streams == only.streams == ("siem", "chat")
    assert routed(*ROUTES[:1]).streams == ()


@pytest.mark.parametrize(
    "route",
    [
        "{events: all, match: {level: high}, to: [a]}",
        "{events: all, continue: true, to: [a]}",
        "{events: some, to: [a]}",
        "{events: all}",
        "{events: all, to: [a], group_wait: 1s}",
        "{to: [a], routes: [{events: all, to: [a]}]}",
    ],
)
def test_a_route_for_events_has_nothing_to_match(route: str) -> None:
    text = f"organizations: {{acme: {{admin_key: k}}}}\nsinks: {{a: {{type: console}}}}\nroutes:\n  - {route}\n"
    with pytest.raises(FaultyFiles) as caught:
        parse(load(text, "auditor.yaml")[0], "auditor.yaml", {})
    assert "auditor.yaml:4" in str(caught.value.faults[0])


def test_an_event_that_is_too_long_is_named() -> None:
    event = samples("acme", NOW)["event"]
    huge = replace(event, raw=json.dumps({"id": event.resource_id, "type": event.title, "x": "x" * RAW_MAX}))
    assert document(event)["event"]["api_key.created"] == {"id": "key_1"}
    told = document(huge)
    assert told["event"] == {"id": "audit_log-1", "type": "api_key.created"}
    assert told["event_omitted"] > RAW_MAX


@pytest.mark.parametrize("letter", ["x", "\x7f", "\u2028", "\N{PILE OF POO}", "\ud800", '"'])
def test_an_event_of_any_letters_fits_into_every_document(letter: str) -> None:
    event = samples("acme", NOW)["event"]
    for number in (20_000, 199_000):
        huge = replace(event, raw=json.dumps({"id": event.resource_id, "x": letter * number}))
        assert len(compact(document(huge))) < RAW_MAX + 2_000


def test_syslog_carries_the_event_as_json() -> None:
    event = samples("acme", NOW)["event"]
    settings = {"type": "syslog", "host": "logs.example.com"}
    shown = build("siem", settings).preview(event)
    assert json.loads(shown[shown.index("] {") + 2 :]) == json.loads(event.raw)
    assert event.kind is AlertKind.EVENT


def test_the_daemon_empties_the_queue_of_events(tmp_path: Path) -> None:
    text = (
        "organizations: {acme: {admin_key: k}}\n"
        f"sinks: {{siem: {{type: jsonl, path: {tmp_path}/x.jsonl}}, terminal: {{type: console}}}}\n"
        "routes: [{to: [terminal]}, {events: all, to: [siem]}]\n"
    )
    parts = assemble(parse(load(text, "auditor.yaml")[0], "auditor.yaml", {}))
    assert list(parts.sinks) == ["siem", "terminal"]
    assert list(parts.queues) == ["siem", "terminal", "siem/events"]
