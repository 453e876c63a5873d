"""Following the audit log against a server: nothing is lost, nothing comes twice, and a gap moves nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from audits import SINKS, auditing, begin, bind, opened, stored, switch_off, told
from organization import NOW, served, small
from starlette.types import ASGIApp, Receive, Scope, Send

from auditor.jobs.poll import OVERLAP, SWEEP, poll
from auditor.simulator.model import Organization
from auditor.simulator.server import ROOT, create_app
from auditor.store import watermarks
from auditor.store.database import Store
from auditor.store.watermarks import Watermark
from auditor.terms import Status, Stream
from auditor.web.server import serve


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


@pytest.fixture
def organization() -> Organization:
    return small()


def mark(store: Store, stream: Stream = Stream.ORGANIZATION) -> Watermark:
    with store.transaction() as tx:
        found = watermarks.read(tx, "acme", stream)
    assert found
    return found


def newest(organization: Organization, stream: Stream = Stream.ORGANIZATION) -> int:
    tenant = stream is Stream.TENANT
    return max(event.effective_at for event in organization.log.events if event.tenant is tenant)


async def test_both_streams_are_read_whole_and_remembered(store: Store, organization: Organization) -> None:
    bind(organization, NOW - 9)
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            polled = await poll(audit, NOW)

    assert stored(store) == {event.id for event in organization.log.events}
    assert polled.new == len(organization.log.events)
    assert {line.scope: line.status for line in polled.coverage} == {(s,): Status.COMPLETE for s in Stream}
    for stream in Stream:
        assert mark(store, stream) == Watermark(newest(organization, stream), NOW, Status.COMPLETE, "")


async def test_what_is_read_again_is_neither_stored_nor_told_again(store: Store, organization: Organization) -> None:
    begin(store)
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            await poll(audit, NOW)
            switch_off(organization, NOW + 5)
            first = await poll(audit, NOW + 10)
            before = told(store)
            again = [await poll(audit, NOW + 10 + more) for more in (0, 1, 30)]

    assert (first.new, [each.new for each in again]) == (1, [0, 0, 0])
    assert first.alerts == len(SINKS)
    assert [each.alerts for each in again] == [0, 0, 0]
    assert told(store) == before
    assert sum(line.items for line in again[0].coverage) > 0, "the overlap was read"


async def test_an_event_of_the_same_second_that_comes_later_is_not_missed(
    store: Store, organization: Organization
) -> None:
    begin(store)
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            switch_off(organization, NOW)
            await poll(audit, NOW)
            late = switch_off(organization, NOW)
            polled = await poll(audit, NOW + 2)

    assert polled.new == 1
    assert polled.alerts == len(SINKS)
    assert late.id in stored(store)


@pytest.mark.parametrize(("late", "overlap"), [(OVERLAP - 60, OVERLAP), (SWEEP - 60, SWEEP)])
async def test_a_late_event_is_found_by_the_overlap_or_the_sweep(
    store: Store, organization: Organization, late: int, overlap: int
) -> None:
    begin(store)
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            await poll(audit, NOW)
            event = switch_off(organization, newest(organization) - late)
            polled = await poll(audit, NOW + 30, overlap)

    assert event.id in stored(store)
    assert polled.alerts == len(SINKS)
    assert mark(store).at == newest(organization), "a late event does not move the watermark back"


async def test_an_event_from_the_future_does_not_hide_those_before_it(store: Store, organization: Organization) -> None:
    begin(store)
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            switch_off(organization, NOW + 10**7)
            await poll(audit, NOW)
            event = switch_off(organization, NOW + 5)
            await poll(audit, NOW + 10)

    assert event.id in stored(store)
    assert (mark(store).at or 0) <= NOW + 10


@pytest.mark.parametrize("overlap", [OVERLAP, SWEEP])
async def test_two_polls_at_once_tell_an_event_once(store: Store, organization: Organization, overlap: int) -> None:
    begin(store)
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            await poll(audit, NOW)
            switch_off(organization, NOW + 1)
            both = await asyncio.gather(poll(audit, NOW + 2), poll(audit, NOW + 2, overlap))

    assert sum(each.new for each in both) == 1
    assert sum(each.alerts for each in both) == len(SINKS)


async def test_a_refused_log_moves_no_watermark_and_is_a_gap(store: Store, organization: Organization) -> None:
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            await poll(audit, NOW)
    before = mark(store)
    event = switch_off(organization, NOW + 5)
    with served(organization, refuse=["audit_event"]) as (address, _):
        async with auditing(address, store) as audit:
            polled = await poll(audit, NOW + 10)
            refused = mark(store)
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            await poll(audit, NOW + 20)

    assert [gap.status for gap in polled.gaps] == [Status.REFUSED, Status.REFUSED]
    assert (refused.at, refused.polled_at, refused.status) == (before.at, NOW + 10, Status.REFUSED)
    assert "Missing scopes" in refused.reason
    assert event.id in stored(store)
    assert mark(store).status is Status.COMPLETE


class Breaking:
    """Answers the pages after the first with nonsense, while it is told to."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.broken = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.broken and b"after=" in scope["query_string"]:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"<html>"})
        else:
            await self.app(scope, receive, send)


async def test_a_walk_that_breaks_off_moves_no_watermark_and_is_made_up_for(
    store: Store, organization: Organization
) -> None:
    api = Breaking(create_app(organization, keys=None))
    async with serve(api, "127.0.0.1", 0) as address, auditing(address + ROOT, store) as audit:
        polled = await poll(audit, NOW)
        at = mark(store).at
        api.broken = False
        await poll(audit, NOW + 1)

    assert {gap.scope: gap.status for gap in polled.gaps}[(Stream.ORGANIZATION,)] is Status.PARTIAL
    assert at is None
    assert stored(store) == {event.id for event in organization.log.events}
    assert mark(store).at == newest(organization)


async def test_a_tenant_stream_that_is_refused_leaves_the_other_one_whole(
    store: Store, organization: Organization
) -> None:
    app = create_app(organization, keys=None)

    async def without_tenant(scope: Scope, receive: Receive, send: Send) -> None:
        if b"tenant_only=true" in scope["query_string"]:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b'{"error": {"message": "no tenant"}}'})
        else:
            await app(scope, receive, send)

    async with serve(without_tenant, "127.0.0.1", 0) as address, auditing(address + ROOT, store) as audit:
        polled = await poll(audit, NOW)

    assert [(gap.scope, gap.status, gap.reason) for gap in polled.gaps] == [
        ((Stream.TENANT,), Status.REFUSED, "HTTP 403: no tenant")
    ]
    assert mark(store, Stream.TENANT).at is None
    assert mark(store).status is Status.COMPLETE
    assert polled.new == sum(not event.tenant for event in organization.log.events)
