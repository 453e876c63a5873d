"""PagerDuty and Alertmanager hold each finding as open or not: whatever is folded, each is told of by itself."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from deliveries import alert, later, put, routing, rows
from services import Call, FakeAlertmanager, FakePagerDuty, Reply, serving

from auditor.alerts.deliver import Delivered, Deliverer
from auditor.alerts.lane import Terms
from auditor.alerts.message import DECIDED, Alert, AlertKind
from auditor.alerts.outgoing import mark, queue
from auditor.alerts.registry import build
from auditor.alerts.samples import group, samples
from auditor.alerts.sink import Context, Receipt, Sink, SinkConfig
from auditor.alerts.sinks import pagerduty
from auditor.errors import DeliveryError
from auditor.store import held, outbox
from auditor.store.database import Store
from auditor.terms import Level

pytest_plugins = ["databases"]

KEY = "0123456789abcdef0123456789abcdef"
TABLE = routing()
LATER = 1_767_225_900


@dataclass
class Pager(FakePagerDuty):
    """PagerDuty that refuses as it is told to: by the number of the request, and by the key."""

    refuse: Callable[[int, str], int] = lambda _number, _key: 0
    asked: int = 0

    def answer(self, call: Call) -> Reply:
        self.asked += 1
        status = self.refuse(self.asked, call.json["dedup_key"])
        return (status, b"") if status else super().answer(call)

    @property
    def states(self) -> Mapping[str, str]:
        return self.alerts

    @property
    def open(self) -> set[str]:
        return {key for key, state in self.alerts.items() if state != "resolved"}


@dataclass
class Manager(FakeAlertmanager):
    """Alertmanager that counts requests."""

    posts: list[int] = field(default_factory=list)

    def answer(self, call: Call) -> Reply:
        self.posts.append(len(call.json))
        return super().answer(call)

    @property
    def open(self) -> set[str]:
        return {each["labels"]["finding"] for each in self.alerts.values() if each["endsAt"] > "2030"}


@pytest.fixture
def pager() -> Iterator[tuple[Pager, Sink]]:
    fake = Pager(KEY)
    with serving(fake) as address:
        raw = {"type": "pagerduty", "url": f"{address}/v2/enqueue", "routing_key": KEY, "allow_private": True}
        yield fake, build("chat", raw)


@pytest.fixture
def manager() -> Iterator[tuple[Manager, Sink]]:
    fake = Manager()
    with serving(fake) as address:
        yield fake, build("chat", {"type": "alertmanager", "url": address, "allow_private": True})


@pytest.fixture(params=["pager", "manager"])
def service(request: pytest.FixtureRequest) -> tuple[Pager | Manager, Sink]:
    found: tuple[Pager | Manager, Sink] = request.getfixturevalue(request.param)
    return found


async def deliver(store: Store, sink: Sink, terms: Terms | None = None) -> Delivered:
    later(store, 400)
    return await Deliverer(store, {"chat": sink}, "owner", terms=terms or Terms(storm_limit=1_000)).deliver_due()


async def tell(store: Store, sink: Sink, *alerts: Alert) -> Delivered:
    put(store, TABLE, *alerts)
    return await deliver(store, sink)


def ended(name: str, **more: Any) -> Alert:
    return alert(name, kind=AlertKind.RESOLVED, at=LATER, **more)


def decide(store: Store, kind: AlertKind, *names: str, apart: bool = False) -> None:
    """What a pass makes of decisions of people."""
    with store.transaction() as tx:
        for name in names:
            more = {"policy": name} if apart else {}
            made = alert(name, kind=kind, at=LATER - 60, by="ada@example.com", **more)
            for goes in TABLE.destinations(made):
                mark(tx, replace(made, id=f"{outbox.MARK}{made.id}"), goes, int(held.now(tx)))


async def test_what_opened_apart_and_ends_together_is_closed(
    store: Store, service: tuple[Pager | Manager, Sink]
) -> None:
    fake, sink = service
    await tell(store, sink, alert("f1"))
    await tell(store, sink, alert("f2"))
    assert fake.open == {"f1", "f2"}
    assert await tell(store, sink, ended("f1"), ended("f2")) == Delivered(sent=1)
    assert fake.open == set()
    assert len(fake.alerts) == 2, "no digest has a state"


async def test_what_opened_together_and_ends_apart_is_closed(
    store: Store, service: tuple[Pager | Manager, Sink]
) -> None:
    fake, sink = service
    assert await tell(store, sink, alert("f1"), alert("f2")) == Delivered(sent=1)
    assert fake.open == {"f1", "f2"}
    await tell(store, sink, ended("f1"))
    assert fake.open == {"f2"}
    await tell(store, sink, ended("f2"))
    assert (fake.open, len(fake.alerts)) == (set(), 2)


async def test_of_a_finding_that_changed_twice_in_one_message_the_last_holds(
    store: Store, service: tuple[Pager | Manager, Sink]
) -> None:
    fake, sink = service
    await tell(store, sink, alert("f1"), alert("f2"), alert("f3"))
    again = alert("f1", kind=AlertKind.REOPENED, at=LATER + 60)
    await tell(store, sink, ended("f1"), again, ended("f2"))
    assert fake.open == {"f1", "f3"}


async def test_a_level_that_changes_while_a_finding_is_open_makes_no_second_alert(
    store: Store, service: tuple[Pager | Manager, Sink]
) -> None:
    fake, sink = service
    await tell(store, sink, alert("f1", level=Level.HIGH))
    await tell(store, sink, ended("f1", level=Level.LOW))
    assert (fake.open, len(fake.alerts)) == (set(), 1)


async def test_thirty_that_open_at_once_are_one_incident_and_their_ends_are_told_one_by_one(
    store: Store, pager: tuple[Pager, Sink]
) -> None:
    fake, sink = pager
    await tell(store, sink, alert("f0"))
    names = [f"f{number}" for number in range(30)]
    await tell(store, sink, *map(alert, names[1:]), ended("f0"))
    (storm,) = [event for event in fake.taken[1:] if event["event_action"] == "trigger"]
    assert storm["payload"]["summary"].startswith("Digest: 30 ")
    assert fake.open == {storm["dedup_key"]}, "and what ended with them is closed"
    del fake.taken[:]
    await tell(store, sink, *map(ended, names[1:]))
    assert {event["dedup_key"]: event["event_action"] for event in fake.taken} == dict.fromkeys(names[1:], "resolve")


async def test_twenty_that_open_at_once_are_an_incident_each(store: Store, pager: tuple[Pager, Sink]) -> None:
    fake, sink = pager
    names = {f"f{number}" for number in range(20)}
    await tell(store, sink, *map(alert, names))
    assert fake.open == names


async def test_a_storm_of_several_messages_is_one_incident_and_no_message_is_too_long(
    store: Store, pager: tuple[Pager, Sink]
) -> None:
    fake, sink = pager
    assert await tell(store, sink, *(alert(f"f{number}") for number in range(130))) == Delivered(sent=3)
    assert [event["event_action"] for event in fake.taken] == ["trigger"] * 3
    assert len(fake.open) == 1


async def test_alertmanager_is_told_of_a_storm_whole_in_requests_of_bounded_size(
    store: Store, manager: tuple[Manager, Sink]
) -> None:
    fake, sink = manager
    names = {f"f{number}" for number in range(130)}
    await tell(store, sink, *map(alert, names))
    assert (fake.open, fake.posts) == (names, [50, 50, 30])
    await tell(store, sink, *map(ended, names))
    assert (fake.open, len(fake.alerts)) == (set(), 130)


async def test_the_cap_of_messages_holds_and_what_waited_for_it_keeps_its_state(
    store: Store, manager: tuple[Manager, Sink]
) -> None:
    fake, sink = manager
    with store.transaction() as tx:
        for number in range(60):
            queue(tx, alert(f"f{number}"), ["chat"], int(held.now(tx)))
    terms = Terms(storm_limit=5)
    assert await deliver(store, sink, terms) == Delivered(sent=5)
    assert fake.posts == [1, 1, 1, 1, 50]
    later(store, 601)
    await deliver(store, sink, terms)
    assert len(fake.open) == 60


async def test_what_people_decide_reaches_pagerduty(store: Store, pager: tuple[Pager, Sink]) -> None:
    fake, sink = pager
    await tell(store, sink, *map(alert, ("known", "risk", "other")))
    decide(store, AlertKind.ACKNOWLEDGED, "known")
    decide(store, AlertKind.WAIVED, "risk")
    await deliver(store, sink)
    assert fake.states == {"known": "acknowledged", "risk": "resolved", "other": "triggered"}
    await tell(store, sink, ended("known"), alert("risk", kind=AlertKind.REOPENED, at=LATER))
    assert fake.states == {"known": "resolved", "risk": "triggered", "other": "triggered"}


async def test_what_people_decide_reaches_alertmanager(store: Store, manager: tuple[Manager, Sink]) -> None:
    fake, sink = manager
    await tell(store, sink, *map(alert, ("known", "risk")))
    decide(store, AlertKind.ACKNOWLEDGED, "known")
    decide(store, AlertKind.WAIVED, "risk")
    await deliver(store, sink)
    assert fake.open == {"known"}
    (known,) = [each["annotations"] for each in fake.alerts.values() if each["labels"]["finding"] == "known"]
    assert (known["state"], known["decided_by"]) == ("Acknowledged", "ada@example.com")
    await tell(store, sink, ended("known"), alert("risk", kind=AlertKind.REOPENED, at=LATER))
    assert fake.open == {"risk"}


@pytest.mark.parametrize("kind", sorted(DECIDED))
async def test_a_decision_opens_nothing_that_was_not_told_or_is_over(
    kind: AlertKind, store: Store, service: tuple[Pager | Manager, Sink]
) -> None:
    fake, sink = service
    await tell(store, sink, alert("over"))
    await tell(store, sink, ended("over"))
    before = json.dumps(fake.alerts)
    decide(store, kind, "over", "never told")
    put(store, TABLE, alert("new"))
    assert await deliver(store, sink) == Delivered(sent=1), "and nothing waits behind them"
    assert fake.open == {"new"}
    assert json.dumps(fake.alerts).startswith(before[:-1])
    assert [each.error for each in rows(store, "suppressed")] == ["nothing to mark"] * 2


async def test_decisions_by_the_dozen_hold_no_alert_up(store: Store, pager: tuple[Pager, Sink]) -> None:
    fake, sink = pager
    names = [f"f{number}" for number in range(15)]
    await tell(store, sink, *(alert(name, policy=name) for name in names))
    decide(store, AlertKind.WAIVED, *names, apart=True)
    later(store, 700)
    running = Deliverer(store, {"chat": sink}, "owner", terms=Terms(storm_limit=4))
    assert await running.deliver_due() == Delivered(sent=15)
    put(store, TABLE, alert("new"))
    later(store, 30)
    await running.deliver_due()
    assert fake.open == {"new"}
    put(store, TABLE, alert("newer", policy="other"))
    later(store, 30)
    await Deliverer(store, {"chat": sink}, "owner", terms=Terms(storm_limit=4)).deliver_due()
    assert fake.open == {"new", "newer"}, "nor after a restart"


async def test_after_a_cut_in_the_middle_all_is_told_again_and_nothing_twice(
    store: Store, pager: tuple[Pager, Sink]
) -> None:
    fake, sink = pager
    names = [f"f{number}" for number in range(30)]
    await tell(store, sink, *map(alert, names[:15]))
    fake.asked = 0
    fake.refuse = lambda number, _key: 503 if number > 7 else 0
    assert await tell(store, sink, *map(ended, names[:15]), *map(alert, names[15:])) == Delivered(failed=30)
    assert fake.asked == 30, "some of the first got through, so the rest was tried"
    fake.asked, fake.refuse = 0, lambda _number, _key: 503
    later(store, 1000)
    assert await deliver(store, sink) == Delivered(failed=30)
    assert fake.asked == pagerduty.AT_ONCE, "nothing got through, and the rest was not tried"
    later(store, 1000)
    fake.refuse = lambda _number, _key: 0
    assert await deliver(store, sink) == Delivered(sent=1)
    assert fake.open == set(names[15:])
    assert set(fake.alerts) == set(names)


async def test_a_storm_whose_answer_was_lost_is_the_same_incident(store: Store, pager: tuple[Pager, Sink]) -> None:
    fake, sink = pager
    put(store, TABLE, *(alert(f"f{number}") for number in range(30)))

    async def lost(config: SinkConfig, told: Alert, context: Context) -> Receipt:
        await pagerduty.send(cast(pagerduty.Config, config), told, context)
        raise DeliveryError("no answer in time", retryable=True)

    assert await deliver(store, replace(sink, _send=lost)) == Delivered(failed=30)
    later(store, 4000)
    assert await deliver(store, sink) == Delivered(sent=1)
    assert (len(fake.taken), len(fake.alerts)) == (2, 1)


async def test_one_event_that_is_never_taken_does_not_keep_the_others(store: Store, pager: tuple[Pager, Sink]) -> None:
    fake, sink = pager
    fake.refuse = lambda _number, key: 400 if key == "bad" else 0
    done = await tell(store, sink, *map(alert, ("a", "b", "bad", "c", "d", "e", "f", "g")))
    assert done.dead == 1
    assert fake.open == set("abcdefg")
    assert [each.message.order_key for each in rows(store, "dead")] == ["bad"]


async def test_one_event_that_fails_for_now_does_not_keep_the_others(store: Store, pager: tuple[Pager, Sink]) -> None:
    fake, sink = pager
    fake.refuse = lambda _number, key: {"busy": 429, "bad": 400}.get(key, 0)
    names = ("busy", "bad", *"abcdefg")
    assert await tell(store, sink, *map(alert, names)) == Delivered(failed=9), "one may pass: all is tried again"
    assert fake.open == set("abcdefg")


async def test_audit_events_are_one_digest_still(store: Store, service: tuple[Pager | Manager, Sink]) -> None:
    fake, sink = service
    event = samples("acme", LATER)["event"]
    parts = tuple(replace(event, id=f"event/{number}") for number in range(5))
    await sink.of_events().send(samples("acme", LATER)["digest"], Context(parts=parts))
    assert len(fake.alerts) == 1


def test_a_preview_of_a_group_is_what_would_be_sent(pager: tuple[Pager, Sink], manager: tuple[Manager, Sink]) -> None:
    alerts = group("acme", LATER)
    events = json.loads(pager[1].preview_group(alerts))
    assert [(event["dedup_key"], event["event_action"]) for event in events] == [
        ("5a3b1e", "resolve"),
        ("77c0d4", "trigger"),
    ]
    assert KEY not in json.dumps(events)
    posted = json.loads(manager[1].preview_group(alerts))
    assert [each["labels"]["finding"] for each in posted] == ["5a3b1e", "77c0d4"]
