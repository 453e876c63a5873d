"""What stands in for the parts of a document that cannot be used, so that the others are looked at. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from auditor.yamlfile import Place

_EACH = "#"
"""Any step."""
_STAND_INS: Mapping[Place, object] = {
    ("title",): "?",
    ("level",): "medium",
    ("description",): "?",
    ("remediation",): "?",
    ("resource",): "?",
    ("logsource",): {"product": "openai", "service": "audit"},
    ("detection",): {},
    ("correlation",): {"type": "event_count", "rules": ["?"], "timespan": "1s"},
    ("correlation", "type"): "event_count",
    ("correlation", "rules"): ["?"],
    ("correlation", "timespan"): "1s",
    ("controls", _EACH, _EACH): "partial",
    ("examples", _EACH, "name"): "?",
    ("examples", _EACH, "expect"): "unknown",
}
"""What a policy needs, by its place; what it does not need is left out."""

HANGS_ON: Mapping[Place, tuple[Place, ...]] = {
    ("params",): (("detection",), ("applies_to",), ("allowed",), ("message",)),
    ("correlation", "type"): (("correlation", "condition"),),
}
"""What nothing can be said of while something else cannot be used."""


def place_of(location: Place) -> Place:
    """The place in the file; after a key that is at fault pydantic has a step of its own."""
    return location[:-1] if len(location) > 1 and location[-1] == "[key]" else location


def told_place(location: Place) -> Place:
    """The smallest part that something can stand in for; `location` is where pydantic found the fault."""
    place = place_of(location)
    # Examples are told apart; of any other list all of it is left out.
    first = 2 if place[:1] == ("examples",) and len(place) > 2 else 0
    return place[: next((at for at in range(first, len(place)) if isinstance(place[at], int)), len(place))]


def mended(value: Mapping[str, object], places: Iterable[Place], name: str) -> Mapping[str, object]:
    """A copy with something sound at each of the places; `name` is a name that can be used."""
    for place in sorted(places, key=len):
        value = _replaced(value, place, name if place == ("name",) else _stand_in(place))
    return value


def _stand_in(place: Place) -> object:
    for each, stand_in in _STAND_INS.items():
        if len(each) == len(place) and all(step in {_EACH, at} for step, at in zip(each, place, strict=True)):
            return stand_in
    return None


def _replaced(tree: Any, place: Place, stand_in: object) -> Any:
    head, *rest = place
    if isinstance(tree, Mapping):
        if rest:
            return {**tree, head: _replaced(tree.get(head), tuple(rest), stand_in)}
        others = {key: value for key, value in tree.items() if key != head}
        return others if stand_in is None else {**others, head: stand_in}
    if isinstance(tree, list) and isinstance(head, int) and rest:
        return [_replaced(each, tuple(rest), stand_in) if index == head else each for index, each in enumerate(tree)]
    return tree
