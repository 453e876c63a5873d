"""Sigma's detection grammar as a tree of our own: selections of comparisons, joined by a condition. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sigma.conditions import ConditionAND
from sigma.exceptions import SigmaError
from sigma.rule import SigmaDetectionItem
from sigma.types import SigmaFieldReference, SigmaType

from auditor.adminapi.fields import Type
from auditor.errors import did_you_mean
from auditor.policy.comparison import (
    OWN_MODIFIERS,
    Budget,
    Outside,
    Pattern,
    Reference,
    Test,
    Unusable,
    check_pattern,
    own_test,
    sigma_test,
)
from auditor.policy.conditions import Condition, parse_condition, selections_named
from auditor.policy.modifiers import Complain, Key, comparable, fits, sound_modifiers
from auditor.yamlfile import Place, flow

MAX_SELECTIONS = 200


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field|modifier: value`, or several values of which any, or with `all` every one, must be met."""

    field: str | None
    """None for a keyword, which is looked for in every field."""
    tests: tuple[Test, ...]
    every: bool = False
    negated: bool = False
    source: str = ""
    """As YAML on one line, parameters in place: what differs in it may differ in meaning."""
    values: tuple[object, ...] = ()
    """What each of the tests compares with: Sigma's own value, or the pair of a modifier of ours and its value."""
    modifiers: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    """Fields of the same record that are compared with; where there are any, there are no `tests`."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that is read; none for a keyword."""
        return (self.field, *(each.field for each in self.references)) if self.field else ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Alternatives, each of comparisons that must all hold: a mapping is one alternative, a list several."""

    name: str
    alternatives: tuple[tuple[Comparison, ...], ...]


@dataclass(frozen=True, slots=True)
class Detection:
    """What a policy looks for."""

    selections: Mapping[str, Selection]
    condition: Condition
    text: str = ""
    """The condition as it was written."""

    @property
    def fields(self) -> frozenset[str]:
        """Every field that is read."""
        return frozenset().union(*(fields_read(selection) for selection in self.selections.values()))

    @property
    def comparisons(self) -> tuple["Comparison", ...]:
        """Every comparison of every selection."""
        return tuple(each for selection in self.selections.values() for each in comparisons(selection))

    def compared_by(self, modifier: str) -> frozenset[str]:
        """The fields that are compared with this modifier."""
        return frozenset(each.field for each in self.comparisons if each.field and modifier in each.modifiers)


def comparisons(selection: Selection) -> Iterator[Comparison]:
    """Every comparison of a selection."""
    return (each for alternative in selection.alternatives for each in alternative)


def fields_read(selection: Selection) -> frozenset[str]:
    """Every field that a selection reads."""
    return frozenset(name for each in comparisons(selection) for name in each.fields)


@dataclass(frozen=True)
class Vocabulary:
    """What a policy may say: the fields of its kind, and whether others may occur (in events they may)."""

    fields: Mapping[str, Type]
    open: bool
    own_modifiers: bool
    keywords: bool
    budget: Budget = field(default_factory=Budget, compare=False)
    """What the expressions of the file may still weigh."""


def parse_detection(tree: Mapping[str, object], words: Vocabulary, complain: Complain) -> Detection | None:
    """The detection in `tree` (`detection:` of a file), or None after complaining of every fault."""
    if len(tree) > MAX_SELECTIONS:
        complain(("detection",), f"more than {MAX_SELECTIONS} selections", "split the policy")
        return None
    selections = {
        name: parse_selection(name, definition, ("detection", name), words, complain)
        for name, definition in tree.items()
        if name not in {"condition", "timeframe"}
    }
    if not selections:
        complain(("detection",), "there is no selection", "name at least one: `stale: {field: value}`")
        return None
    condition = parse_condition(tree.get("condition"), tuple(selections), words.budget, complain)
    if condition and not words.open:
        for name in selections.keys() - selections_named(condition):
            complain(("detection", name), f"the condition never asks for `{name}`", "name it there, or delete it")
    found = {name: selection for name, selection in selections.items() if selection}
    if condition is None or len(found) != len(selections):
        return None
    text = tree["condition"]
    return Detection(found, condition, text if isinstance(text, str) else flow(text))


def parse_selection(
    name: str, definition: object, place: Place, words: Vocabulary, complain: Complain
) -> Selection | None:
    """One named selection, or None after complaining."""
    if isinstance(definition, Mapping) and definition:
        alternatives = [_parse_mapping(definition, place, words, complain)]
    elif words.keywords and _are_keywords(definition):
        alternatives = [[_parse_keywords(definition, place, words, complain)]]
    elif isinstance(definition, list) and definition and all(_is_alternative(each, words) for each in definition):
        alternatives = [_parse_alternative(each, (*place, i), words, complain) for i, each in enumerate(definition)]
    else:
        complain(place, *_no_selection(name, place, words))
        return None
    whole = tuple(tuple(each for each in alternative if each) for alternative in alternatives)
    complete = all(each is not None for alternative in alternatives for each in alternative)
    return Selection(name, whole) if complete else None


def _no_selection(name: str, place: Place, words: Vocabulary) -> tuple[str, str]:
    field = name.partition("|")[0]
    if field in words.fields and place[:1] == ("detection",):
        message = f"`{name}` stands where a selection has its name, and is a field"
        return message, f"write `chosen: {{{name}: ...}}`, and `chosen` in the condition"
    return f"`{name}` selects nothing", "write `field: value`, or a list of such mappings"


def _are_keywords(definition: object) -> bool:
    listed = definition if isinstance(definition, list) else [definition]
    return bool(listed) and all(_is_keyword(each) for each in listed)


def _is_keyword(each: object) -> bool:
    return (isinstance(each, str | int | float) and not isinstance(each, bool)) and each != ""


def _is_alternative(each: object, words: Vocabulary) -> bool:
    return bool(isinstance(each, Mapping) and each) or (words.keywords and _is_keyword(each))


def _parse_alternative(each: object, place: Place, words: Vocabulary, complain: Complain) -> list[Comparison | None]:
    if isinstance(each, Mapping):
        return _parse_mapping(each, place, words, complain)
    return [_parse_keywords(each, place, words, complain)]


def _parse_keywords(definition: object, place: Place, words: Vocabulary, complain: Complain) -> Comparison | None:
    listed = definition if isinstance(definition, list) else [definition]
    return _parse_item("|contains", [str(each) for each in listed], place, words, complain)


def _parse_mapping(
    items: Mapping[str, object], place: Place, words: Vocabulary, complain: Complain
) -> list[Comparison | None]:
    return [_parse_item(key, value, (*place, key), words, complain) for key, value in items.items()]


def _parse_item(key: str, value: object, place: Place, words: Vocabulary, complain: Complain) -> Comparison | None:
    field, *modifiers = key.split("|")
    parts = Key(field, tuple(modifiers))
    values: list[Any] = value if isinstance(value, list) else [value]
    if not (
        sound_modifiers(parts, place, complain, own=words.own_modifiers)
        and _sound_field(field, place, words, complain)
        and fits(parts, words.fields.get(field, Type.ANY), values, place, complain)
        and _sound_references(parts, values, place, words, complain)
    ):
        return None
    try:
        return _comparison(parts, values, f"{key}: {flow(value)}", words.budget)
    except RecursionError:
        complain(place, f"`{key}`: this value cannot be compared with: it is nested too deep", "")
    except (Unusable, SigmaError) as error:
        complain(place, f"`{key}`: {_own_words(error)}", "")
    except (ValueError, TypeError, AttributeError) as error:
        # pySigma lets these out for values it does not expect.
        complain(place, f"`{key}`: this value cannot be compared with: {error}", "")
    return None


def _own_words(error: Exception) -> str:
    """What is wrong, without the names of classes that nobody knows who writes a policy."""
    foreign = re.search(r"\bSigma[A-Z]\w+", str(error))
    return "these modifiers do not go together, or not with this value" if foreign else str(error)


def _comparison(key: Key, values: list[Any], source: str, budget: Budget) -> Comparison:
    own = next((each for each in key.modifiers if each in OWN_MODIFIERS), None)
    if own:
        if len(key.modifiers) > 1:
            raise Unusable(f"{own} stands alone")
        if own == "outside":
            return _outside(key, values, source, budget)
        tests = tuple(own_test(own, each) for each in values)
        pairs = tuple((own, each) for each in values)
        return Comparison(key.field, tests, source=source, values=pairs, modifiers=key.modifiers)
    if "re" in key.modifiers:
        for each in values:
            check_pattern(each, budget)
    if not values:
        return Comparison(key.field or None, (), negated="neq" in key.modifiers, source=source, modifiers=key.modifiers)
    name = "|".join((key.field, *(each for each in key.modifiers if each != "expand")))
    item = SigmaDetectionItem.from_mapping(name, values)
    references = tuple(Reference.of(each) for each in item.value if isinstance(each, SigmaFieldReference))
    tests = tuple(_weighed(each, budget) for each in item.value) if not references else ()
    return Comparison(
        key.field or None,
        tests,
        item.value_linking is ConditionAND,
        item.negated,
        source,
        values=() if references else tuple(item.value),
        modifiers=key.modifiers,
        references=references,
    )


def _outside(key: Key, values: list[Any], source: str, budget: Budget) -> Comparison:
    """All values are one test: each of them alone would call the others outside."""
    item = SigmaDetectionItem.from_mapping(key.field, values) if values else None
    test = Outside(tuple(_weighed(each, budget) for each in item.value) if item else ())
    return Comparison(key.field, (test,), source=source, values=(("outside", tuple(values)),), modifiers=key.modifiers)


def _weighed(value: SigmaType, budget: Budget) -> Test:
    budget.spend()
    test = sigma_test(value)
    budget.spend(test.size if isinstance(test, Pattern) else 0)
    return test


def _sound_references(key: Key, values: Sequence[object], place: Place, words: Vocabulary, complain: Complain) -> bool:
    if "fieldref" not in key.modifiers or words.open:
        return True
    kind = words.fields[key.field]
    for each in map(str, values):
        if not _sound_field(each, place, words, complain):
            return False
        if not comparable(kind, words.fields[each]):
            complain(place, f"`{key.field}` is of type {kind}, and never equals `{each}`, a {words.fields[each]}")
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
