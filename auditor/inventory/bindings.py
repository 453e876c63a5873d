"""Which roles are bound to which resources outside the API (connectors): only the tenant's stream shows it."""

from collections.abc import Sequence

from auditor.inventory.claims import Latest, claim, present, strings, target, time_of
from auditor.inventory.model import Collection, Record, Snapshot, Unknown
from auditor.inventory.schema import ROLE_BINDING
from auditor.inventory.streams import Log

EVENT_TYPES: Sequence[str] = ("role.bound_to_resource", "role.unbound_from_resource", "role.deleted")

_NO_EVENT = "no audit event has shown that a role is bound to a resource"
_TORN = "it was changed twice within one second"
_TEXTS = ("resource_type", "connector_id", "connector_name", "workspace_id", "source")


class Bindings:
    """Bindings by role and resource; events may come in any order."""

    def __init__(self) -> None:
        self._bound: dict[tuple[str, str], Latest] = {}
        self._first: int | None = None
        """When an event first told of any binding, in Unix seconds."""
        self._deleted: dict[str, int] = {}

    def take(self, event: Record) -> None:
        """One event; others than EVENT_TYPES say nothing."""
        fields, kind = event.fields, event.fields.get("type")
        if kind == "role.deleted":
            role = target(fields)
            if role:
                self._deleted[role] = max(self._deleted.get(role, -1), time_of(event))
        elif kind in EVENT_TYPES:
            key = (fields.get("payload.role_id"), fields.get("payload.resource_id"))
            if isinstance(key[0], str) and isinstance(key[1], str):
                value = _body(event, bound=kind == "role.bound_to_resource")
                said = claim(event, value)
                self._first = said.at if self._first is None else min(self._first, said.at)
                self._bound.setdefault((key[0], key[1]), Latest()).add(said)

    def collection(self, log: Log, roles: Snapshot) -> Collection:
        """A record for each binding of a role that was not deleted since; `roles` gives their names."""
        names = {record.id: record.name for record in roles.collection("role").records}
        standing = {key: each for key, each in self._bound.items() if each.at > self._deleted.get(key[0], -1)}
        records = tuple(_record(*key, each, log, names) for key, each in sorted(standing.items()))
        doubt = log.gap if self._first is None else log.doubt(self._first)
        unseen = "" if self._bound else _NO_EVENT
        return Collection(ROLE_BINDING, records, (doubt,) if doubt else (), unseen=unseen)


def _body(event: Record, *, bound: bool) -> dict[str, object]:
    found = {name: value for name, value in present(event.fields, *_TEXTS) if isinstance(value, str)}
    enabled = event.fields.get("payload.enabled")
    return {
        **found,
        "permissions": sorted(strings(event.fields.get("payload.permissions"))),
        "enabled": enabled if isinstance(enabled, bool) else bound,
    }


def _record(role: str, resource: str, latest: Latest, log: Log, names: dict[str, str]) -> Record:
    fields: dict[str, object] = {
        "id": f"{role}/{resource}",
        "role_id": role,
        "resource_id": resource,
        "seen_at": latest.at,
        "event": latest.event,
    }
    if role in names:
        fields["role_name"] = names[role]
    doubt = log.doubt(latest.at)
    if latest.torn or doubt:
        hidden = Unknown((doubt,) if doubt else (), why=doubt.reason if doubt else _TORN)
        fields |= {"permissions": hidden, "enabled": hidden}
    elif isinstance(latest.value, dict):
        fields |= latest.value
    return Record(ROLE_BINDING, (role, resource), fields)
