"""How a value of the type that a comparison is made for is compared, as an expression of compiled code. Pure."""

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from auditor.policy import literals
from auditor.policy.comparison import Test
from auditor.policy.reading import call, constant, load
from auditor.policy.shapes import How

Value = Callable[[], ast.expr]
"""The value that is compared, as often as it is needed, in the order in which the code comes to it."""
Named = Callable[[object], str]
"""Gives a name to what the code calls."""

_OPERATORS: dict[How, ast.cmpop] = {
    How.LESS: ast.Lt(), How.LESS_EQUAL: ast.LtE(), How.MORE: ast.Gt(), How.MORE_EQUAL: ast.GtE(),
    How.OTHER: ast.NotEq(),
}  # fmt: skip


def once(name: str, made: ast.expr) -> Value:
    """What `made` gives, kept in a variable by the first that needs it."""
    first: Iterator[ast.expr] = iter([ast.NamedExpr(ast.Name(name, ast.Store()), made)])
    return lambda: next(first, None) or load(name)


def known(name: str) -> Value:
    """A variable that has its value."""
    return lambda: load(name)


def usual(how: How, value: Value, wanted: Sequence[Any], tests: Sequence[Test], named: Named) -> ast.expr:
    """Whether the value compares with any of those that are wanted; `tests` are asked where nothing is faster."""
    if how in {How.AGE, How.NETWORK}:
        return either([_between(value(), *each) for each in wanted])
    if how is How.TESTED:
        return either([call(load(named(each)), value(), load("now")) for each in tests])
    if how is How.CASED_TESTED:
        return either([_searched(value, *each, named) for each in zip(wanted, tests, strict=True)])
    if how.endswith("_holds"):
        return _holds(value, wanted, named)
    return _compared(how, value, wanted)


def _searched(value: Value, word: str, test: Test, named: Named) -> ast.expr:
    there = ast.Compare(constant(word), [ast.In()], [value()])
    return ast.BoolOp(ast.And(), [there, call(load(named(test)), value(), load("now"))])


def _holds(value: Value, words: Sequence[str], named: Named) -> ast.expr:
    if len(words) > literals.FEW:
        return call(load(named(literals.finder(words))), value())
    return either([ast.Compare(constant(word), [ast.In()], [value()]) for word in words])


def _compared(how: How, value: Value, wanted: Sequence[Any]) -> ast.expr:
    if how in _OPERATORS:
        return either([ast.Compare(value(), [_OPERATORS[how]], [constant(each)]) for each in wanted])
    if how is How.TRUTH:
        return either([ast.Compare(value(), [ast.Is()], [constant(bool(each))]) for each in wanted])
    if how.endswith(("_starts", "_ends")):
        method = "startswith" if how.endswith("_starts") else "endswith"
        return call(ast.Attribute(value(), method, ast.Load()), constant(tuple(wanted)))
    return among(value(), frozenset(wanted))


def among(value: ast.expr, wanted: frozenset[object]) -> ast.expr:
    """Equal to any."""
    if len(wanted) == 1:
        return ast.Compare(value, [ast.Eq()], [constant(next(iter(wanted)))])
    return ast.Compare(value, [ast.In()], [constant(wanted)])


def _between(value: ast.expr, least: int | None, most: int | None) -> ast.expr:
    """Within both bounds; None is no bound."""
    if least is None:
        return ast.Compare(value, [ast.LtE()], [constant(most)])
    if most is None:
        return ast.Compare(value, [ast.GtE()], [constant(least)])
    return ast.Compare(constant(least), [ast.LtE(), ast.LtE()], [value, constant(most)])


def either(operands: Sequence[ast.expr]) -> ast.expr:
    """`or` of any number."""
    return joined(ast.Or(), operands)


def joined(operator: ast.boolop, operands: Sequence[ast.expr]) -> ast.expr:
    """`and` or `or` of any number."""
    if not operands:
        return constant(isinstance(operator, ast.And))
    return operands[0] if len(operands) == 1 else ast.BoolOp(operator, list(operands))
