"""The endpoints of a project. Those of an archived project answer with what is left in it: empty lists."""

from collections.abc import Sequence
from typing import Any

from auditor.adminapi.resourcetypes import Paging
from auditor.simulator import access, wire
from auditor.simulator.endpoints import Endpoint, Ids, Listing, project_of, setting
from auditor.simulator.model import Organization
from auditor.simulator.paging import Limits
from auditor.simulator.query import Query
from auditor.simulator.refusals import not_found

_HUNDRED = Limits(20, 100)
_THOUSAND = Limits(1000, 1000, 0)
_GROUPS = Limits(20, 100, 0)
_PROJECT = "/organization/projects/{project}"


def _keys(organization: Organization, ids: Ids, query: Query) -> Sequence[wire.ProjectKey]:
    """Without `owner_project_access` the older rule holds: only keys of direct members and service accounts."""
    project = project_of(organization, ids)
    keys = list(project.api_keys.values())
    wanted = query.choice("owner_project_access", ("active", "inactive", "any"), "")
    if not wanted:
        holders = project.users.keys() | project.service_accounts.keys()
        return [key for key in keys if key.owner.id in holders]
    return [key for key in keys if wanted in {"any", key.owner_project_access}]


def _user_roles(organization: Organization, ids: Ids, query: Query) -> Sequence[wire.AssignedRole]:
    project = project_of(organization, ids)
    member = project.users.get(ids["user"])
    if member is None:
        raise not_found("project_user", ids["user"])
    return access.of_project_user(organization, project, member)


def _group_roles(organization: Organization, ids: Ids, query: Query) -> Sequence[wire.AssignedRole]:
    project = project_of(organization, ids)
    if ids["group"] not in project.groups:
        raise not_found("project_group", ids["group"])
    return access.of_project_group(project, ids["group"])


def _group(group: wire.ProjectGroup, query: Query) -> wire.ProjectGroup:
    if query.choice("group_type", ("group", "tenant_group"), "group") != group.group_type:
        raise not_found("project_group", group.group_id)
    return group


_LISTINGS: tuple[Listing[Any], ...] = (
    Listing(
        kind="project_user",
        path=_PROJECT + "/users",
        style=Paging.LAST_ID,
        limits=_HUNDRED,
        source=lambda organization, ids, query: list(project_of(organization, ids).users.values()),
    ),
    Listing(
        kind="service_account",
        path=_PROJECT + "/service_accounts",
        style=Paging.LAST_ID,
        limits=_HUNDRED,
        source=lambda organization, ids, query: list(project_of(organization, ids).service_accounts.values()),
    ),
    Listing(
        kind="project_api_key",
        path=_PROJECT + "/api_keys",
        style=Paging.LAST_ID,
        limits=_HUNDRED,
        source=_keys,
        filters=("owner_project_access",),
        whole={"owner_project_access": ["any"]},
    ),
    Listing(
        kind="rate_limit",
        path=_PROJECT + "/rate_limits",
        style=Paging.LAST_ID,
        limits=Limits(100, 100),
        source=lambda organization, ids, query: list(project_of(organization, ids).rate_limits.values()),
        filters=("before",),
        readable=False,
    ),
    Listing(
        kind="project_group",
        path=_PROJECT + "/groups",
        style=Paging.NEXT,
        limits=_GROUPS,
        source=lambda organization, ids, query: list(project_of(organization, ids).groups.values()),
        id_field="group_id",
        order="asc",
        params=("group_type",),
        detail=_group,
    ),
    Listing(
        kind="project_certificate",
        path=_PROJECT + "/certificates",
        style=Paging.LAST_ID,
        limits=_HUNDRED,
        source=lambda organization, ids, query: list(project_of(organization, ids).certificates.values()),
        scope="api.mtls.read",
        order="desc",
        readable=False,
    ),
    Listing(
        kind="project_spend_alert",
        path=_PROJECT + "/spend_alerts",
        style=Paging.LAST_ID,
        limits=_GROUPS,
        source=lambda organization, ids, query: list(project_of(organization, ids).spend_alerts.values()),
        order="asc",
        filters=("before",),
    ),
    Listing(
        kind="project_role",
        path="/projects/{project}/roles",
        style=Paging.NEXT,
        limits=_THOUSAND,
        source=lambda organization, ids, query: list(access.project_roles(project_of(organization, ids)).values()),
        order="asc",
    ),
    Listing(
        kind="project_user_role",
        path="/projects/{project}/users/{user}/roles",
        style=Paging.NEXT,
        limits=_THOUSAND,
        source=_user_roles,
        order="asc",
    ),
    Listing(
        kind="project_group_role",
        path="/projects/{project}/groups/{group}/roles",
        style=Paging.NEXT,
        limits=_THOUSAND,
        source=_group_roles,
        order="asc",
    ),
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *(endpoint for listing in _LISTINGS for endpoint in listing.endpoints()),
    setting(
        "project_data_retention",
        _PROJECT + "/data_retention",
        lambda organization, ids: project_of(organization, ids).data_retention,
    ),
    setting(
        "project_spend_limit",
        _PROJECT + "/spend_limit",
        lambda organization, ids: project_of(organization, ids).spend_limit,
    ),
    setting(
        "project_model_permissions",
        _PROJECT + "/model_permissions",
        lambda organization, ids: project_of(organization, ids).model_permissions,
    ),
    setting(
        "project_hosted_tool_permissions",
        _PROJECT + "/hosted_tool_permissions",
        lambda organization, ids: project_of(organization, ids).hosted_tools,
    ),
    setting(
        "project_service_tier_settings",
        _PROJECT + "/service_tier_settings",
        lambda organization, ids: project_of(organization, ids).service_tiers,
    ),
)
