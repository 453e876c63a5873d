"""The sentence that people read: a template that can reach the fields of the record, and nothing else."""

import re
import unicodedata
from collections.abc import Iterator, Mapping

from jinja2 import ChainableUndefined, TemplateError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from auditor import clock
from auditor.inventory.model import Unknown

MAX_LENGTH = 500
"""Characters of a rendered message."""

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))


class _Missing(ChainableUndefined):
    def __str__(self) -> str:
        return "?"

    def __iter__(self) -> Iterator[object]:
        return iter(())


class Message:
    """A compiled message."""

    def __init__(self, text: str) -> None:
        """Raises ValueError when `text` is no template."""
        try:
            self._template = _ENVIRONMENT.from_string(text)
        except (TemplateError, RecursionError) as error:
            raise ValueError(f"the template cannot be read: {error}") from error

    def render(self, fields: Mapping[str, object], now: int, fallback: str) -> str:
        """The sentence, one line, without control characters; `fallback` when the template fails."""
        try:
            text = self._template.render({**_nested(fields), "now": now})
        except (TemplateError, ArithmeticError, TypeError, ValueError, RecursionError, AttributeError):
            text = fallback
        return one_line(text, MAX_LENGTH)


def names_in(text: str) -> frozenset[str]:
    """Every name the template asks for, dotted where it is dotted. Raises ValueError when it is no template."""
    try:
        tree = _ENVIRONMENT.parse(text)
    except (TemplateError, RecursionError) as error:
        raise ValueError(f"the template cannot be read: {error}") from error
    inner = {id(node.node) for node in tree.find_all(nodes.Getattr)}
    found = {_dotted(node) for node in tree.find_all((nodes.Getattr, nodes.Name)) if id(node) not in inner}
    for loop in tree.find_all((nodes.For, nodes.Call, nodes.Macro, nodes.Import, nodes.Include, nodes.Extends)):
        raise ValueError(f"line {loop.lineno}: a message names fields and filters, and has no loops, calls or imports")
    return frozenset(found)


def _dotted(node: nodes.Node) -> str:
    if isinstance(node, nodes.Getattr):
        return f"{_dotted(node.node)}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else "?"


def one_line(text: str, limit: int) -> str:
    """`text` without control characters and line breaks, cut at `limit` characters."""
    clean = "".join(" " if unicodedata.category(each) in {"Cc", "Zl", "Zp"} else each for each in text[: limit * 4])
    clean = re.sub(r" {2,}", " ", clean).strip()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _nested(fields: Mapping[str, object]) -> dict[str, object]:
    """Dotted names as nested mappings, because that is how a template writes them."""
    result: dict[str, object] = {}
    for name, value in sorted(fields.items()):
        shown = _shown(value)
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


def _shown(value: object) -> object:
    if isinstance(value, Unknown):
        return None
    if isinstance(value, list):
        return ", ".join(str(each) for each in value[:20]) + (", …" if len(value) > 20 else "")
    return value


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


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(autoescape=False, undefined=_Missing)
    environment.globals = {}
    environment.filters = {"ago": _relative, "until": _relative, "date": _date, "default": _default}
    environment.tests = {}
    return environment


_ENVIRONMENT = _environment()
