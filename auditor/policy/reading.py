"""How compiled code reads the fields of a record: each once, in the forms that its comparisons ask for. Pure."""

import ast
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from auditor.inventory.model import Unknown
from auditor.policy.addresses import number_of
from auditor.policy.comparison import as_text
from auditor.policy.compile import texts

KEYWORDS = ""
"""Stands for the field of a keyword, which is looked for in every text."""


class Form(StrEnum):
    """A form of a value, and the first letter of the variable that holds it; None where the value has no such form."""

    RAW = "v"
    TEXT = "s"
    """Any one value as text without its case."""
    FOLDED = "w"
    """The same of a text that is ASCII: what every way to ignore case agrees upon. Empty for all others."""
    CASED = "x"
    """A text."""
    NUMBER = "n"
    """A whole number."""
    AGE = "a"
    """Seconds since the time that it is."""
    ADDRESS = "i"
    """The number of an IP address, once something asked for it."""
    ELEMENTS = "e"
    """The elements of a list as texts without their case, once something asked for them."""


@dataclass
class Read:
    """One field that is read."""

    number: int
    may_be_list: bool
    rare: bool = False
    """Whether it is read where it is needed, and not before."""
    forms: set[Form] = field(default_factory=set)

    def name(self, form: Form) -> str:
        """The variable that holds the field in this form."""
        return f"{form}{self.number}"


class Source(Protocol):
    """Where the fields come from."""

    def statements(self, wanted: Mapping[str, str]) -> list[ast.stmt]:
        """Code that puts the value of each field, or None, into its variable. The record is `record`."""
        ...

    def where_needed(self, field: str, variable: str) -> ast.expr | None:
        """The value of a field, which is put into its variable; None when it must be read before, with the others."""
        ...


class Flat:
    """Fields in a mapping by dotted name."""

    def statements(self, wanted: Mapping[str, str]) -> list[ast.stmt]:
        """By one call each; texts are put together from all of them."""
        values = {
            variable: call(load("texts"), load("record")) if name == KEYWORDS else call(load("get"), name_of(name))
            for name, variable in wanted.items()
        }
        get = assign(["get"], ast.Attribute(load("record"), "get", ast.Load()))
        return [get, *(assign([variable], value) for variable, value in values.items())]

    def where_needed(self, field: str, variable: str) -> ast.expr:
        """By a call of its own."""
        return ast.NamedExpr(ast.Name(variable, ast.Store()), call(load("get"), name_of(field)))


class Hidden(Exception):
    """There is no answer: what is asked for is hidden, or a list where none belongs."""


def visible(value: object) -> object:
    """The value. Raises Hidden."""
    if isinstance(value, Unknown):
        raise Hidden
    return value


def single(value: object) -> object:
    """The value, which is no list. Raises Hidden."""
    if isinstance(value, list):
        raise Hidden
    return visible(value)


def holds(value: list[object], wanted: frozenset[str]) -> bool:
    """Whether a list holds any of the texts, which have no case."""
    try:
        return not wanted.isdisjoint(map(str.casefold, value))  # type: ignore[arg-type]
    except TypeError:
        return not wanted.isdisjoint(folded(each) for each in value if each is not None)


def folded(value: object) -> str:
    """A value as text without its case."""
    return as_text(value).casefold()


def elements(value: list[object]) -> frozenset[str]:
    """The elements of a list, each as text without its case."""
    try:
        return frozenset(map(str.casefold, value))  # type: ignore[arg-type]
    except TypeError:
        return frozenset(folded(each) for each in value if each is not None)


def joined(values: Sequence[str]) -> str | None:
    """The texts as one, when all ignore case alike; what no text holds is between them."""
    text = "\0".join(values)
    return text.lower() if text.isascii() else None


NOTHING: ast.stmt = ast.Return(ast.Constant(None))

NAMES: Mapping[str, object] = {
    "__builtins__": {},
    "bool": bool, "elements": elements, "float": float, "folded": folded, "holds": holds, "int": int, "joined": joined,
    "list": list, "number_of": number_of, "single": single, "str": str, "texts": texts, "type": type,
    "Unknown": Unknown, "visible": visible,
}  # fmt: skip
"""What the code may call."""


def statements(reads: Mapping[str, Read], source: Source) -> list[ast.stmt]:
    """Code that reads all of the fields. It returns None when one of them is hidden, or a list where none belongs."""
    before = {
        name: read.name(Form.RAW)
        for name, read in reads.items()
        if not read.rare or source.where_needed(name, read.name(Form.RAW)) is None
    }
    code = source.statements(before)
    for name, read in reads.items():
        if not read.rare:
            code += _keywords(read) if name == KEYWORDS else _forms(read)
    return code


KINDS: Mapping[Form, str] = {Form.NUMBER: "int", Form.AGE: "int", Form.RAW: "bool"}
"""The type of the values that have a form, where it is not text."""


def made(form: Form, raw: str) -> ast.expr:
    """A form of a value that has it and is not that form itself."""
    if form is Form.AGE:
        return ast.BinOp(load("now"), ast.Sub(), load(raw))
    if form is Form.ADDRESS:
        return call(load("number_of"), load(raw))
    return call(ast.Attribute(load(raw), "casefold", ast.Load()))


def _keywords(read: Read) -> list[ast.stmt]:
    return [assign([read.name(Form.FOLDED)], call(load("joined"), load(read.name(Form.RAW))))]


def _forms(read: Read) -> list[ast.stmt]:
    """One branch for each kind of value, the likely ones first."""
    raw, asked = read.name(Form.RAW), read.forms - {Form.RAW}
    if asked & {Form.NUMBER, Form.AGE} and not read.may_be_list:
        return _numeric(read)
    text = (is_a(raw, "str"), _assigned(read, _of_text(read)))
    absent = (ast.Compare(load(raw), [ast.Is()], [constant(None)]), _assigned(read, {}))
    number = (is_a(raw, "int"), _assigned(read, _of_number(read)))
    usual = [number, absent] if asked <= {Form.NUMBER, Form.AGE} else [text, absent, number]
    otherwise = _assigned(read, {Form.TEXT: call(load("folded"), load(raw))})
    for test, body in reversed([*(usual if asked else ()), *_rare(read)]):
        otherwise = [ast.If(test, body or [ast.Pass()], otherwise)]
    return otherwise


def _numeric(read: Read) -> list[ast.stmt]:
    """Where a number belongs, what is absent is one that no comparison holds for; of anything else there is no answer.

    A float is as good as a whole number, except for ages, which are compared to the second.
    """
    raw, no_number = load(read.name(Form.RAW)), constant(math.nan)
    absent = {Form.NUMBER: no_number, Form.AGE: no_number}
    broken = _assigned(read, {Form.NUMBER: raw, Form.TEXT: call(load("folded"), raw)})
    code: list[ast.stmt] = [NOTHING]
    for test, body in (
        (is_a(read.name(Form.RAW), "float"), [NOTHING] if Form.AGE in read.forms else broken),
        (ast.Compare(raw, [ast.Is()], [constant(None)]), _assigned(read, absent)),
        (is_a(read.name(Form.RAW), "int"), _assigned(read, _of_number(read))),
    ):
        code = [ast.If(test, body, code)]
    return code


def _rare(read: Read) -> list[tuple[ast.expr, list[ast.stmt]]]:
    raw = read.name(Form.RAW)
    hidden = (is_a(raw, "Unknown"), [NOTHING])
    if not read.may_be_list:
        return [hidden, (is_a(raw, "list"), [NOTHING])]
    # The elements are looked at when something asks for them.
    return [hidden, (is_a(raw, "list"), _assigned(read, {}))]


def _of_text(read: Read) -> dict[Form, ast.expr]:
    raw, text = read.name(Form.RAW), read.name(Form.TEXT)
    folded_text = call(ast.Attribute(load(raw), "casefold", ast.Load()))
    plain = call(ast.Attribute(load(raw), "isascii", ast.Load()))
    once = load(text) if Form.TEXT in read.forms else folded_text
    return {
        Form.TEXT: folded_text,
        Form.FOLDED: ast.IfExp(plain, once, constant(None)),
        Form.CASED: load(raw),
    }


def _of_number(read: Read) -> dict[Form, ast.expr]:
    raw = load(read.name(Form.RAW))
    return {
        Form.NUMBER: raw,
        Form.AGE: ast.BinOp(load("now"), ast.Sub(), raw),
        Form.TEXT: call(load("folded"), raw),
    }


def _assigned(read: Read, values: Mapping[Form, ast.expr]) -> list[ast.stmt]:
    """Every form that is asked for gets its value, or None."""
    wanted = [form for form in Form if form in read.forms and form is not Form.RAW]
    none = [read.name(form) for form in wanted if form not in values]
    code = [assign([read.name(form)], values[form]) for form in wanted if form in values]
    return code + ([assign(none, constant(None))] if none else [])


def load(name: str) -> ast.expr:
    """The value of a variable."""
    return ast.Name(name, ast.Load())


def constant(value: Any) -> ast.expr:
    """A value, or a tuple or frozenset of such: it is put into the code as it is, and never as text."""
    return ast.Constant(value)


def name_of(field: str) -> ast.expr:
    """The name of a field, the very text that names it in records, too: it is found without comparing letters."""
    return constant(sys.intern(field))


def call(function: ast.expr, *arguments: ast.expr) -> ast.expr:
    """A call."""
    return ast.Call(function, list(arguments), [])


def assign(names: Sequence[str], value: ast.expr) -> ast.stmt:
    """The value, put into each of the variables."""
    return ast.Assign([ast.Name(name, ast.Store()) for name in names], value, lineno=1)


def is_a(name: str, kind: str) -> ast.expr:
    """Whether a variable is exactly of a type."""
    return ast.Compare(call(load("type"), load(name)), [ast.Is()], [load(kind)])


def is_none(name: str, *, absent: bool) -> ast.expr:
    """Whether a variable is None, or whether it is not."""
    return ast.Compare(load(name), [ast.Is() if absent else ast.IsNot()], [constant(None)])
