"""Sigma's detection grammar as a tree of our own: selections of comparisons, joined by a condition. Pure."""

import difflib
import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pyparsing import ParseBaseException
from sigma.conditions import (
    ConditionAND,
    ConditionIdentifier,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionSelector,
    SigmaCondition,
)
from sigma.exceptions import SigmaError
from sigma.rule import SigmaDetectionItem

from auditor.adminapi.fields import Type
from auditor.policy.comparison import OWN_MODIFIERS, Test, Unusable, check_pattern, own_test, sigma_test
from auditor.yamlfile import Place


class Complain(Protocol):
    """Is told of each fault: where below the file, what, and the next step."""

    def __call__(self, place: Place, message: str, hint: str = "") -> None: ...


MAX_CONDITION = 2000
"""Characters of a condition."""

SIGMA_MODIFIERS = (
    "all", "cased", "cidr", "contains", "dotall", "endswith", "exists", "expand", "gt", "gte", "i", "ignorecase",
    "lt", "lte", "m", "multiline", "neq", "re", "s", "startswith",
)  # fmt: skip

_FITTING: Mapping[str, frozenset[Type]] = {
    **dict.fromkeys(("older_than", "newer_than", "within"), frozenset({Type.TIME})),
    **dict.fromkeys(("wider_than", "cidr"), frozenset({Type.STRING, Type.STRINGS})),
    **dict.fromkeys(("contains", "startswith", "endswith", "re", "cased"), frozenset({Type.STRING, Type.STRINGS})),
    **dict.fromkeys(("gt", "gte", "lt", "lte"), frozenset({Type.INTEGER, Type.NUMBER, Type.TIME})),
}
"""Types that a modifier can compare; what is not listed fits every type."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field|modifier: value`, or several values of which any, or with `all` every one, must be met."""

    field: str | None
    """None for a keyword, which is looked for in every field."""
    tests: tuple[Test, ...]
    every: bool = False
    negated: bool = False
    source: str = ""
    """As it was written, for people who ask why something matched."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Alternatives, each of comparisons that must all hold: a mapping is one alternative, a list several."""

    name: str
    alternatives: tuple[tuple[Comparison, ...], ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A selection, by name, in a condition."""

    name: str


@dataclass(frozen=True, slots=True)
class Joined:
    """`and`, `or`, `not`, with their operands."""

    operator: str
    operands: tuple["Named | Joined", ...]


Condition = Named | Joined


@dataclass(frozen=True, slots=True)
class Detection:
    """What a policy looks for."""

    selections: Mapping[str, Selection]
    condition: Condition

    @property
    def fields(self) -> frozenset[str]:
        """Every field that is read."""
        return frozenset(
            each.field for selection in self.selections.values() for each in comparisons(selection) if each.field
        )


def comparisons(selection: Selection) -> Iterator[Comparison]:
    """Every comparison of a selection."""
    return (each for alternative in selection.alternatives for each in alternative)


@dataclass(frozen=True)
class Vocabulary:
    """What a policy may say: the fields of its kind, and whether others may occur (in events they may)."""

    fields: Mapping[str, Type]
    open: bool
    own_modifiers: bool
    keywords: bool


def parse_detection(tree: Mapping[str, object], words: Vocabulary, complain: Complain) -> Detection | None:
    """The detection in `tree` (`detection:` of a file), or None after complaining of every fault."""
    selections = {
        name: parse_selection(name, definition, ("detection", name), words, complain)
        for name, definition in tree.items()
        if name not in {"condition", "timeframe"}
    }
    if not selections:
        complain(("detection",), "there is no selection", "name at least one: `stale: {field: value}`")
        return None
    condition = _parse_condition(tree.get("condition"), tuple(selections), complain)
    if condition and not words.open:
        for name in selections.keys() - _named(condition):
            complain(("detection", name), f"the condition never asks for `{name}`", "name it there, or delete it")
    found = {name: selection for name, selection in selections.items() if selection}
    return Detection(found, condition) if condition and len(found) == len(selections) else None


def _named(condition: "Condition") -> frozenset[str]:
    if isinstance(condition, Named):
        return frozenset({condition.name})
    return frozenset().union(*(_named(each) for each in condition.operands))


def parse_selection(
    name: str, definition: object, place: Place, words: Vocabulary, complain: Complain
) -> Selection | None:
    """One named selection, or None after complaining."""
    if isinstance(definition, Mapping) and definition:
        alternatives = [_parse_mapping(definition, place, words, complain)]
    elif isinstance(definition, list) and definition and all(isinstance(each, Mapping) and each for each in definition):
        alternatives = [_parse_mapping(each, (*place, i), words, complain) for i, each in enumerate(definition)]
    elif words.keywords and _are_keywords(definition):
        alternatives = [[_parse_item("|contains", definition, place, words, complain)]]
    else:
        complain(place, f"`{name}` selects nothing", "write `field: value`, or a list of such mappings")
        return None
    whole = tuple(tuple(each for each in alternative if each) for alternative in alternatives)
    complete = all(each is not None for alternative in alternatives for each in alternative)
    return Selection(name, whole) if complete else None


def _are_keywords(definition: object) -> bool:
    listed = definition if isinstance(definition, list) else [definition]
    return bool(listed) and all(isinstance(each, str) and each for each in listed)


def _parse_mapping(
    items: Mapping[str, object], place: Place, words: Vocabulary, complain: Complain
) -> list[Comparison | None]:
    return [_parse_item(key, value, (*place, key), words, complain) for key, value in items.items()]


def _parse_item(key: str, value: object, place: Place, words: Vocabulary, complain: Complain) -> Comparison | None:
    field, *modifiers = key.split("|")
    if not _sound_modifiers(modifiers, place, words, complain) or not _sound_field(field, place, words, complain):
        return None
    kind = words.fields.get(field, Type.ANY)
    if not _fits(kind, modifiers, value, field, place, complain):
        return None
    try:
        return _comparison(field or None, modifiers, value, f"{key}: {value}")
    except (Unusable, SigmaError) as error:
        complain(place, f"`{key}`: {error}", "")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        # pySigma lets these out for values it does not expect.
        complain(place, f"`{key}`: this value cannot be compared with: {error}", "")
    return None


def _comparison(field: str | None, modifiers: list[str], value: object, source: str) -> Comparison:
    values: list[Any] = value if isinstance(value, list) else [value]
    own = next((each for each in modifiers if each in OWN_MODIFIERS), None)
    if own:
        if len(modifiers) > 1:
            raise Unusable(f"{own} stands alone")
        return Comparison(field, tuple(own_test(own, each) for each in values), source=source)
    if "re" in modifiers:
        for each in values:
            check_pattern(each)
    if not values:
        return Comparison(field, (), negated="neq" in modifiers, source=source)
    name = "|".join((field or "", *(each for each in modifiers if each != "expand")))
    item = SigmaDetectionItem.from_mapping(name, values)
    tests = tuple(sigma_test(each) for each in item.value)
    return Comparison(field, tests, item.value_linking is ConditionAND, item.negated, source)


def _sound_modifiers(modifiers: list[str], place: Place, words: Vocabulary, complain: Complain) -> bool:
    known = SIGMA_MODIFIERS + (OWN_MODIFIERS if words.own_modifiers else ())
    for each in modifiers:
        if each not in known:
            complain(place, f"unknown modifier `{each}`", did_you_mean(each, known, "modifiers"))
            return False
    return True


def _sound_field(field: str, place: Place, words: Vocabulary, complain: Complain) -> bool:
    if not field:
        if not words.keywords:
            complain(place, "a comparison needs a field", "write `field: value`")
        return words.keywords
    if field in words.fields or words.open:
        return True
    complain(place, f"unknown field `{field}`", did_you_mean(field, tuple(words.fields), "fields"))
    return False


def _fits(kind: Type, modifiers: list[str], value: object, field: str, place: Place, complain: Complain) -> bool:
    if kind is Type.ANY:
        return True
    for each in modifiers:
        if each in _FITTING and kind not in _FITTING[each]:
            complain(place, f"`{each}` does not fit `{field}`, which is of type {kind}", "")
            return False
    values = value if isinstance(value, list) else [value]
    if not modifiers and not all(_of_type(kind, each) for each in values):
        complain(place, f"`{field}` is of type {kind}, and never equals {value!r}", "")
        return False
    return True


def _of_type(kind: Type, value: object) -> bool:
    if value is None:
        return True
    wanted: Mapping[Type, tuple[type, ...]] = {
        Type.BOOLEAN: (bool,),
        Type.INTEGER: (int,),
        Type.TIME: (int,),
        Type.NUMBER: (int, float),
    }
    if kind in wanted:
        return isinstance(value, wanted[kind]) and (kind is Type.BOOLEAN or not isinstance(value, bool))
    return isinstance(value, str | int) and not isinstance(value, bool)


def did_you_mean(word: str, known: tuple[str, ...], what: str) -> str:
    """The nearest of the known words, or all of them."""
    if not known:
        return f"there are no {what}"
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"known {what}: {', '.join(sorted(known))}"


# Only the text of the condition is parsed here; the selections it names are ours.
_NO_DETECTIONS: Any = None


def _parse_condition(text: object, names: tuple[str, ...], complain: Complain) -> Condition | None:
    place: Place = ("detection", "condition")
    texts: list[Any] = text if isinstance(text, list) else [text]
    if not texts or not all(isinstance(each, str) and each for each in texts):
        complain(place, "`condition` is missing", "for example `condition: stale and not excepted`")
        return None
    if any(len(each) > MAX_CONDITION for each in texts):
        complain(place, f"the condition is longer than {MAX_CONDITION} characters", "")
        return None
    try:
        parsed = [SigmaCondition(each, _NO_DETECTIONS).parse(postprocess=False) for each in texts]
        conditions = tuple(_condition(each, names) for each in parsed)
    except (SigmaError, ParseBaseException, RecursionError) as error:
        complain(place, f"the condition cannot be read: {' '.join(str(error).split())[:200]}", "")
        return None
    except Unusable as error:
        complain(place, str(error), f"selections: {', '.join(names)}")
        return None
    return conditions[0] if len(conditions) == 1 else Joined("or", conditions)


def _condition(parsed: object, names: tuple[str, ...]) -> Condition:
    match parsed:
        case ConditionIdentifier():
            if parsed.identifier not in names:
                raise Unusable(f"the condition names `{parsed.identifier}`, which is no selection")
            return Named(parsed.identifier)
        case ConditionSelector():
            chosen = tuple(Named(name) for name in names if _selected(name, parsed.pattern))
            if not chosen:
                raise Unusable(f"`{parsed.args[0]} of {parsed.pattern}` selects nothing")
            return Joined("or" if parsed.cond_class is ConditionOR else "and", chosen)
        case ConditionItem():
            operators = {ConditionAND: "and", ConditionOR: "or", ConditionNOT: "not"}
            return Joined(operators[type(parsed)], tuple(_condition(each, names) for each in parsed.args))
        case _:
            raise Unusable("the condition is empty")


def _selected(name: str, pattern: str) -> bool:
    # As in Sigma, names that begin with an underscore are left out unless the pattern asks for them.
    if name.startswith("_") and not pattern.startswith("_"):
        return False
    return pattern == "them" or fnmatch.fnmatchcase(name, pattern)
