"""The terminal, or whatever standard output is: one paragraph an alert. Formatting: https://rich.readthedocs.io"""

import io
import os
import sys
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.text import Text

from auditor.alerts import digests
from auditor.alerts.aside import aside
from auditor.alerts.listing import more
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.sink import Context, Example, Receipt, SinkConfig
from auditor.alerts.untrusted import named, one_line
from auditor.alerts.words import SHAPES, counted, label, moment, sign, thing
from auditor.errors import DeliveryError
from auditor.terms import Level

_STYLES = {
    Level.CRITICAL: "bold red",
    Level.HIGH: "red",
    Level.MEDIUM: "yellow",
    Level.LOW: "cyan",
    Level.INFORMATIONAL: "dim",
}


class Config(SinkConfig):
    """Nothing to set."""


EXAMPLES = {"console": Example({})}


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Write the alert. Raises DeliveryError: retryable when the disk is full, say, as that may pass.

    Final when nobody reads standard output any more: as long as this process lives it gets no other reader, and the
    other sinks are told of the loss now rather than in three days.
    """
    try:
        # A terminal that is held, or a pipe that nobody empties, blocks the writer: never the event loop.
        await aside(lambda: _write(_paragraph(alert, sys.stdout), sys.stdout))
    except BrokenPipeError:
        raise DeliveryError("nobody reads standard output any more") from None
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise DeliveryError(f"standard output cannot be written: {reason}", retryable=True) from None
    except ValueError:
        raise DeliveryError("standard output is closed") from None
    return Receipt()


def _paragraph(alert: Alert, out: TextIO) -> str:
    console = Console(file=out, highlight=False, markup=False, emoji=False, soft_wrap=True)
    with console.capture() as captured:
        show(alert, console)
    return captured.get()


def _write(text: str, out: TextIO) -> None:
    """Past the buffer of `out`, which would keep what could not be written, and write it with each later try again."""
    out.flush()
    try:
        number = out.fileno()
    except io.UnsupportedOperation:
        out.write(text)
        return
    data = text.encode(out.encoding or "utf-8", "backslashreplace")
    while data:
        data = data[os.write(number, data) :]


def render(config: Config, alert: Alert) -> str:
    """The paragraph, without colours."""
    return _paragraph(alert, io.StringIO())


def show(alert: Alert, console: Console) -> None:
    """Write the alert's paragraph and an empty line, at once. Colours only where `console` is a terminal."""
    style = "green" if alert.mended else "dim" if alert.dropped else _STYLES[alert.level]
    paragraph = Text().append(f"{sign(alert)} {label(alert)}: {one_line(alert.title, 200)}\n", style)
    for line in _body(alert):
        paragraph.append(f"   {line}\n")
    console.print(paragraph)


def _body(alert: Alert) -> Iterable[str]:
    if alert.text:
        yield one_line(alert.text, 1000)
    if alert.resource_id:
        yield f"{thing(alert.resource_kind)}: {named(alert.resource_name, alert.resource_id, 300)}"
    yield from (f"{one_line(name, 40)}: {one_line(value, 300)}" for name, value in alert.facts)
    if alert.counts:
        yield ", ".join(f"{number:,} {name}" for name, number in alert.counts.items())
    yield from _lines(alert)
    if alert.remediation and alert.kind is not AlertKind.RESOLVED:
        yield f"What to do: {one_line(alert.remediation, 500)}"
    if alert.link:
        yield one_line(alert.link, 500)
    origin = (alert.organization, alert.policy, f"finding {alert.finding}" if alert.finding else "", moment(alert.at))
    yield " · ".join(one_line(part, 100) for part in origin if part)


def _lines(alert: Alert) -> Iterable[str]:
    for line in alert.lines[: digests.LINES_MAX]:
        text = f"{named(line.resource, line.resource_id, 120)}: {one_line(line.message, 200)}"
        yield f"{SHAPES[line.level]} {line.level.value}  {text} [{line.policy}]"
    if left := alert.lines[digests.LINES_MAX :]:
        yield more(counted(len(left), "more finding"), alert.lines, alert.link)
