"""How compiled code reads events from their raw bytes: only the fields that its rules ask for are decoded. Pure.

What these fields would be is what `inventory.events.record_of` says. The decoder refuses every event of which it might
read something else (a list of objects, a key with a dot in it, another type than it was made for), and such an event
is read by `record_of` itself.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from auditor.inventory.calendar import DATED
from auditor.inventory.events import ACTOR, ACTOR_KINDS, BENEFICIARY, named_by
from auditor.policy.reading import KEYWORDS, assign, constant, is_a, load

_Scalar = bool | int | float | str | None
_LEAF: Any = _Scalar | list[_Scalar]
_NEVER: Any = Literal["\0"]
"""No value of a key that must not be there."""
_WHOLE = frozenset({KEYWORDS, "effective_at"})
"""What is put together from the whole event, or stands beside it."""
_DEEPEST = 7
"""Steps of a name; of a longer one there are too many ways to write it."""

Path = tuple[str, ...]


@dataclass
class _Node:
    """An object on the way to the fields that are read."""

    leaves: dict[str, list[str]] = field(default_factory=dict)
    """Key to the variables for its value."""
    below: dict[str, "_Node"] = field(default_factory=dict)
    variable: str = ""
    """That for the object itself."""
    never: set[str] = field(default_factory=set)
    """Keys under which a field could stand, too."""


class RawEvents:
    """The source of the fields of events of one type, decoded by `decode`; `dated` says that a calendar adds some."""

    def __init__(self, kind: str, *, dated: bool = False) -> None:
        self._kind = kind
        self._whole = _WHOLE | (DATED if dated else frozenset())
        self._root = _Node()
        self._count = 0
        self.decode: Callable[[bytes], Any] = bytes
        self.empty = True
        """Whether no field is read."""

    def statements(self, wanted: Mapping[str, str]) -> list[ast.stmt]:
        """Code that puts the value of each field, or None, into its variable.

        Raises ValueError when there is a field that must be looked for in more than one place.
        """
        self.empty = not wanted
        derived = [self._derived(name, variable) for name, variable in wanted.items()]
        struct = _struct(self._root, (("id", str), ("type", Literal[self._kind])))
        self.decode = msgspec.json.Decoder(struct).decode
        none = [assign([each], constant(None)) for each in _variables(self._root)]
        return [*none, *self._reads(self._root, "record"), *(each for each in derived if each)]

    def where_needed(self, field: str, variable: str) -> None:
        """Never: what is decoded is at hand."""

    def _derived(self, name: str, variable: str) -> ast.stmt | None:
        """Where the field stands; code for one that is put together."""
        if name in self._whole or name.split(".", maxsplit=1)[0] == self._kind:
            raise ValueError("not to be read from the raw bytes alone")
        if name == "actor.kind":
            return self._actor_kind(variable)
        if name == BENEFICIARY:
            return self._beneficiary(variable)
        if name in ACTOR:
            return self._actor(name, variable)
        if name in {"id", "type"}:
            return assign([variable], ast.Attribute(load("record"), name, ast.Load()))
        self._leaf(name, variable)
        return None

    def _path(self, name: str) -> Path:
        """The keys that lead to a field."""
        for start in ("payload", self._kind):
            if name.startswith(f"{start}."):
                return (self._kind, *name.removeprefix(f"{start}.").split("."))
        return tuple(name.split("."))

    def _actor(self, name: str, variable: str) -> ast.stmt:
        return assign([variable], self._acted(name))

    def _beneficiary(self, variable: str) -> ast.stmt:
        """Whether the one who acted is the one whom the event names."""
        actor = self._acted("actor.id")
        there = ast.Compare(actor, [ast.IsNot()], [constant(None)])
        same = ast.Compare(load(self._leaf(named_by(self._kind))), [ast.Eq()], [actor])
        return assign([variable], ast.BoolOp(ast.And(), [there, same]))

    def _acted(self, name: str) -> ast.expr:
        """The first of the places that holds a text, else the field of that name."""
        value: ast.expr = load(self._leaf(name))
        for place in reversed(ACTOR[name]):
            found = self._leaf(place)
            value = ast.IfExp(is_a(found, "str"), load(found), value)
        return value

    def _actor_kind(self, variable: str) -> ast.stmt:
        value: ast.expr = load(self._leaf("actor.kind"))
        for kind, places in reversed(tuple(ACTOR_KINDS.items())):
            for place in places:
                node = self._node(self._path(place), place)
                node.variable = node.variable or self._new()
                there = ast.Compare(load(node.variable), [ast.IsNot()], [constant(None)])
                value = ast.IfExp(there, constant(kind), value)
        return assign([variable], value)

    def _leaf(self, name: str, variable: str = "") -> str:
        """A variable for the field: the one that is given, one that is known, or a new one."""
        path = self._path(name)
        variables = self._node(path[:-1], name).leaves.setdefault(path[-1], [])
        if variable or not variables:
            variables.append(variable or self._new())
        return variables[0]

    def _node(self, path: Path, name: str) -> _Node:
        """The object at the end of the path, on the way to the field of this name."""
        whole = self._path(name)
        if len(whole) > _DEEPEST:
            raise ValueError("too many ways to write it")
        node = self._root
        node.never |= set(_starts(name.split("."))) - {whole[0]}
        for depth, key in enumerate(path, start=1):
            node = node.below.setdefault(key, _Node())
            node.never |= set(_starts(whole[depth:])) - set(whole[depth : depth + 1])
        return node

    def _new(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def _reads(self, node: _Node, record: str) -> list[ast.stmt]:
        """Code for the fields of an object that is there."""
        names = _attributes(node)
        code = [
            assign(variables, ast.Attribute(load(record), names[key], ast.Load()))
            for key, variables in node.leaves.items()
        ]
        for key, inner in node.below.items():
            variable = inner.variable or self._new()
            there = ast.Compare(load(variable), [ast.IsNot()], [constant(None)])
            code.append(assign([variable], ast.Attribute(load(record), names[key], ast.Load())))
            code.append(ast.If(there, self._reads(inner, variable) or [ast.Pass()], []))
        return code


def _starts(steps: Sequence[str]) -> Iterator[str]:
    """The first step, the first two as one key, and so on."""
    return (".".join(steps[:count]) for count in range(1, len(steps) + 1))


def _variables(node: _Node) -> Iterator[str]:
    """Every variable that no other code sets, when an object on the way to it is not there."""
    for variables in node.leaves.values():
        yield from variables
    for inner in node.below.values():
        if inner.variable:
            yield inner.variable
        yield from _variables(inner)


def _attributes(node: _Node) -> dict[str, str]:
    """Key to the attribute that holds its value. Raises ValueError when a key would need two."""
    keys = [*node.leaves, *node.below, *node.never]
    if len(set(keys)) < len(keys):
        raise ValueError("a field below a field")
    return {key: f"f{number}" for number, key in enumerate(keys)}


def _struct(node: _Node, fixed: Sequence[tuple[str, Any]] = ()) -> Any:
    """The type of an object, of which the decoder keeps what is read and skips the rest."""
    names = _attributes(node)
    if names.keys() & {name for name, _ in fixed}:
        raise ValueError("a field that is another one's place")
    types = {
        **dict.fromkeys(node.leaves, _LEAF),
        **{key: _struct(inner) | None for key, inner in node.below.items()},
        **dict.fromkeys(node.never, _NEVER),
    }
    fields: list[Any] = [*fixed, *((names[key], types[key], None) for key in names)]
    return msgspec.defstruct("Event", fields, rename={name: key for key, name in names.items()}, gc=False)
