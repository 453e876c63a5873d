"""Settings that no endpoint shows, folded from audit events. No event yet means unknown, never off and never a pass."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from auditor.inventory.model import Collection, Fields, Gap, Record, Snapshot, Unknown
from auditor.inventory.schema import IP_ALLOWLIST, SETTINGS
from auditor.terms import Status

EVENT_TYPES: tuple[str, ...] = (
    "ip_allowlist.created",
    "ip_allowlist.updated",
    "ip_allowlist.deleted",
    "ip_allowlist.config.activated",
    "ip_allowlist.config.deactivated",
    "organization.updated",
    "scim.enabled",
    "scim.disabled",
)
"""The events that `fold` needs; others change no setting."""

_ORGANIZATION = ("title", "description", "api_call_logging", "threads_ui_visibility", "usage_dashboard_visibility")
_NO_EVENT = "no audit event has shown this setting yet; the API has no other place to read it"


def fold(snapshot: Snapshot, events: Iterable[Record], log_gap: Gap | None) -> Snapshot:
    """The snapshot with the kinds `ip_allowlist` and `organization_settings`, as the events left them.

    `events` are records of EVENT_TYPES in any order. `log_gap` is set when the audit log cannot be read now: what
    older events showed may no longer hold, so nothing is complete.
    """
    ordered = sorted(events, key=lambda event: (_time(event), event.id))
    gaps = (log_gap,) if log_gap else ()
    folded = {IP_ALLOWLIST: _allowlists(ordered, gaps), SETTINGS: _organization(ordered, gaps)}
    return replace(snapshot, collections={**snapshot.collections, **folded})


def gap_of(reason: str, hint: str, *, refused: bool) -> Gap:
    """The gap that an unreadable audit log leaves."""
    return Gap("audit_event", (), Status.REFUSED if refused else Status.FAILED, reason, hint)


def _time(event: Record) -> int:
    at = event.fields.get("effective_at")
    return at if isinstance(at, int) else 0


def _allowlists(events: Iterable[Record], gaps: tuple[Gap, ...]) -> Collection:
    """Every allowlist that events have shown and none deleted. `changes_requested` and its kin hold requests."""
    lists: dict[str, dict[str, object]] = {}
    shown = False
    for event in events:
        change = _ALLOWLIST_CHANGES.get(str(event.fields.get("type")))
        if change:
            shown = True
            change(lists, event)
    records = tuple(Record(IP_ALLOWLIST, (key,), fields) for key, fields in sorted(lists.items()))
    return Collection(IP_ALLOWLIST, records, gaps, unseen="" if shown else _NO_EVENT)


def _entry(lists: dict[str, dict[str, object]], key: str, event: Record) -> dict[str, object]:
    """The allowlist `key`; one that first shows up in a later event has entries that nobody has seen."""
    hidden = Unknown(why="this allowlist is older than the audit log")
    entry = lists.setdefault(key, {"id": key, "active": hidden, "allowed_ips": hidden})
    entry |= {"seen_at": _time(event), "event": event.id}
    return entry


def _created(lists: dict[str, dict[str, object]], event: Record) -> None:
    key = event.fields.get("payload.id")
    if isinstance(key, str):
        # A new list is not in force before it is activated; events of one second come in no certain order.
        before = lists.get(key)
        switched = before is not None and before["seen_at"] == _time(event) and isinstance(before["active"], bool)
        entry = _entry(lists, key, event) | ({} if switched else {"active": False})
        lists[key] = entry | _present(event.fields, "name", "allowed_ips")


def _updated(lists: dict[str, dict[str, object]], event: Record) -> None:
    key = event.fields.get("payload.id")
    if isinstance(key, str):
        lists[key] = _entry(lists, key, event) | _present(event.fields, "allowed_ips")


def _deleted(lists: dict[str, dict[str, object]], event: Record) -> None:
    lists.pop(str(event.fields.get("payload.id")), None)


def _switched(active: bool) -> Callable[[dict[str, dict[str, object]], Record], None]:
    def change(lists: dict[str, dict[str, object]], event: Record) -> None:
        keys, names = event.fields.get("payload.configs.id"), event.fields.get("payload.configs.name")
        keys = keys if isinstance(keys, list) else []
        names = names if isinstance(names, list) and len(names) == len(keys) else [None] * len(keys)
        for key, name in zip(keys, names, strict=True):
            if isinstance(key, str):
                before = lists.get(key)
                torn = (
                    before is not None and before.get("switched_at") == _time(event) and before["active"] is not active
                )
                entry = _entry(lists, key, event)
                entry["active"] = Unknown(why="it was switched on and off within one second") if torn else active
                entry["switched_at"] = _time(event)
                if isinstance(name, str):
                    entry["name"] = name

    return change


_ALLOWLIST_CHANGES: Mapping[str, Callable[[dict[str, dict[str, object]], Record], None]] = {
    "ip_allowlist.created": _created,
    "ip_allowlist.updated": _updated,
    "ip_allowlist.deleted": _deleted,
    "ip_allowlist.config.activated": _switched(True),
    "ip_allowlist.config.deactivated": _switched(False),
}


def _present(fields: Fields, *names: str) -> dict[str, object]:
    return {name: fields[f"payload.{name}"] for name in names if f"payload.{name}" in fields}


def _organization(events: Iterable[Record], gaps: tuple[Gap, ...]) -> Collection:
    """One record: each setting as the last event that named it left it, else Unknown; all Unknown behind a gap."""
    hidden = Unknown(gaps, why=_NO_EVENT)
    fields: dict[str, object] = {"id": "organization", "scim_enabled": hidden}
    fields |= dict.fromkeys((*_ORGANIZATION, "api_call_logging_project_ids"), hidden)
    for event in events:
        kind = event.fields.get("type")
        if kind in {"scim.enabled", "scim.disabled"}:
            fields["scim_enabled"] = kind == "scim.enabled"
        elif kind == "organization.updated":
            for name in (*_ORGANIZATION, "api_call_logging_project_ids"):
                if f"payload.changes_requested.{name}" in event.fields:
                    fields[name] = event.fields[f"payload.changes_requested.{name}"]
    if gaps:
        fields = {name: value if name == "id" else hidden for name, value in fields.items()}
    return Collection(SETTINGS, (Record(SETTINGS, ("organization",), fields),), gaps)
