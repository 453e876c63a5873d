"""From a decision to the message in Slack: acknowledged and waived findings are marked where they were told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from audits import SQLITE_ONLY, auditing, begin
from deliveries import alert, later, put, routing
from organization import NOW, served, small
from slack import Server, by_token
from test_people_decide_and_the_pass_obeys import ACCEPTED, add_owner, of
from test_slack_keeps_one_message_for_a_group import parents, replies, shown

from auditor.alerts.deliver import Delivered, Deliverer
from auditor.alerts.lane import Terms
from auditor.alerts.message import AlertKind, decode
from auditor.alerts.registry import build
from auditor.jobs import decisions, review
from auditor.jobs.context import Audit
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.simulator.model import Organization
from auditor.simulator.slack_workspace import FakeSlack
from auditor.simulator.wire import User
from auditor.store import held, leases, outbox
from auditor.store.database import Store, Transaction
from auditor.store.held import Before
from auditor.store.outbox import Leased, Message

pytest_plugins = ["databases", "slackserver"]


@pytest.fixture
def organization() -> Organization:
    return small()


@asynccontextmanager
async def audited(organization: Organization, store: Store) -> AsyncIterator[Audit]:
    with served(organization, keys=None) as (address, _):
        async with auditing(address, store) as audit:
            yield replace(audit, marked=frozenset({"here"}))


async def passed(audit: Audit, now: int) -> None:
    await take(audit, await poll(audit, now), now)


async def deliver(store: Store, server: Server) -> Delivered:
    later(store, 2)
    sink = build("here", by_token(server.address))
    return await Deliverer(store, {"here": sink}, "owner", terms=Terms(storm_limit=1_000_000)).deliver_due()


@pytest.fixture
async def stranger(organization: Organization, store: Store, server: Server, slack: FakeSlack) -> User:
    """Somebody whose finding Slack was told of."""
    async with audited(organization, store) as audit:
        begin(store)
        await passed(audit, NOW)
        with store.transaction() as tx:
            for each in leases.lease(tx, ["here"], "test", 60, 1000):
                outbox.settle(tx, each, {})
        found = add_owner(organization)
        await passed(audit, NOW + 900)
    await deliver(store, server)
    assert any("stranger@example.net" in shown(posted) for posted in slack.messages)
    return found


@SQLITE_ONLY
async def test_an_acknowledged_finding_is_marked_with_who_and_why(
    organization: Organization, store: Store, server: Server, slack: FakeSlack, stranger: User
) -> None:
    before = len(slack.messages)
    decisions.acknowledge(store, of(store, stranger).id, "ada@example.com", "a guest until Friday", NOW + 1000)
    async with audited(organization, store) as audit:
        assert review.mark(audit, NOW, NOW + 1010) == 1
        assert review.mark(audit, NOW, NOW + 1020) == 0, "told once"
    assert await deliver(store, server) == Delivered(sent=1)
    parent = next(posted for posted in parents(slack) if "stranger@example.net" in shown(posted))
    assert shown(parent).splitlines()[0].startswith("👀 Acknowledged: ")
    assert "Acknowledged by ada@example.com at " in shown(parent)
    assert "Comment: a guest until Friday" in shown(parent)
    assert len(slack.messages) == before + 1
    assert len(replies(slack, parent)) == 1


async def test_a_waived_finding_is_marked_and_told_again_when_the_waiver_ends(
    organization: Organization, store: Store, server: Server, slack: FakeSlack, stranger: User
) -> None:
    async with audited(organization, store) as audit:
        await passed(replace(audit, waivers=[ACCEPTED]), NOW + 1800)
        assert review.mark(audit, NOW, NOW + 1800) == 2, "one for each finding that it covers"
        await deliver(store, server)
        parent = next(posted for posted in parents(slack) if "stranger@example.net" in shown(posted))
        assert shown(parent).splitlines()[0].startswith("📝 Risk accepted: ")
        assert "Waiver: guest" in shown(parent)
        await passed(audit, NOW + 2700)
        await deliver(store, server)
    assert " again: " in shown(parent).splitlines()[0]


@SQLITE_ONLY
async def test_sinks_that_do_not_converse_hear_nothing_of_it(
    organization: Organization, store: Store, stranger: User
) -> None:
    decisions.acknowledge(store, of(store, stranger).id, "ada@example.com", "", NOW + 1000)
    async with audited(organization, store) as audit:
        assert review.mark(replace(audit, marked=frozenset()), NOW, NOW + 1010) == 0
        assert review.mark(replace(audit, marked=frozenset({"there"})), NOW, NOW + 1010) == 0
    with store.transaction() as tx:
        kinds = {decode(each.message.alert).kind for each in outbox.listing(tx, limit=1000)}
    assert AlertKind.ACKNOWLEDGED not in kinds


@SQLITE_ONLY
async def test_a_decision_that_was_overtaken_is_not_marked(
    organization: Organization, store: Store, stranger: User
) -> None:
    decisions.acknowledge(store, of(store, stranger).id, "ada@example.com", "", NOW + 1000)
    async with audited(organization, store) as audit:
        del organization.users[stranger.id]
        for seconds in (1800, 2700):
            await passed(audit, NOW + seconds)
        assert review.mark(audit, NOW, NOW + 2700) == 0


@pytest.mark.parametrize("told", [False, True])
def test_whether_a_fault_was_told_does_not_depend_on_a_mark(told: bool, store: Store) -> None:
    put(store, routing(), alert("a"))
    later(store, 2)
    with store.transaction() as tx:
        (opened,) = leases.lease(tx, ["chat"], "test", 60, 1)
        settle(tx, opened, told=told)
        body = opened.message.alert
        outbox.add(tx, [Message(f"{outbox.MARK}a", "acme", "chat", body, 1, 1, order_key="a")])
        (marked,) = leases.lease(tx, ["chat"], "test", 60, 1)
        settle(tx, marked, told=not told)
        outbox.add(tx, [Message("the end", "acme", "chat", body, 1, 1, order_key="a")])
        assert held.said_before(tx, "chat", "a", "the end") == Before(body, body, body if told else None)


def settle(tx: Transaction, leased: Leased, *, told: bool) -> None:
    if told:
        outbox.settle(tx, leased, {})
    else:
        outbox.suppress(tx, leased, "a silence", final=True)
