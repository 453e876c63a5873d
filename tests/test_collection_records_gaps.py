"""Reading the organization: everything once, and every refusal, break and lie as a gap in the ledger."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest
from organization import KEY, NOW, ledger_of, served, small
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auditor.adminapi.client import AdminClient
from auditor.adminapi.resources import RESOURCES
from auditor.inventory.bodies import Body
from auditor.inventory.collect import collect
from auditor.inventory.model import Snapshot, by_kind
from auditor.inventory.relations import join
from auditor.terms import Status
from auditor.web.server import serve


def client(url: str) -> AdminClient:
    return AdminClient(SecretStr(KEY), base_url=url)


async def snapshot_of(url: str) -> Snapshot:
    async with client(url) as asked:
        return await collect(asked, "acme", NOW)


def test_a_small_organization_is_read_whole_in_few_calls() -> None:
    with served(small()) as (url, app):
        snapshot = asyncio.run(snapshot_of(url))
        calls = [exchange.method for exchange in ledger_of(app)]
    assert set(calls) == {"GET"}
    assert len(calls) <= 300
    assert not snapshot.gaps
    assert {line.kind for line in snapshot.coverage} == {kind.name for kind in RESOURCES}
    assert not {name for line in snapshot.coverage for name in line.surprises}


def test_a_refused_list_is_a_gap_and_so_is_what_hangs_below_it() -> None:
    with served(small(), refuse=["project_api_key", "user"]) as (url, _):
        snapshot = asyncio.run(snapshot_of(url))
    summed = by_kind(snapshot.coverage)
    assert summed["project_api_key"].status is Status.REFUSED
    assert summed["user"].status is Status.REFUSED
    assert summed["user_role"].status is Status.REFUSED
    assert summed["user_role"].items == 0
    assert summed["group"].status is Status.COMPLETE
    assert "Missing scopes" in snapshot.collection("user").gaps[0].reason
    assert "read only" in snapshot.collection("user").gaps[0].hint
    assert snapshot.collection("user").hides(("user_1",))


def test_an_owner_behind_a_gap_is_unknown_and_never_a_stranger() -> None:
    from auditor.inventory.model import Unknown

    with served(small(), refuse=["user"]) as (url, _):
        snapshot = join(asyncio.run(snapshot_of(url)))
    people = [r for r in snapshot.collection("project_api_key").records if r.fields.get("owner.type") == "user"]
    assert people
    for record in people:
        assert isinstance(record.fields["owner.is_member"], Unknown)
        assert record.fields["owner.is_member"].gaps


def test_the_owner_of_a_key_comes_with_groups_and_roles() -> None:
    organization = small()
    with served(organization) as (url, _):
        snapshot = join(asyncio.run(snapshot_of(url)))
    owners = [record for record in snapshot.collection("user").records if record.fields.get("role") == "owner"]
    assert any(record.fields["groups"] == ["owners"] for record in owners)
    assert any("owners" not in record.fields["groups"] for record in owners)  # type: ignore[operator]
    key = snapshot.collection("project_api_key").records[0]
    assert {"owner.name", "owner.groups", "owner.is_member", "project.name"} <= key.fields.keys()


Answer = Callable[[Request], Response]


def page(items: Sequence[object], **envelope: object) -> Response:
    return JSONResponse({"object": "list", "data": items, "has_more": False} | envelope)


def users(*numbers: int) -> list[object]:
    return [{"id": f"user_{n}", "object": "organization.user", "added_at": 1, "role": "reader"} for n in numbers]


def always(items: Sequence[object], **envelope: object) -> Answer:
    return lambda request: page(items, **envelope)


def loops(request: Request) -> Response:
    return page(users(1), has_more=True, last_id="user_1")


def broken_on_page_two(request: Request) -> Response:
    if "after" in request.query_params:
        return JSONResponse({"error": {"message": "boom", "type": "x", "param": None, "code": None}}, 400)
    return page(users(1, 2), has_more=True, last_id="user_2")


def overlapping_pages(request: Request) -> Response:
    if "after" in request.query_params:
        return page(users(2, 3), last_id="user_3")
    return page(users(1, 2), has_more=True, last_id="user_2")


LIES: dict[str, tuple[Answer, Status, int]] = {
    "a cursor that comes back": (loops, Status.PARTIAL, 1),
    "more pages without a cursor": (always([], has_more=True), Status.PARTIAL, 0),
    "no has_more": (lambda request: JSONResponse({"object": "list", "data": users(1)}), Status.PARTIAL, 1),
    "an error on the second page": (broken_on_page_two, Status.PARTIAL, 2),
    "rows that move between pages": (overlapping_pages, Status.COMPLETE, 3),
    "an item without an id": (always([*users(1), {"object": "organization.user"}]), Status.PARTIAL, 1),
    "an item that is no object": (always([*users(1), 3, None]), Status.PARTIAL, 1),
    "a body that is no list": (lambda request: JSONResponse([1, 2]), Status.FAILED, 0),
    "half a body": (lambda request: Response(b'{"object": "list", "data": [', 200), Status.FAILED, 0),
    "a page in HTML": (lambda request: Response("<html>", 200, media_type="text/html"), Status.FAILED, 0),
    "a redirect": (lambda request: Response(status_code=302, headers={"location": "/v1/elsewhere"}), Status.FAILED, 0),
    "not found": (lambda request: JSONResponse({"error": "no"}, 404), Status.FAILED, 0),
    "refused": (lambda request: JSONResponse({"error": "no"}, 401), Status.REFUSED, 0),
}


@pytest.mark.parametrize("lie", LIES)
async def test_no_lie_of_the_server_is_taken_for_a_whole_list(lie: str) -> None:
    answer, status, items = LIES[lie]

    async def users_endpoint(request: Request) -> Response:
        return answer(request)

    app = Starlette()
    app.add_route("/v1/organization/users", users_endpoint)
    kind = next(kind for kind in RESOURCES if kind.name == "user")
    async with serve(app, "127.0.0.1", 0) as url, client(f"{url}/v1") as asked:
        snapshot = await collect(asked, "acme", NOW, kinds=[kind])
    (line,) = snapshot.coverage
    assert (line.status, line.items) == (status, items)
    assert (line.gap is None) is (status is Status.COMPLETE)


async def test_a_field_of_another_type_is_unknown_and_counted_and_a_new_field_is_only_counted() -> None:
    body = {"id": "user_1", "object": "organization.user", "added_at": "yesterday", "role": "owner", "shoe_size": 43}

    async def answer(request: Request) -> Response:
        return page([body])

    kept: list[Body] = []

    async def keep(bodies: Sequence[Body]) -> None:
        kept.extend(bodies)

    app = Starlette()
    app.add_route("/v1/organization/users", answer)
    kind = next(kind for kind in RESOURCES if kind.name == "user")
    async with serve(app, "127.0.0.1", 0) as url, client(f"{url}/v1") as asked:
        snapshot = await collect(asked, "acme", NOW, kinds=[kind], stage=keep)
    (record,) = snapshot.collection("user").records
    assert dict(snapshot.coverage[0].surprises) == {"wrong type: added_at": 1, "unknown field: shoe_size": 1}
    assert record.fields["role"] == "owner"
    assert type(record.fields["added_at"]).__name__ == "Unknown"
    assert [msgspec.json.decode(each.content) for each in kept] == [body]
    assert [each.digest for each in kept] == [record.digest]
