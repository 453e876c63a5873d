"""All policies of one kind as one function for records that hold nothing unusual; of others it says nothing. Pure.

It is twice as fast as what `fusing` makes, which answers for more: what several policies ask is asked once, before each
of them, and what a field holds is not looked at, but found out.
"""

import ast
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from auditor.inventory.model import Record
from auditor.policy.fusing import Question, fits, function_of
from auditor.policy.grammar import Comparison
from auditor.policy.leading import leads
from auditor.policy.logic import Term, comparisons_of, of_detection, of_selection
from auditor.policy.nesting import Item, Nested, Texts, item_of, key_of, nested
from auditor.policy.quickfields import QuickFields
from auditor.policy.quickreads import NAMES
from auditor.policy.reading import assign, call, constant, load
from auditor.policy.usual import joined

VALUES_MAX = 5000
"""Values of one policy: with more, this function takes longer to make than it ever saves."""

Told = Callable[[Record], None]
Swept = Callable[[Sequence[Record], int, Sequence[Told], Sequence[Told], Told], None]
"""Asked of records at a time in Unix seconds: tells, by the number of each policy, which records match, and to which it
does not apply. A record of which nothing certain can be said is told last of all, perhaps after some of that."""
Quick = Callable[[Any, int], list[int]]
"""Asked of one record for the numbers of the policies that match; raises when it has no answer."""


def sweep(questions: Sequence[Question], is_list: Callable[[str], bool]) -> Swept:
    """One function for policies of one kind; `is_list` says which fields hold lists of texts.

    Raises ValueError, RecursionError or MemoryError for what no function can be made of.
    """
    asked = list(_asked(enumerate(questions), {}))
    code = _Code(is_list, _told)
    statements = code.all(asked)
    told = [
        assign([f"{letter}{number}"], ast.Subscript(load(name), constant(number), ast.Load()))
        for name, letter in (("matching", "p"), ("excepted", "q"))
        for number in range(len(questions))
    ]
    get = assign(["get"], ast.Attribute(load("fields"), "get", ast.Load()))
    body = [
        assign(["fields"], ast.Attribute(load("record"), "fields", ast.Load())),
        ast.Try(
            [get, *statements],
            [ast.ExceptHandler(load("Exception"), None, [ast.Expr(call(load("left"), load("record")))])],
            [],
            [],
        ),
    ]
    loop = ast.For(ast.Name("record", ast.Store()), load("records"), body, [], lineno=1)
    arguments = ("records", "now", "matching", "excepted", "left")
    return cast("Swept", function_of(arguments, [*told, *code.fields.limits(), loop], {**NAMES, **code.fields.names}))


def quick(questions: Iterable[tuple[int, Question]], known: Mapping[str, object]) -> Quick:
    """One function for the numbered questions, none of which has exceptions, of records with these values in `known`.

    Raises ValueError, RecursionError or MemoryError for what no function can be made of.
    """
    asked = list(_asked(questions, known))
    code = _Code(lambda _field: False, _found)
    statements = code.all(asked)
    get = assign(["get"], ast.Attribute(load("fields"), "get", ast.Load()))
    order = ast.Expr(call(ast.Attribute(load("found"), "sort", ast.Load())))
    body = [
        get,
        *code.fields.limits(),
        assign(["found"], ast.List([], ast.Load())),
        *statements,
        ast.If(load("found"), [order], []),
        ast.Return(load("found")),
    ]
    return cast("Quick", function_of(("fields", "now"), body, {**NAMES, **code.fields.names}))


def _told(number: int) -> ast.stmt:
    """The record is told to the policy that it matches, or to which it is an exception."""
    return ast.Expr(call(load(f"p{number}" if number >= 0 else f"q{~number}"), load("record")))


def _found(number: int) -> ast.stmt:
    if number < 0:
        raise ValueError("a policy has exceptions")
    return ast.Expr(call(ast.Attribute(load("found"), "append", ast.Load()), constant(number)))


@dataclass(frozen=True)
class _Asked:
    """Policies that apply to the same records: when, and what each of them asks of those."""

    applies: Term
    numbers: list[int]
    terms: list[Term]

    @property
    def comparisons(self) -> Iterator[Comparison]:
        for term in (self.applies, *self.terms):
            yield from comparisons_of(term)


def _asked(questions: Iterable[tuple[int, Question]], known: Mapping[str, object]) -> Iterable[_Asked]:
    """The questions, by what they apply to. Raises ValueError for one that is too large."""
    found: dict[Hashable, _Asked] = {}
    for number, question in questions:
        applies = of_selection(question.applies_to, known) if question.applies_to else True
        term = of_detection(question.matcher.detection, known)
        if not fits(applies) or not fits(term) or _values(applies) + _values(term) > VALUES_MAX:
            raise ValueError("a policy is too large")
        group = found.setdefault(key_of(applies), _Asked(applies, [], []))
        group.numbers.append(number)
        group.terms.append(term)
    return found.values()


def _values(term: Term) -> int:
    return sum(len(each.tests) for each in comparisons_of(term))


def _gates(found: Nested) -> Iterator[Comparison | Texts]:
    """What is asked of every record that comes here, before all else."""
    for gate in found.gates:
        yield from [gate.asked] if isinstance(gate.asked, Texts) else comparisons_of(gate.asked)


def _anywhere(found: Nested) -> Iterator[Comparison | Texts]:
    yield from _gates(found)
    yield from (each for item in found.items for one in item.operands for each in comparisons_of(one.term))
    for gate in found.gates:
        yield from _anywhere(gate.behind)


class _Code:
    """The statements of one function."""

    def __init__(self, is_list: Callable[[str], bool], act: Callable[[int], ast.stmt]) -> None:
        """`act` is done with the number of a policy that matches, and with `~number` of one that does not apply."""
        self.fields = QuickFields(is_list)
        self._act = act

    def all(self, groups: Sequence[_Asked]) -> list[ast.stmt]:
        """All policies."""
        asked = [each for one in groups for each in one.comparisons] if len(groups) > 1 else []
        read = self.fields.open(asked, asked)
        code = [each for one in groups for each in self._asked(one)]
        return [*self.fields.close(read), *code]

    def _asked(self, group: _Asked) -> list[ast.stmt]:
        """The policies that apply to the same records."""
        items = [
            item_of(number, term) for number, term in zip(group.numbers, group.terms, strict=True) if term is not False
        ]
        matching = self._nested(nested(items))
        if group.applies is True:
            return matching
        excepted = [self._act(~number) for number in group.numbers]
        return [ast.If(self._expression(group.applies), matching or [ast.Pass()], excepted)]

    def _nested(self, found: Nested) -> list[ast.stmt]:
        gates = list(_gates(found))
        first = leads(found.items, [*self.fields.already(), *(each.field for each in gates if each.field)], self._cost)
        certain = [*gates, *(each for term in first.values() for each in comparisons_of(term))]
        read = self.fields.open(certain, _anywhere(found))
        code: list[ast.stmt] = [
            ast.If(self._expression(each.asked), self._nested(each.behind), []) for each in found.gates
        ]
        code += [self._item(item, first.get(item.number)) for item in found.items]
        return [*self.fields.close(read), *code]

    def _item(self, item: Item, first: Term | None) -> ast.stmt:
        operands = sorted((each.term for each in item.operands), key=lambda term: (term is not first, self._cost(term)))
        act = self._act(item.number)
        if not operands:
            return act
        return ast.If(joined(ast.And(), [self._expression(each) for each in operands]), [act], [])

    def _expression(self, term: Term | Texts, *, likely: bool = False) -> ast.expr:
        if isinstance(term, bool):
            return constant(term)
        if isinstance(term, Comparison | Texts):
            return self.fields.expression(term, likely=likely)
        # The order makes no difference to the answer: what is not seen raises.
        operands = sorted(term.operands, key=self._cost)
        if term.operator == "not":
            return ast.UnaryOp(ast.Not(), self._expression(operands[0], likely=not likely))
        code = [self._expression(each, likely=likely) for each in operands]
        return ast.BoolOp(ast.And() if term.operator == "and" else ast.Or(), code)

    def _cost(self, term: Term) -> int:
        return sum(map(self.fields.cost_of, comparisons_of(term)))
