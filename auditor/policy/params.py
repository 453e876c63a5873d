"""Parameters of a policy: which values are in force, and how they get into its tree. Pure."""

import re
from collections.abc import Mapping

from auditor.errors import did_you_mean
from auditor.policy.modifiers import Complain
from auditor.yamlfile import Place

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_WHOLE = re.compile(rf"%({_NAME.pattern})%")


Wrong = tuple[str, str, str]
"""A parameter that cannot be used: its name, what is wrong, and the next step."""


def in_force(
    policy: str, declared: Mapping[str, object], everywhere: Mapping[str, object], own: Mapping[str, object]
) -> tuple[Mapping[str, object], list[Wrong]]:
    """The declared values, those set for every policy over them, and those set for this one over both.

    A value of another type than declared is wrong, and the declared one stays in force; so is one that is set here
    but not declared.
    """
    wrong: list[Wrong] = [
        (name, f"the policy `{policy}` has no parameter `{name}`", did_you_mean(name, tuple(declared), "parameters"))
        for name in own
        if name not in declared
    ]
    chosen = {name: own.get(name, everywhere.get(name, default)) for name, default in declared.items()}
    for name, value in chosen.items():
        if value is not declared[name] and not _is_plain(value):
            wrong.append((name, f"parameter `{name}`: {_NOT_PLAIN}", ""))
        elif not _same_type(declared[name], value):
            wrong.append(
                (name, f"parameter `{name}` of `{policy}` must be like {declared[name]!r}, and is {value!r}", "")
            )
    return {**chosen, **{name: declared[name] for name, _, _ in wrong if name in declared}}, wrong


def _same_type(declared: object, value: object) -> bool:
    if declared is None:
        return True
    if isinstance(declared, bool) or isinstance(value, bool):
        return isinstance(declared, bool) and isinstance(value, bool)
    if isinstance(declared, int | float):
        return isinstance(value, int | float)
    return isinstance(value, type(declared))


class Substitution:
    """Puts the values in force where a tree says `%name%`, complaining of names that are not declared."""

    def __init__(self, values: Mapping[str, object], complain: Complain, *, marked: bool) -> None:
        """`marked`: only below `field|expand`, as in Sigma, so that other tools read the rule alike."""
        self._values = values
        self._complain = complain
        self._marked = marked
        self.refused: set[Place] = set()
        """Where something was complained of: whatever else is wrong there comes of it."""
        self.uses: dict[Place, set[str]] = {}
        """The parameters that a value names, by its place."""

    def of(self, tree: object, place: Place) -> object:
        """`tree`, which stands at `place`, with every value that is exactly a name replaced; lists are spliced."""
        if isinstance(tree, Mapping):
            return {key: self._entry(key, value, (*place, key)) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self.of(each, (*place, index)) for index, each in enumerate(tree)]
        return tree

    def _entry(self, key: str, value: object, place: Place) -> object:
        listed = value if isinstance(value, list) else [value]
        if any(isinstance(each, Mapping | list) for each in listed):
            return self.of(value, place)
        if not listed:
            self._refuse(place, "an empty list matches nothing", "write the values, or null")
        expands = "expand" in key.split("|")
        if self._marked and not expands:
            self._meant(key, listed, place)
            return value
        found = [each for item in listed for each in self._replaced(item, place, expands=expands)]
        return found if isinstance(value, list) or len(found) != 1 else found[0]

    def _refuse(self, place: Place, message: str, hint: str) -> None:
        self._complain(place, message, hint)
        self.refused.add(place)

    def _meant(self, key: str, values: list[object], place: Place) -> None:
        """Without `expand` the name of a parameter is text, which is never what was meant."""
        for each in values:
            named = _WHOLE.fullmatch(each) if isinstance(each, str) else None
            if named and named[1] in self._values:
                self._complain(place, f"`{each}` is compared as text here", f"write `{key}|expand`")

    def _replaced(self, item: object, place: Place, *, expands: bool) -> list[object]:
        named = _WHOLE.fullmatch(item) if isinstance(item, str) else None
        if named is None:
            if isinstance(item, str) and ("%" in item if expands else _WHOLE.search(item)):
                self._refuse(place, f"`{item}` is more than a parameter", "write exactly `%name%`")
            return [item]
        if named[1] not in self._values:
            hint = did_you_mean(named[1], tuple(self._values), "parameters")
            self._refuse(place, f"the parameter `{named[1]}` is not declared in `params`", hint)
            return [item]
        self.uses.setdefault(place, set()).add(named[1])
        value = self._values[named[1]]
        return list(value) if isinstance(value, list) else [value]


def names_in(tree: object) -> frozenset[str]:
    """Every parameter that `tree` names."""
    if isinstance(tree, Mapping):
        return frozenset().union(*(names_in(value) for value in tree.values()))
    if isinstance(tree, list):
        return frozenset().union(*(names_in(value) for value in tree))
    found = _WHOLE.fullmatch(tree) if isinstance(tree, str) else None
    return frozenset({found[1]}) if found else frozenset()


def unusable(declared: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with the declared parameters, by name."""
    wrong = {}
    for name, value in declared.items():
        if not _NAME.fullmatch(name):
            wrong[name] = "the name of a parameter is lower case: letters, digits and `_`"
        elif not _is_plain(value):
            wrong[name] = _NOT_PLAIN
    return wrong


_NOT_PLAIN = "the value of a parameter is one plain value, or a list of them"


def _is_plain(value: object) -> bool:
    return all(isinstance(each, str | int | float | None) for each in (value if isinstance(value, list) else [value]))
