"""IP allowlists as audit events left them: entries, whether in force, and for what."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from auditor.inventory.claims import Claim, Latest, by_key, claim, present, project_of, target, time_of
from auditor.inventory.model import Collection, Fields, Record, Unknown
from auditor.inventory.schema import IP_ALLOWLIST
from auditor.inventory.streams import Log

ORGANIZATION, PROJECT = "organization", "project"

_OLDER = "this allowlist is older than the audit log"
_NO_EVENT = "no audit event has shown this setting yet; the API has no other place to read it"
_FIELDS = ("name", "allowed_ips", "active", "scope")


@dataclass(slots=True)
class _List:
    """One allowlist, as far as events told of it."""

    told: dict[str, Latest] = field(default_factory=lambda: {name: Latest() for name in _FIELDS})
    seen: Latest = field(default_factory=Latest)
    """Any event about it."""
    switched: Latest = field(default_factory=Latest)
    deleted_at: int = -1

    @property
    def exists(self) -> bool:
        """Nothing can be done to a list that is gone, so within one second its end comes last."""
        return self.seen.at > self.deleted_at


class Allowlists:
    """Every allowlist that events have shown; events may come in any order."""

    def __init__(self) -> None:
        self._lists: dict[str, _List] = {}
        self._first: int | None = None
        """When an event first told of any list, in Unix seconds."""
        self.switches: list[Claim] = []
        """When a list came into force or went out of it: what an attestation is held against."""

    def take(self, event: Record) -> None:
        """One event of EVENT_TYPES; of any other nothing is learnt."""
        learn = _LEARN.get(str(event.fields.get("type")))
        if learn:
            learn(self, event)

    def collection(self, log: Log) -> Collection:
        """The lists that exist. What may have changed unseen is Unknown, and a hole may hide a list that was made."""
        records = tuple(_record(key, each, log) for key, each in sorted(self._lists.items()) if each.exists)
        if self._first is None:
            return Collection(IP_ALLOWLIST, (), (log.gap,) if log.gap else (), unseen=_NO_EVENT)
        doubt = log.doubt(self._first)
        return Collection(IP_ALLOWLIST, records, (doubt,) if doubt else ())

    def created(self, event: Record) -> None:
        """A new list is not in force before it is activated."""
        self._about(event, target(event.fields), strong=False, active=False)

    def updated(self, event: Record) -> None:
        """Its addresses are replaced."""
        self._about(event, target(event.fields))

    def deleted(self, event: Record) -> None:
        """It is gone."""
        key = target(event.fields)
        if key:
            one = self._one(key, event)
            one.deleted_at = max(one.deleted_at, time_of(event))
            self.switches.append(claim(event, False))

    def switched(self, event: Record, active: bool) -> None:
        """Lists came into force, or went out of it."""
        for key, name in _named(event.fields):
            self._about(event, key, name=name, active=active)
            self._lists[key].switched.add(claim(event, active))
            self.switches.append(claim(event, active))

    def _about(self, event: Record, key: str | None, *, strong: bool = True, **values: object) -> None:
        if key is None:
            return
        one = self._one(key, event)
        one.seen.add(claim(event, None))
        values = {**dict(present(event.fields, "name", "allowed_ips")), "scope": scope_of(event.fields)} | values
        for name, value in values.items():
            if value is not None:
                one.told[name].add(claim(event, value, strong=strong))

    def _one(self, key: str, event: Record) -> _List:
        at = time_of(event)
        self._first = at if self._first is None else min(self._first, at)
        return self._lists.setdefault(key, _List())


def scope_of(fields: Fields) -> tuple[str, str | None]:
    """What an allowlist event is about, with the project's id: its payload does not say, only its `project` may tell.

    What an admin key does carries the default project, whatever it concerns: nothing can be learnt from that.
    """
    project = project_of(fields)
    if project is None:
        return ORGANIZATION, None
    return ("", None) if by_key(fields) else (PROJECT, project[0])


def _named(fields: Fields) -> Iterator[tuple[str, str | None]]:
    keys, names = fields.get("payload.configs.id"), fields.get("payload.configs.name")
    keys = keys if isinstance(keys, list) else []
    names = names if isinstance(names, list) and len(names) == len(keys) else [None] * len(keys)
    for key, name in zip(keys, names, strict=True):
        if isinstance(key, str):
            yield key, name if isinstance(name, str) else None


def _record(key: str, one: _List, log: Log) -> Record:
    scope = _value(one.told["scope"], log, "which events do not tell")
    place, project = scope if isinstance(scope, tuple) else (scope, scope)
    hidden = Unknown(why="an admin key made it, whose events do not say for what")
    fields: dict[str, object] = {
        "id": key,
        "name": one.told["name"].value,
        "allowed_ips": _value(one.told["allowed_ips"], log, "its addresses were changed twice within one second"),
        "active": _value(one.told["active"], log, "it was switched on and off within one second"),
        "scope": place or hidden,
        "project_id": hidden if place == "" else project,
        "seen_at": one.seen.at,
        "switched_at": one.switched.at if one.switched.told else None,
        "event": one.seen.event,
    }
    return Record(IP_ALLOWLIST, (key,), {name: value for name, value in fields.items() if value is not None})


def _value(latest: Latest, log: Log, torn: str) -> object:
    if not latest.told:
        return Unknown(why=_OLDER)
    if latest.torn:
        return Unknown(why=torn)
    doubt = log.doubt(latest.at)
    return Unknown((doubt,), why=doubt.reason) if doubt else latest.value


_LEARN: Mapping[str, Callable[[Allowlists, Record], None]] = {
    "ip_allowlist.created": Allowlists.created,
    "ip_allowlist.updated": Allowlists.updated,
    "ip_allowlist.deleted": Allowlists.deleted,
    "ip_allowlist.config.activated": lambda lists, event: lists.switched(event, True),
    "ip_allowlist.config.deactivated": lambda lists, event: lists.switched(event, False),
}
EVENT_TYPES: Sequence[str] = tuple(_LEARN)
