"""The sentence that people read: a template that can reach the fields of the record, and nothing else."""

import re
import unicodedata
from collections.abc import Iterator, Mapping

from jinja2 import ChainableUndefined, TemplateError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from auditor import clock
from auditor.errors import did_you_mean
from auditor.inventory.model import Unknown

MAX_LENGTH = 500
"""Characters of a rendered message."""

MAX_TEMPLATE = 2000
"""Characters of a template."""
MAX_VALUE = 120
"""Characters of one value in it, so that a long name does not push the rest out."""
_TOO_DEEP = "the template is nested too deep"

IN_EVERY_MESSAGE = frozenset({"count", "names", "now"})
"""Names that a message may use whatever it is about."""

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))


class _Missing(ChainableUndefined):
    def __str__(self) -> str:
        return "?"

    def __iter__(self) -> Iterator[object]:
        return iter(())


class NoFilter(ValueError):
    """A filter that does not exist, in a template that can be read."""

    def __init__(self, name: str, names: frozenset[str]) -> None:
        super().__init__(f"no filter is called `{name}`")
        self.hint = did_you_mean(name, _ENVIRONMENT.filters, "filters")
        self.names = names
        """Every name that the template asks for."""


class Message:
    """A compiled message."""

    def __init__(self, text: str) -> None:
        """Without `text` the fallback is said. Raises ValueError when it does more than to name fields and filters."""
        self._text = text
        tree = _parsed(text)
        self.names = _names(tree)
        """Every name the template asks for, dotted where it is dotted."""
        for each in tree.find_all(nodes.Filter):
            if each.name not in _ENVIRONMENT.filters:
                raise NoFilter(each.name, self.names)
        try:
            self._template = _ENVIRONMENT.from_string(tree)
        except (RecursionError, MemoryError) as error:
            raise ValueError(_TOO_DEEP) from error
        except (TemplateError, SyntaxError) as error:
            raise ValueError(f"the template cannot be read: {error}") from error

    def render(
        self, fields: Mapping[str, object], now: int, fallback: str, *, limit: int = MAX_LENGTH, each: int = MAX_VALUE
    ) -> str:
        """The sentence, one line, without control characters; `fallback` when the template fails.

        It has at most `limit` characters, and one value in it at most `each`.
        """
        if not self._text:
            return one_line(fallback, limit)
        try:
            text = self._template.render({**_nested(fields, each), "now": now})
        except (TemplateError, ArithmeticError, TypeError, ValueError, RecursionError, AttributeError):
            text = fallback
        return one_line(text, limit)


def _parsed(text: str) -> nodes.Template:
    """The template as a tree.

    Raises ValueError when it is no template, or holds anything but names, filters, plain values and conditions: the
    compiler would already compute `{{ 'a' * 10 ** 9 }}`.
    """
    if len(text) > MAX_TEMPLATE:
        raise ValueError(f"the template is longer than {MAX_TEMPLATE} characters")
    try:
        tree = _ENVIRONMENT.parse(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except TemplateError as error:
        raise ValueError(f"the template cannot be read: {error}") from error
    for node in tree.find_all(nodes.Node):
        if type(node) not in _ALLOWED:
            raise ValueError(f"line {node.lineno}: a message names fields and filters, and computes nothing")
    return tree


def _names(tree: nodes.Template) -> frozenset[str]:
    inner = {id(node.node) for node in tree.find_all(nodes.Getattr)}
    found = {_dotted(node) for node in tree.find_all((nodes.Getattr, nodes.Name)) if id(node) not in inner}
    return frozenset(found)


_ALLOWED = frozenset(
    {nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Filter, nodes.Const}
    | {nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not}
)


def _dotted(node: nodes.Node) -> str:
    if isinstance(node, nodes.Getattr):
        return f"{_dotted(node.node)}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else "?"


_NO_TEXT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def one_line(text: str, limit: int) -> str:
    """`text` without control characters, line breaks and marks that turn its direction, cut at `limit` characters."""
    clean = "".join(" " if unicodedata.category(each) in _NO_TEXT else each for each in text[: limit * 4])
    clean = re.sub(r" {2,}", " ", clean).strip()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _nested(fields: Mapping[str, object], each: int) -> dict[str, object]:
    """Dotted names as nested mappings, because that is how a template writes them."""
    result: dict[str, object] = {}
    for name, value in sorted(fields.items()):
        shown = _shown(value, each)
        if shown is None:
            continue
        *path, last = name.split(".")
        place = result
        for step in path:
            inner = place.get(step)
            if not isinstance(inner, dict):
                inner = place[step] = {}
            place = inner
        place[last] = shown
    return result


def _shown(value: object, each: int) -> object:
    if isinstance(value, Unknown):
        return None
    if isinstance(value, list):
        return ", ".join(_short(str(one), each) for one in value[:20]) + (", …" if len(value) > 20 else "")
    return _short(value, each) if isinstance(value, str) else value


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


@pass_context
def _relative(context: Context, value: object) -> str:
    """`91 days ago`, `in 12 days`; `never` for what did not happen or has no end."""
    now = context.get("now")
    if not isinstance(value, int | float) or not isinstance(now, int):
        return "never"
    return f"{_span(now - value)} ago" if now >= value else f"in {_span(value - now)}"


def _default(value: object, other: object = "") -> object:
    """`other` where the field is absent."""
    return other if isinstance(value, _Missing) else value


def _span(seconds: float) -> str:
    for size, name in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "a moment"


def _date(value: object) -> str:
    """`2026-01-31`; `never` for what has no date."""
    if not isinstance(value, int | float):
        return "never"
    try:
        return clock.from_epoch(value).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return "?"


class _FieldsOnly(ImmutableSandboxedEnvironment):
    """A dot leads to a field, never to an attribute: `payload.items` is what the event says, not a method."""

    def getattr(self, obj: object, attribute: str) -> object:
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return self.undefined(obj=obj, name=attribute)


def _environment() -> ImmutableSandboxedEnvironment:
    # A name that has fields below it has no value of its own.
    environment = _FieldsOnly(
        autoescape=False, undefined=_Missing, finalize=lambda value: "?" if isinstance(value, dict) else value
    )
    environment.globals = {}
    environment.filters = {"ago": _relative, "until": _relative, "date": _date, "default": _default}
    environment.tests = {}
    return environment


_ENVIRONMENT = _environment()
