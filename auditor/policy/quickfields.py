"""Comparisons as expressions of quick code, which expects of each field what it usually holds, and raises else. Pure.

What is absent is read as the empty text, as no number or as the empty list, for which no comparison that is made here
holds; what might hold for them is asked as it is asked alone.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from auditor.inventory.model import Fields
from auditor.policy.addresses import beginning_of
from auditor.policy.comparison import Test
from auditor.policy.compile import compile_comparison, tested
from auditor.policy.grammar import Comparison
from auditor.policy.leading import SLOW
from auditor.policy.nesting import Texts
from auditor.policy.parts import Part, asks_every, parts_of
from auditor.policy.quickreads import FOLDED, Kind, Unusual, folded, got, is_a, listed, never, number, text
from auditor.policy.reading import assign, call, constant, load
from auditor.policy.shapes import How
from auditor.policy.usual import Value, among, either, joined, known, once, usual

Read = tuple[str, Kind]
"""A field that is read, and as what."""

OFTEN = 2
"""A field that is asked for so often in a block of code is read at its beginning."""
FEW = 2
"""So many beginnings of a text are looked for anywhere before they are looked for at its beginning."""
MANY = 4
"""More texts than that are looked for in a list by a function of its own."""

_NUMBERS = frozenset({How.NUMBER, How.LESS, How.LESS_EQUAL, How.MORE, How.MORE_EQUAL, How.AGE})
_TEXTS = frozenset(how for how in How if how.startswith(("folded_", "cased_"))) | {How.TEXT, How.NETWORK}


class QuickFields:
    """Makes the expressions of one function, and keeps what they read and call."""

    def __init__(self, is_list: Callable[[str], bool]) -> None:
        """`is_list` says which fields hold lists of texts."""
        self._is_list = is_list
        self._read: set[Read] = set()
        self._kinds: dict[str, Kind] = {}
        self._places: dict[str, int] = {}
        self._limits: dict[int, str] = {}
        self._folded: set[str] = set()
        self._ages: set[str] = set()
        self.names: dict[str, object] = {}
        """What the code calls, beside what all such code does."""

    def limits(self) -> list[ast.stmt]:
        """Code that comes first: the times with which those are compared that have an age."""
        return [assign([name], ast.BinOp(load("now"), ast.Sub(), constant(age))) for age, name in self._limits.items()]

    def open(self, certain: Iterable[Comparison | Texts], all_of_them: Iterable[Comparison | Texts]) -> list[Read]:
        """Begin a block: the fields that something `certain` to be asked in it reads, and something else in it, too.

        They are read once, by what `close` gives after the last expression of the block.
        """
        often = Counter(filter(None, map(self._reading, all_of_them)))
        asked = dict.fromkeys(filter(None, map(self._reading, certain)))
        read = [each for each in asked if often[each] >= OFTEN and each not in self._read]
        self._read.update(read)
        return read

    def already(self) -> Iterable[str]:
        """The fields that are read already."""
        return (field for field, _ in self._read)

    def close(self, read: Iterable[Read]) -> list[ast.stmt]:
        """End a block: the code that comes first in it."""
        self._read.difference_update(read)
        return [self._eagerly(field, kind) for field, kind in read if self._kinds.get(field) is kind]

    def _eagerly(self, field: str, kind: Kind) -> ast.stmt:
        name = self._name(field, kind)
        if kind is Kind.NUMBER:
            return ast.Expr(number(field, name, whole=field in self._ages))
        if field in self._folded:
            return assign([self._name(field, FOLDED)], folded(got(field, name, constant(""))))
        return ast.Expr(text(field, name))

    def _reading(self, asked: Comparison | Texts) -> Read | None:
        """The field that is asked for, and as what, when there is any use in reading it before."""
        kind = Kind.TEXT if isinstance(asked, Texts) else self._expected(asked)
        return (asked.field, kind) if asked.field and kind in {Kind.TEXT, Kind.NUMBER} else None

    def expression(self, asked: Comparison | Texts, *, likely: bool) -> ast.expr:
        """The comparison; `likely` says that it holds for most records."""
        if isinstance(asked, Texts):
            self._kinds.setdefault(asked.field, Kind.TEXT)
            return among(self._without_case(asked.field)(), asked.wanted)
        kind, field = self._expected(asked), asked.field
        others = kind is not None and field and kind is not Kind.ANYTHING and self._kinds.setdefault(field, kind)
        if kind is None or not field or (others and others is not kind):
            return call(load(self._named(_certain(asked))), load("fields"), load("now"))
        parts = [self._part(field, kind, each, likely=likely is not asked.negated) for each in parts_of(asked)]
        whole = joined(ast.And() if asks_every(asked) else ast.Or(), parts)
        return ast.UnaryOp(ast.Not(), whole) if asked.negated else whole

    def cost_of(self, comparison: Comparison) -> int:
        """How long it takes, in comparison with others: what is cheap is asked first."""
        kind = self._expected(comparison)
        if kind is None or not comparison.field:
            return SLOW
        reading = 0 if self._is_read(comparison.field, kind) else 3
        return reading + len(parts_of(comparison)) * (4 if kind is Kind.LIST else 2 if kind is Kind.TEXT else 1)

    def _expected(self, comparison: Comparison) -> Kind | None:
        """What its field must hold to be compared here; None for what is asked as it is asked alone."""
        parts = parts_of(comparison)
        ways = {how for how, _, _ in parts}
        if not ways or comparison.references or not comparison.field:
            return None
        if ways <= _TEXTS and all(map(_telling, parts)):
            alike = Kind.LIST if ways == {How.TEXT} else None
            return alike if self._is_list(comparison.field) else Kind.TEXT
        if ways <= _NUMBERS:
            return Kind.NUMBER
        return Kind.TRUTH if ways == {How.TRUTH} else Kind.ANYTHING if ways == {How.PRESENT} else None

    def _part(self, field: str, kind: Kind, part: Part, *, likely: bool) -> ast.expr:
        how, wanted, tests = part
        if kind is Kind.TEXT:
            return self._text(field, part, likely=likely)
        if kind is Kind.NUMBER:
            return self._compared(field, how, wanted, tests)
        if kind is Kind.LIST:
            return self._in_list(field, list(map(str, wanted)))
        if kind is Kind.TRUTH:
            return self._truth(field, wanted)
        return either([self._there(field, wanted=each) for each in wanted])

    def _text(self, field: str, part: Part, *, likely: bool) -> ast.expr:
        how, wanted, tests = part
        if how is How.TEXT:
            return among(self._without_case(field)(), frozenset(map(str, wanted)))
        if how is How.NETWORK:
            value = self._as_it_is(field)
            return either([self._within(value, each, tests) for each in wanted])
        if how.startswith("folded_"):
            return self._folded_hit(field, part, likely=likely)
        return self._hit(part, self._as_it_is(field), likely=likely)

    def _within(self, value: Value, span: tuple[int, int], tests: Sequence[Test]) -> ast.expr:
        """Whether a text is an address of a network: what its text begins with rules most out, and takes no parsing."""
        beginning = beginning_of(*span)
        there = [ast.Compare(constant(beginning), [ast.In()], [value()])] if beginning else []
        number = call(load("number_of"), value())
        return joined(ast.And(), [*there, usual(How.NETWORK, lambda: number, [span], tests, self._named)])

    def _folded_hit(self, field: str, part: Part, *, likely: bool) -> ast.expr:
        """Of a text that is not ASCII the hit is needed for its test to hold, and is not enough."""
        hit = self._hit(part, self._without_case(field), likely=likely)
        value = load(self._name(field, Kind.TEXT))
        test = call(load(self._named(tested(tuple(part[2]), every=False))), value, load("now"))
        return ast.BoolOp(ast.And(), [hit, either([call(ast.Attribute(value, "isascii", ast.Load())), test])])

    def _hit(self, part: Part, value: Value, *, likely: bool) -> ast.expr:
        """Whether a text holds, or begins or ends with, what is wanted: to look for it anywhere is faster."""
        how, wanted, tests = part
        anchored = how.endswith(("_starts", "_ends")) and len(wanted) <= FEW and not likely
        there = [ast.Compare(constant(each), [ast.In()], [value()]) for each in (wanted if anchored else ())]
        return joined(ast.And(), [*([either(there)] if there else []), usual(how, value, wanted, tests, self._named)])

    def _compared(self, field: str, how: How, wanted: Sequence[Any], tests: Sequence[Test]) -> ast.expr:
        name, is_age = self._name(field, Kind.NUMBER), how is How.AGE
        if is_age:
            self._ages.add(field)
        value = self._first(name, number(field, name, whole=is_age), read=self._is_read(field, Kind.NUMBER))
        if not is_age:
            return usual(how, value, wanted, tests, self._named)
        return either([self._aged(value(), *each) for each in wanted])

    def _aged(self, value: ast.expr, least: int | None, most: int | None) -> ast.expr:
        """Between two times, of which one may be left out."""
        if least is None:
            return ast.Compare(value, [ast.GtE()], [self._limit(most)])
        if most is None:
            return ast.Compare(value, [ast.LtE()], [self._limit(least)])
        return ast.Compare(self._limit(most), [ast.LtE(), ast.LtE()], [value, self._limit(least)])

    def _limit(self, age: int | None) -> ast.expr:
        return load(self._limits.setdefault(int(age or 0), f"l{len(self._limits)}"))

    def _in_list(self, field: str, wanted: Sequence[str]) -> ast.expr:
        """As they are written, which is likely; else without their case, in all elements at once."""
        name, texts = self._name(field, Kind.LIST), constant(frozenset(wanted))
        value = self._first(name, listed(field, name))
        if len(wanted) > MANY:
            return call(load("holds"), value(), texts)
        written = [ast.Compare(constant(each), [ast.In()], [value()]) for each in wanted]
        together = call(ast.Attribute(constant("\0"), "join", ast.Load()), load(name))
        without_case = once(self._name(field, "j"), folded(together))
        anywhere = either([ast.Compare(constant(each), [ast.In()], [without_case()]) for each in wanted])
        return either([*written, ast.BoolOp(ast.And(), [anywhere, call(load("holds"), load(name), texts)])])

    def _truth(self, field: str, wanted: Sequence[object]) -> ast.expr:
        name = self._name(field, Kind.TRUTH)
        value = self._first(name, got(field, name, constant(None)))
        met = [ast.Compare(value(), [ast.Is()], [constant(bool(each))]) for each in wanted]
        no_other = [ast.Compare(value(), [ast.IsNot()], [constant(each)]) for each in (True, False, None)]
        return either([*met, ast.BoolOp(ast.And(), [*no_other, never(name)])])

    def _there(self, field: str, *, wanted: bool) -> ast.expr:
        name = self._name(field, Kind.ANYTHING)
        none = ast.Compare(got(field, name, constant(None)), [ast.Is()], [constant(None)])
        absent = either([none, ast.BoolOp(ast.And(), [is_a(load(name), "Unknown"), never(name)])])
        return ast.UnaryOp(ast.Not(), absent) if wanted else absent

    def _without_case(self, field: str) -> Value:
        """A text without its case, which is known as it is then, too."""
        self._folded.add(field)
        name, whole = self._name(field, FOLDED), got(field, self._name(field, Kind.TEXT), constant(""))
        return known(name) if self._is_read(field, Kind.TEXT) else once(name, folded(whole))

    def _as_it_is(self, field: str) -> Value:
        name = self._name(field, Kind.TEXT)
        return self._first(name, text(field, name), read=self._is_read(field, Kind.TEXT))

    def _first(self, name: str, value: ast.expr, *, read: bool = False) -> Value:
        """A value that its first reader puts into its variable, unless it is read already."""
        first = iter([] if read else [value])
        return lambda: next(first, None) or load(name)

    def _is_read(self, field: str, kind: Kind) -> bool:
        return (field, kind) in self._read

    def _name(self, field: str, letter: str) -> str:
        return f"{letter}{self._places.setdefault(field, len(self._places))}"

    def _named(self, called: object) -> str:
        name = f"k{len(self.names)}"
        self.names[name] = called
        return name


def _telling(part: Part) -> bool:
    """Whether the empty text, which stands for an absent one, is nothing that a part could hold for."""
    how, wanted, _ = part
    return how is How.NETWORK or all(isinstance(each, str) and each and "\0" not in each for each in wanted)


def _certain(comparison: Comparison) -> Callable[[Fields, int], bool]:
    asked = compile_comparison(comparison)

    def certain(fields: Fields, now: int) -> bool:
        answer = asked(fields, now)
        if answer is None:
            raise Unusual
        return answer

    return certain
