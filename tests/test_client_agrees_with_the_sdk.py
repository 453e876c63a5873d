"""Our client and the vendor's own package read the same server: the same objects, whatever the size of a page."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from audits import bind
from openai import NotFoundError, OpenAI
from organization import KEY, NOW, ledger_of, served, small
from pydantic import SecretStr
from starlette.applications import Starlette

from auditor.adminapi import auditlog
from auditor.adminapi.client import AdminClient
from auditor.adminapi.resources import RESOURCES
from auditor.adminapi.resourcetypes import Paging
from auditor.inventory.collect import collect
from auditor.inventory.events import record_of
from auditor.inventory.model import Scope, Snapshot
from auditor.simulator.model import Organization
from auditor.terms import Status, Stream

PAGE = 2
"""Items of a page, where the API lets us choose."""

READS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "user": ("users.list", ()),
    "invite": ("invites.list", ()),
    "admin_api_key": ("admin_api_keys.list", ()),
    "group": ("groups.list", ()),
    "group_member": ("groups.users.list", ("group_id",)),
    "group_role": ("groups.roles.list", ("group_id",)),
    "role": ("roles.list", ()),
    "user_role": ("users.roles.list", ("user_id",)),
    "certificate": ("certificates.list", ()),
    "data_retention": ("data_retention.retrieve", ()),
    "spend_limit": ("spend_limit.retrieve", ()),
    "spend_alert": ("spend_alerts.list", ()),
    "external_key": ("external_keys.list", ()),
    "external_storage": ("external_storage.list", ()),
    "workload_identity_provider": ("workload_identity_providers.list", ()),
    "federation_rule": ("workload_identity_providers.federation_rules.list", ("workload_identity_provider_id",)),
    "project": ("projects.list", ()),
    "project_user": ("projects.users.list", ("project_id",)),
    "project_group": ("projects.groups.list", ("project_id",)),
    "service_account": ("projects.service_accounts.list", ("project_id",)),
    "project_api_key": ("projects.api_keys.list", ("project_id",)),
    "rate_limit": ("projects.rate_limits.list_rate_limits", ("project_id",)),
    "project_certificate": ("projects.certificates.list", ("project_id",)),
    "project_data_retention": ("projects.data_retention.retrieve", ("project_id",)),
    "project_spend_limit": ("projects.spend_limit.retrieve", ("project_id",)),
    "project_spend_alert": ("projects.spend_alerts.list", ("project_id",)),
    "project_model_permissions": ("projects.model_permissions.retrieve", ("project_id",)),
    "project_hosted_tool_permissions": ("projects.hosted_tool_permissions.retrieve", ("project_id",)),
    "project_service_tier_settings": ("projects.service_tier_settings.retrieve", ("project_id",)),
    "project_role": ("projects.roles.list", ("project_id",)),
    "project_user_role": ("projects.users.roles.list", ("project_id", "user_id")),
    "project_group_role": ("projects.groups.roles.list", ("project_id", "group_id")),
}
"""The package's method for each of our kinds, and what it calls the parents."""

EXTRA: Mapping[str, Mapping[str, object]] = {
    "project": {"include_archived": True},
    "project_api_key": {"owner_project_access": "any"},
}


@pytest.fixture(scope="module")
def organization() -> Organization:
    grown = small()
    for second in range(230):
        bind(grown, NOW - second)
    return grown


@pytest.fixture(scope="module")
def server(organization: Organization) -> Iterator[tuple[str, Starlette]]:
    with served(organization, keys={KEY}) as running:
        yield running


@pytest.fixture(scope="module")
def package(server: tuple[str, Starlette]) -> Iterator[OpenAI]:
    with OpenAI(admin_api_key=KEY, base_url=server[0], max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def snapshot(server: tuple[str, Starlette]) -> Snapshot:
    return asyncio.run(collected(server[0]))


async def collected(address: str) -> Snapshot:
    kinds = [kind if kind.paging is Paging.SINGLE else replace(kind, limit=PAGE) for kind in RESOURCES]
    async with AdminClient(SecretStr(KEY), base_url=address, requests_per_minute=100_000) as client:
        return await collect(client, "acme", NOW, kinds=kinds)


def ids_by_package(package: OpenAI, snapshot: Snapshot, kind: str) -> dict[Scope, list[str]]:
    """What the package reads of a kind, for each of the parents that we have walked."""
    name, parents = READS[kind]
    read: Any = package.admin.organization
    for step in name.split("."):
        read = getattr(read, step)
    identity = next(each.identity for each in RESOURCES if each.name == kind)
    found = {}
    for scope in [line.scope for line in snapshot.coverage if line.kind == kind]:
        path = dict(zip(parents, scope, strict=True))
        if name.endswith("retrieve"):
            found[scope] = [kind] if is_set(read, path) else []
            continue
        pages = read(**path, **{"limit": PAGE, **EXTRA.get(kind, {})})
        found[scope] = [getattr(item, identity) for item in pages]
    return found


def is_set(read: Any, path: Mapping[str, str]) -> bool:
    """Whether the package finds the setting; what is not configured is 404."""
    try:
        read(**path)
    except NotFoundError:
        return False
    return True


def test_every_kind_that_we_read_is_compared() -> None:
    assert set(READS) == {kind.name for kind in RESOURCES}


def test_everything_was_read(snapshot: Snapshot) -> None:
    assert {line.status for line in snapshot.coverage} == {Status.COMPLETE}
    assert sum(line.pages for line in snapshot.coverage) > 150
    assert not [line for line in snapshot.coverage if line.surprises]


@pytest.mark.parametrize("kind", READS)
def test_both_read_the_same_objects(package: OpenAI, snapshot: Snapshot, kind: str) -> None:
    theirs = ids_by_package(package, snapshot, kind)
    records = snapshot.collections[kind].records
    ours = {scope: [record.id for record in records if record.ids[:-1] == scope] for scope in theirs}

    assert sum(map(len, theirs.values())) == len(records) > 0
    if READS[kind][0].endswith("retrieve"):
        assert {scope: len(ids) for scope, ids in ours.items()} == {scope: len(ids) for scope, ids in theirs.items()}
    else:
        assert ours == theirs, "the same ids, in the same order, under the same parents"


@pytest.mark.parametrize("stream", Stream)
async def test_both_read_the_same_events(
    server: tuple[str, Starlette], package: OpenAI, organization: Organization, stream: Stream
) -> None:
    tenant = stream is Stream.TENANT
    theirs = [each.id for each in package.admin.organization.audit_logs.list(limit=50, tenant_only=tenant)]
    async with AdminClient(SecretStr(KEY), base_url=server[0]) as client:
        pages = [page async for page in auditlog.read(client, stream, None, NOW + 1)]
    ours = [record_of(raw).id for page in pages for raw in page.items]

    assert len(pages) > 2
    assert ours == theirs
    assert set(ours) == {event.id for event in organization.log.events if event.tenant is tenant}


def test_both_only_ever_read(server: tuple[str, Starlette]) -> None:
    exchanges = list(ledger_of(server[1]))

    assert exchanges
    assert {each.method for each in exchanges} == {"GET"}
    assert {each.status for each in exchanges} == {200, 404}, "404 where a setting is not configured"
