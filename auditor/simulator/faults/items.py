"""Items that are not what they should be: of any list, and of the audit log."""

from collections.abc import Callable, Mapping
from typing import Any

from auditor.simulator.faults.rules import Item

Spoilt = list[Any]
"""What stands in the list where the item stood."""
_IDENTITIES = ("id", "group_id")


def spoil(fault: Item, body: dict[str, Any]) -> Any:
    """`body` with the items spoilt that `fault` is about; a single object counts as its own item."""
    items = body.get("data")
    if not isinstance(items, list):
        return _SPOILERS[fault.item](body, fault)[0]
    chosen = {"first": items[:1], "last": items[-1:], "all": items}[fault.which]
    if fault.item == "same_second":
        chosen = items
    places = {id(item) for item in chosen}
    spoilt: Spoilt = []
    for item in items:
        spoilt += _SPOILERS[fault.item](item, fault) if id(item) in places else [item]
    return {**body, "data": spoilt}


def _without(item: dict[str, Any], *names: str) -> Spoilt:
    return [{name: value for name, value in item.items() if name not in names}]


def _identity(value: object) -> Callable[[dict[str, Any], Item], Spoilt]:
    return lambda item, fault: [item | {name: value for name in _IDENTITIES if name in item}]


def _without_identity(item: dict[str, Any], fault: Item) -> Spoilt:
    return _without(item, *_IDENTITIES) if any(name in item for name in _IDENTITIES) else [{}]


def _wrong(value: object) -> object:
    """Something of another type."""
    if isinstance(value, bool) or value is None:
        return {"other": "type"}
    return "not a number" if isinstance(value, int | float) else 7


def _wrong_types(item: dict[str, Any], fault: Item) -> Spoilt:
    kept = (*_IDENTITIES, "object", *(("type",) if "effective_at" in item else ()))
    return [{name: value if name in kept else _wrong(value) for name, value in item.items()}]


def _otherwise(item: dict[str, Any], fault: Item) -> Spoilt:
    """The item, and another one under the same identity."""
    return [item, _wrong_types(item, fault)[0]]


def _renamed(item: dict[str, Any], fault: Item) -> Spoilt:
    return [item, item | {name: f"{item[name]}-made-up" for name in _IDENTITIES if name in item}]


def _time(change: Callable[[int, Item], object]) -> Callable[[dict[str, Any], Item], Spoilt]:
    """Another time of the event, or of the first time that another item has."""

    def spoiler(item: dict[str, Any], fault: Item) -> Spoilt:
        name = next((name for name in item if name.endswith("_at") and type(item[name]) is int), None)
        return [item | {name: change(item[name], fault)} if name else item]

    return spoiler


def _unknown_type(item: dict[str, Any], fault: Item) -> Spoilt:
    return [item | {"type": "planet.landed", "planet.landed": {"id": "planet_1", "crew": [{"id": "user_1"}]}}]


_SPOILERS: Mapping[str, Callable[[dict[str, Any], Item], Spoilt]] = {
    "wrong_types": _wrong_types,
    "unknown_fields": lambda item, fault: [item | {"shoe_size": 43, "inner": {"deep": [1, {"x": None}]}}],
    "no_identity": _without_identity,
    "null_identity": _identity(None),
    "number_identity": _identity(7),
    "no_object": lambda item, fault: ["item"],
    "null": lambda item, fault: [None],
    "twice": lambda item, fault: [item, item],
    "twice_otherwise": _otherwise,
    "another_identity": _renamed,
    "unknown_type": _unknown_type,
    "no_type": lambda item, fault: _without(item, "type"),
    "future": _time(lambda at, fault: at + fault.by),
    "zero_time": _time(lambda at, fault: 0),
    "negative_time": _time(lambda at, fault: -at),
    "text_time": _time(lambda at, fault: "2026-01-01T00:00:00Z"),
    "milliseconds": _time(lambda at, fault: at * 1000),
    "no_time": lambda item, fault: _without(item, "effective_at"),
    "same_second": _time(lambda at, fault: at - at % 3600),
    "late": lambda item, fault: [],
}
