"""All policies of one kind as one function, made as a syntax tree: no text of a policy is ever code. Pure."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import CodeType, FunctionType
from typing import Any, Protocol, cast

from auditor.inventory.model import Fields
from auditor.policy import reading
from auditor.policy.atoms import Atoms
from auditor.policy.compile import Asked, Matcher
from auditor.policy.grammar import Comparison, Selection
from auditor.policy.logic import Term, comparisons_of, depth_of, of_detection, of_selection
from auditor.policy.reading import Source, assign, call, constant, load

Fused = Callable[[Any, int], list[int] | None]
"""Asked of a record at a time in Unix seconds.

The answer holds the number of each policy that matches, and `~number` of each that does not apply; None is no answer:
something is hidden, or is not what it should be, and each policy must be asked by itself. So must they when it raises.
"""

MAX_COMPARISONS = 400
"""Of one policy; one with more is asked by itself."""
MAX_DEPTH = 50
"""Of its condition; one that is deeper is asked by itself, too."""


class Question(Protocol):
    """A policy to be fused with others."""

    @property
    def matcher(self) -> Matcher: ...
    @property
    def applies(self) -> Asked | None: ...
    @property
    def applies_to(self) -> Selection | None: ...


class Undecided(Exception):
    """A policy that is asked by itself has no answer: something is hidden."""


def fuse(
    questions: Iterable[tuple[int, Question]],
    known: Mapping[str, object],
    may_be_list: Callable[[str], bool],
    source: Source | None = None,
) -> Fused:
    """One function for the numbered questions, of records whose fields in `known` have these values.

    `may_be_list` says of which fields a list is nothing unusual. Raises ValueError, RecursionError or MemoryError for
    what no function can be made of, and ValueError when `source` cannot give what a question needs.
    """
    terms = [_terms(number, question, known) for number, question in questions]
    terms = [each for each in terms if each.matches is not False or each.applies is not None]
    if not terms:
        return nothing
    fields = source or reading.Flat()
    atoms = Atoms(fields, may_be_list, [each for one in terms for each in one.comparisons])
    asked = [_statement(each, atoms, flat=source is None) for each in terms]
    body = [
        *reading.statements(atoms.reads, fields),
        *atoms.computed,
        assign(["found"], ast.List([], ast.Load())),
        *_grouped(asked),
        ast.Return(load("found")),
    ]
    return cast("Fused", function_of(("record", "now"), body, {**reading.NAMES, **atoms.names}))


def nothing(_record: object, _now: int) -> list[int]:
    """The function of questions of which none can match."""
    return []


@dataclass(frozen=True, slots=True)
class _Terms:
    """What is asked for one policy: by terms, or where they are too large by what was compiled for it alone."""

    number: int
    question: Question
    matches: Term
    applies: Term | None

    @property
    def comparisons(self) -> Iterator[Comparison]:
        for term in (self.matches, self.applies):
            if term is not None and fits(term):
                yield from comparisons_of(term)


def _terms(number: int, question: Question, known: Mapping[str, object]) -> _Terms:
    applies = of_selection(question.applies_to, known) if question.applies_to else None
    return _Terms(number, question, of_detection(question.matcher.detection, known), applies)


def fits(term: Term) -> bool:
    """Whether a term is small enough to be code."""
    return depth_of(term) <= MAX_DEPTH and sum(1 for _ in comparisons_of(term)) <= MAX_COMPARISONS


def _statement(terms: _Terms, atoms: Atoms, *, flat: bool) -> ast.If:
    matches = _asked(terms.matches, terms.question.matcher.asked, atoms, flat=flat)
    found = ast.If(matches, [_found(terms.number)], [])
    if terms.question.applies is None or terms.applies is None:
        return found
    applies = _asked(terms.applies, terms.question.applies, atoms, flat=flat)
    return ast.If(applies, [found], [_found(~terms.number)])


def _grouped(asked: Sequence[ast.If]) -> list[ast.If]:
    """Policies that apply to the same records are asked together: whether they do is looked at once."""
    grouped: list[ast.If] = []
    first: dict[str, ast.If] = {}
    for each in asked:
        name = each.test.id if isinstance(each.test, ast.Name) and each.orelse else ""
        if name in first:
            first[name].body += each.body
            first[name].orelse += each.orelse
            continue
        grouped.append(each)
        if name:
            first[name] = each
    return grouped


def _asked(term: Term, asked: Asked, atoms: Atoms, *, flat: bool) -> ast.expr:
    if fits(term):
        return _expression(term, atoms)
    if not flat:
        raise ValueError("a policy is too large")
    return call(load(atoms.named(_certain(asked))), load("record"), load("now"))


def _certain(asked: Asked) -> Callable[[Fields, int], bool]:
    def certain(fields: Fields, now: int) -> bool:
        answer = asked(fields, now)
        if answer is None:
            raise Undecided
        return answer

    return certain


def _expression(term: Term, atoms: Atoms) -> ast.expr:
    if isinstance(term, bool):
        return constant(term)
    if isinstance(term, Comparison):
        return atoms.expression(term)
    # The order makes no difference to the answer: what is not seen has sent the record elsewhere.
    operands = [_expression(each, atoms) for each in sorted(term.operands, key=partial(_cost, atoms))]
    if term.operator == "not":
        return ast.UnaryOp(ast.Not(), operands[0])
    return ast.BoolOp(ast.And() if term.operator == "and" else ast.Or(), operands)


def _cost(atoms: Atoms, term: Term) -> int:
    return sum(map(atoms.cost_of, comparisons_of(term)))


def _found(number: int) -> ast.stmt:
    return ast.Expr(call(ast.Attribute(load("found"), "append", ast.Load()), constant(number)))


def function_of(arguments: Sequence[str], body: Sequence[ast.stmt], names: Mapping[str, object]) -> FunctionType:
    """The function with these arguments and this body, which knows nothing but `names`."""
    positional = ast.arguments([], [ast.arg(each) for each in arguments], None, [], [], None, [])
    module = ast.Module([ast.FunctionDef("fused", positional, list(body), [], lineno=1)], [])
    compiled = compile(ast.fix_missing_locations(module), "<policies>", "exec")
    code = next(each for each in compiled.co_consts if isinstance(each, CodeType))
    return FunctionType(code, dict(names))
