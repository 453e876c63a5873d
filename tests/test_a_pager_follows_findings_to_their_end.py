"""From a pass and from decisions of people to PagerDuty, whatever became of levels and routes meanwhile."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from audits import auditing, begin, routed
from deliveries import later
from organization import NOW, served, small
from services import FakePagerDuty, serving
from test_people_decide_and_the_pass_obeys import ACCEPTED, add_owner, of

from auditor.alerts.deliver import Deliverer
from auditor.alerts.lane import Terms
from auditor.alerts.message import AlertKind, decode
from auditor.alerts.registry import build
from auditor.alerts.sink import Sink
from auditor.findings.model import Reason, Transition
from auditor.jobs import announce, decisions, dispatch, review
from auditor.jobs.context import Audit
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.routing import Match, Route
from auditor.simulator.model import Organization
from auditor.simulator.wire import User
from auditor.store import findings, leases, outbox, tally
from auditor.store.database import Store
from auditor.terms import Level, State

pytest_plugins = ["databases"]

KEY = "0123456789abcdef0123456789abcdef"
ELSEWHERE = routed(Route(match=Match(level=(Level.INFORMATIONAL,)), to=("here",)), Route(to=("there",)))
"""Routes by which nothing of these tests leads to the pager."""


@pytest.fixture
def organization() -> Organization:
    return small()


@pytest.fixture
def pager() -> Iterator[tuple[FakePagerDuty, Sink]]:
    fake = FakePagerDuty(KEY)
    with serving(fake) as address:
        raw = {"type": "pagerduty", "url": f"{address}/v2/enqueue", "routing_key": KEY, "allow_private": True}
        yield fake, build("here", raw)


@asynccontextmanager
async def audited(organization: Organization, store: Store) -> AsyncIterator[Audit]:
    with served(organization, keys=None) as (address, _):
        async with auditing(address, store) as audit:
            yield replace(audit, marked=frozenset({"here"}), keeping=frozenset({"here"}))


async def passed(audit: Audit, now: int) -> None:
    await take(audit, await poll(audit, now), now)


async def deliver(store: Store, sink: Sink) -> None:
    later(store, 2)
    await Deliverer(store, {"here": sink}, "owner", terms=Terms(storm_limit=1_000_000)).deliver_due()


@pytest.fixture
async def stranger(organization: Organization, store: Store, pager: tuple[FakePagerDuty, Sink]) -> User:
    """Somebody whose finding PagerDuty was told of."""
    async with audited(organization, store) as audit:
        begin(store)
        await passed(audit, NOW)
        with store.transaction() as tx:
            for each in leases.lease(tx, ["here"], "test", 60, 1000):
                outbox.settle(tx, each, {})
        found = add_owner(organization)
        await passed(audit, NOW + 900)
    await deliver(store, pager[1])
    assert pager[0].alerts[of(store, found).id] == "triggered"
    return found


async def test_an_acknowledged_finding_pages_no_more_and_its_end_closes_it_wherever_routes_lead_by_then(
    organization: Organization, store: Store, pager: tuple[FakePagerDuty, Sink], stranger: User
) -> None:
    fake, sink = pager
    finding = of(store, stranger).id
    decisions.acknowledge(store, finding, "ada@example.com", "", NOW + 1000)
    async with audited(organization, store) as usual:
        audit = replace(usual, routing=ELSEWHERE)
        assert review.mark(audit, NOW, NOW + 1010) == 1
        assert review.mark(audit, NOW, NOW + 1020) == 0
        await deliver(store, sink)
        assert fake.alerts[finding] == "acknowledged"
        del organization.users[stranger.id]
        for seconds in (1800, 2700):
            await passed(audit, NOW + seconds)
        await deliver(store, sink)
    assert fake.alerts[finding] == "resolved"


async def test_an_accepted_risk_is_closed_and_opens_again_when_the_waiver_ends(
    organization: Organization, store: Store, pager: tuple[FakePagerDuty, Sink], stranger: User
) -> None:
    fake, sink = pager
    finding = of(store, stranger).id
    async with audited(organization, store) as audit:
        await passed(replace(audit, waivers=[ACCEPTED]), NOW + 1800)
        review.mark(audit, NOW, NOW + 1800)
        await deliver(store, sink)
        assert fake.alerts[finding] == "resolved"
        await passed(audit, NOW + 2700)
        await deliver(store, sink)
    assert fake.alerts[finding] == "triggered"


async def test_what_the_pager_was_never_told_of_does_not_come_to_it_when_it_ends(
    organization: Organization, store: Store, pager: tuple[FakePagerDuty, Sink]
) -> None:
    async with audited(organization, store) as audit:
        begin(store)
        await passed(replace(audit, routing=ELSEWHERE), NOW)
        found = add_owner(organization)
        await passed(replace(audit, routing=ELSEWHERE), NOW + 900)
        decisions.acknowledge(store, of(store, found).id, "ada@example.com", "", NOW + 1000)
        assert review.mark(replace(audit, routing=ELSEWHERE), NOW, NOW + 1010) == 0
        assert review.mark(audit, NOW, NOW + 1020) == 1, "the routes lead there"
        await deliver(store, pager[1])
    assert of(store, found).id not in pager[0].alerts
    assert all(event["event_action"] != "acknowledge" for event in pager[0].taken)


@pytest.mark.parametrize("keeping", [frozenset[str](), frozenset({"here"})])
async def test_what_was_only_newly_seen_is_told_of_each_where_each_has_a_state(
    keeping: frozenset[str], organization: Organization, store: Store, stranger: User
) -> None:
    async with audited(organization, store) as audit:
        with store.transaction() as tx:
            known = findings.active(tx, "acme").values()
            changes = [Transition(each, None, Reason.DETECTED, NOW + 5000) for each in known]
            told = announce.transitions(tx, replace(audit, keeping=keeping), changes, NOW + 5000, fold=True)
            pending = tally.pending(tx)["here"]
    assert len(changes) > dispatch.FEW
    assert pending == (len(changes) if keeping else 1)
    assert told >= pending


async def test_however_many_are_folded_each_end_is_told_where_each_has_a_state(
    organization: Organization, store: Store, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "FEW_KEPT", 3)
    async with audited(organization, store) as audit:
        with store.transaction() as tx:
            known = list(findings.active(tx, "acme").values())
            opened = [Transition(each, None, Reason.DETECTED, NOW + 5000) for each in known]
            over = [replace(each, state=State.RESOLVED) for each in known]
            ended = [Transition(each, State.OPEN, Reason.COMPLIES, NOW + 6000) for each in over]
            announce.transitions(tx, audit, [*opened, *ended], NOW + 6000, fold=True)
            waiting = [decode(each.message.alert) for each in outbox.listing(tx, "pending", limit=1000)]
    assert len(known) > 3
    kinds = [each.kind for each in waiting if each.kind is not AlertKind.OPENED]
    assert (kinds.count(AlertKind.DIGEST), kinds.count(AlertKind.RESOLVED)) == (2, len(known)), (
        "one digest for each sink"
    )
