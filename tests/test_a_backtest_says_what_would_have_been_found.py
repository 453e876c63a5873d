"""`policies backtest`: pictures of the past judge as they did, events as they would, and nothing is guessed."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from audits import POLICIES, SQLITE_ONLY, passed, switch_off
from organization import NOW, small
from pictures import Items, keep, refused
from policyfiles import RULE, loaded, state, written

from auditor import clock
from auditor.cli import call
from auditor.findings.model import Finding
from auditor.inventory.model import Record, Unknown
from auditor.jobs.backtest import Subject, backtest, chosen
from auditor.jobs.history import Shown
from auditor.jobs.past import NOT_KEPT, Asked, Past, Surroundings, named
from auditor.jobs.tested import LISTED, Backtest
from auditor.policy.evaluate import evaluate
from auditor.policy.model import PolicyResult
from auditor.policy.policyset import PolicySet
from auditor.policy.replay import RawEvent, Replay, as_it_is
from auditor.registers.table import NONE
from auditor.simulator.dice import Dice
from auditor.simulator.model import Organization
from auditor.simulator.people import new_user
from auditor.store import events, findings, history, runs
from auditor.store.database import Store, open_store
from auditor.store.events import StoredEvent
from auditor.store.ledger import Run
from auditor.terms import State, Stream

pytest_plugins = ["databases"]

DAY = 86_400
AROUND = Surroundings(NONE)


def backtested(store: Store, policies: PolicySet, since: int, until: int, **more: int) -> Backtest:
    return backtest(Subject(store, "acme", policies, AROUND, as_it_is), since, until, **more)


def add_stranger(organization: Organization, at: int) -> str:
    dice = Dice(organization.seed, f"stranger {at}", 0)
    stranger = new_user(dice, name="Stranger", email="stranger@example.net", role="owner", added_at=at)
    organization.users[stranger.id] = stranger
    return stranger.id


async def lived(store: Store) -> dict[int, tuple[PolicyResult, ...]]:
    """Six days in which somebody comes and goes, a list is refused, and a setting changes; what each pass said."""
    organization = small()
    said = {}
    stranger = ""
    for day in range(6):
        at = NOW + day * DAY + 3600
        if day == 1:
            stranger = add_stranger(organization, at - 60)
        if day == 3:
            switch_off(organization, at - 60)
        if day == 4:
            del organization.users[stranger]
        refuse = {"project_api_key"} if day == 2 else set()
        said[at] = (await passed(organization, store, at, refuse=refuse)).results
    return said


def of_states(results: tuple[PolicyResult, ...]) -> dict[str, object]:
    """What the policies said that a picture of the past can say, too."""
    whole = {judge.policy.name for judge in POLICIES.states if not named(judge) & NOT_KEPT.keys()}
    return {
        each.policy: (each.outcome, each.passed, {(one.ids, one.outcome, one.message) for one in each.verdicts})
        for each in results
        if each.policy in whole
    }


@SQLITE_ONLY
async def test_the_past_is_judged_as_it_was_when_it_was_the_present(store: Store) -> None:
    said = await lived(store)
    every_policy_says_of_a_rebuilt_picture_what_it_said_then(store, said)
    findings_open_and_end_as_they_did_in_the_daemon(store)


def every_policy_says_of_a_rebuilt_picture_what_it_said_then(
    store: Store, said: Mapping[int, tuple[PolicyResult, ...]]
) -> None:
    with store.transaction() as tx:
        known = runs.snapshots(tx, "acme", NOW + 7 * DAY)
    assert [run.at for run in known] == list(said)
    states = PolicySet(states=POLICIES.states)
    past = Past(store, "acme", AROUND, Asked.by(POLICIES.states))
    for run in known:
        again = of_states(evaluate(states, past.picture(run), run.at))
        assert len(again) > 90
        assert again == of_states(said[run.at])
    alone = Past(store, "acme", AROUND, Asked.by(POLICIES.states)).picture(known[3])
    assert of_states(evaluate(states, alone, known[3].at)) == of_states(said[known[3].at]), "none needs those before"
    for run in (known[2], known[3]):
        each_kind_needs_no_relations_but_its_own(store, run, said[run.at])


def each_kind_needs_no_relations_but_its_own(store: Store, run: Run, said: tuple[PolicyResult, ...]) -> None:
    whole = of_states(said)
    for kind in {judge.policy.kind for judge in POLICIES.states}:
        judges = tuple(judge for judge in POLICIES.states if judge.policy.kind == kind)
        picture = Past(store, "acme", AROUND, Asked.by(judges)).picture(run)
        names = {judge.policy.name for judge in judges} & whole.keys()
        again = of_states(evaluate(PolicySet(states=judges), picture, run.at))
        assert again == {name: whole[name] for name in names}, kind
        left = next((each for each in picture.collections.values() if each.kind == "user"), None)
        assert kind == "user" or not left or all("groups" not in record.fields for record in left.records)


def life(each: Finding) -> tuple[object, ...]:
    return (each.opened_at, each.seen_at, each.state, each.resolved_at, each.name, each.evidence.get("owner"))


def findings_open_and_end_as_they_did_in_the_daemon(store: Store) -> None:
    found = backtested(store, replace(POLICIES, rules=(), correlations=()), NOW, NOW + 7 * DAY)

    with store.transaction() as tx:
        real = {each.id: each for each in findings.search(tx, "acme", states=tuple(State), levels=None, policy=None)}
    whole = {judge.policy.name for judge in POLICIES.states if not named(judge) & NOT_KEPT.keys()}
    mine = {each.id: each for some in found.policies for each in some.listed if each.policy in whole}
    expected = {key: life(each) for key, each in real.items() if each.policy in whole}
    assert {key: life(each) for key, each in mine.items()} == expected
    assert any(each.state is State.RESOLVED for each in mine.values())
    for some in found.policies:
        assert some.open == sum(each.state.active for each in some.listed)
        assert some.findings == len(some.listed)
    owners = next(each for each in found.policies if each.policy.name == "owner-outside-groups")
    assert "stranger@example.net" in owners.owners
    assert (owners.resolved, owners.alerts) == (1, bool(owners.stood) + 2), "it opens and it ends"
    assert found.pictures == [NOW + day * DAY + 3600 for day in range(6)]


async def test_rules_find_the_events_of_the_time_and_no_others(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    await lived(store)
    rules = PolicySet(rules=POLICIES.rules, correlations=POLICIES.correlations, bases=POLICIES.bases)
    since = NOW - 30 * DAY
    found = backtested(store, rules, since, NOW + 7 * DAY)

    replay = Replay(rules)
    with store.transaction() as tx:
        types = tuple(replay.types(history.type_names(tx, "acme")))
    for batch in history.scan(store, "acme", history.Wanted(since=since, types=types)):
        replay.feed(RawEvent(*each) for each in batch)
    told = {each.policy.name: each.findings for each in found.policies if each.findings}
    assert told == {name: len(ids) for name, ids in replay.matches().items()}
    newest, *_ = next(each for each in found.policies if each.policy.name == "allowlist-deactivated").listed
    assert newest.opened_at == NOW + 3 * DAY + 3540
    assert str(small().owners[0].email) in json.dumps(newest.evidence["actor"])
    late = backtested(store, rules, newest.opened_at + 1, NOW + 7 * DAY).policies
    assert next(each for each in late if each.policy.name == "allowlist-deactivated").findings == 0
    store.close()


COUNTED = (
    RULE.replace("name: rule", "name: failed")
    + """detection: {s: {type: login.failed}, condition: s}
---
title: Three failures
id: 8cca5e73-e765-4c4a-b7ea-722e179eaa0d
name: failures
level: critical
correlation: {type: event_count, rules: [failed], group-by: [actor.ip], timespan: 6h, condition: {gte: 3}}
"""
)


def failure(number: int, at: int, ip: str) -> StoredEvent:
    session = {"ip_address": ip, "user": {"id": "user_1", "email": "person@example.com"}}
    actor = {"type": "session", "session": session}
    body = {"id": f"f{number:05}", "type": "login.failed", "effective_at": at, "actor": actor, "login.failed": {}}
    return StoredEvent(f"f{number:05}", "login.failed", at, at, Stream.ORGANIZATION, json.dumps(body).encode())


@pytest.mark.parametrize("seed", range(5))
def test_windows_that_pass_midnight_are_found_once_though_a_day_at_a_time_is_read(
    tmp_path: Path, store: Store, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311 - no secret
    many = [failure(n, NOW + dice.randrange(5 * DAY), f"192.0.2.{dice.randrange(3)}") for n in range(120)]
    with store.transaction() as tx:
        events.insert(tx, "acme", many)
    policies = loaded(tmp_path, COUNTED, "failures.yaml")
    (found,) = backtested(store, policies, NOW - 20 * DAY, NOW + 5 * DAY).policies

    replay = Replay(policies)
    replay.feed(RawEvent(each.id, each.type, each.effective_at, each.raw) for each in many)
    assert found.findings == len(replay.matches()["failures"]) > 5
    assert found.alerts == found.findings == found.open
    assert found.owners == {"person@example.com"}
    assert len({each.ids for each in found.listed}) == found.findings


PROJECT: Items = {("project", ()): [{"id": "proj_1", "name": "one", "status": "active"}]}
KEYS = ("project_api_key", ("proj_1",))


def key(name: str = "deploy", **more: object) -> dict[str, object]:
    return {"id": "key_1", "name": name, "object": "organization.project.api_key", "created_at": 1, **more}


def shown(store: Store, *times: int) -> list[Record | None]:
    """The key as each of the snapshots showed it."""
    past = Shown(store, "acme")
    with store.transaction() as tx:
        known = [run for run in runs.snapshots(tx, "acme", 1 << 40) if run.at in times]
    pictures = [past.picture(run).collection("project_api_key").records for run in known]
    return [records[0] if records else None for records in pictures]


def test_what_moved_again_on_the_day_says_only_what_it_was_at_least(store: Store) -> None:
    morning, noon, later = NOW + DAY, NOW + DAY + 43_200, NOW + 2 * DAY
    keep(store, NOW, {**PROJECT, KEYS: [key(last_used_at=NOW - 5)]})
    keep(store, morning, {**PROJECT, KEYS: [key(last_used_at=NOW - 5)]})
    keep(store, noon, {**PROJECT, KEYS: [key(last_used_at=noon - 5)]})
    keep(store, later, {**PROJECT, KEYS: [key(last_used_at=noon - 5)]})

    used = [record.fields.get("last_used_at") if record else None for record in shown(store, NOW, morning, noon, later)]
    assert used[0] == NOW - 5
    assert isinstance(used[1], Unknown)
    assert used[1].known == (NOW - 5,)
    assert used[2:] == [noon - 5, noon - 5]


def test_what_a_snapshot_could_not_see_is_not_in_its_picture(store: Store, tmp_path: Path) -> None:
    keep(store, NOW, {**PROJECT, KEYS: [key()]})
    keep(store, NOW + DAY, PROJECT, refused("project_api_key", "proj_1"))
    keep(store, NOW + 2 * DAY, {**PROJECT, KEYS: [key("renamed")]})
    keep(store, NOW + 3 * DAY, {**PROJECT, KEYS: []})

    names = [each and each.name for each in shown(store, *(NOW + day * DAY for day in range(4)))]
    assert names == ["deploy", None, "renamed", None]
    policies = loaded(tmp_path, state("{s: {name: deploy}, condition: s}\n"))
    (found,) = backtested(store, policies, NOW - DAY, NOW + 4 * DAY).policies
    assert (found.findings, found.stood, found.resolved, found.open, found.unknown) == (1, 1, 1, 0, 1)
    assert found.listed[0].resolved_at == NOW + 2 * DAY, "the day on which nothing was seen ends nothing"
    assert "missing scope" in next(iter(found.reasons))


def test_a_kind_that_no_snapshot_read_is_unknown_and_not_empty(store: Store, tmp_path: Path) -> None:
    keep(store, NOW, PROJECT)
    policies = loaded(tmp_path, state("{s: {name: deploy}, condition: s}\n"))
    (found,) = backtested(store, policies, NOW - DAY, NOW + DAY).policies
    assert (found.findings, found.unknown) == (0, 1)


def test_there_are_no_more_pictures_than_are_allowed_and_those_of_days_come_first() -> None:
    snapshots = [Run(number, NOW + number * 3600) for number in range(72)]
    times = {run.at for run in snapshots}
    assert [run.number for run in chosen(snapshots, (), 10)] == [0, 23, 47, 71]
    assert [run.number for run in chosen(snapshots, times, 6)] == [0, 23, 47, 69, 70, 71]
    assert [run.number for run in chosen(snapshots, times, 3)] == [23, 47, 71]
    assert len(chosen(snapshots, times, 400)) == 72
    assert chosen([], times, 10) == []


def test_the_newest_findings_are_listed_and_the_others_are_counted(tmp_path: Path, store: Store) -> None:
    with store.transaction() as tx:
        events.insert(tx, "acme", [failure(n, NOW + n, "192.0.2.1") for n in range(3 * LISTED)])
    rule = RULE + "detection: {s: {type: login.failed}, condition: s}\n"
    (found,) = backtested(store, loaded(tmp_path, rule, "rule.yaml"), NOW, NOW + DAY).policies
    assert (found.findings, found.alerts, len(found.listed)) == (3 * LISTED, 3 * LISTED, LISTED)
    assert found.listed[0].ids == (f"f{3 * LISTED - 1:05}",)


HOSTILE = "\x1b[2J<script>\u202e<!channel>"
Say = Callable[..., str]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs `auditor policies` beside a store that knows two pictures of a key and an event."""
    monkeypatch.chdir(tmp_path)
    Path("auditor.yaml").write_text(
        f"organizations: {{acme: {{}}}}\nstore: sqlite:///{tmp_path}/auditor.db\n"
        "policies: {paths: [policies], params: {wanted: ['*script*']}}\n"
    )
    Path("policies").mkdir()
    text = state(
        "{s: {name: '%wanted%'}, condition: s}\nparams: {wanted: [bad]}\nmessage: 'called {{ name }}'\n"
    ).replace("name: policy", "name: hostile")
    written(Path("policies"), text, "hostile.yaml")
    written(Path("policies"), COUNTED, "failures.yaml")
    now = clock.epoch(clock.now())
    store = open_store(f"sqlite:///{tmp_path}/auditor.db")
    keep(store, now - 3 * DAY, {**PROJECT, KEYS: [key()]})
    keep(store, now - 2 * DAY, {**PROJECT, KEYS: [key(HOSTILE)]})
    with store.transaction() as tx:
        events.insert(tx, "acme", [failure(n, now - DAY + n, HOSTILE) for n in range(3)])
    store.close()

    def run(*arguments: str, code: int = 0) -> str:
        assert call(["policies", *arguments]) == code
        told = capsys.readouterr()
        return told.err if code else told.out

    return run


def document(text: str) -> tuple[Any, Any]:
    """What a program is told of the one organization, and of its one policy."""
    (found,) = json.loads(text)
    (policy,) = found["policies"]
    return found, policy


def test_the_command_tells_people_and_programs(say: Say) -> None:
    found, policy = document(say("backtest", "hostile", "--since", "30d", "-o", "json"))
    assert len(found["pictures"]) == found["snapshots"] == 2
    assert {name: policy[name] for name in ("findings", "stood_at_first", "open", "alerts", "owners")} == {
        "findings": 1, "stood_at_first": 0, "open": 1, "alerts": 1, "owners": 0,
    }  # fmt: skip
    assert list(policy["alerts_by_day"].values()) == [1]
    assert policy["listed"][0]["resource"]["name"] == HOSTILE

    told = say("backtest", "policies/hostile.yaml", "--since", "30d")
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "1 finding of 0 owners, 1 open at the end" in told
    assert "1 alert in 3 days, 0.3 a day, at most 1 on" in told, "the store knows three days of the thirty"
    assert "2 of 2 snapshots were rebuilt" in told
    assert "the store has resources since" in told


def test_the_command_tries_a_correlation_by_name_and_refuses_what_is_not_there(say: Say) -> None:
    _, policy = document(say("backtest", "failures", "-o", "json", "--organization", "acme"))
    assert (policy["policy"], policy["findings"], policy["alerts"]) == ("failures", 1, 1)
    assert policy["listed"][0]["state"] == "occurred"
    assert "\x1b" not in say("backtest", "failures")
    assert "did you mean `failures`?" in say("backtest", "failure", code=2)
    assert "no organization is named" in say("backtest", "failures", "--organization", "other", code=2)
    assert "no such file" in say("backtest", "gone.yaml", code=2)


def test_a_resource_is_explained_from_the_store_as_it_is_and_as_it_was(say: Say) -> None:
    assert say("explain", "hostile", "--resource", "key_1").startswith("hostile: fail\n")
    before = clock.from_epoch(clock.epoch(clock.now()) - 2 * DAY - 3600).isoformat()
    told = json.loads(say("explain", "hostile", "--resource", "key_1", "--at", before, "-o", "json"))
    assert (told["outcome"], told["resource"]["name"]) == ("pass", "deploy")
    assert told["at"] == before.replace("+00:00", "Z")
    assert "the store knows no project_api_key `key_2` now" in say("explain", "hostile", "--resource", "key_2", code=2)
    long_ago = say("explain", "hostile", "--resource", "key_1", "--at", "2020-01-01", code=2)
    assert "knows no project_api_key `key_1` at 2020-01-01T00:00:00Z" in long_ago


def test_a_policy_starts_from_a_resource_and_from_an_event_of_the_store(say: Say) -> None:
    for name, more in {
        "mine": ("--resource", "project_api_key", "--id", "key_1"),
        "seen": ("--event", "f00001"),
        "known": ("--resource", "audit_event", "--id", "f00001", "--organization", "acme"),
    }.items():
        assert f"wrote {name}.yaml" in say("new", name, *more)
        assert "hold" in say("test", f"{name}.yaml")
    assert "the store knows no project_api_key `key_2`" in say(
        "new", "other", "--resource", "project_api_key", "--id", "key_2", code=2
    )
    assert "one of them" in say("new", "other", "--resource", "project_api_key", code=2)
    assert not Path("other.yaml").exists()
