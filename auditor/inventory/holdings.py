"""What belongs to whom: keys of people and service accounts, projects of groups and invites, ends of loose ids."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from auditor.inventory.joins import Joined, Lookup, counted, listed, multimap, strings, unique, unsure
from auditor.inventory.model import Record, Snapshot, Unknown

_MEMBERS = ("project_user", "project_group")
_OF_ACCOUNT = ("service_account.exists", "service_account.name")


class Holdings:
    """Relations by id between kinds that do not lie below each other; one for each snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._look = look = Lookup(snapshot)
        self._projects = {record.id: record for record in look.records("project")}
        self._accounts = {record.ids: record for record in look.records("service_account")}
        self._providers = {record.id: record for record in look.records("workload_identity_provider")}
        self._mails = {each.casefold() for record in look.records("user") if (each := _text(record, "email"))}
        keys = look.records("project_api_key")
        self._keys_of_users = multimap((_text(key, "owner.user.id"), key) for key in keys)
        self._keys_in = multimap((key.ids[0], key) for key in keys)
        self._admin_keys = multimap((_text(key, "owner.id"), key) for key in look.records("admin_api_key"))
        self._memberships = {kind: multimap((each.id, each) for each in look.records(kind)) for kind in _MEMBERS}
        # Once a snapshot: there may be 50,000 keys and 20,000 users.
        self._hidden = {
            "project_api_key": unsure(keys, "owner.user.id"),
            "admin_api_key": unsure(look.records("admin_api_key"), "owner.id"),
            "user": unsure(look.records("user"), "email"),
            "project": unsure(look.records("project"), "external_key_id"),
        }
        self._bound = multimap((_text(each, "external_key_id"), each) for each in look.records("project"))

    def of(self, record: Record) -> Joined:
        """The relations of one record, empty for kinds that have none here."""
        relate = _RELATE.get(record.kind)
        return relate(self, record) if relate else {}

    def user(self, record: Record) -> Joined:
        """Projects of which a person is a direct member or owner, and how many keys belong to the person."""
        there = self._memberships["project_user"].get(record.id, ())
        gaps = self._look.gaps("project_user")
        owned = [each for each in there if each.fields.get("role") == "owner"]
        return {
            "projects": listed(self._named(there), gaps),
            "owned_projects": listed(self._named(owned), gaps, unsure(there, "role")),
            "keys": self._number(self._keys_of_users.get(record.id, ()), "project_api_key"),
            "admin_keys": self._number(self._admin_keys.get(record.id, ()), "admin_api_key"),
        }

    def group(self, record: Record) -> Joined:
        """Projects that a group has access to."""
        return {"projects": listed(self._named(self._memberships["project_group"].get(record.id, ())),
                                   self._look.gaps("project_group"))}  # fmt: skip

    def project(self, record: Record) -> Joined:
        """How many keys are in it."""
        return {"keys": counted(len(self._keys_in.get(record.id, ())), self._look.gaps("project_api_key", record.ids))}

    def federation_rule(self, record: Record) -> Joined:
        """Whether its service account exists, and what became of its project and its provider."""
        provider = self._providers.get(record.ids[0])
        account, project = record.fields.get("service_account_id"), record.fields.get("project_id")
        found: dict[str, object] = {**self._project(project)}
        if provider:
            found |= {"provider.name": provider.name, "provider.enabled": provider.fields.get("enabled")}
        hidden = unsure((record,), "service_account_id", "project_id")
        if hidden or not (isinstance(account, str) and isinstance(project, str)):
            return found | (dict.fromkeys(_OF_ACCOUNT, hidden) if hidden else {})
        there = self._accounts.get((project, account))
        # Archived projects have no list of service accounts, so nothing in them exists any more.
        gaps = self._look.gaps("service_account", (project,)) if there is None else ()
        if gaps:
            return found | dict.fromkeys(_OF_ACCOUNT, Unknown(gaps))
        found["service_account.exists"] = there is not None
        return found | ({"service_account.name": there.name} if there else {})

    def invite(self, record: Record) -> Joined:
        """Names of the projects that it leads to."""
        ids = record.fields.get("projects.id")
        names = [self._projects[each].name if each in self._projects else each for each in strings(ids)]
        if ids is None:
            return {}
        gaps = () if self._projects.keys() >= set(strings(ids)) else self._look.gaps("project")
        return {"projects.name": listed(names, gaps, ids if isinstance(ids, Unknown) else None)}

    def external_key(self, record: Record) -> Joined:
        """Names of the projects that are bound to it."""
        told = record.fields.get("api_project_ids")
        names = [each.name for each in self._bound.get(record.id, ())]
        names += [self._projects[each].name if each in self._projects else each for each in strings(told)]
        hidden = told if isinstance(told, Unknown) else self._hidden["project"]
        return {"projects": listed(unique(names), self._look.gaps("project"), hidden)}

    def external_storage(self, record: Record) -> Joined:
        """Name and status of its project."""
        return self._project(record.fields.get("project_id"))

    def spend_alert(self, record: Record) -> Joined:
        """`outsiders`: recipients that are no member of the organization."""
        told = record.fields.get("notification_channel.recipients")
        strange = [each for each in strings(told) if each.casefold() not in self._mails]
        gaps = self._look.gaps("user")
        hidden = told if isinstance(told, Unknown) else self._hidden["user"]
        if strange and (gaps or hidden):
            # Whoever was not seen may be one of them.
            return {"outsiders": Unknown(gaps + (hidden.gaps if hidden else ()), why=hidden.why if hidden else "")}
        return {"outsiders": listed(strange, (), told if isinstance(told, Unknown) else None)}

    def _project(self, identity: object) -> Joined:
        if not isinstance(identity, str):
            return {name: identity for name in ("project.name", "project.status") if isinstance(identity, Unknown)}
        project = self._projects.get(identity)
        if project is None:
            gaps = self._look.gaps("project")
            return dict.fromkeys(("project.name", "project.status"), Unknown(gaps)) if gaps else {}
        return {"project.name": project.name, "project.status": project.fields.get("status")}

    def _named(self, below: Iterable[Record]) -> list[str]:
        """Names of the projects that these lie in."""
        projects = (each.ids[0] for each in below)
        return unique(self._projects[each].name if each in self._projects else each for each in projects)

    def _number(self, found: Sequence[Record], kind: str) -> object:
        return counted(len(found), self._look.gaps(kind), self._hidden[kind])


def _text(record: Record, name: str) -> str:
    value = record.fields.get(name)
    return value if isinstance(value, str) else ""


_RELATE: Mapping[str, Callable[[Holdings, Record], Joined]] = {
    "user": Holdings.user,
    "group": Holdings.group,
    "project": Holdings.project,
    "federation_rule": Holdings.federation_rule,
    "invite": Holdings.invite,
    "external_key": Holdings.external_key,
    "external_storage": Holdings.external_storage,
    "spend_alert": Holdings.spend_alert,
    "project_spend_alert": Holdings.spend_alert,
}

KINDS = frozenset(_RELATE)
"""Kinds that have relations here."""
