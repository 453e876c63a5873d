"""One comparison as an expression of compiled code: fast for values of the usual type, else by its tests. Pure."""

import ast
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from auditor.policy.comparison import Test
from auditor.policy.compile import referring, tested
from auditor.policy.grammar import Comparison
from auditor.policy.parts import asks_every, meaning_of, parts_of, shaped
from auditor.policy.reading import (
    KEYWORDS,
    KINDS,
    Form,
    Read,
    Source,
    assign,
    call,
    constant,
    is_a,
    is_none,
    load,
    made,
)
from auditor.policy.shapes import How
from auditor.policy.usual import Value, among, either, joined, known, once, usual

OFTEN = 3
"""A comparison that is asked so often is computed once, whether or not somebody comes to need it."""
RARELY = 2
"""A field that is asked for no more often is read where it is needed, which it is not for most records."""

_FORMS: dict[How, Form] = {
    How.NUMBER: Form.NUMBER, How.LESS: Form.NUMBER, How.LESS_EQUAL: Form.NUMBER, How.MORE: Form.NUMBER,
    How.MORE_EQUAL: Form.NUMBER, How.OTHER: Form.NUMBER, How.AGE: Form.AGE, How.NETWORK: Form.CASED,
    How.TESTED: Form.CASED, How.TEXT: Form.TEXT, How.TRUTH: Form.RAW, How.PRESENT: Form.RAW,
    **{how: Form.FOLDED for how in How if how.startswith("folded")},
    **{how: Form.CASED for how in How if how.startswith("cased")},
}  # fmt: skip


class Atoms:
    """Makes the expressions of one function, and keeps what they read and call."""

    def __init__(self, source: Source, may_be_list: Callable[[str], bool], all_of_them: Sequence[Comparison]) -> None:
        """`all_of_them` are the comparisons to come, so that what is asked often is computed once."""
        self._source = source
        self._may_be_list = may_be_list
        self._asked = Counter(filter(None, map(meaning_of, all_of_them)))
        self._uses = Counter(self._used(all_of_them))
        self._known: dict[Hashable, str] = {}
        self.reads: dict[str, Read] = {}
        self.names: dict[str, object] = {}
        self.computed: list[ast.stmt] = []
        """Code that comes after the reading and before all else."""

    def _used(self, all_of_them: Iterable[Comparison]) -> Iterator[str]:
        """The field of each comparison that comes to stand in the code; those of references more than rarely."""
        computed = set()
        for each in all_of_them:
            meaning = meaning_of(each)
            if each.references:
                yield from each.fields * (RARELY + 1)
            elif each.field and meaning not in computed:
                yield each.field
            if self._asked[meaning] >= OFTEN:
                computed.add(meaning)

    def named(self, called: object) -> str:
        """The name by which the code knows something that it calls."""
        name = f"k{len(self.names)}"
        self.names[name] = called
        return name

    def expression(self, comparison: Comparison) -> ast.expr:
        """The comparison, or the variable that holds its answer."""
        meaning = meaning_of(comparison)
        if self._asked[meaning] < OFTEN:
            return self._whole(comparison)
        if meaning not in self._known:
            name = self._known[meaning] = f"c{len(self._known)}"
            self.computed.append(assign([name], self._whole(comparison)))
        return load(self._known[meaning])

    def _whole(self, comparison: Comparison) -> ast.expr:
        if comparison.references:
            return self._referring(comparison)
        every, parts = asks_every(comparison), parts_of(comparison)
        field = comparison.field or KEYWORDS
        read = self._read(field)
        part = partial(self._rare, field) if read.rare else self._part
        whole = joined(ast.And() if every else ast.Or(), [part(read, *each) for each in parts])
        return ast.UnaryOp(ast.Not(), whole) if comparison.negated else whole

    def _referring(self, comparison: Comparison) -> ast.expr:
        """A comparison of fields with each other, by their values as they are."""
        values = [load(self._read(name).name(Form.RAW)) for name in comparison.fields]
        whole = call(load(self.named(referring(comparison))), *values)
        return ast.UnaryOp(ast.Not(), whole) if comparison.negated else whole

    def cost_of(self, comparison: Comparison) -> int:
        """How long it takes, in comparison with others: what is cheap is asked first."""
        if self._asked[meaning_of(comparison)] >= OFTEN:
            return 0
        if comparison.field is None:
            return 100
        asked = sum(max(_COSTS.get(shape.how, 3) for shape in shapes) for _, shapes in shaped(comparison))
        return asked + (2 if self._is_rare(comparison.field) else 0)

    def _is_rare(self, field: str) -> bool:
        return self._uses[field] <= RARELY

    def _read(self, field: str) -> Read:
        if field not in self.reads:
            named = field != KEYWORDS
            listed, rare = named and self._may_be_list(field), named and self._is_rare(field)
            self.reads[field] = Read(len(self.reads), listed, rare)
        return self.reads[field]

    def _part(self, read: Read, how: How, wanted: list[Any], tests: list[Test]) -> ast.expr:
        raw = read.name(Form.RAW)
        if how is How.PRESENT:
            return either([is_none(raw, absent=not each) for each in wanted])
        if read is self.reads.get(KEYWORDS) and (
            how is not How.FOLDED_HOLDS or any("\0" in str(each) for each in wanted)
        ):
            return self._by_tests(load(raw), tests)
        form = _FORMS[how]
        read.forms.add(form)
        name = read.name(form)
        if how is How.TEXT:
            return self._text(read, frozenset(map(str, wanted)))
        value = self._address(read) if how is How.NETWORK else known(name)
        fast = usual(how, value, wanted, tests, self.named)
        if how is How.TRUTH:
            listed = ast.BoolOp(ast.And(), [is_a(raw, "list"), self._by_tests(load(raw), tests)])
            return either([fast, listed]) if read.may_be_list else fast
        if form in {Form.NUMBER, Form.AGE} and not read.may_be_list:
            # What is absent differs from every number, and yet does not pass.
            return fast if how is not How.OTHER else ast.BoolOp(ast.And(), [is_none(raw, absent=False), fast])
        # A text may be empty, or not one for which all ways to ignore case agree; a number may be 0.
        guard = load(name) if how.startswith("folded") else is_none(name, absent=False)
        return ast.IfExp(guard, fast, self._unusual(raw, load(raw), tests))

    def _rare(self, field: str, read: Read, how: How, wanted: list[Any], tests: list[Test]) -> ast.expr:
        """The comparison with a field that is read here, whatever it holds but a list or what is hidden."""
        raw = read.name(Form.RAW)
        first = self._source.where_needed(field, raw) or load(raw)
        if how is How.PRESENT:
            seen = "visible" if read.may_be_list else "single"
            return either([_there(raw, first, seen, absent=not each) for each in wanted])
        form = _FORMS[how]
        guard: ast.expr = ast.Compare(call(load("type"), first), [ast.Is()], [load(KINDS.get(form, "str"))])
        if form is Form.FOLDED:
            guard = ast.BoolOp(ast.And(), [guard, call(ast.Attribute(load(raw), "isascii", ast.Load()))])
        kept = Form.ADDRESS if how is How.NETWORK else form
        plain = kept in {Form.CASED, Form.NUMBER, Form.RAW}
        value = known(raw) if plain else once(read.name(kept), made(kept, raw))
        fast = usual(how, value, wanted, tests, self.named)
        visible = call(load("visible" if read.may_be_list else "single"), load(raw))
        slow: ast.expr = self._unusual(raw, visible, tests)
        if how is How.TEXT and read.may_be_list:
            slow = ast.IfExp(is_a(raw, "list"), call(load("holds"), load(raw), constant(frozenset(wanted))), slow)
        return ast.IfExp(guard, fast, slow)

    def _unusual(self, raw: str, value: ast.expr, tests: Sequence[Test]) -> ast.expr:
        return ast.BoolOp(ast.And(), [is_none(raw, absent=False), self._by_tests(value, tests)])

    def _by_tests(self, value: ast.expr, tests: Sequence[Test]) -> ast.expr:
        return call(load(self.named(tested(tuple(tests), every=False))), value, load("now"))

    def _text(self, read: Read, wanted: frozenset[str]) -> ast.expr:
        scalar = among(load(read.name(Form.TEXT)), wanted)
        if not read.may_be_list:
            return scalar
        read.forms.add(Form.ELEMENTS)
        elements = _when_needed(read, Form.ELEMENTS, call(load("elements"), load(read.name(Form.RAW))))
        apart = call(ast.Attribute(constant(wanted), "isdisjoint", ast.Load()), elements)
        listed = [is_none(read.name(Form.RAW), absent=False), ast.UnaryOp(ast.Not(), apart)]
        return ast.IfExp(is_none(read.name(Form.TEXT), absent=False), scalar, ast.BoolOp(ast.And(), listed))

    def _address(self, read: Read) -> Value:
        """The address is parsed when the first network asks for it."""
        read.forms.add(Form.ADDRESS)
        first = iter([_when_needed(read, Form.ADDRESS, call(load("number_of"), load(read.name(Form.CASED))))])
        return lambda: next(first, None) or load(read.name(Form.ADDRESS))


def _when_needed(read: Read, form: Form, value: ast.expr) -> ast.expr:
    """A form that is made by the first that asks for it."""
    name = read.name(form)
    kept = ast.NamedExpr(ast.Name(name, ast.Store()), value)
    return ast.IfExp(is_none(name, absent=True), kept, load(name))


def _there(raw: str, value: ast.expr, seen: str, *, absent: bool) -> ast.expr:
    """Whether a value is there, unless it is hidden."""
    none = ast.Compare(value, [ast.IsNot()], [constant(None)])
    is_seen = ast.Compare(call(load(seen), load(raw)), [ast.IsNot()], [constant(None)])
    there = ast.BoolOp(ast.And(), [none, either([is_a(raw, "str"), is_seen])])
    return ast.UnaryOp(ast.Not(), there) if absent else there


_COSTS = {
    How.PRESENT: 1, How.TRUTH: 1, How.AGE: 1, How.NUMBER: 1, How.LESS: 1, How.LESS_EQUAL: 1, How.MORE: 1,
    How.MORE_EQUAL: 1, How.OTHER: 1, How.TEXT: 2, How.NETWORK: 5, How.TESTED: 20,
}  # fmt: skip
