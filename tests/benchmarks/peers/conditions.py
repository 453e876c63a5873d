"""Conditions that belong to no engine, and their translation into the grammar of policies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

DAY = 86_400


@dataclass(frozen=True)
class Leaf:
    """`field`, how it is compared, and with what. Times are days before now."""

    field: str
    how: str
    value: object = None


@dataclass(frozen=True)
class All:
    """Every part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class Any_:
    """Some part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class No:
    """The part does not hold."""

    part: "Condition"


Condition = Leaf | All | Any_ | No


def every(*parts: Condition) -> Condition:
    return All(parts)


def some(*parts: Condition) -> Condition:
    return Any_(parts)


def leaf(field: str, how: str, value: object = None) -> Condition:
    return Leaf(field, how, value)


_MODIFIERS: Mapping[str, str] = {
    "is": "", "in": "", "null": "", "starts": "|startswith", "ends": "|endswith", "holds": "|contains", "regex": "|re",
    "over": "|gt", "under": "|lt", "older": "|older_than", "network": "|cidr", "has": "",
}  # fmt: skip


def detection(condition: Condition) -> dict[str, object]:
    """The same in the grammar of policies: one selection for each leaf."""
    selections: dict[str, object] = {}

    def text(part: Condition) -> str:
        if isinstance(part, Leaf):
            name = f"s{len(selections)}"
            value = f"{part.value}d" if part.how == "older" else part.value
            selections[name] = {f"{part.field}{_MODIFIERS[part.how]}": value}
            return name
        if isinstance(part, No):
            return f"not {text(part.part)}"
        return "(" + (" and " if isinstance(part, All) else " or ").join(text(each) for each in part.parts) + ")"

    words = text(condition)
    return {**selections, "condition": words}


def leaves(condition: Condition) -> Iterator[Leaf]:
    """Every leaf."""
    if isinstance(condition, Leaf):
        yield condition
    elif isinstance(condition, No):
        yield from leaves(condition.part)
    else:
        for part in condition.parts:
            yield from leaves(part)


def joined(words: Sequence[str], with_: str) -> str:
    """Words in brackets with another between them."""
    return "(" + with_.join(words) + ")"
