"""Parameters of a policy: which values are in force, and how they get into its tree. Pure."""

import re
from collections.abc import Mapping

from auditor.policy.grammar import did_you_mean

_WHOLE = re.compile(r"%([a-z][a-z0-9_]*)%")


class Wrong(ValueError):
    """A parameter that cannot be used; the message is for people, `hint` the next step."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def in_force(
    declared: Mapping[str, object], everywhere: Mapping[str, object], own: Mapping[str, object]
) -> Mapping[str, object]:
    """The declared values, those set for every policy over them, and those set for this one over both.

    Raises Wrong for a value of another type than declared, and for one that is set here but not declared.
    """
    for name in own:
        if name not in declared:
            raise Wrong(f"the policy has no parameter `{name}`", did_you_mean(name, tuple(declared), "parameters"))
    chosen = {name: own.get(name, everywhere.get(name, default)) for name, default in declared.items()}
    for name, value in chosen.items():
        if not _same_type(declared[name], value):
            raise Wrong(f"parameter `{name}` must be like {declared[name]!r}, and is {value!r}")
    return chosen


def _same_type(declared: object, value: object) -> bool:
    if declared is None or value is None:
        return True
    if isinstance(declared, bool) or isinstance(value, bool):
        return isinstance(declared, bool) and isinstance(value, bool)
    if isinstance(declared, int | float):
        return isinstance(value, int | float)
    return isinstance(value, type(declared))


def substitute(tree: object, values: Mapping[str, object]) -> object:
    """`tree` with every value that is exactly `%name%` replaced; a list among the values of a list is spliced.

    Raises Wrong for a name that is not declared.
    """
    if isinstance(tree, Mapping):
        return {key: substitute(value, values) for key, value in tree.items()}
    if isinstance(tree, list):
        return [each for item in tree for each in _spliced(item, values)]
    return _value(tree, values)


def _spliced(item: object, values: Mapping[str, object]) -> list[object]:
    replaced = substitute(item, values)
    was_name = isinstance(item, str) and _WHOLE.fullmatch(item)
    return replaced if was_name and isinstance(replaced, list) else [replaced]


def _value(leaf: object, values: Mapping[str, object]) -> object:
    found = _WHOLE.fullmatch(leaf) if isinstance(leaf, str) else None
    if found is None:
        return leaf
    if found[1] not in values:
        raise Wrong(f"`%{found[1]}%` is not declared", f"add it to `params`, which has {', '.join(values) or 'none'}")
    return values[found[1]]


def names_in(tree: object) -> frozenset[str]:
    """Every parameter that `tree` names."""
    if isinstance(tree, Mapping):
        return frozenset().union(*(names_in(value) for value in tree.values()))
    if isinstance(tree, list):
        return frozenset().union(*(names_in(value) for value in tree))
    found = _WHOLE.fullmatch(tree) if isinstance(tree, str) else None
    return frozenset({found[1]}) if found else frozenset()
