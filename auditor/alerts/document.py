"""An alert as JSON, for programs: one shape, whatever carries it, and never larger than it may be.

Hidden characters in names are written out here, too: people read these texts in the end, on somebody else's page.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from auditor import clock
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.untrusted import one_line, paragraph

TITLE_MAX = 300
TEXT_MAX = 4000
VALUE_MAX = 500
NAME_MAX = 250
FACTS_MAX = 20
LINES_MAX = 1000
RAW_MAX = 200_000
"""Bytes of an audit event, as they are written; a longer one is named, and found in the store. All sinks take that."""


def document(alert: Alert, lines: int = LINES_MAX) -> dict[str, Any]:
    """The whole alert; of a digest the first `lines`, the others are counted. Of an audit event, what the API sent."""
    if alert.kind is AlertKind.EVENT:
        return _event(alert)
    return {
        "schema_version": 1,
        "id": alert.id,
        "kind": alert.kind.value,
        "organization": alert.organization,
        "level": alert.level.value,
        "title": one_line(alert.title, TITLE_MAX),
        "text": paragraph(alert.text, TEXT_MAX),
        "at": moment(alert.at),
        "policy": alert.policy,
        "finding": alert.finding,
        "reason": alert.reason,
        "resource": {
            "kind": alert.resource_kind,
            "id": one_line(alert.resource_id, VALUE_MAX),
            "name": one_line(alert.resource_name, VALUE_MAX),
        },
        "remediation": paragraph(alert.remediation, TEXT_MAX),
        "facts": facts(alert),
        "counts": dict(alert.counts),
        "lines": [_line(line) for line in alert.lines[:lines]],
        "lines_omitted": max(len(alert.lines) - lines, 0),
        "link": alert.link,
    }


def _line(line: Line) -> dict[str, str]:
    """What is told of one finding. What is not known of it, or is no finding, has no field for that."""
    told = {
        "level": line.level.value,
        "policy": line.policy,
        "resource": one_line(line.resource, NAME_MAX),
        "message": one_line(line.message, NAME_MAX),
    }
    about = {
        "kind": line.kind,
        "finding": line.finding,
        "resource_kind": line.resource_kind,
        "resource_id": one_line(line.resource_id, NAME_MAX),
        "reason": line.reason,
    }
    return told | {name: value for name, value in about.items() if value}


def _event(alert: Alert) -> dict[str, Any]:
    told: dict[str, Any] = {"schema_version": 1, "id": alert.id, "kind": alert.kind.value, "at": moment(alert.at)}
    told |= {"organization": alert.organization, "title": one_line(alert.title, TITLE_MAX), "facts": facts(alert)}
    event = json.loads(alert.raw)
    if (size := len(compact(event))) > RAW_MAX:
        return {**told, "event": {"id": alert.resource_id, "type": alert.title}, "event_omitted": size}
    return {**told, "event": event}


def facts(alert: Alert) -> dict[str, str]:
    """Who, from where, when: by label."""
    return {one_line(name, 40): one_line(value, VALUE_MAX) for name, value in alert.facts[:FACTS_MAX]}


def moment(at: int) -> str:
    """`2026-01-31T08:00:00Z`."""
    return clock.from_epoch(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def fitted(make: Callable[[int], object], limit: int, lines: int = LINES_MAX) -> bytes:
    """The JSON of `make(number of lines)` with about as many lines as fit into `limit` bytes."""
    while len(data := compact(make(lines))) > limit and lines:
        lines = min(lines * limit // len(data), lines - 1)
    return data


_WRITTEN_OUT = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What JSON allows in a text and some readers take for the end of a line, and what has no UTF-8."""


def compact(value: object) -> bytes:
    """JSON in UTF-8, one line for every reader. Nothing is lost: a lone surrogate is written out, too, as `\\ud800`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _WRITTEN_OUT.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def readable(data: bytes) -> str:
    """The same JSON for the eyes of a person."""
    return json.dumps(json.loads(data), indent=2, ensure_ascii=False)
