"""Due dates: by when a fault is to be mended, who is told once that it was not, and what a command shows of it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from audits import SQLITE_ONLY, auditing, begin, routed
from commands import configured
from organization import NOW, served, small

from auditor.alerts.message import Alert, AlertKind, decode
from auditor.alerts.route import Routing
from auditor.alerts.teller import Teller
from auditor.cli import call
from auditor.config import Due, Findings
from auditor.findings.duedates import due_at, is_overdue, newly_overdue
from auditor.findings.model import Decision, Finding, Reason, Transition, identity
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.routing import Match, Route, RoutingConfig
from auditor.simulator.model import Organization
from auditor.store import findings, outbox, tally, transitions
from auditor.store.database import Store, open_store
from auditor.terms import Level, State

pytest_plugins = ["databases"]

DAY = 86_400
DUE = Due().by_level
HOSTILE = "a\x1b[2J\u202e<!channel>"


def finding(number: int = 1, level: Level = Level.HIGH, opened_at: int = 0) -> Finding:
    ids = ("proj_1", f"key_{number}")
    return Finding(
        id=identity("acme", "project-key-stale", "project_api_key", ids),
        organization="acme",
        policy="project-key-stale",
        kind="project_api_key",
        ids=ids,
        name=HOSTILE,
        level=level,
        state=State.OPEN,
        title="Stale key",
        message=HOSTILE,
        opened_at=opened_at,
        seen_at=opened_at,
        changed_at=opened_at,
        evidence={"matched": ["unused"], "owner": HOSTILE},
    )


@pytest.mark.parametrize(("level", "days"), [(Level.CRITICAL, 1), (Level.HIGH, 7), (Level.MEDIUM, 30), (Level.LOW, 90)])
def test_the_worse_the_sooner(level: Level, days: int) -> None:
    assert due_at(finding(level=level), DUE) == days * DAY
    assert not is_overdue(finding(level=level), DUE, days * DAY - 1)
    assert is_overdue(finding(level=level), DUE, days * DAY)


def test_what_only_informs_is_over_waived_or_happened_once_is_never_due() -> None:
    assert due_at(finding(level=Level.INFORMATIONAL), DUE) is None
    assert due_at(replace(finding(), state=State.RESOLVED), DUE) is None
    assert due_at(replace(finding(), state=State.WAIVED), DUE) is None
    assert due_at(replace(finding(), occurrence=True), DUE) is None
    assert due_at(replace(finding(), state=State.ACKNOWLEDGED), DUE) == 7 * DAY


def test_what_came_back_is_due_from_then_on() -> None:
    assert due_at(replace(finding(), state=State.REOPENED, since=DAY), DUE) == 8 * DAY


def test_each_is_told_once_and_the_worst_first() -> None:
    some = [finding(1, Level.LOW), finding(2), finding(3, Level.CRITICAL), finding(4, opened_at=95 * DAY)]
    late = newly_overdue(some, DUE, 95 * DAY)
    assert [each.level for each in late] == [Level.CRITICAL, Level.HIGH, Level.LOW]
    assert {each.overdue_told for each in late} == {95 * DAY}
    assert newly_overdue(late, DUE, 96 * DAY) == []


def test_what_a_clock_told_that_was_ahead_is_told_again_when_it_is_so() -> None:
    (told,) = newly_overdue([finding()], DUE, 400 * DAY)
    assert newly_overdue([told], DUE, 7 * DAY - 1) == []
    (again,) = newly_overdue([told], DUE, 7 * DAY)
    assert newly_overdue([again], DUE, 8 * DAY) == []
    teller = Teller({}, Routing(RoutingConfig(sinks=("ops",))))
    assert teller.overdue(told, 400 * DAY).id != teller.overdue(again, 7 * DAY).id, "the outbox knows the first one"


async def passed(organization: Organization, store: Store, now: int, rules: Findings) -> None:
    with served(organization, keys=None) as (address, _):
        async with auditing(address, store) as audit:
            strict = replace(audit, rules=rules)
            await take(strict, await poll(strict, now), now)


def notices(store: Store) -> Sequence[Alert]:
    with store.transaction() as tx:
        alerts = [decode(each.message.alert) for each in outbox.listing(tx, limit=1000) if each.message.sink == "here"]
    words = "Not mended in time"
    return [each for each in alerts if words in each.text or any(words in line.message for line in each.lines)]


async def test_people_are_told_once_what_was_not_mended_in_time(store: Store) -> None:
    organization = small()
    never = dict.fromkeys(("critical", "high", "medium", "low"), "9000d")
    rules = Findings.model_validate({"due": never})
    soon = Findings.model_validate({"due": never | {"critical": "2d"}})
    begin(store)
    await passed(organization, store, NOW, rules)
    assert notices(store) == []
    await passed(organization, store, NOW + 2 * DAY - 900, soon)
    assert notices(store) == []
    await passed(organization, store, NOW + 2 * DAY, soon)
    first = notices(store)
    await passed(organization, store, NOW + 3 * DAY, soon)

    assert notices(store) == first
    with store.transaction() as tx:
        late = [each for each in findings.active(tx, "acme").values() if each.overdue_told == NOW + 2 * DAY]
    assert {each.level for each in late} == {Level.CRITICAL}
    told = sum(len(alert.lines) if alert.kind is AlertKind.DIGEST else 1 for alert in first)
    assert told == len([each for each in late if not each.occurrence]) > 0


@SQLITE_ONLY
async def test_what_no_route_takes_is_not_told_to_everybody_when_it_is_overdue(store: Store) -> None:
    organization = small()
    begin(store)
    soon = Findings.model_validate({"due": dict.fromkeys(("critical", "high", "medium", "low"), "1d")})
    critical = Route(match=Match(level=(Level.CRITICAL,)), to=("here",))
    for now in (NOW, NOW + 2 * DAY):
        with served(organization, keys=None) as (address, _):
            async with auditing(address, store) as audit:
                strict = replace(audit, rules=soon, routing=routed(critical))
                await take(strict, await poll(strict, now), now)

    told = [level for alert in notices(store) for level in ([each.level for each in alert.lines] or [alert.level])]
    assert set(told) == {Level.CRITICAL}
    with store.transaction() as tx:
        assert "there" not in tally.pending(tx)


def test_notices_about_a_finding_go_where_the_finding_goes() -> None:
    ours = Route(match=Match(project=("proj_1",)), to=("team",))
    table = Routing(RoutingConfig(sinks=("ops", "team"), operators=("ops",), routes=(ours,)))
    teller = Teller({}, table)
    for told in (teller.standing(finding()), teller.overdue(finding(), NOW), teller.flapping(finding(), 3, NOW)):
        assert [goes.sink for goes in table.destinations(told)] == ["team"]


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command over a store with an old and a new finding."""
    now = 4_000_000_000
    store = open_store(f"sqlite:///{tmp_path}/auditor.db")
    with store.transaction() as tx:
        some = [finding(1), finding(2, opened_at=now)]
        findings.save(tx, some)
        transitions.add(tx, [Transition(each, None, Reason.DETECTED, each.opened_at) for each in some], None)
    store.close()
    config = configured(tmp_path, "http://127.0.0.1:9/v1")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = call([*arguments, "-c", str(config)])
        return code, *capsys.readouterr()

    return run


def test_the_overdue_can_be_listed_alone(run: Run) -> None:
    code, out, _ = run("findings", "list", "--overdue", "-o", "json")
    (late,) = json.loads(out)
    assert code == 0
    assert (late["id"], late["overdue"], late["due_at"]) == (finding(1).id, True, "1970-01-08T00:00:00Z")
    assert "overdue" in run("findings", "list")[1]


def test_a_finding_is_acknowledged_and_shown_with_its_life(run: Run) -> None:
    id_ = finding(1).id
    code, out, _ = run("findings", "ack", id_, "--by", "jo@example.com", "--comment", HOSTILE, "-o", "json")
    (done,) = json.loads(out)
    assert (code, done["state"], done["decision"]["by"]) == (0, "acknowledged", "jo@example.com")
    code, out, _ = run("findings", "show", id_, "-o", "json")
    assert code == 0
    shown = json.loads(out)
    assert [(turn["after"], turn["by"], turn["comment"]) for turn in shown["life"]] == [
        *(("open", None, None), ("acknowledged", "jo@example.com", HOSTILE)),
    ]
    text = run("findings", "show", id_)[1]
    assert "acknowledged by jo@example.com" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("verb", ["show", "ack"])
def test_a_finding_that_nobody_knows_is_refused(run: Run, verb: str) -> None:
    code, out, err = run("findings", verb, "none")
    assert (code, out) == (2, "")
    assert "there is no finding 'none'" in err


def test_a_decision_survives_both_databases(store: Store) -> None:
    decided = replace(
        finding(), state=State.WAIVED, decision=Decision("a\0b", 5, HOSTILE, "w", 9), since=3, flapping_since=4
    )
    with store.transaction() as tx:
        findings.save(tx, [decided])
        found = findings.by_ids(tx, [decided.id])[decided.id]
    assert (found.decision, found.since, found.flapping_since) == (decided.decision, 3, 4)
