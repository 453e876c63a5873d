"""One comparison of a field with one value: Sigma's, and the five of our own. Pure."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import re2
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
    TimestampPart,
)

from auditor import clock

Test = Callable[[object, int], bool]
"""Whether a value, None where it is absent, passes at a time in Unix seconds."""

MAX_PATTERN = 1000
"""Characters of a regular expression."""
_MAX_MEMORY = 8 << 20  # bytes that one compiled expression may take
MAX_PROGRAM = 150_000
"""Instructions of all compiled expressions of one file together; a text with `*` at both ends has about 30."""
MAX_CONDITIONS = 20_000
"""Characters of all conditions of one file together: a hundred documents of the longest would take seconds to parse."""

OWN_MODIFIERS = ("older_than", "newer_than", "within", "wider_than", "outside")


class Unusable(ValueError):
    """A value that cannot be compared with; the message is for the person who wrote it."""


@dataclass
class Budget:
    """What the expressions of one file may still weigh: thousands of the heaviest would take minutes and gigabytes."""

    left: int = MAX_PROGRAM
    conditions: int = MAX_CONDITIONS

    def spend(self, size: int = 0) -> None:
        """Take `size` instructions off. Raises Unusable when nothing is left."""
        self.left -= size
        if self.left < 0:
            raise Unusable("the regular expressions and wildcards of this file are too much together")

    def spend_condition(self, size: int) -> None:
        """Take `size` characters of a condition off. Raises Unusable when nothing is left."""
        self.conditions -= size
        if self.conditions < 0:
            raise Unusable("the conditions of this file are too long together")


def own_test(modifier: str, value: object) -> Test:
    """`older_than`, `newer_than`, `within` with a duration, `wider_than` with a number of addresses."""
    if modifier == "wider_than":
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unusable("wider_than needs a number of addresses, for example 256")
        return partial(_wider, limit=value)
    try:
        seconds = clock.duration(value)
    except ValueError as error:
        raise Unusable(f"{modifier}: the value {error}") from error
    return partial(_TIMES[modifier], span=seconds)


def _older(value: object, now: int, *, span: int) -> bool:
    return _is_number(value) and now - value > span  # type: ignore[operator]


def _newer(value: object, now: int, *, span: int) -> bool:
    return _is_number(value) and 0 <= now - value < span  # type: ignore[operator]


def _soon(value: object, now: int, *, span: int) -> bool:
    return _is_number(value) and 0 <= value - now <= span  # type: ignore[operator]


_TIMES: Mapping[str, Callable[..., bool]] = {"older_than": _older, "newer_than": _newer, "within": _soon}


def _wider(value: object, _now: int, *, limit: int) -> bool:
    try:
        return isinstance(value, str) and ipaddress.ip_network(value, strict=False).num_addresses > limit
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Outside:
    """Whether a value is there and passes none of the tests: of a list, whether some element does not."""

    tests: tuple[Test, ...]

    def __call__(self, found: object, now: int) -> bool:
        return found is not None and not any(test(found, now) for test in self.tests)


def sigma_test(value: SigmaType) -> Test:
    """The comparison that pySigma read from a rule. Raises Unusable for what cannot be compared with here."""
    for kind, make in _MAKERS:
        if isinstance(value, kind):
            return make(value)
    raise Unusable(f"values of this kind cannot be compared with here: {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled expression that is looked for in a value."""

    compiled: Any
    texts_only: bool = False
    """Whether numbers and truths never match, as they do against wildcards by their digits and names."""

    def __call__(self, found: object, _now: int) -> bool:
        if found is None or (self.texts_only and not isinstance(found, str)):
            return False
        return self.compiled.search(as_text(found)) is not None

    @property
    def size(self) -> int:
        """Instructions of its program."""
        return int(self.compiled.programsize)


def _text(value: SigmaString) -> Test:
    """Case does not count, `*` and `?` are wildcards; a number is compared by its digits."""
    return _fold_text(value) if not any(isinstance(part, SpecialChars) for part in value.s) else _wildcards(value)


def _fold_text(value: SigmaString) -> Test:
    wanted = "".join(str(part) for part in value.s).casefold()
    return lambda found, _now: as_text(found).casefold() == wanted if found is not None else False


def _cased(value: SigmaCasedString) -> Test:
    if any(isinstance(part, SpecialChars) for part in value.s):
        return _wildcards(value, cased=True)
    wanted = "".join(str(part) for part in value.s)
    return lambda found, _now: found is not None and as_text(found) == wanted


def _wildcards(value: SigmaString, *, cased: bool = False) -> Test:
    parts = {SpecialChars.WILDCARD_MULTI: ".*", SpecialChars.WILDCARD_SINGLE: "."}
    pattern = "".join(parts[part] if isinstance(part, SpecialChars) else re2.escape(str(part)) for part in value.s)
    return Pattern(_compile(f"(?s{'' if cased else 'i'})^(?:{pattern})$"))


def _regex(value: SigmaRegularExpression) -> Test:
    flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
    return Pattern(_compile((f"(?{flags})" if flags else "") + str(value.regexp)), texts_only=True)


_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}


def check_pattern(pattern: object, budget: Budget) -> None:
    """Refuse a regular expression before pySigma sees it: its compiler has no cap. Raises Unusable."""
    budget.spend()
    if not isinstance(pattern, str):
        raise Unusable("a regular expression is a text")
    if len(pattern) > MAX_PATTERN:
        raise Unusable(f"the regular expression is longer than {MAX_PATTERN} characters")
    budget.spend(Pattern(_compile(pattern)).size)


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = _MAX_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        raise Unusable(f"the regular expression cannot be used: {_words(error)}") from error


def _words(error: Exception) -> str:
    detail = error.args[0] if error.args else error
    return detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)


def _number(value: SigmaNumber) -> Test:
    wanted = value.number
    return lambda found, _now: (_is_number(found) and found == wanted) or found == str(wanted)


def _boolean(value: SigmaBool) -> Test:
    wanted = value.boolean
    return lambda found, _now: isinstance(found, bool) and found is wanted


def _part(value: SigmaTimestampPart) -> Test:
    wanted, part = value.number, _PARTS[value.timestamp_part]
    return lambda found, _now: clock.is_time(found) and part(found) == wanted


_PARTS: Mapping[TimestampPart, Callable[[int], int]] = {
    TimestampPart.MINUTE: lambda at: at // 60 % 60,
    TimestampPart.HOUR: lambda at: at // 3600 % 24,
    TimestampPart.DAY: lambda at: clock.from_epoch(at).day,
    TimestampPart.WEEK: lambda at: clock.from_epoch(at).isocalendar().week,
    TimestampPart.MONTH: lambda at: clock.from_epoch(at).month,
    TimestampPart.YEAR: lambda at: clock.from_epoch(at).year,
}
"""Times are Unix seconds, so every part of one is that of UTC."""


def _compare(value: SigmaCompareExpression) -> Test:
    wanted, holds = value.number.number, _OPERATORS[value.op]
    if isinstance(value.number, SigmaTimestampPart):
        part = _PARTS[value.number.timestamp_part]
        return lambda found, _now: clock.is_time(found) and holds(part(found), wanted)
    return lambda found, _now: _is_number(found) and holds(found, wanted)


_OPERATORS: Mapping[CompareOperators, Callable[..., bool]] = {
    CompareOperators.LT: lambda found, wanted: found < wanted,
    CompareOperators.LTE: lambda found, wanted: found <= wanted,
    CompareOperators.GT: lambda found, wanted: found > wanted,
    CompareOperators.GTE: lambda found, wanted: found >= wanted,
    CompareOperators.NEQ: lambda found, wanted: found != wanted,
}


def _cidr(value: SigmaCIDRExpression) -> Test:
    network = value.network

    def within(found: object, _now: int) -> bool:
        try:
            return isinstance(found, str) and ipaddress.ip_address(found) in network
        except ValueError:
            return False

    return within


@dataclass(frozen=True, slots=True)
class Presence:
    """Asks of a whole field, not of its elements, whether it is there: an empty list is."""

    wanted: bool

    def __call__(self, found: object, _now: int) -> bool:
        return (found is not None) is self.wanted


def _exists(value: SigmaExists) -> Test:
    return Presence(bool(value.exists))


def _null(_value: SigmaNull) -> Test:
    return Presence(False)


@dataclass(frozen=True, slots=True)
class Reference:
    """Compares with the value of another field of the same record, as with a text or number that is written out."""

    field: str
    starts: bool = False
    ends: bool = False
    """Both: the value is looked for anywhere."""

    @classmethod
    def of(cls, value: SigmaFieldReference) -> "Reference":
        """As pySigma read it."""
        return cls(value.field, value.starts_with, value.ends_with)

    def holds(self, found: object, other: object) -> bool:
        """Whether one value of the field passes against one value of the other field; what is absent never does."""
        if found is None or other is None or isinstance(found, bool) is not isinstance(other, bool):
            return False
        one, two = as_text(found).casefold(), as_text(other).casefold()
        if self.starts and self.ends:
            return two in one
        if self.starts or self.ends:
            return one.startswith(two) if self.starts else one.endswith(two)
        return found == other if _is_number(found) and _is_number(other) else one == two


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_text(value: object) -> str:
    """As a text of a policy is compared with it."""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


# The order matters: a cased text is a text, too, and a part of a time a number.
_MAKERS: tuple[tuple[type[SigmaType], Callable[..., Test]], ...] = (
    (SigmaNull, _null),
    (SigmaExists, _exists),
    (SigmaCasedString, _cased),
    (SigmaString, _text),
    (SigmaBool, _boolean),
    (SigmaTimestampPart, _part),
    (SigmaNumber, _number),
    (SigmaRegularExpression, _regex),
    (SigmaCIDRExpression, _cidr),
    (SigmaCompareExpression, _compare),
)
