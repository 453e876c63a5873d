"""Whoever was told that a finding is open is told of its end, wherever the routes lead by then."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from audits import POLICIES, SQLITE_ONLY
from deliveries import UNUSED, Channel, deliver, routing, rows
from sqlalchemy import event
from sqlalchemy.engine import Engine

from auditor.adminapi.client import AdminClient
from auditor.alerts.gate import Gate
from auditor.alerts.message import AlertKind
from auditor.findings.model import Decision, Finding, Reason, Transition
from auditor.jobs import announce
from auditor.jobs.context import Audit
from auditor.policy.load import PolicySet
from auditor.store import findings, outbox, silences
from auditor.store.database import Store
from auditor.terms import Level, State

pytest_plugins = ["databases"]

NOW = 1_780_920_000
CLIENT = cast(AdminClient, None)
"""Nothing here asks the API."""
SINKS = ["chat", "else"]
ALONE: dict[str, Any] = {"group_by": ["..."], "group_wait": "0s", "group_interval": "0s"}
OPENED, RESOLVED = AlertKind.OPENED, AlertKind.RESOLVED


def audit_of(store: Store, match: dict[str, str], **more: Any) -> Audit:
    """What matches goes to `chat`, all else elsewhere."""
    table = routing({"match": match, "to": ["chat"]}, sinks=SINKS, root={**ALONE, "to": ["else"]}, **more)
    return Audit("acme", CLIENT, store, POLICIES, routing=table)


def change(audit: Audit, finding: Finding, reason: Reason = Reason.DETECTED, *, fold: bool = False) -> None:
    with audit.store.transaction() as tx:
        findings.save(tx, [finding])
        announce.transitions(tx, audit, [Transition(finding, None, reason, finding.changed_at)], NOW, fold=fold)


def over(finding: Finding, at: int = 2000) -> Finding:
    return replace(finding, state=State.RESOLVED, changed_at=at, resolved_at=at)


async def sent(audit: Audit) -> list[tuple[str, AlertKind]]:
    """What `chat` gets now."""
    channel = Channel()
    await deliver(audit.store, channel, Gate(audit.teller))
    return [(each.finding, each.kind) for each in channel.got]


CHANGES: dict[str, tuple[dict[str, str], Callable[[Audit], Audit], dict[str, Any]]] = {
    "the policy was removed": ({"tag": "hygiene.unused"}, lambda audit: replace(audit, policies=PolicySet()), {}),
    "the level is another": ({"level": "high"}, lambda audit: audit, {"level": Level.LOW}),
    "the owner is another": ({"owner": "ada*"}, lambda audit: audit, {"evidence": {"owner": "eve@example.com"}}),
    "the name is another": ({"resource": "ci-bot"}, lambda audit: audit, {"name": "bot"}),
    "the routes are others": (
        {"policy": "*"},
        lambda audit: replace(audit, routing=audit_of(audit.store, {"level": "low"}).routing),
        {},
    ),
}


@pytest.mark.parametrize("case", CHANGES)
async def test_the_end_goes_where_the_finding_was_told_whatever_changed(store: Store, case: str) -> None:
    match, changed, fields = CHANGES[case]
    audit = audit_of(store, match)
    change(audit, UNUSED)
    assert await sent(audit) == [("f0", OPENED)]
    audit = changed(audit)
    change(audit, over(replace(UNUSED, **fields)), Reason.COMPLIES)
    assert await sent(audit) == [("f0", RESOLVED)]
    opened, ended = (each.message for each in rows(store) if each.message.sink == "chat")
    assert opened.group == ended.group != "", "in the conversation that told of it"

    change(audit, replace(UNUSED, **fields, state=State.REOPENED, changed_at=3000), Reason.DETECTED_AGAIN)
    change(audit, over(replace(UNUSED, **fields), 4000), Reason.COMPLIES)
    assert await sent(audit) == [], "of what it was not told of again"


MOVES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the level": ({"group_by": ["level"]}, {"level": Level.LOW}),
    "the owner": ({"group_by": ["owner"]}, {"evidence": {"owner": "eve@example.com"}}),
    "the route": ({"match": {"resource": "ci-*"}}, {"name": "bot"}),
}


@pytest.mark.parametrize("case", MOVES)
async def test_the_end_is_told_in_the_group_that_told_of_the_finding(store: Store, case: str) -> None:
    route, fields = MOVES[case]
    table = routing({**route, "to": ["chat"]}, {"to": ["chat"]}, sinks=SINKS, root={"group_wait": "0s"})
    audit = replace(audit_of(store, {}), routing=table, marked=frozenset(SINKS))
    moved = replace(UNUSED, **fields)
    change(audit, UNUSED)
    await sent(audit)
    decision = Decision("ada", 1500, "known")
    taken = replace(moved, state=State.ACKNOWLEDGED, changed_at=1500, decision=decision)
    with store.transaction() as tx:
        announce.marks(tx, audit, [Transition(taken, State.OPEN, Reason.ACKNOWLEDGED, 1500, "ada", "known")], NOW)
    change(audit, over(moved), Reason.COMPLIES)
    change(audit, replace(moved, state=State.REOPENED, changed_at=3000), Reason.DETECTED_AGAIN)
    change(audit, over(moved, 4000), Reason.COMPLIES)
    again, end, *before = (each.message.group for each in reversed(rows(store)))
    assert len(set(before)) == 1, "opened, marked and resolved in one conversation"
    assert (again == end, again in before) == (True, False), "what comes back begins where it belongs by now"


@SQLITE_ONLY
async def test_who_was_not_told_of_it_is_not_told_of_its_end(store: Store) -> None:
    audit = audit_of(store, {"level": "high"})
    with store.transaction() as tx:
        silences.add(tx, {"level": ["high"]}, "ada", "known", now=0, starts_at=0, ends_at=2**40)
    change(audit, UNUSED)
    assert await sent(audit) == []
    change(audit, over(replace(UNUSED, level=Level.LOW)), Reason.COMPLIES)
    assert [each.message.sink for each in rows(store)] == ["chat", "else"]


@SQLITE_ONLY
async def test_an_owner_is_told_of_no_end_of_what_is_not_theirs_any_more(store: Store) -> None:
    audit = audit_of(store, {"owner": "ada*"}, personal=["chat"])
    change(audit, UNUSED)
    assert await sent(audit) == [("f0", OPENED)]
    change(audit, over(replace(UNUSED, evidence={"owner": "eve@example.com"})), Reason.COMPLIES)
    assert await sent(audit) == []


@SQLITE_ONLY
async def test_what_was_decided_is_marked_where_the_finding_was_told(store: Store) -> None:
    audit = replace(audit_of(store, {"level": "high"}), marked=frozenset(SINKS))
    change(audit, UNUSED)
    await sent(audit)
    decision = Decision("ada", 1500, "known")
    taken = replace(UNUSED, level=Level.LOW, state=State.ACKNOWLEDGED, changed_at=1500, decision=decision)
    with store.transaction() as tx:
        announce.marks(tx, audit, [Transition(taken, State.OPEN, Reason.ACKNOWLEDGED, 1500, "ada", "known")], NOW)
    opened, marked = (each.message for each in rows(store) if each.message.sink == "chat")
    assert marked.id.startswith(outbox.MARK)
    assert opened.group == marked.group != ""


def test_a_thousand_ends_are_looked_up_at_once(store: Store) -> None:
    """Each of five sinks was told of all of them, and no route leads to four of these any more."""
    names = [f"sink-{number}" for number in range(5)]
    table = routing({"to": names}, sinks=names, root=ALONE)
    audit = Audit("acme", CLIENT, store, POLICIES, routing=table)
    some = [replace(UNUSED, id=f"f{number}") for number in range(1000)]
    with store.transaction() as tx:
        announce.transitions(tx, audit, [Transition(each, None, Reason.DETECTED, 1000) for each in some], NOW)
    fewer = replace(audit, routing=routing({"to": names[:1]}, sinks=names, root=ALONE))
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        with store.transaction() as tx:
            ends = [Transition(over(each), State.OPEN, Reason.COMPLIES, 2000) for each in some]
            assert announce.transitions(tx, fewer, ends, NOW) == 5000
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len(statements) < 50


async def test_the_end_of_what_came_back_in_a_digest_is_told(store: Store) -> None:
    """Opened and over in messages of their own, back among many after a gap, and over again."""
    audit, channel = audit_of(store, {"kind": UNUSED.kind}), Channel()
    gate = Gate(audit.teller)
    change(audit, UNUSED)
    change(audit, replace(UNUSED, state=State.RESOLVED, changed_at=2000), Reason.COMPLIES)
    await deliver(store, channel, gate)
    many = [replace(UNUSED, id=f"f{number}", state=State.REOPENED, changed_at=3000) for number in range(5)]
    with store.transaction() as tx:
        findings.save(tx, many)
        changes = [Transition(each, State.RESOLVED, Reason.DETECTED_AGAIN, 3000) for each in many]
        announce.transitions(tx, audit, changes, NOW, fold=True)
    change(audit, replace(UNUSED, state=State.RESOLVED, changed_at=4000), Reason.COMPLIES)
    await deliver(store, channel, gate)
    assert [(alert.kind, alert.at) for alert in channel.got if alert.finding == UNUSED.id][-1] == (RESOLVED, 4000)
