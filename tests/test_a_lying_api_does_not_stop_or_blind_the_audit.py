"""What an API can send that nobody documented: odd times, odd ids, empty lists, a permission that comes later."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from audits import auditing, begin, opened, stored, told
from folding import proven
from organization import KEY, NOW, served, small
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from auditor.adminapi.client import AdminClient
from auditor.adminapi.resources import BY_NAME
from auditor.config import Schedule
from auditor.inventory.collect import collect
from auditor.inventory.events import record_of
from auditor.inventory.model import Snapshot, Unknown
from auditor.inventory.settings import fold
from auditor.jobs.poll import SWEEP, poll
from auditor.jobs.schedule import REPORT, RETRY, next_due
from auditor.jobs.snapshot import take
from auditor.store import watermarks
from auditor.store.database import Store
from auditor.terms import Status, Stream
from auditor.web.server import serve


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def event(at: object, id_: object = "event_1", kind: str = "ip_allowlist.config.deactivated") -> dict[str, object]:
    return {"id": id_, "type": kind, "effective_at": at, kind: {"configs": [{"id": "ip_1", "name": "office"}]}}


def log_of(*events: dict[str, object]) -> Starlette:
    """An audit log with these events in the organization's stream."""

    async def answer(request: Request) -> JSONResponse:
        found = [] if request.query_params.get("tenant_only") else list(events)
        return JSONResponse({"object": "list", "data": found, "has_more": False})

    app = Starlette()
    app.add_route("/v1/organization/audit_logs", answer)
    return app


ODD_TIMES = [10**30, 2**63, 2**62, 1 << 39, 253_402_300_800, NOW * 1000, -1, "yesterday", None, 1.5, True]


@pytest.mark.parametrize("at", ODD_TIMES)
async def test_an_event_with_an_odd_time_is_stored_and_told_and_stops_nothing(store: Store, at: object) -> None:
    begin(store)
    async with serve(log_of(event(at)), "127.0.0.1", 0) as url, auditing(f"{url}/v1", store) as audit:
        polled = await poll(audit, NOW)
    assert stored(store) == {"event_1"}
    assert [verdict.policy for verdict in polled.verdicts] == ["allowlist-deactivated"]
    assert polled.verdicts[0].at == NOW
    assert told(store)


async def test_an_event_that_cannot_be_read_is_asked_for_until_it_can(store: Store) -> None:
    begin(store)
    broken = log_of(event(NOW - 9), event(NOW - 9, 7))
    async with serve(broken, "127.0.0.1", 0) as url, auditing(f"{url}/v1", store) as audit:
        for _ in range(2):
            polled = await poll(audit, NOW)
            assert [gap.status for gap in polled.gaps] == [Status.PARTIAL]
    with store.transaction() as tx:
        mark = watermarks.read(tx, "acme", Stream.ORGANIZATION)
    assert mark
    assert (mark.at, mark.status) == (NOW - 9 - SWEEP, Status.PARTIAL)
    mended = log_of(event(NOW - 9), event(NOW - 9, "event_7"))
    async with serve(mended, "127.0.0.1", 0) as url, auditing(f"{url}/v1", store) as audit:
        healed = await poll(audit, NOW)
    assert not healed.gaps
    assert stored(store) == {"event_1", "event_7"}


async def test_a_permission_that_comes_later_brings_a_digest_and_no_flood(store: Store) -> None:
    organization = small()
    passes = ({"audit_event", "user"}, set[str]())
    for number, refused in enumerate(passes):
        with served(organization, refuse=refused) as (url, _):
            async with auditing(url, store) as audit:
                polled = await poll(audit, NOW + number)
                taken = await take(audit, polled, NOW + number)
        if number == 0:
            before = len(told(store))
    assert taken.opened > 10
    assert len(told(store)) - before <= 2 * 2, "at most a digest of events and one of findings for each sink"


@pytest.mark.parametrize("kind", ["user", "project"])
async def test_an_organization_without_people_or_projects_is_not_believed(kind: str) -> None:
    app = Starlette()
    app.add_route(
        f"/v1{BY_NAME[kind].path}",
        lambda request: JSONResponse({"object": "list", "data": [], "has_more": False}),
    )
    async with (
        serve(app, "127.0.0.1", 0) as url,
        AdminClient(SecretStr(KEY), base_url=f"{url}/v1") as client,
    ):
        snapshot = await collect(client, "acme", NOW, kinds=[BY_NAME[kind]])
    assert snapshot.gaps


@pytest.mark.parametrize("identity", [".", "..", "", 3, None])
async def test_an_id_that_would_lead_to_another_path_is_no_item(identity: object) -> None:
    body = {"object": "list", "data": [{"id": identity, "object": "organization.user"}], "has_more": False}
    app = Starlette()
    app.add_route("/v1/organization/users", lambda request: JSONResponse(body))
    async with (
        serve(app, "127.0.0.1", 0) as url,
        AdminClient(SecretStr(KEY), base_url=f"{url}/v1") as client,
    ):
        snapshot = await collect(client, "acme", NOW, kinds=[BY_NAME["user"]])
    assert snapshot.collection("user").records == ()
    assert snapshot.gaps


def test_a_list_made_and_switched_on_within_a_second_is_on_in_any_order_of_ids() -> None:
    created = {"id": "event_b", "type": "ip_allowlist.created", "effective_at": 100}
    created["ip_allowlist.created"] = {"id": "ip_1", "name": "office", "allowed_ips": ["192.0.2.0/24"]}
    switched = event(100, "event_a", "ip_allowlist.config.activated")
    folded = fold(Snapshot("acme", NOW, {}), [record_of(created), record_of(switched)], proven(until=NOW))
    (record,) = folded.collection("ip_allowlist").records
    assert record.fields["active"] is True
    assert record.fields["allowed_ips"] == ["192.0.2.0/24"]


def test_a_list_switched_on_and_off_within_a_second_is_unknown() -> None:
    on = event(100, "event_a", "ip_allowlist.config.activated")
    folded = fold(Snapshot("acme", NOW, {}), [record_of(on), record_of(event(100, "event_b"))], proven(until=NOW))
    (record,) = folded.collection("ip_allowlist").records
    assert isinstance(record.fields["active"], Unknown)


def test_a_report_that_failed_is_tried_again_soon_and_not_next_week() -> None:
    assert next_due(REPORT, Schedule(), NOW, NOW, failed=True) == NOW + RETRY
    assert next_due(REPORT, Schedule(), NOW, NOW) > NOW + RETRY
