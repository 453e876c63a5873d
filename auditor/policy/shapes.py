"""What a comparison asks, read off the value in the policy, where that is faster to compute than its test is. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from auditor import clock
from auditor.policy.addresses import span_of


class How(StrEnum):
    """How a value is compared. FOLDED is the text without its case, CASED the text as it is."""

    TEXT = "text"
    """Equal to the folded text; of any value, as numbers are compared by their digits."""
    FOLDED_IS = "folded_is"
    FOLDED_STARTS = "folded_starts"
    FOLDED_ENDS = "folded_ends"
    FOLDED_HOLDS = "folded_holds"
    CASED_IS = "cased_is"
    CASED_STARTS = "cased_starts"
    CASED_ENDS = "cased_ends"
    CASED_HOLDS = "cased_holds"
    NUMBER = "number"
    LESS = "<"
    LESS_EQUAL = "<="
    MORE = ">"
    MORE_EQUAL = ">="
    OTHER = "!="
    AGE = "age"
    """Between two numbers of seconds before now, both included; None for no bound."""
    TRUTH = "truth"
    NETWORK = "network"
    """Between two addresses, as numbers."""
    PRESENT = "present"
    TESTED = "tested"
    """By nothing but its test."""
    CASED_TESTED = "cased_tested"
    """By its test, of a text that holds this one."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One comparison with one value."""

    how: How
    wanted: object = None


TESTED = Shape(How.TESTED)


def shapes_of(value: object) -> tuple[Shape, ...]:
    """Of what pySigma read from a rule, or of a modifier of ours with its value: shapes of which one must be met."""
    if isinstance(value, tuple):
        return (_own(*value),)
    return next((shapes(value) for kind, shapes in _SHAPES if isinstance(value, kind)), (TESTED,))


def _own(modifier: str, value: object) -> Shape:
    return Shape(How.AGE, _AGES[modifier](clock.duration(value))) if modifier in _AGES else TESTED


_AGES: Mapping[str, Callable[[int], tuple[int | None, int | None]]] = {
    "older_than": lambda span: (span + 1, None),
    "newer_than": lambda span: (0, span - 1),
    "within": lambda span: (-span, 0),
}


def _text(value: SigmaString) -> Shape:
    how, wanted = _around(value)
    if how == "is":
        return Shape(How.TEXT, wanted.casefold())
    # Of other letters a wildcard knows less than casefold does: these are left to the test.
    return Shape(How(f"folded_{how}"), wanted.lower()) if how and wanted.isascii() else TESTED


def _cased(value: SigmaCasedString) -> Shape:
    how, wanted = _around(value)
    return Shape(How(f"cased_{how}"), wanted) if how else TESTED


def _around(value: SigmaString) -> tuple[str, str]:
    """A text, and whether it stands alone or with `*` before it, after it or on both sides; no word for all others."""
    parts = list(value.s)
    before = parts[:1] == [SpecialChars.WILDCARD_MULTI]
    parts = parts[before:]
    after = parts[-1:] == [SpecialChars.WILDCARD_MULTI]
    parts = parts[: len(parts) - after]
    if any(isinstance(part, SpecialChars) for part in parts):
        return "", ""
    how = {(False, False): "is", (False, True): "starts", (True, False): "ends", (True, True): "holds"}
    return how[before, after], "".join(str(part) for part in parts)


_PLAIN = r"(?:[A-Za-z0-9_ /:@#,;=<>!\"'%&~-]|\\[./:@#^$*+?(){}\[\]|-])+"
_LITERAL = re.compile(rf"(\^?)(?:\((?:\?:)?({_PLAIN}(?:\|{_PLAIN})*)\)|({_PLAIN}))(\$?)")
_ANCHORED = {("", ""): "holds", ("^", ""): "starts", ("", "$"): "ends", ("^", "$"): "is"}
_ONE_LINE = {SigmaRegularExpressionFlag.IGNORECASE, SigmaRegularExpressionFlag.DOTALL}


def _regex(value: SigmaRegularExpression) -> tuple[Shape, ...]:
    """One shape for each alternative of an expression that is nothing but text, perhaps anchored."""
    found = _LITERAL.fullmatch(str(value.regexp))
    if not found or value.flags - _ONE_LINE:
        return (_searched(value),)
    start, group, text, end = found.groups()
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(_PLAIN, group or text)]
    folded = SigmaRegularExpressionFlag.IGNORECASE in value.flags
    how = How(f"{'folded' if folded else 'cased'}_{_ANCHORED[start, end]}")
    return tuple(Shape(how, word.lower() if folded else word) for word in words)


_BEGINNING = re.compile(rf"\^?({_PLAIN})(?![*?{{+])(?:.*)", re.DOTALL)


def _searched(value: SigmaRegularExpression) -> Shape:
    """A text that matches must hold what the expression begins with, and to look for that is much faster."""
    pattern = str(value.regexp)
    found = _BEGINNING.fullmatch(pattern)
    if not found or "|" in pattern or value.flags - {SigmaRegularExpressionFlag.DOTALL}:
        return TESTED
    return Shape(How.CASED_TESTED, re.sub(r"\\(.)", r"\1", found[1]))


_OPERATORS: Mapping[CompareOperators, How] = {
    CompareOperators.LT: How.LESS,
    CompareOperators.LTE: How.LESS_EQUAL,
    CompareOperators.GT: How.MORE,
    CompareOperators.GTE: How.MORE_EQUAL,
    CompareOperators.NEQ: How.OTHER,
}


def _order(value: SigmaCompareExpression) -> Shape:
    part = isinstance(value.number, SigmaTimestampPart)
    return TESTED if part else Shape(_OPERATORS[value.op], value.number.number)


# The order matters: a cased text is a text, too, and a part of a time a number.
_SHAPES: tuple[tuple[type[SigmaType], Callable[[Any], tuple[Shape, ...]]], ...] = (
    (SigmaNull, lambda value: (Shape(How.PRESENT, False),)),
    (SigmaExists, lambda value: (Shape(How.PRESENT, bool(value.exists)),)),
    (SigmaCasedString, lambda value: (_cased(value),)),
    (SigmaString, lambda value: (_text(value),)),
    (SigmaBool, lambda value: (Shape(How.TRUTH, value.boolean),)),
    (SigmaTimestampPart, lambda value: (TESTED,)),
    (SigmaNumber, lambda value: (Shape(How.NUMBER, value.number),)),
    (SigmaRegularExpression, _regex),
    (SigmaCIDRExpression, lambda value: (Shape(How.NETWORK, span_of(value.network)),)),
    (SigmaCompareExpression, lambda value: (_order(value),)),
)
