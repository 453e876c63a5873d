"""What a silence, a mute time or an inhibition holds back is kept as suppressed, and told once if it still holds."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from audits import SQLITE_ONLY
from deliveries import Channel, alert, deliver, later, put, routing, rows
from pydantic import SecretStr
from sqlalchemy import text

from auditor.adminapi.client import AdminClient
from auditor.alerts import digests, notices
from auditor.alerts.deliver import Delivered
from auditor.alerts.gate import Gate
from auditor.alerts.inhibition import Inhibition
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.outgoing import queue
from auditor.alerts.route import Routing
from auditor.alerts.teller import Teller
from auditor.config import Findings
from auditor.errors import DeliveryError
from auditor.findings.expiry import Ending
from auditor.findings.model import Finding, Reason, Transition
from auditor.jobs.context import Audit
from auditor.jobs.review import release, repeat
from auditor.policy.load import PolicySet
from auditor.reporting.build import build
from auditor.routing import InhibitRule
from auditor.store import findings, organizations, silences, tally
from auditor.store.database import Store
from auditor.terms import Level, State

pytest_plugins = ["databases"]

MONDAY = datetime(2026, 6, 8, 12, tzinfo=UTC)
AT_ONCE: dict[str, Any] = {"to": ["chat"], "group_by": ["..."], "group_wait": "0s", "group_interval": "0s"}
NEW = Finding(
    "f0", "acme", "stale", "user", ("u",), "Ada", Level.HIGH, State.OPEN, "Title", "Text", 1000, 1000, changed_at=1000
)


@dataclass
class Service:
    """The parts of the daemon that decide and send, and a clock."""

    audit: Audit
    moment: datetime = MONDAY
    channel: Channel = field(default_factory=Channel)

    @property
    def store(self) -> Store:
        return self.audit.store

    @property
    def gate(self) -> Gate:
        return Gate(self.audit.teller, lambda: self.moment)

    def uses(self, table: Routing) -> None:
        self.audit = replace(self.audit, routing=table)

    def change(self, finding: Finding, reason: Reason = Reason.DETECTED) -> None:
        """A finding changes, and what is to be told is queued with it."""
        told = self.audit.teller.of(Transition(finding, None, reason, finding.changed_at))
        with self.store.transaction() as tx:
            findings.save(tx, [finding])
        if told:
            put(self.store, self.audit.routing, told)

    async def send(self) -> Delivered:
        return await deliver(self.store, self.channel, self.gate)

    def review(self) -> int:
        return release(self.audit, self.gate) + repeat(self.audit, int(self.moment.timestamp()))

    def silence(self, seconds: int = 3600, **matchers: str) -> str:
        now = int(self.moment.timestamp())
        given = {key.rstrip("_"): [value] for key, value in matchers.items()}
        with self.store.transaction() as tx:
            return silences.add(tx, given, "ada", "known", now=now, starts_at=now, ends_at=now + seconds).id

    def passes(self, seconds: int) -> None:
        self.moment = datetime.fromtimestamp(self.moment.timestamp() + seconds, UTC)
        later(self.store, seconds)

    @property
    def told(self) -> list[tuple[str, AlertKind]]:
        return [(each.finding, each.kind) for each in self.channel.got]


@pytest.fixture
async def service(store: Store) -> AsyncIterator[Service]:
    async with AdminClient(SecretStr("sk-admin-1"), base_url="http://127.0.0.1:1") as client:
        yield Service(Audit("acme", client, store, PolicySet(), routing=routing(AT_ONCE)))


def resolved(finding: Finding, at: int = 2000) -> Finding:
    return replace(finding, state=State.RESOLVED, changed_at=at, resolved_at=at)


OPENED, RESOLVED = AlertKind.OPENED, AlertKind.RESOLVED


@SQLITE_ONLY
async def test_what_is_silenced_is_not_sent_and_kept_as_suppressed(service: Service) -> None:
    name = service.silence(policy="st*")
    service.change(NEW)
    service.change(replace(NEW, id="f1", policy="other"))
    assert await service.send() == Delivered(sent=1, suppressed=1)
    assert service.told == [("f1", OPENED)]
    (held,) = rows(service.store, "suppressed")
    assert held.error == f"silence {name} by ada: known"
    with service.store.transaction() as tx:
        assert tally.pending(tx) == {}
    (row,) = build(service.store, "acme", {}, Findings(), start=0, now=int(time.time()) + 1).deliveries
    assert (row.delivered, row.waiting, row.dead, row.suppressed) == (1, 0, 0, 1)


async def test_what_is_still_open_when_the_silence_ends_is_told_once(service: Service) -> None:
    service.silence(level="high")
    service.change(NEW)
    await service.send()
    assert service.review() == 0, "the silence lasts"
    service.passes(3601)
    assert service.review() == 1
    assert service.review() == 0
    await service.send()
    service.passes(600)
    assert (service.review(), await service.send()) == (0, Delivered())
    assert service.told == [("f0", OPENED)]


async def test_a_silence_that_is_expired_by_hand_lets_go_at_once(service: Service) -> None:
    name = service.silence(level="high")
    service.change(NEW)
    await service.send()
    now = int(service.moment.timestamp())
    with service.store.transaction() as tx:
        assert silences.expire(tx, name, now)
        assert not silences.expire(tx, name, now), "it is over"
    assert service.review() == 1


async def test_a_silence_takes_what_waits_already(service: Service) -> None:
    service.change(NEW)
    service.silence(level="high")
    assert await service.send() == Delivered(suppressed=1)


async def test_what_ended_during_the_silence_is_never_told(service: Service) -> None:
    service.silence(level="high")
    service.change(NEW)
    await service.send()
    service.change(resolved(NEW), Reason.COMPLIES)
    assert await service.send() == Delivered(suppressed=1)
    service.passes(3601)
    assert service.review() == 0
    assert await service.send() == Delivered()
    assert service.told == []
    assert all(each.settled_at for each in rows(service.store, "suppressed"))


@pytest.mark.parametrize(("ended", "told"), [(False, 1), (True, 0)])
async def test_that_it_is_overdue_is_told_after_the_silence_unless_it_is_over(
    service: Service, ended: bool, told: int
) -> None:
    service.change(NEW)
    await service.send()
    service.silence(level="high")
    put(service.store, service.audit.routing, service.audit.teller.overdue(NEW, 1500))
    assert (await service.send()).suppressed == 1
    if ended:
        service.change(resolved(NEW), Reason.COMPLIES)
        await service.send()
    service.passes(3601)
    service.review()
    await service.send()
    assert str(service.channel.got).count("Not mended in time") == told


async def test_an_end_without_a_beginning_is_not_told_after_the_silence_either(service: Service) -> None:
    service.silence(level="high")
    service.change(NEW)
    await service.send()
    service.passes(3601)
    service.change(resolved(NEW), Reason.COMPLIES)
    assert await service.send() == Delivered(suppressed=1)
    assert service.review() == 0
    assert service.told == []


async def test_the_end_of_what_was_told_is_told_after_the_silence(service: Service) -> None:
    service.change(NEW)
    await service.send()
    service.silence(level="high")
    service.change(resolved(NEW), Reason.COMPLIES)
    assert await service.send() == Delivered(suppressed=1)
    service.passes(3601)
    assert service.review() == 1
    await service.send()
    assert service.told == [("f0", OPENED), ("f0", RESOLVED)]


async def test_the_end_of_what_was_told_is_told_whatever_was_held_back_between(service: Service) -> None:
    service.change(NEW)
    await service.send()
    service.silence(level="high")
    service.change(resolved(NEW), Reason.COMPLIES)
    service.change(replace(NEW, state=State.REOPENED, changed_at=3000), Reason.DETECTED_AGAIN)
    service.change(resolved(NEW, 4000), Reason.COMPLIES)
    await service.send()
    service.passes(3601)
    service.review()
    await service.send()
    assert service.told == [("f0", OPENED), ("f0", RESOLVED)]


async def test_the_end_of_what_may_have_arrived_before_it_was_held_back_is_told(service: Service) -> None:
    async def no_answer(told: Alert) -> None:
        if len(service.channel.tried) == 1:
            service.channel.got.append(told)
            raise DeliveryError("no answer", retryable=True)

    service.channel.trouble = no_answer
    service.change(NEW)
    await service.send()
    service.silence(level="high")
    service.passes(60)
    service.change(resolved(NEW), Reason.COMPLIES)
    assert await service.send() == Delivered(suppressed=2)
    service.passes(3601)
    service.review()
    await service.send()
    assert service.told == [("f0", OPENED), ("f0", RESOLVED)]


async def test_a_beginning_and_an_end_in_one_message_are_both_told_after_a_silence(service: Service) -> None:
    service.uses(routing({"to": ["chat"]}))
    service.silence(level="high")
    service.change(NEW)
    service.passes(2)
    await service.send()
    service.change(resolved(NEW), Reason.COMPLIES)
    service.passes(3600)
    await service.send()
    service.change(replace(NEW, state=State.REOPENED, changed_at=3000), Reason.DETECTED_AGAIN)
    service.change(resolved(NEW, 4000), Reason.COMPLIES)
    service.passes(400)
    assert (await service.send()).sent == 1
    assert [line.message for line in service.channel.got[-1].lines] == ["Text", "resolved: Text"]


async def test_what_came_back_is_told_as_that_and_its_stale_end_is_not(service: Service) -> None:
    service.change(NEW)
    await service.send()
    service.silence(level="high")
    service.change(resolved(NEW), Reason.COMPLIES)
    await service.send()
    service.passes(3601)
    service.change(replace(NEW, state=State.REOPENED, changed_at=3000), Reason.DETECTED_AGAIN)
    await service.send()
    assert service.review() == 0
    await service.send()
    assert service.told == [("f0", OPENED), ("f0", AlertKind.REOPENED)]


async def test_what_people_took_on_meanwhile_is_not_told(service: Service) -> None:
    service.silence(level="high")
    service.change(NEW)
    await service.send()
    service.change(replace(NEW, state=State.ACKNOWLEDGED))
    service.passes(3601)
    assert service.review() == 0


async def test_many_that_were_held_back_are_let_go_in_one_message_a_group(service: Service) -> None:
    service.uses(routing({"to": ["chat"], "group_by": ["policy"]}))
    service.silence(level="high")
    for number in range(40):
        service.change(replace(NEW, id=f"f{number}", name=f"n{number}", policy=f"p{number % 2}"))
    service.passes(400)
    assert await service.send() == Delivered(suppressed=40)
    service.passes(3601)
    assert service.review() == 40
    await service.send()
    assert [len(each.lines) for each in service.channel.got] == [20, 20]


async def test_a_message_that_was_held_back_for_days_is_still_patient_with_its_sink(service: Service) -> None:
    service.silence(5 * 86_400, level="high")
    service.change(NEW)
    await service.send()
    service.passes(5 * 86_400 + 1)
    service.review()
    (waiting,) = rows(service.store, "pending")
    assert (waiting.attempts, waiting.error) == (0, "")
    assert time.time() - waiting.message.created_at < 60, "it is given up three days after its release, not before"


async def test_nothing_holds_back_what_is_protected(service: Service) -> None:
    always = {"name": "always", "time_intervals": [{}]}
    rule = {"source_match": {"policy": "stale"}, "target_match": {}}
    service.uses(routing({**AT_ONCE, "mute_time_intervals": ["always"]}, time_intervals=[always], inhibit_rules=[rule]))
    service.silence(level="high")
    service.change(replace(NEW, id="gap", kind="audit_log", policy="audit-log-hole"))
    put(service.store, service.audit.routing, notices.notice("x", "acme", Level.HIGH, "t", "t", 1, protected=True))
    service.change(NEW)
    assert await service.send() == Delivered(sent=2, suppressed=1)


async def test_a_notice_that_is_not_protected_can_be_silenced(service: Service) -> None:
    service.silence(class_="notice")
    put(service.store, service.audit.routing, notices.notice("x", "acme", Level.LOW, "t", "t", 1))
    assert await service.send() == Delivered(suppressed=1)
    service.passes(3601)
    assert service.review() == 1, "a notice is of no finding, and told late"


async def test_a_notice_that_was_refused_is_not_told_after_the_end_of_its_finding(service: Service) -> None:
    other = replace(NEW, id="f1", ids=("u1",))
    teller = service.audit.teller
    late, soon = teller.overdue(NEW, 1500), teller.ending(Ending(NEW, 90_000, 1), 1500)
    both = digests.digest("acme", [late, teller.overdue(other, 1500)], {}, 1500)

    async def down(alert: Alert) -> None:
        if alert.kind is not RESOLVED:
            raise DeliveryError("503", retryable=True)

    service.change(NEW)
    service.change(other)
    await service.send()
    service.channel.trouble = down
    put(service.store, service.audit.routing, late, soon, both)
    assert await service.send() == Delivered(failed=3)
    service.change(resolved(NEW), Reason.COMPLIES)
    await service.send()
    service.channel.trouble = None
    service.passes(1000)
    service.channel.got.clear()
    assert await service.send() == Delivered(sent=1, suppressed=2)
    assert [each.id for each in service.channel.got] == [both.id]
    assert {each.error for each in rows(service.store, "suppressed")} == {"what it is about is over"}
    assert service.review() == 0
    put(service.store, service.audit.routing, teller.flapping(NEW, 5, 1500))
    assert await service.send() == Delivered(sent=1)


async def test_a_digest_is_silenced_only_when_all_that_it_tells_is(service: Service) -> None:
    lines = (Line(Level.HIGH, "stale", "a", "m"), Line(Level.LOW, "other", "b", "m"))
    both = replace(alert("d"), kind=AlertKind.DIGEST, lines=lines, finding="", policy="", id="d1")
    one = replace(both, lines=lines[:1], id="d2")
    service.silence(policy="stale")
    put(service.store, service.audit.routing, both, one)
    assert await service.send() == Delivered(sent=1, suppressed=1)
    assert [each.id for each in service.channel.got] == ["d1"]


OFFICE = {
    "name": "office",
    "time_intervals": [{"weekdays": ["monday:friday"], "times": [{"start_time": "09:00", "end_time": "17:00"}]}],
}


async def test_a_muted_route_tells_later_what_is_still_open(service: Service) -> None:
    service.uses(routing({**AT_ONCE, "mute_time_intervals": ["office"]}, time_intervals=[OFFICE]))
    service.change(NEW)
    service.change(replace(NEW, id="f1"))
    assert await service.send() == Delivered(suppressed=2)
    assert rows(service.store)[0].error == "routes.0 is muted during `office`"
    service.change(resolved(replace(NEW, id="f1")), Reason.COMPLIES)
    await service.send()
    service.passes(5 * 3600)
    assert service.review() == 1
    await service.send()
    assert service.told == [("f0", OPENED)]


async def test_a_route_may_be_active_only_at_times(service: Service) -> None:
    service.uses(routing({**AT_ONCE, "active_time_intervals": ["office"]}, time_intervals=[OFFICE]))
    service.passes(6 * 3600)
    service.change(NEW)
    assert await service.send() == Delivered(suppressed=1)
    assert rows(service.store)[0].error == "routes.0 is active only during `office`"
    service.passes(15 * 3600)
    assert service.review() == 1


async def test_a_sink_that_two_routes_lead_to_is_told_when_one_of_them_is_awake(service: Service) -> None:
    muted = {**AT_ONCE, "mute_time_intervals": ["office"], "continue": True}
    service.uses(routing(muted, AT_ONCE, time_intervals=[OFFICE]))
    service.change(NEW)
    assert await service.send() == Delivered(sent=1)


RULE = {"source_match": {"policy": "collapse"}, "target_match": {"level": ["high", "low"]}, "equal": ["project"]}


async def test_an_open_source_holds_its_targets_back_until_it_is_over(service: Service) -> None:
    service.uses(routing(AT_ONCE, inhibit_rules=[RULE]))
    source = replace(NEW, id="s", policy="collapse", level=Level.CRITICAL, evidence={"project": {"id": "p1"}})
    target = replace(NEW, evidence={"project": {"id": "p1"}})
    elsewhere = replace(NEW, id="f1", evidence={"project": {"id": "p2"}})
    for each in (source, target, elsewhere):
        service.change(each)
    assert await service.send() == Delivered(sent=2, suppressed=1)
    assert sorted(name for name, _ in service.told) == ["f1", "s"]
    assert rows(service.store, "suppressed")[0].error == "inhibited by collapse, finding s"
    service.change(resolved(source), Reason.COMPLIES)
    assert service.review() == 1
    await service.send()
    assert ("f0", OPENED) in service.told


def _labelled(name: str, policy: str, level: Level = Level.HIGH, project: str = "") -> Alert:
    return replace(alert(name), policy=policy, level=level, project=project)


INHIBITION = {
    "equal labels": (_labelled("s", "collapse", project="p"), _labelled("t", "x", project="p"), True),
    "different labels": (_labelled("s", "collapse", project="p"), _labelled("t", "x", project="q"), False),
    "labels that both lack": (_labelled("s", "collapse"), _labelled("t", "x"), True),
    "a label that one lacks": (_labelled("s", "collapse", project="p"), _labelled("t", "x"), False),
    "a project that was renamed meanwhile": (
        replace(_labelled("s", "collapse", project="p"), project_name="new"),
        replace(_labelled("t", "x", project="p"), project_name="old"),
        True,
    ),
    "two projects of one name": (
        replace(_labelled("s", "collapse", project="p"), project_name="name"),
        replace(_labelled("t", "x", project="q"), project_name="name"),
        False,
    ),
    "another source": (_labelled("s", "other"), _labelled("t", "x"), False),
    "a notice about itself": (
        _labelled("s", "collapse", Level.CRITICAL),
        replace(_labelled("", "x"), kind=AlertKind.NOTICE, about="s"),
        False,
    ),
    "itself": (_labelled("s", "collapse"), _labelled("s", "collapse"), False),
    "two that are source and target both": (_labelled("s", "collapse"), _labelled("t", "collapse"), False),
    "a source that is no target holds back one that is both": (
        _labelled("s", "collapse", Level.CRITICAL),
        _labelled("t", "collapse"),
        True,
    ),
}


@pytest.mark.parametrize("case", INHIBITION)
def test_inhibition_means_what_alertmanager_says(case: str) -> None:
    source, target, expected = INHIBITION[case]
    found = Inhibition(InhibitRule.model_validate(RULE), [source]).source(target)
    assert found == (source if expected else None)


def begun(service: Service) -> None:
    with service.store.transaction() as tx:
        organizations.mark_baseline(tx, "acme", int(service.moment.timestamp()))


async def test_what_is_high_and_still_open_is_told_again_after_a_day_and_once_a_day(service: Service) -> None:
    begun(service)
    service.uses(routing({"to": ["chat"], "group_by": ["policy"]}))
    for number in range(3):
        service.change(replace(NEW, id=f"f{number}", name=f"n{number}"))
    service.change(replace(NEW, id="low", level=Level.LOW, policy="low"))
    service.change(replace(NEW, id="event", policy="event", occurrence=True))
    service.change(replace(NEW, id="taken", policy="taken", state=State.ACKNOWLEDGED))
    service.passes(40)
    await service.send()
    counts = [len(service.channel.got)]
    for _ in range(8):
        service.passes(6 * 3600)
        service.review()
        service.review()
        service.passes(60)
        await service.send()
        counts.append(len(service.channel.got))
    assert counts == [3, 3, 3, 3, 4, 4, 4, 4, 5]
    assert [line.resource for line in service.channel.got[-1].lines] == ["n0", "n1", "n2"]
    assert service.channel.got[-1].title == "3 \N{MULTIPLICATION SIGN} Still open: Title"


async def test_what_the_first_picture_told_is_told_again_a_day_after_it(service: Service) -> None:
    begun(service)
    with service.store.transaction() as tx:
        findings.save(tx, [NEW])
    service.passes(86_399)
    assert service.review() == 0
    service.passes(2)
    assert service.review() == 1
    assert await service.send() == Delivered(sent=1)
    assert service.review() == 0


async def test_before_the_first_picture_nothing_is_told_again(service: Service) -> None:
    with service.store.transaction() as tx:
        findings.save(tx, [NEW])
    service.passes(10 * 86_400)
    assert service.review() == 0


async def test_a_route_may_repeat_nothing_or_everything(service: Service) -> None:
    begun(service)
    with service.store.transaction() as tx:
        findings.save(tx, [NEW, replace(NEW, id="low", level=Level.LOW, policy="low")])
    service.passes(3601)
    service.uses(routing({**AT_ONCE, "repeat_interval": "0s"}))
    assert service.review() == 0
    service.uses(routing({**AT_ONCE, "repeat_interval": "1h"}))
    assert service.review() == 2


async def test_what_is_told_again_is_silenced_too_and_made_up_for_once(service: Service) -> None:
    begun(service)
    service.change(NEW)
    await service.send()
    service.silence(3 * 86_400, level="high")
    service.passes(86_401)
    assert service.review() == 1
    assert await service.send() == Delivered(suppressed=1)
    service.passes(2 * 86_400 - 100)
    assert service.review() == 0
    service.passes(200)
    assert service.review() == 1
    assert await service.send() == Delivered(sent=1)
    assert service.channel.got[-1].title == "Still open: Title"
    service.passes(86_300)
    assert service.review() == 0


async def test_what_would_be_told_again_each_evening_is_told_each_morning(service: Service) -> None:
    """Told shortly before the nights begin, it would be due in every one of them."""
    begun(service)
    times = [{"start_time": "18:00", "end_time": "24:00"}, {"start_time": "00:00", "end_time": "08:00"}]
    night = {"name": "night", "time_intervals": [{"times": times}]}
    service.uses(routing({**AT_ONCE, "mute_time_intervals": ["night"]}, time_intervals=[night]))
    service.passes(6 * 3600 - 30)
    service.change(NEW)
    await service.send()
    service.passes(30)
    told = []
    for hour in range(1, 7 * 24):
        before = len(service.channel.got)
        service.passes(3600)
        service.review()
        await service.send()
        told += [hour] * (len(service.channel.got) - before)
    assert told == [38 + 24 * day for day in range(6)]


async def test_a_finding_is_told_again_though_there_is_other_news_of_its_group(service: Service) -> None:
    """News of a policy come every twenty hours, and nobody takes on the old finding."""
    begun(service)
    service.uses(routing({"to": ["chat"]}))
    service.change(replace(NEW, id="old"))
    for number in range(12):
        service.passes(2)
        service.review()
        await service.send()
        service.passes(20 * 3600)
        service.change(replace(NEW, id=f"n{number}"))
    service.passes(400)
    await service.send()
    told = [alert for alert in service.channel.got if "old" in named(alert)]
    assert len(told) == 6, "at first, and then with every second news"


async def test_another_group_after_a_reload_neither_brings_a_reminder_early_nor_ends_it(service: Service) -> None:
    begun(service)
    together: dict[str, Any] = {"to": ["chat"], "group_wait": "1m"}
    service.uses(routing({**together, "group_by": ["policy"]}))
    for name in ("a", "b", "c"):
        service.change(replace(NEW, id=name))
    service.passes(62)
    await service.send()
    counts = []
    for day in range(5):
        labels = ["organization", "policy", "level", "kind", "owner"][: day + 1]
        levels = ["high", "critical", "low"][: 1 + day % 3]
        service.uses(routing({**together, "group_by": labels, "match": {"level": levels}}))
        service.passes(86_000)
        counts.append(service.review())
        service.passes(800)
        counts.append(service.review())
        service.passes(62)
        await service.send()
    assert counts == [0, 3, 0, 3, 0, 3, 0, 3, 0, 3]
    assert [sorted(named(alert)) for alert in service.channel.got] == [["a", "b", "c"]] * 6


async def test_what_a_clock_told_that_was_ahead_is_told_again_all_the_same(service: Service) -> None:
    begun(service)
    service.change(NEW)
    await service.send()
    later(service.store, -30 * 86_400)
    service.passes(86_401)
    assert service.review() == 1
    await service.send()
    assert service.review() == 0
    service.passes(86_401)
    assert service.review() == 1


async def test_what_came_back_in_a_digest_is_told_again_a_day_after_that(service: Service) -> None:
    begun(service)
    service.change(NEW)
    service.change(resolved(NEW), Reason.COMPLIES)
    await service.send()
    service.passes(10 * 86_400)
    now = int(service.moment.timestamp())
    with service.store.transaction() as tx:
        findings.save(tx, [replace(NEW, state=State.REOPENED, changed_at=now)])
    service.passes(300)
    assert service.review() == 0
    service.passes(86_200)
    assert service.review() == 1


async def test_a_change_that_a_clock_wrote_which_was_ahead_is_told_again_all_the_same(service: Service) -> None:
    begun(service)
    service.change(replace(NEW, changed_at=int(service.moment.timestamp()) + 30 * 86_400))
    await service.send()
    service.passes(86_401)
    assert service.review() == 1


async def test_a_digest_is_let_go_only_while_something_in_it_is_open(service: Service) -> None:
    some = [replace(NEW, id=f"f{number}") for number in range(5)]
    for finding in some:
        service.change(finding)
    told = digests.merged([service.audit.teller.standing(each) for each in some], 1000)
    with service.store.transaction() as tx:
        tx.execute(text("DELETE FROM outbox"))
        queue(tx, told, ["chat"], 1000)
        findings.save(tx, [resolved(each) for each in some])
    service.silence(3600)
    assert await service.send() == Delivered(suppressed=1)
    service.passes(3601)
    assert service.review() == 0, "all of it is over"


async def test_a_project_that_is_renamed_is_told_again_as_ever(service: Service) -> None:
    begun(service)
    service.uses(routing({"to": ["chat"], "group_by": ["project"]}))
    service.change(replace(NEW, evidence={"project": {"id": "proj_1", "name": "before"}}))
    for day in range(3):
        service.passes(2)
        await service.send()
        with service.store.transaction() as tx:
            findings.save(tx, [replace(NEW, evidence={"project": {"id": "proj_1", "name": f"name {day}"}})])
        assert service.review() == 0
        service.passes(86_400)
        assert service.review() == 1


async def test_what_a_digest_told_is_told_again_a_day_after_that(service: Service) -> None:
    """As after a gap: the findings are queued as one message, which names none of them in its row."""
    begun(service)
    service.passes(10 * 86_400)
    now = int(service.moment.timestamp())
    with service.store.transaction() as tx:
        findings.save(tx, [replace(NEW, id=f"f{n}", opened_at=now, changed_at=now) for n in range(15)])
    service.passes(300)
    assert service.review() == 0
    service.passes(86_200)
    assert service.review() == 15
    assert await service.send() == Delivered(sent=15)


def named(alert: Alert) -> list[str]:
    """The findings that a message tells of."""
    return [line.finding for line in alert.lines] or [alert.finding]


def test_the_teller_knows_the_teams_of_a_finding() -> None:
    teams = {"platform": {"owners": ["ada@example.com"]}}
    teller = Teller({}, routing(teams=teams))
    assert teller.standing(replace(NEW, evidence={"owner": "ada@example.com"})).teams == ("platform",)
