"""The audit log: events of both streams as the API words them, in the order they took effect."""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from auditor.simulator import wire
from auditor.simulator.dice import Dice

_TENANT_ONLY = frozenset({"role.bound_to_resource", "role.unbound_from_resource"})
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


def is_tenant_scoped(kind: str) -> bool:
    """Whether events of this type are shown only with `tenant_only=true`."""
    return kind.startswith("tenant.") or kind in _TENANT_ONLY


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: the body as the API words it, and what the list can be filtered by."""

    body: Mapping[str, object]
    ids: frozenset[str]
    """Of the person, the service account and the key; any of them finds the event."""
    email: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One event: what the list can be filtered by, and its JSON."""

    id: str
    type: str
    effective_at: int
    tenant: bool
    actor_ids: frozenset[str]
    actor_email: str | None
    project_id: str | None
    resource_ids: frozenset[str]
    raw: msgspec.Raw = field(repr=False)


def session(user: wire.User, ip: str) -> Actor:
    """A person in the dashboard."""
    place = {"country": "US", "city": "Example City", "region": "Example", "region_code": "EX", "asn": "64496",
             "latitude": "0.0", "longitude": "0.0"}  # fmt: skip
    person = {"id": user.id, "email": user.email or ""}
    body = {
        "type": "session",
        "session": {
            "user": person,
            "ip_address": ip,
            "user_agent": _AGENT,
            "ja3": "e7d705a3286e19ea42f587b344ee6865",
            "ja4": "t13d1516h2_8daaf6152771_02713d6af862",
            "ip_address_details": place,
        },
    }
    return Actor(body, frozenset({user.id}), user.email)


def admin_key(key: wire.AdminKey, email: str | None) -> Actor:
    """A program with an admin key; `email` of the person who holds it. Such actors have no address in the API."""
    holder: dict[str, object] = {"id": key.owner.id}
    if key.owner.type == "user":
        holder["email"] = email or ""
    body = {"type": "api_key", "api_key": {"id": key.id, "type": key.owner.type, key.owner.type: holder}}
    return Actor(body, frozenset({key.id, key.owner.id}), email)


class AuditLog:
    """Both streams of one organization. Events may be recorded in any order; they are kept in time order."""

    def __init__(self, seed: int, now: int) -> None:
        self._dice = Dice(seed, "audit log", now)
        self._events: list[Event] = []

    def record(
        self,
        kind: str,
        at: int,
        actor: Actor | None,
        payload: Mapping[str, object],
        *,
        project: wire.Project | None = None,
    ) -> Event:
        """Append an event of type `kind` that took effect at `at` (Unix seconds); the type decides the stream."""
        body: dict[str, object] = {"id": self._dice.ident("audit_log-", 24), "type": kind, "effective_at": at}
        if project:
            body["project"] = {"id": project.id, "name": project.name}
        if actor:
            body["actor"] = actor.body
        body[kind] = payload
        event = Event(
            id=str(body["id"]),
            type=kind,
            effective_at=at,
            tenant=is_tenant_scoped(kind),
            actor_ids=actor.ids if actor else frozenset(),
            actor_email=actor.email if actor else None,
            project_id=project.id if project else None,
            resource_ids=_targets(payload),
            raw=msgspec.Raw(msgspec.json.encode(body)),
        )
        bisect.insort(self._events, event, key=lambda known: known.effective_at)
        return event

    @property
    def events(self) -> Sequence[Event]:
        """A copy of all events of both streams, oldest first."""
        return list(self._events)

    def between(self, since: int, before: int) -> list[Event]:
        """Events with `since` <= effective_at < `before`, oldest first."""
        first = bisect.bisect_left(self._events, since, key=lambda event: event.effective_at)
        last = bisect.bisect_left(self._events, before, key=lambda event: event.effective_at)
        return self._events[first:last]


def _targets(payload: Mapping[str, object]) -> frozenset[str]:
    """Ids of the objects that an event is about."""
    ids = {payload.get(name) for name in ("id", "principal_id", "resource_id")}
    for name in ("configs", "certificates"):
        parts = payload.get(name)
        if isinstance(parts, list):
            ids.update(part.get("id") for part in parts)
    return frozenset(one for one in ids if isinstance(one, str))
