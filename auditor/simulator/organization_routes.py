"""The endpoints of the organization: what each list holds, how it pages, and what is read by id."""

from collections.abc import Sequence
from typing import Any

from auditor.adminapi.resourcetypes import Paging
from auditor.simulator import access, eventquery, settings, wire
from auditor.simulator.certificates import detail_of
from auditor.simulator.endpoints import Endpoint, Ids, Listing, group_of, provider_of, setting
from auditor.simulator.model import Organization
from auditor.simulator.paging import Limits
from auditor.simulator.query import Query
from auditor.simulator.refusals import not_found

_GROUPS_READ = "api.groups.read"
_HUNDRED = Limits(20, 100)
_THOUSAND = Limits(1000, 1000, 0)
_GROUPS = Limits(100, 1000, 0)
_ALERTS = Limits(20, 100, 0)


def _users(organization: Organization, ids: Ids, query: Query) -> Sequence[wire.User]:
    emails = query.texts("emails")
    return [user for user in list(organization.users.values()) if not emails or user.email in emails]


def _user_roles(organization: Organization, ids: Ids, query: Query) -> Sequence[wire.AssignedRole]:
    user = organization.users.get(ids["user"])
    if user is None:
        raise not_found("user", ids["user"])
    return access.of_user(organization, user)


def _members(organization: Organization, ids: Ids, query: Query) -> Sequence[wire.User]:
    return [organization.users[id_] for id_ in list(group_of(organization, ids).members) if id_ in organization.users]


def _member(user: wire.User) -> wire.GroupMember:
    return wire.GroupMember(id=user.id, name=user.name or "", email=user.email)


def _member_details(user: wire.User, query: Query) -> wire.GroupMemberDetails:
    return wire.GroupMemberDetails(
        id=user.id,
        name=user.name or "",
        email=user.email,
        picture=user.user.picture,
        is_service_account=user.is_service_account,
    )


def _projects(organization: Organization, ids: Ids, query: Query) -> Sequence[wire.Project]:
    shown = {"active", "archived"} if query.flag("include_archived") else {"active"}
    records = [project.record for project in list(organization.projects.values())]
    return [record for record in records if record.status in shown]


def _external_keys(organization: Organization, ids: Ids, query: Query) -> Sequence[settings.ExternalKey]:
    purpose = query.choice("purpose", ("ekm", "psp_decryption"), "")
    return [key for key in list(organization.external_keys.values()) if not purpose or key.purpose == purpose]


def _external_storage(organization: Organization, ids: Ids, query: Query) -> Sequence[settings.ExternalStorage]:
    project = query.text("project_id")
    stores = list(organization.external_storage.values())
    return [storage for storage in stores if not project or storage.project_id == project]


def _rules(organization: Organization, ids: Ids, query: Query) -> Sequence[settings.FederationRule]:
    account = query.text("service_account_id")
    rules = list(provider_of(organization, ids).rules.values())
    return [rule for rule in rules if not account or rule.service_account_id == account]


_LISTINGS: tuple[Listing[Any], ...] = (
    Listing(
        kind="user",
        path="/organization/users",
        style=Paging.LAST_ID,
        limits=_HUNDRED,
        source=_users,
        filters=("emails",),
    ),
    Listing(
        kind="user_role",
        path="/organization/users/{user}/roles",
        style=Paging.NEXT,
        limits=_THOUSAND,
        source=_user_roles,
        order="asc",
    ),
    Listing(
        kind="invite",
        path="/organization/invites",
        style=Paging.LAST_ID,
        limits=_HUNDRED,
        source=lambda organization, ids, query: list(organization.invites.values()),
    ),
    Listing(
        kind="admin_api_key",
        path="/organization/admin_api_keys",
        style=Paging.LAST_ITEM,
        limits=_HUNDRED,
        source=lambda organization, ids, query: list(organization.admin_api_keys.values()),
        order="asc",
    ),
    Listing(
        kind="group",
        path="/organization/groups",
        style=Paging.NEXT,
        limits=_GROUPS,
        source=lambda organization, ids, query: [group.record for group in list(organization.groups.values())],
        scope=_GROUPS_READ,
        order="asc",
    ),
    Listing(
        kind="group_member",
        path="/organization/groups/{group}/users",
        style=Paging.NEXT,
        limits=_GROUPS,
        source=_members,
        scope=_GROUPS_READ,
        order="desc",
        show=_member,
        detail=_member_details,
    ),
    Listing(
        kind="group_role",
        path="/organization/groups/{group}/roles",
        style=Paging.NEXT,
        limits=_THOUSAND,
        source=lambda organization, ids, query: access.of_group(organization, group_of(organization, ids)),
        scope=_GROUPS_READ,
        order="asc",
    ),
    Listing(
        kind="role",
        path="/organization/roles",
        style=Paging.NEXT,
        limits=_THOUSAND,
        source=lambda organization, ids, query: list(access.organization_roles(organization).values()),
        order="asc",
    ),
    Listing(
        kind="certificate",
        path="/organization/certificates",
        style=Paging.LAST_ID,
        limits=_HUNDRED,
        source=lambda organization, ids, query: list(organization.certificates.values()),
        scope="api.mtls.read",
        order="desc",
        params=("include",),
        detail=detail_of,
    ),
    Listing(
        kind="project",
        path="/organization/projects",
        style=Paging.LAST_ID,
        limits=_HUNDRED,
        source=_projects,
        filters=("include_archived",),
        whole={"include_archived": ["true"]},
    ),
    Listing(
        kind="spend_alert",
        path="/organization/spend_alerts",
        style=Paging.LAST_ID,
        limits=_ALERTS,
        source=lambda organization, ids, query: list(organization.spend_alerts.values()),
        order="asc",
        filters=("before",),
    ),
    Listing(
        kind="external_key",
        path="/organization/external_keys",
        style=Paging.LAST_ITEM,
        limits=_ALERTS,
        source=_external_keys,
        order="asc",
        filters=("purpose",),
    ),
    Listing(
        kind="external_storage",
        path="/organization/external_storage",
        style=Paging.LAST_ITEM,
        limits=_HUNDRED,
        source=_external_storage,
        order="asc",
        filters=("project_id",),
    ),
    Listing(
        kind="workload_identity_provider",
        path="/organization/workload_identity_providers",
        style=Paging.LAST_ITEM,
        limits=_HUNDRED,
        source=lambda organization, ids, query: [part.record for part in list(organization.providers.values())],
        order="asc",
    ),
    Listing(
        kind="federation_rule",
        path="/organization/workload_identity_providers/{provider}/federation_rules",
        style=Paging.LAST_ITEM,
        limits=_HUNDRED,
        source=_rules,
        order="asc",
        filters=("service_account_id",),
    ),
    Listing(
        kind="audit_event",
        path="/organization/audit_logs",
        style=Paging.LAST_ID,
        limits=_HUNDRED,
        source=eventquery.events,
        scope="api.audit_logs.read",
        filters=eventquery.FILTERS,
        show=lambda event: event.raw,
        readable=False,
    ),
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *(endpoint for listing in _LISTINGS for endpoint in listing.endpoints()),
    setting("data_retention", "/organization/data_retention", lambda organization, ids: organization.data_retention),
    setting("spend_limit", "/organization/spend_limit", lambda organization, ids: organization.spend_limit),
)
