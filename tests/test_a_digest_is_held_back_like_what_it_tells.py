"""Four that are told in one digest are held back, and sent, exactly as three of them that are told one by one."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from audits import POLICIES, SQLITE_ONLY
from deliveries import UNUSED, Channel, deliver, later, routing, rows

from auditor.adminapi.client import AdminClient
from auditor.alerts import digests
from auditor.alerts.gate import Gate
from auditor.findings.expiry import Ending
from auditor.findings.model import Finding, Reason, Transition
from auditor.jobs import announce
from auditor.jobs.context import Audit
from auditor.store import findings, outbox, silences
from auditor.store.database import Store, Transaction
from auditor.store.outbox import Message
from auditor.terms import Level

pytest_plugins = ["databases"]

NOW = 1_780_920_000
MOMENT = datetime.fromtimestamp(NOW, UTC)
CLIENT = cast(AdminClient, None)
"""Nothing here asks the API."""
TEAMS = {"platform": {"projects": ["proj_build"]}}
ALWAYS = [{"name": "always", "time_intervals": [{}]}]
AT_ONCE: dict[str, Any] = {"to": ["chat"], "group_by": ["..."], "group_wait": "0s", "group_interval": "0s"}
MUTED: dict[str, Any] = {**AT_ONCE, "mute_time_intervals": ["always"]}

KEY = replace(
    UNUSED,
    ids=("proj_build", "key_1"),
    evidence={"project": {"id": "proj_build", "name": "Build"}, "owner": "ada@example.com"},
)
LABELS = {
    "level": "high",
    "policy": "project-key-stale",
    "tag": "hygiene.*",
    "organization": "acme",
    "project": "proj_build",
    "project by name": "Build",
    "team": "platform",
    "owner": "ADA@example.com",
    "kind": "project_api_key",
    "resource": "key_?",
    "resource by name": "ci-bot",
    "class": "finding",
}
"""One value of `KEY` for each key of a matcher."""


def match(label: str) -> dict[str, str]:
    return {label.partition(" ")[0]: LABELS[label]}


def audit_of(store: Store, *routes: dict[str, Any], **more: Any) -> Audit:
    table = routing(*routes, teams=TEAMS, time_intervals=ALWAYS, **more)
    return Audit("acme", CLIENT, store, POLICIES, routing=table)


Tell = Callable[[Transaction, Audit, list[Finding]], int]

TELLS: dict[str, Tell] = {
    "overdue": lambda tx, audit, some: announce.overdue(tx, audit, some, NOW),
    "ending": lambda tx, audit, some: announce.ending(tx, audit, [Ending(each, NOW + 9, 1) for each in some], NOW),
    "flapping": lambda tx, audit, some: announce.flapping(tx, audit, [(each, 4) for each in some], NOW),
    "gap healed": lambda tx, audit, some: announce.transitions(
        tx, audit, [Transition(each, None, Reason.DETECTED, NOW) for each in some], NOW, fold=True
    ),
}


def many(number: int, like: Finding = KEY) -> list[Finding]:
    return [replace(like, id=f"{like.id}{each}") for each in range(number)]


async def sent(store: Store, audit: Audit, some: list[Finding], tell: Tell = TELLS["overdue"]) -> bool:
    """Whether `some` are told; they are either all sent, or all held back."""
    with store.transaction() as tx:
        tell(tx, audit, some)
    later(store, 400)
    done = await deliver(store, Channel(), Gate(audit.teller, lambda: MOMENT))
    assert bool(done.sent) is not bool(done.suppressed)
    return bool(done.sent)


def silence(store: Store, **matchers: str) -> None:
    given = {key.rstrip("_"): [value] for key, value in matchers.items()}
    with store.transaction() as tx:
        silences.add(tx, given, "ada", "known", now=NOW, starts_at=NOW, ends_at=NOW + 9)


COUNTS = pytest.mark.parametrize("number", [3, 4])


@COUNTS
@pytest.mark.parametrize("tell", TELLS)
@pytest.mark.parametrize("label", ["project", "team", "kind"])
async def test_the_route_that_takes_them_decides_and_no_other(store: Store, label: str, tell: str, number: int) -> None:
    awake = audit_of(store, {**AT_ONCE, "match": match(label)}, MUTED)
    muted = audit_of(store, {**MUTED, "match": match(label)}, AT_ONCE)
    assert await sent(store, awake, many(number), TELLS[tell])
    assert not await sent(store, muted, many(number, replace(KEY, id="g")), TELLS[tell])
    assert {each.error for each in rows(store, "suppressed")} == {"routes.0 is muted during `always`"}


@SQLITE_ONLY
@COUNTS
@pytest.mark.parametrize("label", LABELS)
async def test_every_label_mutes_silences_and_inhibits(store: Store, label: str, number: int) -> None:
    muted = audit_of(store, {**MUTED, "match": match(label)}, AT_ONCE)
    assert not await sent(store, muted, many(number))

    source = replace(KEY, id="source", policy="collapse", level=Level.LOW, occurrence=True, evidence={})
    with store.transaction() as tx:
        findings.save(tx, [source])
    rule = {"source_match": {"policy": "collapse"}, "target_match": match(label)}
    inhibited = audit_of(store, AT_ONCE, inhibit_rules=[rule])
    assert not await sent(store, inhibited, many(number, replace(KEY, id="g")))

    silence(store, **{key if key != "class" else "class_": value for key, value in match(label).items()})
    assert not await sent(store, audit_of(store, AT_ONCE), many(number, replace(KEY, id="h")))


@SQLITE_ONLY
@COUNTS
@pytest.mark.parametrize("label", LABELS)
async def test_no_label_of_others_mutes_silences_or_inhibits(store: Store, label: str, number: int) -> None:
    other = {key: "occurrence" if key == "class" else "low" if key == "level" else "other*" for key in match(label)}
    silence(store, **{key if key != "class" else "class_": value for key, value in other.items()})
    rule = {"source_match": {}, "target_match": other}
    with store.transaction() as tx:
        findings.save(tx, [replace(KEY, id="source", policy="collapse")])
    audit = audit_of(store, {**MUTED, "match": other}, AT_ONCE, inhibit_rules=[rule])
    assert await sent(store, audit, many(number))


@COUNTS
@pytest.mark.parametrize("label", ["project", "kind", "owner", "team", "resource", "class"])
async def test_labels_that_must_be_equal_are_those_of_each_line(store: Store, label: str, number: int) -> None:
    with store.transaction() as tx:
        findings.save(tx, [replace(KEY, id="source", policy="collapse")])
    rule = {"source_match": {"policy": "collapse"}, "target_match": {"policy": "project-key-stale"}, "equal": [label]}
    audit = audit_of(store, AT_ONCE, inhibit_rules=[rule])
    assert not await sent(store, audit, many(number))
    elsewhere = replace(KEY, id="g", kind="user", ids=("u",), name="Ada", evidence={"owner": "eve@example.com"})
    assert await sent(store, audit, many(number, elsewhere)) is (label != "class")


@COUNTS
async def test_each_line_may_be_held_back_for_a_reason_of_its_own(store: Store, number: int) -> None:
    silence(store, project="proj_build")
    audit = audit_of(store, {**MUTED, "match": {"kind": "user"}}, AT_ONCE)
    user = replace(KEY, id="g", kind="user", ids=("u",), name="Ada", evidence={})
    assert not await sent(store, audit, [*many(number - 1), user])


async def test_a_digest_is_told_when_one_of_its_lines_would_be(store: Store) -> None:
    silence(store, project="proj_build")
    other = replace(KEY, id="g", ids=("proj_2", "key_1"), evidence={"project": {"id": "proj_2"}})
    assert await sent(store, audit_of(store, AT_ONCE), [*many(3), other])


@COUNTS
async def test_notices_about_the_auditor_are_of_their_class_in_a_digest_too(store: Store, number: int) -> None:
    silence(store, class_="notice")

    def unheard(tx: Transaction, audit: Audit, some: list[Finding]) -> int:
        return announce.unheard(tx, audit, [each.id for each in some], NOW)

    assert not await sent(store, audit_of(store, AT_ONCE), many(number), unheard)


async def test_the_first_picture_is_held_back_when_all_of_it_is(store: Store) -> None:
    def first(tx: Transaction, audit: Audit, some: list[Finding]) -> int:
        return announce.baseline(tx, audit, some, NOW)

    silence(store, project="proj_build")
    assert not await sent(store, audit_of(store, AT_ONCE), many(2), first)


@SQLITE_ONLY
async def test_lines_of_an_older_version_are_judged_by_what_they_say(store: Store) -> None:
    line = {"level": "high", "policy": "project-key-stale", "resource": "ci-bot", "message": "Text"}
    lines = [line, {**line, "kind": "opened", "finding": "f0", "resource_kind": "user", "resource_id": "u"}]
    told = {"id": "d", "kind": "digest", "organization": "acme", "level": "high", "title": "T", "text": "", "at": NOW}
    body = json.dumps({**told, "lines": lines}).encode()
    silence(store, policy="project-key-stale", class_="finding")

    def stored(tx: Transaction, _audit: Audit, _some: list[Finding]) -> int:
        return outbox.add(tx, [Message("d", "acme", "chat", body, NOW, 0)])

    assert not await sent(store, audit_of(store, AT_ONCE), [], stored)


def test_a_digest_of_a_thousand_is_judged_well_under_a_second(store: Store) -> None:
    """Each of its lines against ten silences, ten routes and ten rules of inhibition, with a thousand sources open."""
    lines = 1000
    for number in range(10):
        silence(store, project=f"other-{number}", policy="project-key-*")
    rules = [
        {"source_match": {"policy": "collapse"}, "target_match": {"policy": f"x{number}*"}, "equal": ["project"]}
        for number in range(9)
    ]
    rules.append(
        {"source_match": {"policy": "collapse"}, "target_match": {"policy": "project-key-stale"}, "equal": ["kind"]}
    )
    routes = [{**AT_ONCE, "match": {"team": "platform", "resource": f"none-{number}"}} for number in range(9)]
    audit = audit_of(store, *routes, AT_ONCE, inhibit_rules=rules)
    with store.transaction() as tx:
        findings.save(tx, [replace(KEY, id=f"s{number}", policy="collapse") for number in range(1000)])
    teller = audit.teller
    some = [teller.overdue(replace(KEY, id=f"f{n}", ids=("proj_build", f"key_{n}")), NOW) for n in range(lines)]
    told = digests.merged(some, NOW)
    with store.transaction() as tx:
        judge = Gate(audit.teller, lambda: MOMENT).at(tx)
        judge.hold(some[0], "chat")
        begun = time.process_time()
        assert judge.hold(told, "chat")
        took = time.process_time() - begun
    assert took < 1
