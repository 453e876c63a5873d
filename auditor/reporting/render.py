"""From the view model to HTML. Only shipped templates are ever loaded, and nothing in them comes from outside."""

from collections.abc import Callable, Mapping
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from auditor import shipped
from auditor.reporting import text
from auditor.reporting.headline import dark, sentences
from auditor.reporting.score import WEIGHTS
from auditor.reporting.view import Report

_FILTERS: Mapping[str, Callable[..., object]] = {
    "visible": text.visible,
    "short": text.short,
    "day": text.day,
    "moment": text.moment,
    "iso": text.iso,
    "ago": text.ago,
    "weekday": text.weekday,
    "number": text.number,
    "signed": text.signed,
    "counted": text.counted,
    "kind": text.kind,
}


@cache
def environment() -> Environment:
    """The Jinja environment of the report and the page: escaping always on, an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(shipped.directory("reports/templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(_FILTERS, dated=_dated)
    made.globals.update(asset=_inline, sentences=sentences, dark=dark, weights=tuple(WEIGHTS.items()), live=False)
    return made


def render_report(report: Report) -> str:
    """The report as one HTML document that needs nothing else: styles and pictures inside, no script.

    Equal reports give equal text.
    """
    return environment().get_template("report.html").render(report=report)


@cache
def asset(name: str) -> str:
    """The text of a shipped asset: `style.css`."""
    return (shipped.directory("reports/assets") / name).read_text(encoding="utf-8")


def _inline(name: str) -> Markup:
    return Markup(asset(name))  # noqa: S704 - a shipped file, never text from outside


def _dated(points: list[tuple[int, int]]) -> list[tuple[str, int]]:
    return [(text.moment(at), value) for at, value in points]
