"""What changed between two times, field by field, and which audit events explain it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from auditor.adminapi import announcements
from auditor.inventory.model import Record, Scope
from auditor.inventory.schema import ancestors

SKEW = 300
"""Seconds by which the clock of the API may be behind ours."""
LATE = 3600
"""Seconds after the beginning of a reading in which it may still see what happens: a list takes its time."""


class What(StrEnum):
    """What happened to a resource."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    VISIBLE = "newly visible"
    """Seen for the first time, where nobody could look before: it may be old."""


class Cause(StrEnum):
    """What is known of how it came to it."""

    EXPLAINED = "explained"
    UNEXPLAINED = "unexplained"
    """An event should have announced it, and none did."""
    UNANNOUNCED = "not announced"
    """No event announces changes of this kind."""
    UNDATED = "not dated"
    """Nobody knows when it happened."""
    UNREAD = "log not read"
    """The audit log of that time could not be read."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field, before and after; None when it was not there."""

    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one resource. Times are Unix seconds."""

    what: What
    kind: str
    ids: Scope
    name: str
    """Chosen by members of the organization: never trust it."""
    at: int
    """When the snapshot that saw it began."""
    after: int | None
    """When the last one began that did not show it yet; None when nobody knows."""
    fields: tuple[FieldChange, ...] = ()
    through: tuple[str, ...] = ()
    """Ids of the groups that a role comes from; what happens to them happens to it."""
    undone: bool = False
    """Whether the resource is at the end of the time as it was at its beginning."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A change and what is known of how it came to it."""

    change: Change
    cause: Cause
    events: tuple[Record, ...] = ()
    """The audit events that explain it, oldest first."""


def differences(before: object, after: object, path: str = "") -> Iterator[FieldChange]:
    """Every field of two bodies that is not the same, by dotted name; lists are compared as a whole."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            yield from differences(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    elif before != after:
        yield FieldChange(path, before, after)


class Events:
    """Audit events by what they name."""

    def __init__(self, events: Iterable[Record]) -> None:
        self._by_name: dict[str, list[Record]] = {}
        for event in events:
            for name in named(event):
                self._by_name.setdefault(name, []).append(event)

    def explaining(self, change: Change) -> tuple[Record, ...]:
        """The events that announce a change: of its kind, in its time, about it."""
        if change.after is None:
            return ()
        first, last = change.after - SKEW, change.at + LATE
        found = {
            event.id: event for event in self._about(change) if first <= _time(event) <= last and _here(event, change)
        }
        return tuple(sorted(found.values(), key=lambda event: (_time(event), event.id)))

    def _about(self, change: Change) -> Iterator[Record]:
        announced = announcements.of_kind(change.kind)
        own = (change.ids[-1], *_addresses(change))
        yield from (each for each in self._naming(own) if announcements.is_of(_type(each), announced.families))
        parents = (*change.ids[-2:-1], *change.through)
        yield from (each for each in self._naming(parents) if announcements.is_of(_type(each), announced.principal))
        if change.what is not What.CHANGED:
            for kind, id_ in zip(ancestors(change.kind), change.ids, strict=False):
                yield from (each for each in self._naming((id_,)) if announcements.takes_along(_type(each), kind))

    def _naming(self, names: Iterable[str]) -> Iterator[Record]:
        for name in names:
            yield from self._by_name.get(name, ())


def explain(change: Change, events: Events, read_to: int | None) -> Explained:
    """What is known of a change; `read_to` is up to when the audit log was read whole (Unix seconds)."""
    found = events.explaining(change)
    if found:
        return Explained(change, Cause.EXPLAINED, found)
    if change.after is None:
        return Explained(change, Cause.UNDATED)
    if _is_silent(change):
        return Explained(change, Cause.UNANNOUNCED)
    return Explained(change, Cause.UNEXPLAINED if read_to is not None and read_to >= change.at else Cause.UNREAD)


def named(event: Record) -> set[str]:
    """The texts in the payload of an event, ids among them; the actor too where the event may be about them."""
    names = {text for name, value in event.fields.items() if name.startswith("payload.") for text in _texts(value)}
    if _type(event) in announcements.ACTORS:
        names |= {text for name in ("actor.id", "actor.email") for text in _texts(event.fields.get(name))}
    return names


def _texts(value: object) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield each


def _addresses(change: Change) -> Iterator[str]:
    """An invite that was accepted names the person by the address only."""
    if change.kind in {"user", "project_user"} and "@" in change.name:
        yield change.name


def _here(event: Record, change: Change) -> bool:
    """Whether it can be about this project: some ids are the same in all of them.

    What is done with an admin key carries the default project, whatever it concerns.
    """
    project = event.fields.get("project.id")
    by_key = event.fields.get("actor.type") == "api_key"
    inside = "project" in ancestors(change.kind)
    return not inside or by_key or project is None or project == change.ids[0]


def _is_silent(change: Change) -> bool:
    announced = announcements.of_kind(change.kind)
    fields = {each.field for each in change.fields}
    return not announced.certain or bool(fields and fields <= announced.silent)


def _time(event: Record) -> int:
    at = event.fields.get("effective_at")
    return at if isinstance(at, int) else 0


def _type(event: Record) -> str:
    return str(event.fields.get("type", ""))
