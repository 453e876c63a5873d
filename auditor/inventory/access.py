"""Who may do what, and why: roles with their source, direct or through groups, in organization and projects."""

from collections.abc import Callable, Iterable, Mapping

from auditor.inventory.joins import Joined, Lookup, listed, multimap, strings, unique, unsure
from auditor.inventory.model import Gap, Record, Snapshot, Unknown

_NO_SOURCES = "the API does not say where the role comes from"


class Access:
    """Relations about roles; one for each snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._look = look = Lookup(snapshot)
        self._group_names = {record.id: record.name for record in look.records("group")}
        self._members = multimap((member.ids[0], member.name) for member in look.records("group_member"))
        self._groups = multimap((member.id, member.ids[0]) for member in look.records("group_member"))
        self._assigned = {
            kind: multimap((record.ids[:-1], record) for record in look.records(kind))
            for kind in ("user_role", "project_user_role", "project_group_role")
        }
        self._in_project = multimap((record.ids[0], record) for record in look.records("project_user"))
        self._project_groups = multimap((record.ids[0], record) for record in look.records("project_group"))

    def of(self, record: Record) -> Joined:
        """The relations of one record, empty for kinds that have none here."""
        relate = _RELATE.get(record.kind)
        return relate(self, record) if relate else {}

    def user(self, record: Record) -> Joined:
        """`direct_roles` and `role_groups`: what a person has as such, and through which groups the rest comes."""
        roles = self._assigned["user_role"].get(record.ids, ())
        return self._sources(roles, record.id, self._look.gaps("user_role", record.ids))

    def project_user(self, record: Record) -> Joined:
        """Roles in the project, as the API lists them and those of every group that the person is in."""
        own = self._assigned["project_user_role"].get(record.ids, ())
        project = record.ids[0]
        there = [
            group
            for group in self._groups.get(record.id, ())
            if self._assigned["project_group_role"].get((project, group))
        ]
        through = [(group, role) for group in there for role in self._assigned["project_group_role"][project, group]]
        gaps = self._look.gaps("project_user_role", record.ids)
        behind = self._look.gaps("group_member") + self._unread(project, self._groups.get(record.id, ()))
        sources = self._sources(own, record.id, gaps)
        groups = [self._group_names.get(group, group) for group in there]
        return {
            **_rights([*own, *(role for _, role in through)], gaps + behind),
            "direct_roles": sources["direct_roles"],
            "role_groups": _and(sources["role_groups"], groups, behind),
        }

    def project_group(self, record: Record) -> Joined:
        """What a group may do in a project, and who is in it."""
        roles = self._assigned["project_group_role"].get(record.ids, ())
        members = listed(self._members.get(record.id, ()), self._look.gaps("group_member", (record.id,)))
        return {**_rights(roles, self._look.gaps("project_group_role", record.ids)), "members": members}

    def project(self, record: Record) -> Joined:
        """`groups` with access, and `effective_owners`: direct ones, and the members of groups that own it."""
        people, groups = self._in_project.get(record.id, ()), self._project_groups.get(record.id, ())
        owning = [group for group in groups if "owner" in self._names(group)]
        owners = [each.name for each in people if each.fields.get("role") == "owner"]
        owners += [name for group in owning for name in self._members.get(group.id, ())]
        gaps = self._look.gaps("project_user", record.ids) + self._look.gaps("project_group", record.ids)
        gaps += self._unread(record.id, [group.id for group in groups])
        gaps += tuple(gap for group in owning for gap in self._look.gaps("group_member", (group.id,)))
        return {
            "groups": listed([group.name for group in groups], self._look.gaps("project_group", record.ids)),
            "effective_owners": listed(unique(owners), tuple(dict.fromkeys(gaps)), unsure(people, "role")),
        }

    def _unread(self, project: str, groups: Iterable[str]) -> tuple[Gap, ...]:
        """What hides the roles in a project of any of `groups`: they are listed for each group alone."""
        found = (gap for group in groups for gap in self._look.gaps("project_group_role", (project, group)))
        return tuple(dict.fromkeys((*self._look.gaps("project_group_role", (project,)), *found)))

    def _names(self, group: Record) -> list[str]:
        return [role.name for role in self._assigned["project_group_role"].get(group.ids, ())]

    def _sources(self, roles: Iterable[Record], principal: str, gaps: tuple[Gap, ...]) -> dict[str, object]:
        direct, groups = [], []
        hidden: Unknown | None = None
        unnamed = False
        for role in roles:
            sources = role.fields.get("assignment_sources")
            if not isinstance(sources, list):
                hidden = sources if isinstance(sources, Unknown) else Unknown(why=_NO_SOURCES)
                continue
            ids = _principals(sources)
            through = [each for each in ids if each != principal]
            groups += [self._group_names.get(each, each) for each in through]
            unnamed = unnamed or not self._group_names.keys() >= set(through)
            if not ids or principal in ids:
                direct.append(role.name)
        return {
            "direct_roles": listed(unique(direct), gaps, hidden),
            "role_groups": listed(unique(groups), gaps + (self._look.gaps("group") if unnamed else ()), hidden),
        }


def _principals(sources: list[object]) -> list[str]:
    found = (each.get("principal_id") for each in sources if isinstance(each, Mapping))
    return [each for each in found if isinstance(each, str)]


def _rights(roles: Iterable[Record], gaps: tuple[Gap, ...]) -> Joined:
    roles = tuple(roles)
    permissions = unique(each for role in roles for each in strings(role.fields.get("permissions")))
    return {
        "roles": listed(unique(role.name for role in roles), gaps, unsure(roles, "name")),
        "permissions": listed(permissions, gaps, unsure(roles, "permissions")),
    }


def _and(known: object, more: Iterable[str], gaps: tuple[Gap, ...]) -> object:
    """A list of relations with more in it, and more that may hide some."""
    if isinstance(known, Unknown):
        return Unknown(known.gaps + gaps, tuple(dict.fromkeys((*known.known, *more))), known.why)
    return listed(unique((*strings(known), *more)), gaps)


_RELATE: Mapping[str, Callable[[Access, Record], Joined]] = {
    "user": Access.user,
    "project_user": Access.project_user,
    "project_group": Access.project_group,
    "project": Access.project,
}

KINDS = frozenset(_RELATE)
"""Kinds that have relations here."""
