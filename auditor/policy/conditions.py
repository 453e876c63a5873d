"""The condition that joins the selections of a policy: Sigma's, as a tree of our own. Pure."""

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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

from auditor.errors import did_you_mean
from auditor.policy.comparison import Budget, Unusable
from auditor.policy.modifiers import Complain
from auditor.yamlfile import Place

MAX_CONDITION = 2000
"""Characters of a condition, or of several together."""


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


def selections_named(condition: Condition) -> frozenset[str]:
    """The selections that a condition asks for."""
    if isinstance(condition, Named):
        return frozenset({condition.name})
    return frozenset().union(*(selections_named(each) for each in condition.operands))


def parse_condition(text: object, names: tuple[str, ...], budget: Budget, complain: Complain) -> Condition | None:
    """`condition:` of a detection with selections of these `names`, or None after complaining of every fault."""
    place: Place = ("detection", "condition")
    texts: list[Any] = text if isinstance(text, list) else [text]
    if not texts or not all(isinstance(each, str) and each for each in texts):
        complain(place, "`condition` is missing", "for example `condition: stale and not excepted`")
        return None
    if sum(map(len, texts)) > MAX_CONDITION:
        complain(place, f"the condition is longer than {MAX_CONDITION} characters", "")
        return None
    places = [(*place, index) for index in range(len(texts))] if isinstance(text, list) else [place]
    found = [_parsed(each, names, budget, at, complain) for each, at in zip(texts, places, strict=True)]
    conditions = tuple(each for each in found if each)
    if len(conditions) != len(texts):
        return None
    return conditions[0] if len(conditions) == 1 else Joined("or", conditions)


# Only the text of the condition is parsed here; the selections it names are ours.
_NO_DETECTIONS: Any = None


def _parsed(text: str, names: tuple[str, ...], budget: Budget, place: Place, complain: Complain) -> Condition | None:
    try:
        budget.spend_condition(len(text))
        parsed = SigmaCondition(text, _NO_DETECTIONS).parse(postprocess=False)
        strangers = dict.fromkeys(_strangers(parsed, names))
        for message, hint in strangers:
            complain(place, message, hint)
        return None if strangers else _condition(parsed, names)
    except Unusable as error:
        complain(place, str(error), "split it into several files")
    except RecursionError:
        complain(place, "the condition cannot be read: it is nested too deep", "name what belongs together: `1 of x_*`")
    except (SigmaError, ParseBaseException):
        complain(place, *_explained(text))
    return None


def _strangers(parsed: object, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What a condition asks for and nothing answers to, each with a hint."""
    match parsed:
        case ConditionIdentifier():
            if parsed.identifier not in names:
                hint = did_you_mean(parsed.identifier, names, "selections")
                yield f"the condition names `{parsed.identifier}`, which is no selection", hint
        case ConditionSelector():
            if not any(_selected(name, parsed.pattern) for name in names):
                yield f"`{parsed.args[0]} of {parsed.pattern}` selects nothing", f"selections: {', '.join(names)}"
        case ConditionItem():
            for each in parsed.args:
                yield from _strangers(each, names)


def _condition(parsed: object, names: tuple[str, ...]) -> Condition:
    match parsed:
        case ConditionIdentifier():
            return Named(parsed.identifier)
        case ConditionSelector():
            chosen = tuple(Named(name) for name in names if _selected(name, parsed.pattern))
            return Joined("or" if parsed.cond_class is ConditionOR else "and", chosen)
        case ConditionItem():
            operators = {ConditionAND: "and", ConditionOR: "or", ConditionNOT: "not"}
            return Joined(operators[type(parsed)], tuple(_condition(each, names) for each in parsed.args))
        case _:
            raise SigmaError("it is empty")


def _selected(name: str, pattern: str) -> bool:
    # As in Sigma, names that begin with an underscore are left out unless the pattern asks for them.
    if name.startswith("_") and not pattern.startswith("_"):
        return False
    return pattern == "them" or fnmatch.fnmatchcase(name, pattern)


_TOKEN = re.compile(r"(?:1|any|all)\s+of\s+[\w*]+|[\w-]+|\S", re.ASCII)
_JOINING = frozenset({"and", "or"})


def _explained(text: str) -> tuple[str, str]:
    """Why a condition that the parser of Sigma refuses is none, in its own words, and what to write."""
    if "|" in text:
        return _said("it counts with `|`"), "Sigma's correlations count: the rule first, the correlation after `---`"
    depth, before = 0, ""
    for word in _TOKEN.findall(text):
        fault, hint = _out_of_place(word, before, depth)
        if fault:
            return _said(fault), hint
        depth += (word == "(") - (word == ")")
        before = word
    if _wants_selection(before):
        return _said(f"a selection is missing after `{before}`" if before else "it is empty"), "name one, or delete it"
    if depth:
        return _said("a `(` is never closed"), "write `)`"
    return _said("it joins names of selections by and, or, not and brackets"), ""


def _said(reason: str) -> str:
    return f"the condition cannot be read: {reason}"


def _wants_selection(before: str) -> bool:
    return before in {"", "(", "not", *_JOINING}


def _out_of_place(word: str, before: str, depth: int) -> tuple[str, str]:
    """What is wrong with a word that follows `before`, and what to write; nothing when it may stand there."""
    shown = f"`{word[:60]}`"
    if not re.match(r"[\w()]", word, re.ASCII):
        return f"{shown} has no meaning in it", "it joins names of selections by and, or, not and brackets"
    if _wants_selection(before):
        missing = word in _JOINING or word == ")"
        return (f"a selection is missing before {shown}", "name one, or delete it") if missing else ("", "")
    if word == ")":
        return ("", "") if depth else ("a `)` closes nothing", "delete it, or write `(` before")
    if word in _JOINING:
        return "", ""
    hint = f"write `{word.lower()}`" if word.lower() in _JOINING else "write `and` or `or` between them"
    return f"nothing joins `{before[:60]}` and {shown}", hint
