"""The ledger of proven intervals claims no second that was not read; what the simulator wrote down decides."""

import random
from collections.abc import Iterable
from itertools import pairwise
from urllib.parse import parse_qs

import pytest
from audits import bind, switch_off
from hypothesis import given
from hypothesis import strategies as st
from olderstores import as_of
from organization import KEY, NOW, ledger_of, served, small
from pydantic import SecretStr
from sqlalchemy import text
from starlette.types import ASGIApp, Receive, Scope, Send

from auditor.adminapi.client import AdminClient, Patience
from auditor.jobs.context import Audit
from auditor.jobs.poll import SWEEP, poll
from auditor.policy.load import PolicySet
from auditor.simulator.auditlog import AuditLog
from auditor.simulator.ledger import Exchange
from auditor.simulator.model import Organization
from auditor.simulator.server import ROOT, create_app
from auditor.store import intervals, watermarks
from auditor.store.database import Store, open_store
from auditor.store.intervals import Interval
from auditor.terms import Status, Stream
from auditor.web.server import serve

pytest_plugins = ["databases"]

HURRY = Patience(
    attempts=2, first_wait=0.001, longest_wait=0.002, jitter=0, total=5, connect=1, silence=0.5, whole=2, pause=0.002
)
OUTAGES = (1, 60, 1800, 3600, 3601, 7200, 86_400, 8 * 86_400, 30 * 86_400)
"""Seconds without a poll: from less than the overlap to more than a sweep reads again."""


class Breaking:
    """A server that can be told to refuse, to break off after the first page, or to send an event that is none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.mode = "whole"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        later = b"after=" in scope.get("query_string", b"")
        if self.mode == "refused" or (self.mode == "cut" and later):
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
            return
        await self.app(scope, receive, send)


def proven(store: Store, stream: Stream) -> tuple[Interval, ...]:
    with store.transaction() as tx:
        return intervals.read(tx, "acme", stream)


def window(exchange: Exchange) -> tuple[Stream, int, int]:
    asked = {name: values[0] for name, values in parse_qs(exchange.query).items()}
    stream = Stream.TENANT if asked.get("tenant_only") == "true" else Stream.ORGANIZATION
    return stream, int(asked.get("effective_at[gte]", 0)), int(asked["effective_at[lt]"])


def covered(organization: Organization, exchanges: Iterable[Exchange]) -> dict[Stream, list[Interval]]:
    """The windows whose every event went out whole, by what the server itself wrote down."""
    out: dict[tuple[Stream, int, int], set[str]] = {}
    for each in exchanges:
        if each.kind == "audit_event" and each.status == 200:
            out.setdefault(window(each), set()).update(each.items)
    found: dict[Stream, list[Interval]] = {stream: [] for stream in Stream}
    for (stream, since, until), ids in out.items():
        there = {
            event.id for event in organization.log.between(since, until) if event.tenant is (stream is Stream.TENANT)
        }
        if there <= ids:
            found[stream].append((since, until))
    return found


def inside(claimed: Interval, parts: Iterable[Interval]) -> bool:
    """Whether every second of `claimed` lies in one of `parts`."""
    at, end = claimed
    for since, until in sorted(parts):
        if since <= at:
            at = max(at, until)
    return at >= end


@pytest.mark.parametrize("seed", range(4))
async def test_no_second_is_claimed_that_was_not_read_whatever_breaks_between(store: Store, seed: int) -> None:
    luck = random.Random(seed)  # noqa: S311 - the same on every run
    organization, now = small(seed + 1), NOW
    app = create_app(organization, keys=None)
    breaking = Breaking(app)
    truth: dict[Stream, list[Interval]] = {stream: [] for stream in Stream}
    async with (
        serve(breaking, "127.0.0.1", 0) as url,
        AdminClient(SecretStr(KEY), base_url=url + ROOT, patience=HURRY, requests_per_minute=10_000_000) as client,
    ):
        audit = Audit("acme", client, store, PolicySet())
        for _ in range(14):
            emit(organization, now, luck)
            breaking.mode = luck.choice(["whole", "whole", "refused", "cut"])
            ledger_of(app).clear()
            polled = await poll(audit, now, *([SWEEP] if luck.random() < 0.2 else []))
            for stream, parts in covered(organization, ledger_of(app)).items():
                truth[stream] += parts
            for stream in Stream:
                claims = proven(store, stream)
                assert all(inside(claim, truth[stream]) for claim in claims), (stream, claims)
                assert all(until < since for (_, until), (since, _) in pairwise(claims))
            if not polled.gaps:
                assert all(proven(store, stream)[-1][1] == now for stream in Stream)
            now += luck.choice(OUTAGES)


def emit(organization: Organization, now: int, luck: random.Random) -> None:
    """A few events, some of them in the past; both streams have more than one page now and then."""
    for _ in range(luck.choice([0, 1, 5, 130])):
        at = now - luck.randrange(0, 3000)
        if luck.random() < 0.8:
            switch_off(organization, at)
        else:
            bind(organization, at)


@pytest.mark.parametrize("outage", [60, 3600, 86_400, 40 * 86_400])
async def test_after_an_outage_of_any_length_all_of_it_is_proven_later(store: Store, outage: int) -> None:
    organization = small()
    with served(organization) as (address, _):
        async with AdminClient(SecretStr(KEY), base_url=address) as client:
            audit = Audit("acme", client, store, PolicySet())
            await poll(audit, NOW)
            switch_off(organization, NOW + outage // 2)
            assert proven(store, Stream.ORGANIZATION)[-1][1] == NOW
            await poll(audit, NOW + outage)
    for stream in Stream:
        ((_, until),) = proven(store, stream)
        assert until == NOW + outage


async def test_a_walk_with_an_event_that_cannot_be_read_proves_nothing(store: Store) -> None:
    async def lying(scope: Scope, receive: Receive, send: Send) -> None:
        body = b'{"object":"list","data":[{"id":"event_1"}],"first_id":null,"last_id":"event_1","has_more":false}'
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with (
        serve(lying, "127.0.0.1", 0) as url,
        AdminClient(SecretStr(KEY), base_url=url + ROOT, patience=HURRY) as client,
    ):
        polled = await poll(Audit("acme", client, store, PolicySet()), NOW)
    assert {gap.status for gap in polled.gaps} == {Status.PARTIAL}
    assert proven(store, Stream.ORGANIZATION) == ()


async def test_an_empty_log_proves_the_time_since_it_was_first_read_and_nothing_before() -> None:
    organization = small()
    organization.log = AuditLog(7, NOW)
    store = open_store("sqlite://")
    with served(organization) as (address, _):
        async with AdminClient(SecretStr(KEY), base_url=address) as client:
            for now in (NOW, NOW + 30, NOW + 90_000):
                await poll(Audit("acme", client, store, PolicySet()), now)
    assert proven(store, Stream.ORGANIZATION) == ((NOW, NOW + 90_000),)
    store.close()


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 15)), max_size=12))
def test_merged_intervals_hold_exactly_the_seconds_that_were_added(parts: list[tuple[int, int]]) -> None:
    store = open_store("sqlite://")
    with store.transaction() as tx:
        for since, length in parts:
            intervals.prove(tx, "acme", Stream.TENANT, (since, since + length))
        intervals.prove(tx, "acme", Stream.TENANT, (50, 40))
        merged = intervals.read(tx, "acme", Stream.TENANT)
        assert intervals.read(tx, "acme", Stream.ORGANIZATION) == ()
    store.close()
    seconds = {second for since, length in parts for second in range(since, since + length)}
    assert {second for since, until in merged for second in range(since, until)} == seconds
    assert all(until < since for (_, until), (since, _) in pairwise(merged))


def test_what_an_older_version_read_whole_stays_proven(database_url: str) -> None:
    """The store as that version left it: watermarks and events, and no ledger."""
    with as_of(database_url, "0003") as tx:
        for stream, status in ((Stream.ORGANIZATION, Status.COMPLETE), (Stream.TENANT, Status.PARTIAL)):
            watermarks.write(tx, "acme", stream, watermarks.Watermark(90, 100, status, ""))
            for at in (40, 90):
                insert = "INSERT INTO events VALUES ('acme', :id, 'user.added', :at, :at, :stream, :raw)"
                row = {"id": f"{stream}{at}", "at": at, "stream": stream.value, "raw": b"{}"}
                tx.execute(text(insert), [row])
    store = open_store(database_url)
    assert proven(store, Stream.ORGANIZATION) == ((40, 90),)
    assert proven(store, Stream.TENANT) == ()
    store.close()
