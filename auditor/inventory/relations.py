"""Joining what belongs together, once a snapshot, so that policies stay one-liners: `owner.groups`, `project.name`."""

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property

from auditor.inventory import access, holdings
from auditor.inventory.access import Access
from auditor.inventory.holdings import Holdings
from auditor.inventory.joins import Joined, Lookup, listed, multimap, strings, unsure
from auditor.inventory.model import Record, Scope, Snapshot, Unknown, enriched
from auditor.inventory.schema import ancestors


def join(snapshot: Snapshot, kinds: Container[str] | None = None) -> Snapshot:
    """The snapshot with the relation fields of `schema.RELATIONS` on every record, or on those of some `kinds` alone.

    A relation behind a gap is Unknown, with the elements that were seen all the same.
    """
    index = _Index(snapshot)
    collections = {
        kind: replace(collection, records=tuple(_joined(record, index) for record in collection.records))
        if kinds is None or kind in kinds
        else collection
        for kind, collection in snapshot.collections.items()
    }
    return replace(snapshot, collections=collections)


def _joined(record: Record, index: "_Index") -> Record:
    extra = dict(index.parents(record))
    relate = _RELATE.get(record.kind)
    if relate:
        extra |= relate(record, index)
    for other in index.others(record.kind):
        extra |= other.of(record)
    known = {name: value for name, value in extra.items() if value is not None}
    return enriched(record, known)


class _Index(Lookup):
    """Look-ups over a whole snapshot, each remembering the gaps that may hide the answer; made when first needed."""

    def others(self, kind: str) -> Iterator[Access | Holdings]:
        """Where there are more relations of a kind."""
        if kind in access.KINDS:
            yield self.access
        if kind in holdings.KINDS:
            yield self.holdings

    @cached_property
    def access(self) -> Access:
        return Access(self._snapshot)

    @cached_property
    def holdings(self) -> Holdings:
        return Holdings(self._snapshot)

    @cached_property
    def users(self) -> Mapping[str, Record]:
        return {record.id: record for record in self.records("user")}

    @cached_property
    def projects(self) -> Mapping[str, Record]:
        return {record.id: record for record in self.records("project")}

    @cached_property
    def groups(self) -> Mapping[str, list[str]]:
        names = {record.id: record.name for record in self.records("group")}
        members = self.records("group_member")
        return multimap((member.id, names.get(member.ids[0], member.ids[0])) for member in members)

    @cached_property
    def members(self) -> Mapping[str, list[str]]:
        return multimap((member.ids[0], member.name) for member in self.records("group_member"))

    @cached_property
    def service_accounts(self) -> Mapping[Scope, Record]:
        return {record.ids: record for record in self.records("service_account")}

    @cached_property
    def in_project(self) -> Mapping[str, list[Record]]:
        return multimap((record.ids[0], record) for record in self.records("project_user"))

    @cached_property
    def assigned(self) -> Mapping[str, Mapping[Scope, list[Record]]]:
        return {
            kind: multimap((record.ids[:-1], record) for record in self.records(kind))
            for kind in ("user_role", "group_role")
        }

    def parents(self, record: Record) -> Joined:
        """Ids of the parents, and the project's name and status."""
        kinds = ancestors(record.kind)
        found: dict[str, object] = {_below(kind, "id"): value for kind, value in zip(kinds, record.ids, strict=False)}
        if "project" in kinds:
            project = self.projects.get(record.ids[0])
            if project:
                found["project.name"] = project.fields.get("name")
                found["project.status"] = project.fields.get("status")
        return found

    def groups_of(self, user: str) -> object:
        """Names of the groups a user is a direct member of."""
        return listed(self.groups.get(user, ()), self.gaps("group") + self.gaps("group_member"))

    def roles_of(self, kind: str, principal: str) -> Joined:
        """`roles` (names) and `permissions` of a user or a group, direct and inherited as the API lists them."""
        records = self.assigned[kind].get((principal,), ())
        gaps = self.gaps(kind, (principal,))
        permissions = sorted({each for record in records for each in strings(record.fields.get("permissions"))})
        return {
            "roles": listed([record.name for record in records], gaps, unsure(records, "name")),
            "permissions": listed(permissions, gaps, unsure(records, "permissions")),
        }

    def person(self, user: str) -> Joined:
        """What is known of a user who owns something: membership, organization role, groups."""
        found = self.users.get(user)
        hidden = self.gaps("user")
        if found is None and hidden:
            unseen = Unknown(hidden)
            return {"is_member": unseen, "org_role": unseen, "email": unseen, "groups": self.groups_of(user)}
        return {
            "is_member": found is not None,
            "org_role": found.fields.get("role") if found else None,
            "groups": self.groups_of(user),
            "email": found.fields.get("email") if found else None,
        }

    def account(self, project: str, account: str) -> Joined:
        """What is known of a service account that owns something. It has no organization role and no groups."""
        hidden = self.gaps("service_account", (project,))
        known = (project, account) in self.service_accounts
        return {"is_member": Unknown(hidden) if hidden and not known else known}


def _user(record: Record, index: _Index) -> Joined:
    return {"groups": index.groups_of(record.id), **index.roles_of("user_role", record.id)}


def _group(record: Record, index: _Index) -> Joined:
    members = listed(index.members.get(record.id, ()), index.gaps("group_member", (record.id,)))
    return {"members": members, **index.roles_of("group_role", record.id)}


def _project(record: Record, index: _Index) -> Joined:
    people = index.in_project.get(record.id, ())
    gaps = index.gaps("project_user", (record.id,))
    owners = [person.name for person in people if person.fields.get("role") == "owner"]
    return {
        "owners": listed(owners, gaps, unsure(people, "role")),
        "members": listed([person.name for person in people], gaps),
    }


def _project_user(record: Record, index: _Index) -> Joined:
    person = index.person(record.id)
    return {name: person.get(name) for name in ("org_role", "is_member", "groups")}


def _admin_key(record: Record, index: _Index) -> Joined:
    owner = record.fields.get("owner.id")
    hidden = unsure((record,), "owner.id", "owner.type")
    if hidden:
        return _prefixed(dict.fromkeys(("email", "org_role", "groups", "is_member"), hidden))
    if not isinstance(owner, str) or record.fields.get("owner.type") == "service_account":
        return {}
    return _prefixed(index.person(owner))


def _project_key(record: Record, index: _Index) -> Joined:
    who = "user" if record.fields.get("owner.type") == "user" else "service_account"
    owner = {name: record.fields.get(f"owner.{who}.{name}") for name in ("id", "name", "email", "role")}
    hidden = unsure((record,), "owner.type", f"owner.{who}.id")
    if hidden:
        return _prefixed(dict.fromkeys((*owner, "org_role", "groups", "is_member"), hidden))
    if not isinstance(owner["id"], str):
        return _prefixed(owner)
    more = index.person(owner["id"]) if who == "user" else index.account(record.ids[0], owner["id"])
    return _prefixed({**more, **{name: value for name, value in owner.items() if value is not None}})


_RELATE: Mapping[str, Callable[[Record, _Index], Joined]] = {
    "user": _user,
    "group": _group,
    "project": _project,
    "project_user": _project_user,
    "admin_api_key": _admin_key,
    "project_api_key": _project_key,
}


def _prefixed(owner: Joined) -> Joined:
    return {_below("owner", name): value for name, value in owner.items() if value is not None}


@cache
def _below(place: str, name: str) -> str:
    """A dotted name, held once however many records have such a field."""
    return f"{place}.{name}"
