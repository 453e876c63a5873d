"""What the simulated Admin API answers on the wire: paging, refusals, headers, and what it remembers of it."""

from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from organization import KEY, ledger_of, served, small
from starlette.applications import Starlette

from auditor.adminapi.resources import RESOURCES
from auditor.adminapi.resourcetypes import Paging, ResourceType
from auditor.errors import ConfigError
from auditor.simulator import names
from auditor.simulator.model import Organization
from auditor.simulator.server import create_app, endpoints


@pytest.fixture(scope="module")
def organization() -> Organization:
    return small()


@pytest.fixture(scope="module")
def server(organization: Organization) -> Iterator[tuple[str, Starlette]]:
    with served(organization, keys={KEY}) as served_at:
        yield served_at


@pytest.fixture
def http(server: tuple[str, Starlette]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server[0], headers={"Authorization": f"Bearer {KEY}"}, trust_env=False) as client:
        yield client


def test_every_resource_that_the_auditor_reads_is_served_at_its_path() -> None:
    served_at = {(endpoint.kind, shape(endpoint.path)) for endpoint in endpoints()}

    assert {(kind.name, shape(kind.path)) for kind in RESOURCES} <= served_at
    assert len({endpoint.path for endpoint in endpoints()}) == 68


def shape(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic abc"])
def test_a_request_without_a_key_is_refused(http: httpx.Client, authorization: str | None) -> None:
    del http.headers["Authorization"]
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = http.get("/organization/users", headers=headers)

    assert answer.status_code == 401
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}


def test_a_wrong_key_is_refused_and_not_repeated(http: httpx.Client) -> None:
    answer = http.get("/organization/users", headers={"Authorization": "Bearer sk-admin-wrong-and-secret"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "wrong-and-s" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD"])
def test_nothing_but_get_is_allowed(http: httpx.Client, method: str) -> None:
    answer = http.request(method, "/organization/users")

    assert answer.status_code == 405
    if method != "HEAD":
        assert method in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/organization/users?limit=0", "limit"),
        ("/organization/users?limit=101", "limit"),
        ("/organization/users?limit=many", "limit"),
        ("/organization/groups?limit=1001", "limit"),
        ("/organization/users?order=asc", "order"),
        ("/organization/roles?order=sideways", "order"),
        ("/organization/users?after=user-nobody", "after"),
        ("/organization/groups?after=group_1", "after"),
        ("/organization/projects?include_archived=yes", "include_archived"),
        ("/organization/audit_logs?tenant_only=true&event_types[]=login.failed", "event_types"),
        ("/organization/costs", "start_time"),
        ("/organization/costs?start_time=1&bucket_width=1h", "bucket_width"),
        ("/organization/costs?start_time=1&group_by[]=user_id&group_by[]=project_id", "group_by"),
        ("/organization/usage/vector_stores?start_time=1&group_by[]=model", "group_by"),
        ("/organization/usage/completions?start_time=1&page=2", "page"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused_by_name(http: httpx.Client, path: str, param: str) -> None:
    answer = http.get(path)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    "path",
    [
        "/organization/users/user-nobody",
        "/organization/users/user-nobody/roles",
        "/organization/groups/group_none/users",
        "/organization/projects/proj_none/api_keys",
        "/organization/projects/proj_none/spend_limit",
        "/projects/proj_none/roles",
        "/organization/nothing",
        "/organization/users/",
    ],
)
def test_what_does_not_exist_is_not_found(http: httpx.Client, path: str) -> None:
    answer = http.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_the_cursor_of_a_next_style_list_is_opaque_and_the_others_are_ids(
    http: httpx.Client, organization: Organization
) -> None:
    groups = http.get("/organization/groups?limit=1").json()
    users = http.get("/organization/users?limit=3").json()
    ids = list(organization.users)[:3]

    assert groups["has_more"] is True
    assert groups["next"] not in organization.groups
    assert groups.keys() == {"object", "data", "has_more", "next"}
    assert (users["first_id"], users["last_id"]) == (ids[0], ids[-1])
    assert http.get(f"/organization/users?limit=100&after={ids[-1]}").json()["data"][0]["id"] not in ids


def test_before_gives_the_items_next_to_the_cursor(http: httpx.Client, organization: Organization) -> None:
    limits = list(organization.default_project.rate_limits)
    path = f"/organization/projects/{organization.default_project.id}/rate_limits"

    near = http.get(path, params={"before": limits[5], "limit": 2}).json()
    first = http.get(path, params={"before": limits[2], "limit": 2}).json()

    assert ([item["id"] for item in near["data"]], near["has_more"]) == (limits[3:5], True)
    assert ([item["id"] for item in first["data"]], first["has_more"]) == (limits[:2], False)


def test_order_turns_a_list_around(http: httpx.Client) -> None:
    for path in ("/organization/roles", "/organization/certificates", "/organization/admin_api_keys"):
        forth = [item["id"] for item in http.get(path, params={"order": "asc"}).json()["data"]]
        back = [item["id"] for item in http.get(path, params={"order": "desc"}).json()["data"]]

        assert forth == back[::-1] != back


def test_without_owner_project_access_some_keys_are_hidden(http: httpx.Client, organization: Organization) -> None:
    def count(**params: str) -> int:
        paths = [f"/organization/projects/{id_}/api_keys" for id_ in organization.projects]
        return sum(len(http.get(path, params={"limit": "100", **params}).json()["data"]) for path in paths)

    every = count(owner_project_access="any")
    assert every == len(list(organization.project_keys()))
    assert count(owner_project_access="active") + count(owner_project_access="inactive") == every
    assert count() < count(owner_project_access="active") < every


def test_archived_projects_are_shown_on_request_and_are_empty(http: httpx.Client, organization: Organization) -> None:
    hidden = organization.projects.keys() - {item["id"] for item in http.get("/organization/projects").json()["data"]}

    assert len(hidden) == 2
    for id_ in hidden:
        assert http.get(f"/organization/projects/{id_}").json()["status"] == "archived"
        assert http.get(f"/organization/projects/{id_}/users").json()["data"] == []
        assert http.get(f"/organization/projects/{id_}/service_accounts").json()["data"] == []


def test_hostile_names_arrive_as_they_are(http: httpx.Client) -> None:
    users = [user["name"] for user in http.get("/organization/users?limit=100").json()["data"]]
    projects = [project["name"] for project in http.get("/organization/projects?limit=100").json()["data"]]

    assert set(names.HOSTILE) <= set(users)
    assert names.HOSTILE[1] in projects


def test_the_audit_log_is_filtered_by_each_parameter(http: httpx.Client, organization: Organization) -> None:
    events = [event for event in reversed(organization.log.events) if not event.tenant]
    sample = next(event for event in events if event.type == "role.assignment.created")

    def ids(**params: Any) -> list[str]:
        return [
            one["id"] for one in http.get("/organization/audit_logs", params={"limit": 100, **params}).json()["data"]
        ]

    assert ids(**{"effective_at[gte]": sample.effective_at, "effective_at[lte]": sample.effective_at}) == [sample.id]
    assert sample.id not in ids(**{"effective_at[gt]": sample.effective_at})
    assert ids(**{"effective_at[lt]": sample.effective_at})[0] == events[events.index(sample) + 1].id
    assert ids(**{"event_types[]": ["role.assignment.created", "user.deleted"]}) == [
        event.id for event in events if event.type in {"role.assignment.created", "user.deleted"}
    ]
    assert (
        ids(**{"project_ids[]": sample.project_id})
        == [event.id for event in events if event.project_id == sample.project_id][:100]
    )
    assert (
        ids(**{"actor_emails[]": sample.actor_email})
        == [event.id for event in events if event.actor_email == sample.actor_email][:100]
    )
    for target in sample.resource_ids:
        assert sample.id in ids(**{"resource_ids[]": target})


def test_the_two_streams_share_no_event(http: httpx.Client, organization: Organization) -> None:
    tenant = http.get("/organization/audit_logs?limit=100&tenant_only=true").json()["data"]

    assert {event["id"] for event in tenant} == {event.id for event in organization.log.events if event.tenant}
    assert {"role.bound_to_resource", "tenant.admin_api_key.created"} <= {event["type"] for event in tenant}


def test_every_answer_carries_the_headers_of_the_api(http: httpx.Client, organization: Organization) -> None:
    seen = set()
    for path in ("/organization/users", "/organization/nothing", "/organization/users/user-nobody"):
        headers = http.get(path).headers
        seen.add(headers["x-request-id"])

        assert headers["openai-organization"] == organization.id
        assert headers["openai-processing-ms"].isdigit()
        assert headers["content-type"] == "application/json"
        assert parsedate_to_datetime(headers["date"]).year >= 2025
    assert len(seen) == 3


def test_a_big_answer_is_compressed_for_those_who_ask(http: httpx.Client) -> None:
    packed = http.get("/organization/users", headers={"Accept-Encoding": "gzip"})
    plain = http.get("/organization/users", headers={"Accept-Encoding": "identity"})

    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content)


def test_a_refused_kind_is_refused_in_list_and_by_id_and_the_rest_is_served() -> None:
    organization = small()
    user = next(iter(organization.users))
    with served(organization, refuse=["user", "audit_event"]) as (base_url, _):
        for path in ("/organization/users", f"/organization/users/{user}", "/organization/audit_logs"):
            answer = httpx.get(base_url + path, headers={"Authorization": "Bearer any"})

            assert answer.status_code == 403
            assert "Missing scopes: api." in answer.json()["error"]["message"]
        assert httpx.get(f"{base_url}/organization/users/{user}/roles", headers={"Authorization": "Bearer any"}).json()


def test_a_kind_that_does_not_exist_cannot_be_refused() -> None:
    with pytest.raises(ConfigError, match="'users'") as caught:
        create_app(small(), keys=None, refuse=["users"])

    assert "user," in caught.value.hint


def test_the_ledger_knows_every_exchange_and_what_went_out() -> None:
    organization = small()
    with served(organization) as (base_url, app):
        headers = {"Authorization": "Bearer any"}
        httpx.get(f"{base_url}/organization/invites?limit=2", headers=headers)
        httpx.get(f"{base_url}/organization/nothing", headers=headers)
        httpx.post(f"{base_url}/organization/invites", headers=headers)
        ledger = list(ledger_of(app))

    assert [(one.method, one.path, one.query, one.status, one.kind) for one in ledger] == [
        ("GET", "/v1/organization/invites", "limit=2", 200, "invite"),
        ("GET", "/v1/organization/nothing", "", 404, None),
        ("POST", "/v1/organization/invites", "", 405, None),
    ]
    assert ledger[0].items == tuple(organization.invites)[:2]
    assert ledger_of(app).items("invite") == list(organization.invites)[:2]


def test_a_change_shows_at_the_next_request(http: httpx.Client, organization: Organization) -> None:
    user = organization.owners[-1]
    user.role = "reader"
    roles = http.get(f"/organization/users/{user.id}/roles").json()["data"]
    user.role = "owner"

    assert [role["name"] for role in roles] == ["reader"]
    assert http.get(f"/organization/users/{user.id}").json()["role"] == "owner"


def test_a_small_snapshot_takes_at_most_300_calls() -> None:
    """Every kind of RESOURCES, the role fan-out included, at the largest page."""
    with (
        served(small()) as (base_url, app),
        httpx.Client(base_url=base_url, headers={"Authorization": "Bearer any"}, trust_env=False) as http,
    ):
        found: dict[str, list[Found]] = {}
        for kind in RESOURCES:
            parents = found[kind.parent] if kind.parent else [({}, {})]
            found[kind.name] = [
                ({**ids, kind.name: str(item.get(kind.identity))}, item)
                for ids, parent in parents
                if not any(parent.get(field) == value for field, value in kind.skip_parents.items())
                for item in walk(http, kind, ids)
            ]
        assert 100 < len(ledger_of(app)) <= 300
    assert all(found.values()), "a kind that the small organization has nothing of"


Found = tuple[dict[str, str], dict[str, Any]]
"""Ids of an item and its parents by kind, and its body."""


def walk(http: httpx.Client, kind: ResourceType, ids: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Every item of one collection, asked for as the auditor does."""
    params = {**kind.params, **({"limit": str(kind.limit)} if kind.limit else {})}
    while True:
        body = http.get(kind.path.format(**ids), params=params).json()
        if kind.paging is Paging.SINGLE:
            yield from [body] if "error" not in body else []
            return
        yield from body["data"]
        if not body["has_more"]:
            return
        params["after"] = body["next"] if kind.paging is Paging.NEXT else body["data"][-1]["id"]
