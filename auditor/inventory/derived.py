"""What is counted or compared between resources, once a snapshot, so that policies stay one-liners: `key_count`."""

from collections import defaultdict
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from functools import cached_property

from auditor.inventory.joins import listed, unsure
from auditor.inventory.model import Gap, Record, Scope, Snapshot, Unknown, enriched

Derived = Mapping[str, object]

DAY = 86_400


JOINED: Mapping[str, frozenset[str]] = {"service_account": frozenset({"project_api_key"})}
"""Kinds to others whose joined fields are looked at."""


def derive(snapshot: Snapshot, kinds: Container[str] | None = None) -> Snapshot:
    """The joined snapshot with the fields of `schema.DERIVED` on every record, or on those of some `kinds` alone.

    What a gap may change is Unknown.
    """
    seen = _Seen(snapshot)
    collections = {
        kind: replace(collection, records=tuple(_with(record, _DERIVE[kind](record, seen)) for record in records))
        if kind in _DERIVE and (kinds is None or kind in kinds) and (records := collection.records)
        else collection
        for kind, collection in snapshot.collections.items()
    }
    return replace(snapshot, collections=collections)


def _with(record: Record, more: Derived) -> Record:
    known = {name: value for name, value in more.items() if value is not None}
    return enriched(record, known)


class _Seen:
    """Look-ups over a whole snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._below: dict[str, Mapping[Scope, list[Record]]] = {}
        self._gaps: dict[str, Mapping[Scope, list[Gap]]] = {}

    def records(self, kind: str) -> tuple[Record, ...]:
        return self.snapshot.collection(kind).records

    def below(self, kind: str, scope: Scope) -> list[Record]:
        """The records of a kind whose parents are `scope`."""
        if kind not in self._below:
            index: dict[Scope, list[Record]] = defaultdict(list)
            for record in self.records(kind):
                index[record.ids[:-1]].append(record)
            self._below[kind] = index
        return self._below[kind].get(scope, [])

    def gaps(self, *kinds: str, scope: Scope = ()) -> tuple[Gap, ...]:
        """Gaps of these kinds that may hide something within `scope`, or, without one, anything."""
        found = [gap for kind in kinds for gap in self._gaps_near(kind, scope)]
        # One of a deeper scope lies within, one of a shorter scope hides it whole.
        return tuple(gap for gap in found if all(a == b for a, b in zip(gap.scope, scope, strict=False)))

    def _gaps_near(self, kind: str, scope: Scope) -> list[Gap]:
        """Gaps of the same project or of the whole organization: where each project is refused there are very many."""
        if not scope:
            return list(self.snapshot.collection(kind).gaps)
        if kind not in self._gaps:
            index: dict[Scope, list[Gap]] = defaultdict(list)
            for gap in self.snapshot.collection(kind).gaps:
                index[gap.scope[:1]].append(gap)
            self._gaps[kind] = index
        return [*self._gaps[kind].get((), ()), *self._gaps[kind].get(scope[:1], ())]

    def setting(self, kind: str, project: str, field: str) -> object:
        """A field of the only record of a kind in a project; None where it is not set."""
        found = self.below(kind, (project,))
        if found:
            return found[0].fields.get(field)
        gaps = self.gaps(kind, scope=(project,))
        return Unknown(gaps) if gaps else None

    @cached_property
    def keys(self) -> Mapping[tuple[str, object], list[Record]]:
        """Project and owner to the keys that are not past their end."""
        found: dict[tuple[str, object], list[Record]] = defaultdict(list)
        for key in self.records("project_api_key"):
            end, owner = key.fields.get("expires_at"), key.fields.get("owner.id")
            if isinstance(owner, str) and not (isinstance(end, int) and end <= self.snapshot.taken_at):
                found[key.ids[0], owner].append(key)
        return found

    def hidden_keys(self, project: str) -> Unknown | None:
        """Why not every key of an owner in a project was seen, None when all were."""
        gaps = self.gaps("project_api_key", scope=(project,))
        return Unknown(gaps) if gaps else unsure(self.below("project_api_key", (project,)), "owner.id")

    @cached_property
    def scim_in_use(self) -> object:
        """Whether SCIM manages any user or group."""
        everybody = (*self.records("user"), *self.records("group"))
        if any(record.fields.get("is_scim_managed") is True for record in everybody):
            return True
        gaps = self.gaps("user", "group")
        return Unknown(gaps) if gaps else False

    @cached_property
    def groups_in_use(self) -> object:
        """Whether any group has a member."""
        gaps = self.gaps("group", "group_member")
        return bool(self.records("group_member")) or (Unknown(gaps) if gaps else False)

    @cached_property
    def holders(self) -> Mapping[Scope, list[str]]:
        """Role, below its project if it is one of a project, to whom it is assigned."""
        names = {record.id: record.name for kind in ("user", "group", "project_user") for record in self.records(kind)}
        names |= {record.id: record.name for record in self.records("project_group")}
        found: dict[Scope, list[str]] = defaultdict(list)
        for kind in ("user_role", "group_role", "project_user_role", "project_group_role"):
            for record in self.records(kind):
                *project, principal, role = record.ids
                found[(*project, role)].append(names.get(principal, principal))
        return found


def _count(value: object) -> object:
    """How many are in a list; Unknown when a part of it is hidden."""
    return len(value) if isinstance(value, list) else value


def _user(_record: Record, seen: _Seen) -> Derived:
    return {"scim_in_use": seen.scim_in_use, "groups_in_use": seen.groups_in_use}


def _group(record: Record, _seen: _Seen) -> Derived:
    return {"member_count": _count(record.fields.get("members"))}


def _role(record: Record, seen: _Seen) -> Derived:
    below = "project_" if len(record.ids) > 1 else ""
    gaps = seen.gaps(f"{below}user_role", f"{below}group_role", scope=record.ids[:-1])
    return {"holders": listed(seen.holders.get(record.ids, ()), gaps)}


def _project(record: Record, seen: _Seen) -> Derived:
    here = (record.id,)
    certificates = [each.name for each in seen.below("project_certificate", here) if each.fields.get("active") is True]
    limits = [each.fields.get("max_requests_per_1_minute") for each in seen.below("rate_limit", here)]
    hidden = seen.gaps("rate_limit", scope=here)
    return {
        "owner_count": _count(record.fields.get("owners")),
        "spend_limit": seen.setting("project_spend_limit", record.id, "threshold_amount"),
        "model_mode": seen.setting("project_model_permissions", record.id, "mode"),
        "active_certificates": listed(certificates, seen.gaps("project_certificate", scope=here)),
        "highest_requests_per_1_minute": Unknown(hidden)
        if hidden
        else max((each for each in limits if isinstance(each, int)), default=None),
    }


def _project_key(record: Record, seen: _Seen) -> Derived:
    """How many keys of the same owner in the project are newer, and when the next one was made."""
    owner, born = record.fields.get("owner.id"), record.fields.get("created_at")
    hidden = unsure((record,), "created_at") or seen.hidden_keys(record.ids[0])
    if hidden:
        return {"owner.newer_keys": hidden, "owner.next_key_at": hidden}
    keys = ((key.fields.get("created_at"), key.id) for key in seen.keys.get((record.ids[0], owner), ()))
    # Two of one second have an order, too, so that each number of newer keys comes once.
    newer = [at for at, key in keys if isinstance(at, int) and isinstance(born, int) and (at, key) > (born, record.id)]
    return {"owner.newer_keys": len(newer), "owner.next_key_at": min(newer, default=None)}


def _service_account(record: Record, seen: _Seen) -> Derived:
    keys = seen.keys.get((record.ids[0], record.id), [])
    used = [key.fields.get("last_used_at") for key in keys]
    unseen = seen.hidden_keys(record.ids[0])
    rules = [each for each in seen.records("federation_rule") if each.fields.get("service_account_id") == record.id]
    federated: object = any(each.fields.get("enabled") is not False for each in rules)
    hidden = seen.gaps("federation_rule")
    return {
        "key_count": unseen or len(keys),
        "key_last_used_at": unseen
        or unsure(keys, "last_used_at")
        or max((each for each in used if isinstance(each, int)), default=None),
        "federated": Unknown(hidden) if hidden and not federated else federated,
    }


def _spend_limit(record: Record, seen: _Seen) -> Derived:
    scope = record.ids[:-1]
    kind = "project_spend_alert" if scope else "spend_alert"
    limit, gaps = record.fields.get("threshold_amount"), seen.gaps(kind, scope=scope)
    amounts = [each.fields.get("threshold_amount") for each in seen.below(kind, scope)]
    lower = [each for each in amounts if isinstance(each, int) and isinstance(limit, int) and each < limit]
    unsure = limit if isinstance(limit, Unknown) else Unknown(gaps) if gaps and not lower else None
    return {"alerts_below": unsure or len(lower)}


def _certificate(record: Record, _seen: _Seen) -> Derived:
    start, end = record.fields.get("valid_at"), record.fields.get("expires_at")
    if isinstance(start, int) and isinstance(end, int):
        return {"lifetime_days": (end - start) // DAY}
    return {"lifetime_days": unsure((record,), "valid_at", "expires_at")}


def _federation_rule(record: Record, _seen: _Seen) -> Derived:
    matchers = record.fields.get("attribute_matchers")
    written = [f"{name}={value}" for name, value in matchers.items()] if isinstance(matchers, dict) else []
    return {
        "matchers": matchers if isinstance(matchers, Unknown) else written,
        "matcher_count": matchers if isinstance(matchers, Unknown) else len(written),
    }


_DERIVE: Mapping[str, Callable[[Record, _Seen], Derived]] = {
    "user": _user,
    "group": _group,
    "role": _role,
    "project_role": _role,
    "project": _project,
    "project_api_key": _project_key,
    "service_account": _service_account,
    "certificate": _certificate,
    "spend_limit": _spend_limit,
    "project_spend_limit": _spend_limit,
    "federation_rule": _federation_rule,
}
