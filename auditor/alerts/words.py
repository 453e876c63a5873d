"""The words and signs of an alert, the same in every sink that people read."""

from collections.abc import Mapping

from auditor import clock
from auditor.alerts.message import Alert, AlertKind
from auditor.terms import Level

SHAPES: Mapping[Level, str] = {
    Level.CRITICAL: "🛑",
    Level.HIGH: "🔺",
    Level.MEDIUM: "🔶",
    Level.LOW: "🔹",
    Level.INFORMATIONAL: "⚪",
}
"""Told apart by shape, not only by colour: octagon, triangle, large and small diamond, circle."""

SIGNS: Mapping[AlertKind, str] = {
    AlertKind.ACKNOWLEDGED: "👀",
    AlertKind.WAIVED: "📝",
    AlertKind.RESOLVED: "✅",
    AlertKind.REPORT: "📄",
    AlertKind.DIGEST: "📋",
    AlertKind.EVENT: "📋",
}
"""Of alerts whose level is not what they are about."""

DROPPED = "Policy removed"
"""The label of a finding that ended with its policy: nobody mended anything."""
DROPPED_SIGN = "\N{HEAVY MINUS SIGN}"


def sign(alert: Alert) -> str:
    """The one emoji at the head of the message."""
    return DROPPED_SIGN if alert.dropped else SIGNS.get(alert.kind, SHAPES[alert.level])


def label(alert: Alert) -> str:
    """`Critical`, `Critical again`, `Acknowledged`, `Risk accepted`, `Resolved`, `Policy removed` and so on."""
    level = alert.level.value.capitalize()
    return {
        AlertKind.OPENED: level,
        AlertKind.OCCURRED: level,
        AlertKind.REOPENED: f"{level} again",
        AlertKind.ACKNOWLEDGED: "Acknowledged",
        AlertKind.WAIVED: "Risk accepted",
        AlertKind.RESOLVED: DROPPED if alert.dropped else "Resolved",
        AlertKind.DIGEST: "Digest",
        AlertKind.EVENT: "Audit event",
        AlertKind.REPORT: "Report",
        AlertKind.NOTICE: "About the auditor",
    }[alert.kind]


def thing(kind: str) -> str:
    """The kind of a resource for people: `project_api_key` is a `Project API key`."""
    words = [_CAPITALS.get(word, word) for word in kind.split("_")]
    return " ".join((words[0][:1].upper() + words[0][1:], *words[1:]))


_CAPITALS = {"api": "API", "ip": "IP"}


def moment(at: int) -> str:
    """`2026-01-31 08:00:00 UTC`."""
    return clock.from_epoch(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def counted(number: int, thing: str) -> str:
    """`1 finding`, `1,200 findings`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
