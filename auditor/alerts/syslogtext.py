"""What an alert says in syslog: with structured data, or in the Common Event Format. Never longer than it may be.

Formats: https://www.rfc-editor.org/rfc/rfc5424 and https://docs.microfocus.com/doc/1896/24.1/commoneventformatv26
"""

import json
import os
import re
import socket
from collections.abc import Iterator
from ipaddress import ip_address

from auditor import __version__
from auditor.alerts.document import moment
from auditor.alerts.eventtext import LEAST, event_text
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.untrusted import named, one_line
from auditor.alerts.words import label
from auditor.inventory.events import ACTOR
from auditor.inventory.records import flatten
from auditor.terms import Level

LIMIT_MIN = 2048
"""Bytes that hold whatever a message is known by."""
_SEVERITY = {Level.CRITICAL: 2, Level.HIGH: 3, Level.MEDIUM: 4, Level.LOW: 5, Level.INFORMATIONAL: 6}
_CEF_SEVERITY = {Level.CRITICAL: 10, Level.HIGH: 8, Level.MEDIUM: 5, Level.LOW: 3, Level.INFORMATIONAL: 1}
_ENTERPRISE = "32473"
"""The number that RFC 5612 sets aside for whoever has none."""
_UTF_8 = "\ufeff"
"""The mark of byte order says that the text is UTF-8."""
_CEF_WIDTHS = (1023, 500, 250, 120, 60, 30)
"""Characters of a value: what CEF allows, and less where that does not fit."""


def message(alert: Alert, form: str, facility: int, limit: int) -> bytes:
    """The message in the format `form` (`rfc5424` or `cef`), in at most `limit` bytes."""
    priority = facility * 8 + _SEVERITY[_level(alert)]
    head = f"<{priority}>1 {moment(alert.at)} {_host()} auditor {os.getpid()} {alert.kind.value} "
    room = limit - _size(head)
    body = f"- {_cef(alert, room - 2)}" if form == "cef" else _plain(alert, room)
    return (head + body).encode("utf-8", "replace")


def _level(alert: Alert) -> Level:
    return Level.INFORMATIONAL if alert.kind is AlertKind.RESOLVED else alert.level


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:255] or "-"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _plain(alert: Alert, room: int) -> str:
    """Structured data, which programs read, and a text that people do; of an event, what the API sent."""
    structured = _structured(alert, room // 2)
    left = room - _size(structured) - 1
    if alert.kind is AlertKind.EVENT:
        return f"{structured} {event_text(alert.raw, lambda text: len(text) <= left)}"
    return f"{structured} {_cut(_UTF_8 + _text(alert), left)}"


def _structured(alert: Alert, room: int) -> str:
    """What does not fit any more is left out, the facts first."""
    known = {
        "id": alert.id,
        "organization": alert.organization,
        "level": alert.level.value,
        "policy": alert.policy,
        "finding": alert.finding,
        "reason": alert.reason,
        "resourceKind": alert.resource_kind,
        "resourceId": alert.resource_id,
        "resourceName": alert.resource_name,
    }
    facts = {f"fact{number}": f"{name}: {value}" for number, (name, value) in enumerate(alert.facts[:4], 1)}
    told = f"[auditor@{_ENTERPRISE}"
    for name, text in {**known, **facts}.items():
        parameter = f' {name}="{_value(text)}"' if text else ""
        if _size(told + parameter) < room:
            told += parameter
    return f"{told}]"


def _value(text: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", one_line(text, 80))


def _text(alert: Alert) -> str:
    lines = map(_line, alert.lines[:30])
    parts = (f"{label(alert)}: {one_line(alert.title, 200)}", one_line(alert.text, 1000), "; ".join(lines))
    return " - ".join(part for part in parts if part)


def _line(line: Line) -> str:
    finding = f" [{line.finding}]" if line.finding else ""
    return f"{line.level.value} {named(line.resource, line.resource_id, 120)}: {one_line(line.message, 120)}{finding}"


def _cut(text: str, room: int) -> str:
    data = text.encode("utf-8", "replace")
    return text if len(data) <= room else data[: room - 3].decode("utf-8", "ignore") + "…"


def _cef(alert: Alert, room: int) -> str:
    """What does not fit is shortened, and left out where that is not enough. An event itself stands at the end."""
    kind = alert.title if alert.kind is AlertKind.EVENT else alert.policy or alert.kind.value
    heads = ("auditor", "openai-org-auditor", __version__, kind, alert.title, str(_CEF_SEVERITY[_level(alert)]))
    wide, narrow = (f"CEF:0|{'|'.join(_head(text, width) for text in heads)}|" for width in (200, 50))
    head = wide if _size(wide) <= room // 3 else narrow
    event = f"{_labelled(1, 'event')}=" if alert.kind is AlertKind.EVENT else ""
    told, left = list[str](), room - _size(head) - (_size(event + LEAST) if event else 0)
    for name, text in _extension(alert):
        # No value takes more than half of what is left, so that each has a place.
        fields = (f"{name}={_escaped(one_line(text, width))}" for width in _CEF_WIDTHS)
        field = next((field for field in fields if text and _size(field) < left // 2), "")
        told += [field] if field else []
        left -= _size(field) + 1
    if event:
        left += _size(LEAST)
        told.append(event + _escaped(event_text(alert.raw, lambda text: _size(_escaped(text)) <= left)))
    return head + " ".join(told)


def _head(text: str, width: int) -> str:
    return re.sub(r"([\\|])", r"\\\1", one_line(text, width))


def _escaped(text: str) -> str:
    return re.sub(r"([\\=])", r"\\\1", text)


def _extension(alert: Alert) -> Iterator[tuple[str, str]]:
    """By CEF's dictionary, what matters most first."""
    facts = dict(alert.facts)
    yield "rt", str(alert.at * 1000)
    yield "externalId", alert.resource_id if alert.kind is AlertKind.EVENT else alert.id
    yield "cat", alert.kind.value
    yield "suser", facts.get("Who", "")
    yield "src", _ip(facts.get("From", ""))
    yield from _of_event(alert) if alert.kind is AlertKind.EVENT else _of_finding(alert)


def _of_event(alert: Alert) -> Iterator[tuple[str, str]]:
    fields = flatten(json.loads(alert.raw))
    yield "act", alert.title
    yield "suid", next((str(fields[place]) for place in ACTOR["actor.id"] if place in fields), "")
    yield "requestClientApplication", str(fields.get("actor.session.user_agent", ""))
    yield _labelled(2, "organization"), alert.organization
    yield "msg", _text(alert)


def _of_finding(alert: Alert) -> Iterator[tuple[str, str]]:
    yield _labelled(1, "organization"), alert.organization
    yield _labelled(2, "finding"), alert.finding
    yield "msg", _text(alert)
    yield "reason", alert.reason
    yield _labelled(3, "resourceKind"), alert.resource_kind
    yield _labelled(4, "resourceId"), alert.resource_id
    yield _labelled(5, "resourceName"), alert.resource_name


def _labelled(number: int, name: str) -> str:
    return f"cs{number}Label={name} cs{number}"


def _ip(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
