"""Which roles there are and who has them: predefined ones follow from the legacy role, the others from grants."""

from collections.abc import Iterable, Iterator, Sequence

from auditor.simulator import wire
from auditor.simulator.model import Grant, Group, Organization, Project

_READ = ["api.model.read", "api.organization.projects.read"]
_ORGANIZATION = {
    "owner": ["api.management.read", "api.management.write", "api.groups.read", "api.groups.write", "api.usage.read"],
    "reader": _READ,
}
_PROJECT = {
    "owner": [*_READ, "api.organization.projects.api_keys.read", "api.organization.projects.api_keys.write"],
    "member": [*_READ, "api.model.request"],
    "viewer": _READ,
}


def organization_role(organization: str, name: str) -> str:
    """Id of the predefined organization role `owner` or `reader`."""
    return f"role-api-organization-{name}__api-organization__{organization}"


def project_role(project: str, name: str) -> str:
    """Id of the predefined project role `owner`, `member` or `viewer`."""
    return f"role-api-project-{name}__api-project__{project}"


def organization_roles(organization: Organization) -> dict[str, wire.Role]:
    """Every role of the organization by id, predefined ones first."""
    predefined = (
        _predefined(organization_role(organization.id, name), name, permissions, "api.organization")
        for name, permissions in _ORGANIZATION.items()
    )
    return {role.id: role for role in predefined} | dict(organization.custom_roles)


def project_roles(project: Project) -> dict[str, wire.Role]:
    """Every role of a project by id, predefined ones first."""
    predefined = (
        _predefined(project_role(project.id, name), name, permissions, "api.project")
        for name, permissions in _PROJECT.items()
    )
    return {role.id: role for role in predefined} | dict(project.custom_roles)


def of_user(organization: Organization, user: wire.User) -> list[wire.AssignedRole]:
    """Roles of a person in the organization: own ones, and those inherited from groups, each role once."""
    legacy = Grant(organization_role(organization.id, user.role), user.added_at, user.id)
    groups = list(_groups_of(organization, user.id))
    inherited = [(grant, group.record.id) for group in groups for grant in group.grants]
    direct = list(organization.user_grants.get(user.id, ()))
    if legacy.role not in {grant.role for grant, _ in inherited}:
        direct.insert(0, legacy)
    return _merge(direct, inherited, organization_roles(organization))


def of_group(organization: Organization, group: Group) -> list[wire.AssignedRole]:
    """Roles that a group carries in the organization."""
    return _merge(group.grants, (), organization_roles(organization))


def of_project_user(organization: Organization, project: Project, member: wire.ProjectUser) -> list[wire.AssignedRole]:
    """Roles of a direct member of a project, those inherited from groups included."""
    legacy = Grant(project_role(project.id, member.role), member.added_at, member.id)
    inherited = [
        (grant, group.record.id)
        for group in _groups_of(organization, member.id)
        for grant in project.group_grants.get(group.record.id, ())
    ]
    return _merge([legacy, *project.user_grants.get(member.id, ())], inherited, project_roles(project))


def of_project_group(project: Project, group: str) -> list[wire.AssignedRole]:
    """Roles that a group carries in a project."""
    return _merge(project.group_grants.get(group, ()), (), project_roles(project))


def _groups_of(organization: Organization, user: str) -> Iterator[Group]:
    return (group for group in list(organization.groups.values()) if user in group.members)


def _merge(
    direct: Sequence[Grant], inherited: Iterable[tuple[Grant, str]], roles: dict[str, wire.Role]
) -> list[wire.AssignedRole]:
    """Each role once; the groups it is inherited from are its sources. A grant of a deleted role shows nothing."""
    grants = {grant.role: grant for grant in direct}
    sources: dict[str, list[wire.Source]] = {}
    for grant, group in inherited:
        grants.setdefault(grant.role, grant)
        sources.setdefault(grant.role, []).append(wire.Source(group, "group"))
    return [_assigned(roles[id_], grant, sources.get(id_, [])) for id_, grant in grants.items() if id_ in roles]


def _assigned(role: wire.Role, grant: Grant, sources: list[wire.Source]) -> wire.AssignedRole:
    return wire.AssignedRole(
        id=role.id,
        name=role.name,
        description=role.description,
        permissions=role.permissions,
        predefined_role=role.predefined_role,
        resource_type=role.resource_type,
        created_at=grant.granted_at,
        updated_at=grant.granted_at,
        created_by=grant.granted_by,
        metadata={},
        assignment_sources=sources,
    )


def _predefined(id_: str, name: str, permissions: list[str], resource_type: str) -> wire.Role:
    return wire.Role(
        id=id_,
        name=name,
        description=f"Predefined {name}",
        permissions=permissions,
        predefined_role=True,
        resource_type=resource_type,
    )
