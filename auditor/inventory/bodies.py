"""The body of a resource as history keeps it: all that the API sent, in one order, without what moves by itself.

`last_used_at` and its like are kept beside it, so that a key that is used all day is no key that changes all day.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from auditor import clock
from auditor.adminapi.resourcetypes import ResourceType
from auditor.inventory.model import Fields


@dataclass(frozen=True, slots=True)
class Body:
    """What history keeps of one item."""

    digest: bytes
    """SHA-256 of the content."""
    content: bytes
    """JSON with sorted keys; fields that nobody knows are there, too."""


def split(kind: ResourceType, item: Mapping[str, object]) -> Body:
    """The body of an item as the API sent it. `item` is left as it is."""
    rest: Mapping[str, object] = item
    for path in _paths(kind).values():
        rest = _without(rest, path.split("."))
    content = msgspec.json.encode(rest, order="sorted")
    return Body(hashlib.sha256(content).digest(), content)


def volatile_of(kind: ResourceType, fields: Fields) -> dict[str, int]:
    """What `split` left out: the volatile fields of a record that have a value, by name."""
    values = ((name, fields.get(name)) for name in _paths(kind))
    return {name: value for name, value in values if isinstance(value, int)}


def joined(kind: ResourceType, content: bytes, volatile: Mapping[str, object]) -> dict[str, Any]:
    """The item again, from its body and what was left out."""
    item: dict[str, Any] = msgspec.json.decode(content)
    for name, path in _paths(kind).items():
        *steps, last = path.split(".")
        place = item
        for step in steps:
            place = place.setdefault(step, {})
        place[last] = volatile.get(name)
    return item


def _paths(kind: ResourceType) -> dict[str, str]:
    """Where the volatile fields are, by name."""
    return dict(_volatile(kind))


def _volatile(kind: ResourceType) -> Iterator[tuple[str, str]]:
    for name, field in kind.fields.items():
        if field.volatile:
            yield name, field.path or name


def _without(body: Mapping[str, object], steps: list[str]) -> Mapping[str, object]:
    """`body` without the time at the path; what is no time there is a surprise, and stays."""
    first, *rest = steps
    if first not in body:
        return body
    value = body[first]
    if not rest:
        if value is not None and not clock.is_time(value):
            return body
        return {name: each for name, each in body.items() if name != first}
    return {**body, first: _without(value, rest)} if isinstance(value, Mapping) else body
