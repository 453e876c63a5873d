"""Alerts that stand for real ones: to try a sink with, and to see what it makes of them."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from auditor.alerts import compose, notices
from auditor.alerts.message import DECIDED, Alert, AlertKind, Line
from auditor.findings.model import Reason
from auditor.inventory.events import record_of
from auditor.terms import Level


def trial(organization: str, at: int, owner: str = "") -> Alert:
    """The message that says that it is a test, to `owner` if it goes to owners; a new one on each call."""
    return Alert(
        id=f"test-{uuid.uuid4().hex}",
        kind=AlertKind.NOTICE,
        organization=organization,
        level=Level.INFORMATIONAL,
        title="A test message",
        text="Somebody tries whether messages arrive. Nothing has happened.",
        at=at,
        owner=owner,
    )


def samples(organization: str, at: int, link: str = "") -> Mapping[str, Alert]:
    """One alert of each kind, by its name."""
    told = {kind.value: _finding(kind, organization, at, link) for kind in _OF_FINDINGS}
    lines = (
        Line(
            Level.CRITICAL,
            "ip-allowlist-deactivated",
            "the whole organization",
            "the allowlist is off",
            resource_id="*",
        ),
        Line(Level.HIGH, "project-key-stale", "ci-bot", "last used 91 days ago", resource_id="key_1"),
        Line(Level.LOW, "key-without-name", "key_2", "has no name", resource_id="key_2"),
    )
    digest = Alert(
        id="sample-digest",
        kind=AlertKind.DIGEST,
        organization=organization,
        level=Level.CRITICAL,
        title="3 alerts at once",
        text="Too much at once for one message each.",
        at=at,
        lines=lines,
        counts={"opened": 3},
        link=link,
    )
    report = notices.report_ready(organization, "2026-W05", {"passed": 40, "failed": 3, "unknown": 1}, at, link=link)
    others = (digest, _event(organization, at), report, trial(organization, at))
    return {**told, **{each.kind.value: each for each in others}}


def group(organization: str, at: int, link: str = "") -> Sequence[Alert]:
    """What became until `at` of two keys that one policy finds: one of them is mended."""
    first = _finding(AlertKind.OPENED, organization, at - 3600, link)
    second = replace(
        first,
        id=f"77c0d4.opened.{at - 3600}",
        finding="77c0d4",
        text="deploy-bot of Bo in payments: last used 120 days ago",
        resource_id="key_2",
        resource_name="deploy-bot",
        link=first.link.replace(first.finding, "77c0d4"),
    )
    return first, second, _finding(AlertKind.RESOLVED, organization, at, link)


def _event(organization: str, at: int) -> Alert:
    raw = {
        "id": "audit_log-1",
        "type": "api_key.created",
        "effective_at": at,
        "actor": {"type": "session", "session": {"user": {"id": "user-1", "email": "ada@example.com"}}},
        "api_key.created": {"id": "key_1"},
    }
    return compose.event(organization, record_of(raw), json.dumps(raw).encode(), at)


_OF_FINDINGS = (
    AlertKind.OPENED,
    AlertKind.REOPENED,
    AlertKind.ACKNOWLEDGED,
    AlertKind.WAIVED,
    AlertKind.RESOLVED,
    AlertKind.OCCURRED,
)


def _finding(kind: AlertKind, organization: str, at: int, link: str) -> Alert:
    return Alert(
        id=f"5a3b1e.{kind.value}.{at}",
        kind=kind,
        organization=organization,
        level=Level.HIGH,
        title="Project API key unused for 90 days",
        text="ci-bot of Ada in payments: last used 91 days ago",
        at=at,
        policy="project-key-stale",
        finding="5a3b1e",
        by="ada" if kind in DECIDED else "",
        reason=Reason.COMPLIES.value if kind is AlertKind.RESOLVED else "",
        resource_kind="project_api_key",
        resource_id="key_1",
        resource_name="ci-bot",
        remediation="Delete the key, or have its owner record a waiver with an end date.",
        facts=(("Who", "ada@example.com"), ("From", "192.0.2.7")),
        link=f"{link.rstrip('/')}/findings/5a3b1e" if link else "",
    )
