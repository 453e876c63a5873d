"""One comparison as an expression of compiled code: fast for values of the usual type, else by its tests. Pure."""

import ast
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

from auditor.policy import literals
from auditor.policy.comparison import Test
from auditor.policy.compile import referring, tested
from auditor.policy.grammar import Comparison
from auditor.policy.reading import KEYWORDS, Form, Read, assign, call, constant, is_a, load
from auditor.policy.shapes import TESTED, How, Shape, shapes_of

OFTEN = 3
"""A comparison that is asked so often is computed once, whether or not somebody comes to need it."""

Part = tuple[How, list[Any], list[Test]]
"""What is compared in one way: with which values, and by which tests in the unusual case."""

_FORMS: dict[How, Form] = {
    How.NUMBER: Form.NUMBER, How.LESS: Form.NUMBER, How.LESS_EQUAL: Form.NUMBER, How.MORE: Form.NUMBER,
    How.MORE_EQUAL: Form.NUMBER, How.OTHER: Form.NUMBER, How.AGE: Form.AGE, How.NETWORK: Form.CASED,
    How.TESTED: Form.CASED, How.TEXT: Form.TEXT, How.TRUTH: Form.RAW, How.PRESENT: Form.RAW,
    **{how: Form.FOLDED for how in How if how.startswith("folded")},
    **{how: Form.CASED for how in How if how.startswith("cased")},
}  # fmt: skip

_OPERATORS: dict[How, ast.cmpop] = {
    How.LESS: ast.Lt(), How.LESS_EQUAL: ast.LtE(), How.MORE: ast.Gt(), How.MORE_EQUAL: ast.GtE(),
    How.OTHER: ast.NotEq(),
}  # fmt: skip


class Atoms:
    """Makes the expressions of one function, and keeps what they read and call."""

    def __init__(self, may_be_list: Callable[[str], bool], all_of_them: Iterable[Comparison]) -> None:
        """`all_of_them` are the comparisons to come, so that what is asked often is computed once."""
        self._may_be_list = may_be_list
        self._asked = Counter(filter(None, map(_meaning, all_of_them)))
        self._known: dict[Hashable, str] = {}
        self.reads: dict[str, Read] = {}
        self.names: dict[str, object] = {}
        self.computed: list[ast.stmt] = []
        """Code that comes after the reading and before all else."""

    def named(self, called: object) -> str:
        """The name by which the code knows something that it calls."""
        name = f"k{len(self.names)}"
        self.names[name] = called
        return name

    def expression(self, comparison: Comparison) -> ast.expr:
        """The comparison, or the variable that holds its answer."""
        meaning = _meaning(comparison)
        if self._asked[meaning] < OFTEN:
            return self._whole(comparison)
        if meaning not in self._known:
            name = self._known[meaning] = f"c{len(self._known)}"
            self.computed.append(assign([name], self._whole(comparison)))
        return load(self._known[meaning])

    def _whole(self, comparison: Comparison) -> ast.expr:
        if comparison.references:
            return self._referring(comparison)
        every = comparison.every and len(comparison.tests) > 1
        parts = _each(comparison) if every else _grouped(comparison)
        read = self._read(comparison.field or KEYWORDS)
        whole = _joined(ast.And() if every else ast.Or(), [self._part(read, *part) for part in parts])
        return ast.UnaryOp(ast.Not(), whole) if comparison.negated else whole

    def _referring(self, comparison: Comparison) -> ast.expr:
        """A comparison of fields with each other, by their values as they are."""
        values = [load(self._read(name).name(Form.RAW)) for name in comparison.fields]
        whole = call(load(self.named(referring(comparison))), *values)
        return ast.UnaryOp(ast.Not(), whole) if comparison.negated else whole

    def _read(self, field: str) -> Read:
        return self.reads.setdefault(field, Read(len(self.reads), field != KEYWORDS and self._may_be_list(field)))

    def _part(self, read: Read, how: How, wanted: list[Any], tests: list[Test]) -> ast.expr:
        raw = read.name(Form.RAW)
        if how is How.PRESENT:
            return _joined(ast.Or(), [_is_none(raw, absent=not each) for each in wanted])
        if read is self.reads.get(KEYWORDS) and (
            how is not How.FOLDED_HOLDS or any("\0" in str(each) for each in wanted)
        ):
            return self._by_tests(raw, tests)
        read.forms.add(_FORMS[how])
        name = read.name(_FORMS[how])
        if how is How.TEXT:
            return self._text(read, frozenset(map(str, wanted)))
        if how is How.TRUTH:
            return self._truth(read, wanted, tests)
        usual = self._usual(read, name, how, wanted, tests)
        if _FORMS[how] in {Form.NUMBER, Form.AGE} and not read.may_be_list:
            # What is absent differs from every number, and yet does not pass.
            return usual if how is not How.OTHER else ast.BoolOp(ast.And(), [_is_none(raw, absent=False), usual])
        slow = ast.BoolOp(ast.And(), [_is_none(raw, absent=False), self._by_tests(raw, tests)])
        # A text may be empty, or not one for which all ways to ignore case agree; a number may be 0.
        guard = load(name) if how.startswith("folded") else _is_none(name, absent=False)
        return ast.IfExp(guard, usual, slow)

    def _by_tests(self, raw: str, tests: Sequence[Test]) -> ast.expr:
        return call(load(self.named(tested(tuple(tests), every=False))), load(raw), load("now"))

    def _text(self, read: Read, wanted: frozenset[str]) -> ast.expr:
        scalar = _among(read.name(Form.TEXT), wanted)
        if not read.may_be_list:
            return scalar
        read.forms.add(Form.ELEMENTS)
        name = read.name(Form.ELEMENTS)
        made = ast.NamedExpr(ast.Name(name, ast.Store()), call(load("elements"), load(read.name(Form.RAW))))
        elements = ast.IfExp(_is_none(name, absent=True), made, load(name))
        apart = call(ast.Attribute(constant(wanted), "isdisjoint", ast.Load()), elements)
        listed = [_is_none(read.name(Form.RAW), absent=False), ast.UnaryOp(ast.Not(), apart)]
        return ast.IfExp(_is_none(read.name(Form.TEXT), absent=False), scalar, ast.BoolOp(ast.And(), listed))

    def _truth(self, read: Read, wanted: Sequence[Any], tests: Sequence[Test]) -> ast.expr:
        raw = read.name(Form.RAW)
        is_it: list[ast.expr] = [ast.Compare(load(raw), [ast.Is()], [constant(bool(each))]) for each in wanted]
        if read.may_be_list:
            is_it.append(ast.BoolOp(ast.And(), [is_a(raw, "list"), self._by_tests(raw, tests)]))
        return _joined(ast.Or(), is_it)

    def _usual(self, read: Read, name: str, how: How, wanted: list[Any], tests: list[Test]) -> ast.expr:
        if how is How.NETWORK:
            return self._network(read, wanted)
        if how is How.TESTED:
            return _joined(ast.Or(), [call(load(self.named(each)), load(name), load("now")) for each in tests])
        if how is How.CASED_TESTED:
            return _joined(ast.Or(), [self._searched(name, *each) for each in zip(wanted, tests, strict=True)])
        if how.endswith("_holds"):
            return self._holds(name, wanted)
        return _compared(name, how, wanted)

    def _searched(self, name: str, word: str, test: Test) -> ast.expr:
        there = ast.Compare(constant(word), [ast.In()], [load(name)])
        return ast.BoolOp(ast.And(), [there, call(load(self.named(test)), load(name), load("now"))])

    def _holds(self, name: str, words: list[str]) -> ast.expr:
        if len(words) > literals.FEW:
            return call(load(self.named(literals.finder(words))), load(name))
        return _joined(ast.Or(), [ast.Compare(constant(word), [ast.In()], [load(name)]) for word in words])

    def _network(self, read: Read, spans: list[Any]) -> ast.expr:
        """The address is parsed when the first network asks for it."""
        read.forms.add(Form.ADDRESS)
        name = read.name(Form.ADDRESS)
        parsed = ast.NamedExpr(ast.Name(name, ast.Store()), call(load("number_of"), load(read.name(Form.CASED))))
        first = ast.IfExp(_is_none(name, absent=True), parsed, load(name))
        return _joined(ast.Or(), [_between(load(name) if i else first, *span) for i, span in enumerate(spans)])


def cost_of(comparison: Comparison) -> int:
    """How long it takes, in comparison with others: what is cheap is asked first."""
    if comparison.field is None:
        return 100
    return sum(max(_COSTS.get(shape.how, 3) for shape in shapes) for _, shapes in _shaped(comparison))


_COSTS = {How.PRESENT: 1, How.TRUTH: 1, How.AGE: 1, How.NUMBER: 1, How.TEXT: 2, How.NETWORK: 5, How.TESTED: 20}


def _meaning(comparison: Comparison) -> Hashable:
    """What two comparisons that say the same have in common; None for one that is known by its tests alone."""
    shapes = [shape for _, shapes in _shaped(comparison) for shape in shapes]
    if comparison.references or any(shape.how in {How.TESTED, How.CASED_TESTED} for shape in shapes):
        return None
    wanted = tuple((shape.how, type(shape.wanted), shape.wanted) for shape in shapes)
    return comparison.field, comparison.every, comparison.negated, wanted


def _each(comparison: Comparison) -> Iterator[Part]:
    """Each value by itself: all must be met."""
    return ((shapes[0].how, [each.wanted for each in shapes], [test]) for test, shapes in _shaped(comparison))


def _grouped(comparison: Comparison) -> list[Part]:
    """The values by how they are compared: any may be met."""
    parts: dict[How, Part] = {}
    for test, shapes in _shaped(comparison):
        part = parts.setdefault(shapes[0].how, (shapes[0].how, [], []))
        part[1].extend(each.wanted for each in shapes)
        part[2].append(test)
    return list(parts.values())


def _shaped(comparison: Comparison) -> Iterator[tuple[Test, tuple[Shape, ...]]]:
    """Each test with the shapes of which one must be met, which are all compared in the same way."""
    if len(comparison.values) != len(comparison.tests):
        return ((test, (TESTED,)) for test in comparison.tests)
    return zip(comparison.tests, map(shapes_of, comparison.values), strict=True)


def _joined(operator: ast.boolop, operands: list[ast.expr]) -> ast.expr:
    if not operands:
        return constant(isinstance(operator, ast.And))
    return operands[0] if len(operands) == 1 else ast.BoolOp(operator, operands)


def _is_none(name: str, *, absent: bool) -> ast.expr:
    return ast.Compare(load(name), [ast.Is() if absent else ast.IsNot()], [constant(None)])


def _compared(name: str, how: How, wanted: list[Any]) -> ast.expr:
    if how in _OPERATORS:
        return _joined(ast.Or(), [_compare(name, _OPERATORS[how], each) for each in wanted])
    if how is How.AGE:
        return _joined(ast.Or(), [_between(load(name), *each) for each in wanted])
    if how.endswith(("_starts", "_ends")):
        method = "startswith" if how.endswith("_starts") else "endswith"
        return call(ast.Attribute(load(name), method, ast.Load()), constant(tuple(wanted)))
    return _among(name, frozenset(wanted))


def _compare(name: str, operator: ast.cmpop, wanted: object) -> ast.expr:
    return ast.Compare(load(name), [operator], [constant(wanted)])


def _among(name: str, wanted: frozenset[object]) -> ast.expr:
    if len(wanted) == 1:
        return _compare(name, ast.Eq(), next(iter(wanted)))
    return _compare(name, ast.In(), wanted)


def _between(value: ast.expr, least: int | None, most: int | None) -> ast.expr:
    """Within both bounds; None is no bound."""
    if least is None:
        return ast.Compare(value, [ast.LtE()], [constant(most)])
    if most is None:
        return ast.Compare(value, [ast.GtE()], [constant(least)])
    return ast.Compare(constant(least), [ast.LtE(), ast.LtE()], [value, constant(most)])
