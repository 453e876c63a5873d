"""The vendor's own package, driven against the simulator: every read it has, page by page, against the object model."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import openai
import pytest
from openai import OpenAI
from organization import KEY, NOW, served, small
from pydantic import BaseModel
from sdk import reads

from auditor.simulator import access, wire
from auditor.simulator.model import Organization, Project

Wanted = Sequence[Mapping[str, Any]]
Case = tuple[Mapping[str, str], Mapping[str, object], Iterable[object]]
"""Arguments of the path, further arguments, and the objects that must come, in order."""

DAY = 86_400


@pytest.fixture(scope="module")
def organization() -> Organization:
    return small()


@pytest.fixture(scope="module")
def client(organization: Organization) -> Iterator[OpenAI]:
    with (
        served(organization, keys={KEY}) as (base_url, _),
        OpenAI(admin_api_key=KEY, base_url=base_url, max_retries=0) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def methods(client: OpenAI) -> Mapping[str, Callable[..., Any]]:
    return dict(reads(client.admin.organization))


def in_projects(
    organization: Organization, items: Callable[[Project], Iterable[object]], **extra: object
) -> list[Case]:
    return [({"project_id": project.id}, extra, items(project)) for project in organization.active_projects]


def members(organization: Organization, ids: Iterable[str]) -> list[wire.GroupMember]:
    users = [organization.users[id_] for id_ in ids]
    return [wire.GroupMember(id=user.id, name=user.name or "", email=user.email) for user in users]


def events(organization: Organization, *, tenant: bool) -> list[object]:
    return [event.raw for event in reversed(organization.log.events) if event.tenant is tenant]


def project_roles_of_users(organization: Organization) -> list[Case]:
    return [
        ({"user_id": user.id, "project_id": project.id}, {}, access.of_project_user(organization, project, user))
        for project in organization.active_projects
        for user in project.users.values()
    ]


def project_roles_of_groups(organization: Organization) -> list[Case]:
    return [
        ({"group_id": group, "project_id": project.id}, {}, access.of_project_group(project, group))
        for project in organization.active_projects
        for group in project.groups
    ]


LISTS: Mapping[str, Callable[[Organization], list[Case]]] = {
    "users.list": lambda org: [({}, {}, org.users.values())],
    "users.roles.list": lambda org: [({"user_id": u.id}, {}, access.of_user(org, u)) for u in org.users.values()],
    "invites.list": lambda org: [({}, {}, org.invites.values())],
    "admin_api_keys.list": lambda org: [({}, {}, org.admin_api_keys.values())],
    "groups.list": lambda org: [({}, {}, [group.record for group in org.groups.values()])],
    "groups.users.list": lambda org: [
        ({"group_id": id_}, {}, reversed(members(org, group.members))) for id_, group in org.groups.items()
    ],
    "groups.roles.list": lambda org: [
        ({"group_id": id_}, {}, access.of_group(org, group)) for id_, group in org.groups.items()
    ],
    "roles.list": lambda org: [({}, {}, access.organization_roles(org).values())],
    "certificates.list": lambda org: [({}, {}, reversed(org.certificates.values()))],
    "projects.list": lambda org: [
        ({}, {}, [project.record for project in org.active_projects]),
        ({}, {"include_archived": True}, [project.record for project in org.projects.values()]),
    ],
    "spend_alerts.list": lambda org: [({}, {}, org.spend_alerts.values())],
    "external_keys.list": lambda org: [({}, {}, org.external_keys.values())],
    "external_storage.list": lambda org: [({}, {}, org.external_storage.values())],
    "workload_identity_providers.list": lambda org: [({}, {}, [one.record for one in org.providers.values()])],
    "workload_identity_providers.federation_rules.list": lambda org: [
        ({"workload_identity_provider_id": id_}, {}, one.rules.values()) for id_, one in org.providers.items()
    ],
    "audit_logs.list": lambda org: [
        ({}, {"limit": 50}, events(org, tenant=False)),
        ({}, {"tenant_only": True}, events(org, tenant=True)),
    ],
    "projects.users.list": lambda org: in_projects(org, lambda project: project.users.values()),
    "projects.service_accounts.list": lambda org: in_projects(org, lambda p: p.service_accounts.values()),
    "projects.api_keys.list": lambda org: in_projects(org, lambda p: p.api_keys.values(), owner_project_access="any"),
    "projects.rate_limits.list_rate_limits": lambda org: in_projects(org, lambda p: p.rate_limits.values()),
    "projects.groups.list": lambda org: in_projects(org, lambda project: project.groups.values()),
    "projects.certificates.list": lambda org: in_projects(org, lambda p: reversed(p.certificates.values())),
    "projects.spend_alerts.list": lambda org: in_projects(org, lambda project: project.spend_alerts.values()),
    "projects.roles.list": lambda org: in_projects(org, lambda project: access.project_roles(project).values()),
    "projects.users.roles.list": project_roles_of_users,
    "projects.groups.roles.list": project_roles_of_groups,
}

USAGE = (
    "audio_speeches",
    "audio_transcriptions",
    "code_interpreter_sessions",
    "completions",
    "costs",
    "decisions",
    "embeddings",
    "file_search_calls",
    "images",
    "moderations",
    "vector_stores",
    "web_search_calls",
)

SETTINGS: Mapping[str, Callable[[Organization], list[tuple[Mapping[str, str], object]]]] = {
    "data_retention.retrieve": lambda org: [({}, org.data_retention)],
    "spend_limit.retrieve": lambda org: [({}, org.spend_limit)],
    "projects.data_retention.retrieve": lambda org: settings_of(org, lambda project: project.data_retention),
    "projects.spend_limit.retrieve": lambda org: settings_of(org, lambda project: project.spend_limit),
    "projects.model_permissions.retrieve": lambda org: settings_of(org, lambda project: project.model_permissions),
    "projects.hosted_tool_permissions.retrieve": lambda org: settings_of(org, lambda project: project.hosted_tools),
    "projects.service_tier_settings.retrieve": lambda org: settings_of(org, lambda project: project.service_tiers),
}


def settings_of(
    organization: Organization, read: Callable[[Project], object]
) -> list[tuple[Mapping[str, str], object]]:
    return [({"project_id": project.id}, read(project)) for project in organization.active_projects]


def plain(thing: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(thing))


def check_shape(model: BaseModel) -> None:
    """The package does not validate by itself: let its own types judge what was sent, unknown fields included."""
    sent = model.model_dump(by_alias=True, exclude_unset=True)
    type(model).model_validate(sent, by_alias=True)
    strange = [name for name in unknown_fields(model) if not is_documented_only_by_example(name)]
    assert not strange, "fields that the description does not know"


def unknown_fields(value: object) -> Iterator[str]:
    if isinstance(value, BaseModel):
        known = type(value).model_fields
        aliases = {field.alias for field in known.values()}
        yield from (f"{type(value).__name__}.{name}" for name in value.model_extra or {} if name not in aliases)
        for name in known:
            yield from unknown_fields(getattr(value, name))
    elif isinstance(value, list):
        for part in value:
            yield from unknown_fields(part)


def is_documented_only_by_example(name: str) -> bool:
    """What the official examples show and the types do not name: details of sessions, `object` of a group."""
    untyped = ("ActorSession.user_agent", "ActorSession.ja3", "ActorSession.ja4", "ActorSession.ip_address_details")
    return name in {*untyped, "Group.object"} or ".tenant." in name


def test_every_read_of_the_package_is_driven_here(methods: Mapping[str, Callable[..., Any]]) -> None:
    names = set(methods)
    by_id = {name.removesuffix("list") + "retrieve" for name in LISTS} & names
    driven = set(LISTS) | set(SETTINGS) | by_id | {f"usage.{name}" for name in USAGE}

    assert names == driven
    assert len(names) == 68


@pytest.mark.parametrize("name", LISTS)
def test_a_list_comes_whole_and_in_order_page_by_page(
    name: str, methods: Mapping[str, Callable[..., Any]], organization: Organization
) -> None:
    compared = 0
    for path, extra, wanted in LISTS[name](organization):
        expected = [plain(item) for item in wanted]
        size = int(str(extra.get("limit", 2)))
        pages = list(methods[name](**path, **{"limit": size, **extra}).iter_pages())
        got = [[item.to_dict() for item in page.data] for page in pages if page.data]

        assert got == [expected[start : start + size] for start in range(0, len(expected), size)]
        for page in pages:
            for item in page.data:
                check_shape(item)
        compared += len(expected)
    assert compared > 0, "nothing was compared: the organization has none of these"


@pytest.mark.parametrize("name", [name for name in LISTS if not name.startswith("audit_logs")])
def test_what_a_list_shows_is_read_by_id_too(
    name: str, methods: Mapping[str, Callable[..., Any]], organization: Organization
) -> None:
    retrieve = methods.get(name.rsplit(".", 1)[0] + ".retrieve")
    if retrieve is None:
        assert name in {"projects.rate_limits.list_rate_limits", "projects.certificates.list"}
        return
    own = next(
        part
        for part, value in inspect.signature(retrieve).parameters.items()
        if value.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    )
    for path, _, wanted in LISTS[name](organization):
        for item in map(plain, wanted):
            got = retrieve(**{own: item.get("id") or item["group_id"]}, **path)

            check_shape(got)
            assert got.to_dict() == item | details(name, got.to_dict(), item)


def details(name: str, got: Mapping[str, Any], item: dict[str, Any]) -> Mapping[str, Any]:
    """How the read by id may differ from the list."""
    if name == "groups.users.list":
        return {"picture": None, "is_service_account": False, "user_type": "user"}
    if name == "certificates.list":
        item.pop("active")
        return {"object": "certificate"}
    return {}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_read_and_an_unset_one_is_not_found(
    name: str, methods: Mapping[str, Callable[..., Any]], organization: Organization
) -> None:
    for path, wanted in SETTINGS[name](organization):
        if wanted is None:
            with pytest.raises(openai.NotFoundError, match="configured"):
                methods[name](**path)
            continue
        got = methods[name](**path)
        check_shape(got)
        assert got.to_dict() == plain(wanted)


@pytest.mark.parametrize("name", USAGE)
def test_a_report_comes_page_by_page(name: str, methods: Mapping[str, Callable[..., Any]]) -> None:
    ask = methods[f"usage.{name}"]
    query: dict[str, Any] = {"start_time": NOW - 10 * DAY, "end_time": NOW, "group_by": ["project_id"]}
    whole = ask(limit=10, **query)
    pages = [ask(limit=4, **query)]
    while pages[-1].has_more:
        pages.append(ask(limit=4, page=pages[-1].next_page, **query))

    assert [len(page.data) for page in pages] == [4, 4, 2]
    assert [bucket.to_dict() for page in pages for bucket in page.data] == [b.to_dict() for b in whole.data]
    assert [bucket.start_time for bucket in whole.data] == [NOW - day * DAY for day in range(10, 0, -1)]
    assert any(bucket.results for bucket in whole.data), "no use in ten days"
    check_shape(whole)
    assert all(result.project_id for bucket in whole.data for result in bucket.results)


@pytest.mark.parametrize("name", USAGE)
def test_the_amounts_of_a_report_add_up_however_it_is_grouped(
    name: str, methods: Mapping[str, Callable[..., Any]], organization: Organization
) -> None:
    by_key = name not in {"vector_stores", "code_interpreter_sessions"}
    groups = [[], ["project_id"], *([["api_key_id"], ["project_id", "api_key_id"]] if by_key else [])]
    sums = []
    for group_by in groups:
        buckets = methods[f"usage.{name}"](start_time=NOW - 10 * DAY, end_time=NOW, limit=10, group_by=group_by).data
        sums.append([sum(map(amount_of, bucket.results)) for bucket in buckets])

    assert any(sums[0])
    assert sums == [pytest.approx(sums[0])] * len(groups)


def amount_of(result: Any) -> float:
    """One measure of a result, whichever it has."""
    amounts = result.to_dict()
    money = amounts.get("amount")
    return float(money["value"] if money else next(each for each in amounts.values() if type(each) is int))


def test_the_package_pages_an_audit_log_window_and_its_filters(client: OpenAI, organization: Organization) -> None:
    since = NOW - 14 * DAY
    owner = organization.owners[0]
    wanted = [
        event.id
        for event in reversed(organization.log.events)
        if not event.tenant and event.effective_at >= since and owner.id in event.actor_ids
    ]

    got = client.admin.organization.audit_logs.list(effective_at={"gte": since}, actor_ids=[owner.id], limit=3)

    assert wanted
    assert [event.id for event in got] == wanted


def test_a_certificate_shows_its_text_on_request(client: OpenAI, organization: Organization) -> None:
    id_ = next(iter(organization.certificates))
    got = client.admin.organization.certificates.retrieve(id_, include=["content"])

    assert (got.certificate_details.content or "").startswith("-----BEGIN CERTIFICATE-----")


def test_a_wrong_key_is_an_authentication_error_of_the_package(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(admin_api_key="sk-admin-wrong").admin.organization.users.list()

    assert caught.value.code == "invalid_api_key"
    assert caught.value.request_id


def test_a_missing_scope_is_named_in_the_words_of_the_api() -> None:
    with (
        served(small(), refuse=["group"]) as (base_url, _),
        OpenAI(admin_api_key=KEY, base_url=base_url, max_retries=0) as client,
    ):
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.admin.organization.groups.list()
        assert client.admin.organization.users.list(limit=1).data

    assert "Missing scopes: api.groups.read" in caught.value.message
    assert caught.value.type == "invalid_request_error"
    assert (caught.value.param, caught.value.code) == (None, None)
