"""How quick code reads a field: as what it usually holds, and with an exception for everything else. Pure."""

import ast
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from auditor.inventory.model import Unknown
from auditor.policy.addresses import number_of
from auditor.policy.reading import call, constant, holds, load, name_of


class Kind(StrEnum):
    """What a field is expected to hold, and the first letter of the variable for it."""

    TEXT = "x"
    NUMBER = "n"
    LIST = "e"
    """Of texts."""
    TRUTH = "t"
    ANYTHING = "v"


FOLDED = "w"
"""First letter of the variable for a text without its case."""


class Unusual(Exception):
    """A field holds something else than it usually does: there is no answer."""


def unusual(_value: object) -> Any:
    """Raises Unusual."""
    raise Unusual


NAMES: Mapping[str, object] = {
    "__builtins__": {}, "Exception": Exception, "Unknown": Unknown, "float": float, "holds": holds, "int": int,
    "list": list, "nan": math.nan, "nothing": [], "number_of": number_of, "str": str, "type": type,
    "unusual": unusual,
}  # fmt: skip
"""What the code may call."""


def got(field: str, variable: str, absent: ast.expr) -> ast.expr:
    """The value of a field, put into its variable; `absent` when it is not there."""
    value = call(load("get"), name_of(field), *([] if _is_none(absent) else [absent]))
    return ast.NamedExpr(ast.Name(variable, ast.Store()), value)


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def text(field: str, variable: str) -> ast.expr:
    """A text; the empty one when it is absent."""
    return _sure(got(field, variable, constant("")), variable, "str")


def listed(field: str, variable: str) -> ast.expr:
    """A list; an empty one when it is absent."""
    return _sure(got(field, variable, load("nothing")), variable, "list")


def number(field: str, variable: str, *, whole: bool) -> ast.expr:
    """A number, or only a whole one; no number, which compares with none, when it is absent."""
    kept = got(field, variable, load("nan"))
    no_number = ast.Compare(load(variable), [ast.Is()], [load("nan")])
    other = no_number if whole else is_a(load(variable), "float")
    return ast.IfExp(ast.BoolOp(ast.Or(), [is_a(kept, "int"), other]), load(variable), never(variable))


def folded(value: ast.expr) -> ast.expr:
    """A text without its case; what is no text has no such method, and raises."""
    return call(ast.Attribute(value, "casefold", ast.Load()))


def is_a(value: ast.expr, kind: str) -> ast.expr:
    """Whether a value is exactly of a type."""
    return ast.Compare(call(load("type"), value), [ast.Is()], [load(kind)])


def never(variable: str) -> ast.expr:
    """Raises Unusual."""
    return call(load("unusual"), load(variable))


def _sure(kept: ast.expr, variable: str, kind: str) -> ast.expr:
    return ast.IfExp(is_a(kept, kind), load(variable), never(variable))
