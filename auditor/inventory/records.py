"""From the bytes of one item to the flat record that policies judge. Lenient: a surprise is counted, never raised."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from auditor import clock
from auditor.adminapi.fields import Field, Type
from auditor.adminapi.resources import BY_NAME
from auditor.adminapi.resourcetypes import ResourceType
from auditor.inventory.model import Record, Scope, Unknown
from auditor.inventory.texts import Texts

MAX_DEPTH = 12
"""Levels of an event's payload that become fields; deeper ones stay in the raw bytes only."""

_CHECKS: Mapping[Type, Callable[[object], bool]] = {
    Type.STRING: lambda value: isinstance(value, str),
    Type.INTEGER: lambda value: isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63,
    Type.NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    Type.BOOLEAN: lambda value: isinstance(value, bool),
    Type.TIME: clock.is_time,
    Type.STRINGS: lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    Type.ANY: lambda value: True,
}


def is_of_type(kind: Type, value: object) -> bool:
    """Whether a field of this type can have this value."""
    return _CHECKS[kind](value)


_NUMBERS = frozenset({int, float, bool})
_TEXTS = Texts()

_MISSING = object()
_OBSTRUCTED = object()


def record_of(
    kind: ResourceType, parents: Scope, body: Mapping[str, object], digest: bytes, surprises: Counter[str]
) -> Record | None:
    """The record of one item, or None when it has no usable identity (then it must become a gap).

    `digest` is the name of its body, empty when nobody keeps it.

    A field of another type than documented becomes Unknown and is counted in `surprises`, as are fields that the
    table does not know.
    """
    identity = body.get(kind.identity) if kind.identity in kind.fields else _of_singleton(kind, body)
    # A path with `.` or `..` in it would be read as another path.
    if not isinstance(identity, str) or identity in {"", ".", ".."}:
        return None
    fields = {name: value for name, value in _known(kind, body, surprises) if value is not None}
    for name in body.keys() - _documented(kind.name):
        surprises[f"unknown field: {name[:60]}"] += 1
    return Record(kind.name, (*parents, identity), fields, digest=digest)


def _of_singleton(kind: ResourceType, body: Mapping[str, object]) -> str | None:
    """A single object has no id. One without any of its fields is something else, such as an error sent as 200."""
    return kind.name if any((field.path or name).split(".")[0] in body for name, field in kind.fields.items()) else None


def _known(kind: ResourceType, body: Mapping[str, object], surprises: Counter[str]) -> Iterator[tuple[str, object]]:
    for name, steps, field in _paths(kind.name):
        value = _follow(body, steps)
        if value is _OBSTRUCTED:
            surprises[f"wrong type: {name}"] += 1
            yield name, Unknown(why="the API sent something else where this field would be")
        elif value is _MISSING:
            yield name, Unknown(why="the API did not send this field") if field.absent_is_unknown else None
        elif value is None or _CHECKS[field.type](value):
            yield name, _shared(value)
        else:
            surprises[f"wrong type: {name}"] += 1
            yield name, Unknown(why=f"the API sent something that is no {field.type}")


def _shared(value: object) -> object:
    """The same value, texts held once however often they come: roles, permissions and owners come a thousand times."""
    if type(value) is str:
        return sys.intern(value)
    if type(value) is list:
        return [sys.intern(each) if type(each) is str else each for each in value]
    return value


@cache
def _paths(name: str) -> tuple[tuple[str, tuple[str, ...], Field], ...]:
    """Name, steps of the path, and field: split once, because an organization has a million of them."""
    return tuple((name, tuple((field.path or name).split(".")), field) for name, field in BY_NAME[name].fields.items())


def _follow(body: object, steps: tuple[str, ...]) -> object:
    """The value at the end of `steps`; _OBSTRUCTED when something on the way can hold no field, such as a text."""
    value = body
    for place, step in enumerate(steps):
        if type(value) is dict:
            value = value.get(step, _MISSING)
        elif value is None or value is _MISSING:
            return value
        elif isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
            return lookup(value, ".".join(steps[place:]))
        else:
            return _OBSTRUCTED
    return value


def lookup(body: object, path: str) -> object:
    """The value at a dotted path; through a list, the list of the values of its objects."""
    value = body
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step, _MISSING)
        elif isinstance(value, list):
            found = [each.get(step) for each in value if isinstance(each, Mapping)]
            value = [each for each in found if each is not None]
        elif value is None:
            return None
        else:
            return _MISSING
        if value is _MISSING:
            return _MISSING
    return value


@cache
def _documented(name: str) -> frozenset[str]:
    kind = BY_NAME[name]
    paths = {(field.path or path).split(".")[0] for path, field in kind.fields.items()}
    return frozenset(paths | {"object", "id", kind.identity}) | kind.unused


def flatten(body: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Every leaf of `body` by dotted name; through a list of objects, the list of the values.

    Names and short texts are held once, however many records have them: they are found faster, too.
    """
    found: dict[str, object] = {}
    _flatten(body, prefix, 0, found)
    return found


def _flatten(body: Mapping[str, object], prefix: str, depth: int, found: dict[str, object]) -> None:
    for key, value in body.items():
        name = f"{prefix}{key}"
        if type(value) is str:
            found[sys.intern(name)] = _TEXTS.held(value)
        elif type(value) in _NUMBERS:
            found[sys.intern(name)] = value
        elif isinstance(value, Mapping):
            if depth < MAX_DEPTH:
                _flatten(value, f"{name}.", depth + 1, found)
        elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
            found.update((sys.intern(f"{name}.{inner}"), lookup(value, inner)) for inner in _keys(value))
        elif value is not None:
            found[sys.intern(name)] = value


def _keys(value: list[object]) -> set[str]:
    """The keys of the objects in a list."""
    return {key for each in value if isinstance(each, Mapping) for key in each}
