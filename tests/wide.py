"""An organization with six of everything in one place, so that every list has three pages of two."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from organization import NOW, small

from auditor.simulator import access, auditlog, settings
from auditor.simulator.auditlog import AuditLog
from auditor.simulator.model import Grant, Group, Organization, Project, Provider

SIX = 6
T = TypeVar("T", bound=msgspec.Struct)


def wide(events: int = 12) -> Organization:
    """Six users, groups, roles, keys and so on; one project that is active, with six of each; `events` a stream."""
    organization = small()
    organization.users = dict(list(organization.users.items())[:SIX])
    organization.invites = six(organization.invites)
    organization.admin_api_keys = six(organization.admin_api_keys)
    organization.certificates = six(organization.certificates)
    organization.custom_roles = six(organization.custom_roles, SIX - 2)
    organization.spend_alerts = six(organization.spend_alerts)
    organization.external_keys = six(organization.external_keys)
    organization.external_storage = six(organization.external_storage)
    _providers(organization)
    organization.projects = dict(list(organization.projects.items())[:SIX])
    organization.user_grants.clear()
    _group(organization)
    for project in list(organization.projects.values())[1:]:
        project.record.status = "archived"
    _fill(organization, next(iter(organization.projects.values())))
    organization.log = _log(organization, events)
    return organization


def six(parts: Mapping[str, T], count: int = SIX) -> dict[str, T]:
    """`count` of `parts`, by copies under other ids where there are too few."""
    found = dict(list(parts.items())[:count])
    model: Any = next(iter(parts.values()))
    for number in range(len(found), count):
        copy = msgspec.structs.replace(model, id=f"{model.id}-{number}")
        found[copy.id] = copy
    return found


def _providers(organization: Organization) -> None:
    """The first has six rules, the others the one of the model."""
    first = next(iter(organization.providers.values()))
    records = six({first.record.id: first.record})
    organization.providers = {id_: Provider(each, dict(first.rules)) for id_, each in records.items()}
    organization.providers[first.record.id].rules = six(first.rules)


def _group(organization: Organization) -> None:
    """Everybody is in the first group, which carries every role; the others are empty."""
    record = next(iter(organization.groups.values())).record
    records = six({record.id: record})
    organization.groups = {id_: Group(each) for id_, each in records.items()}
    first = organization.groups[record.id]
    first.members = {user.id: user.added_at for user in organization.users.values()}
    by = next(iter(organization.users))
    first.grants = [Grant(role, NOW - 999, by) for role in access.organization_roles(organization)]


def _fill(organization: Organization, project: Project) -> None:
    by = next(iter(organization.users))
    member = next(iter(project.users.values()))
    project.users = {id_: msgspec.structs.replace(member, id=id_) for id_ in organization.users}
    project.service_accounts = six(project.service_accounts)
    project.api_keys = six(project.api_keys)
    project.rate_limits = six(project.rate_limits)
    project.certificates = six(organization.certificates)
    role = next(iter(organization.custom_roles.values()))
    project.spend_alerts = six(organization.spend_alerts)
    assert organization.spend_limit
    project.spend_limit = msgspec.structs.replace(organization.spend_limit, object="project.spend_limit")
    project.model_permissions = settings.ModelPermissions(mode="allow_list", model_ids=["model-1"])
    project.custom_roles = six({role.id: msgspec.structs.replace(role, resource_type="api.project")}, SIX - 3)
    group = next(iter(project.groups.values()))
    project.groups = {id_: msgspec.structs.replace(group, group_id=id_) for id_ in organization.groups}
    first = next(iter(organization.groups))
    project.user_grants.clear()
    project.group_grants = {first: [Grant(role, NOW - 999, by) for role in access.project_roles(project)]}


def _log(organization: Organization, events: int) -> AuditLog:
    log = AuditLog(organization.seed, NOW)
    actor = auditlog.session(next(iter(organization.users.values())), "192.0.2.1")
    for number in range(events):
        at = NOW - 60 * (events - number)
        log.record("login.failed", at, actor, {"error_code": "invalid", "error_message": f"number {number}"})
        log.record("role.bound_to_resource", at, actor, {"id": f"role_{number}", "resource_id": "res_1"})
    return log
