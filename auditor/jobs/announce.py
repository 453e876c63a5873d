"""From changes of findings to rows of the outbox, in the same transaction as the changes."""

from collections.abc import Iterable, Sequence

from auditor.alerts import compose
from auditor.alerts.message import Alert
from auditor.alerts.outgoing import queue
from auditor.alerts.route import sinks_for
from auditor.findings.model import Finding, Reason, Transition
from auditor.jobs.context import Audit
from auditor.store.database import Transaction
from auditor.terms import Level


def transitions(tx: Transaction, audit: Audit, changes: Iterable[Transition], now: int) -> int:
    """Queue an alert for each change that is news; returns how many messages were queued."""
    queued = 0
    for change in changes:
        alert = _alert(audit, change)
        if alert:
            sinks = sinks_for(audit.routes, alert, audit.sinks)
            queue(tx, alert, sinks, now)
            queued += len(sinks)
    return queued


def baseline(tx: Transaction, audit: Audit, findings: Sequence[Finding], now: int) -> int:
    """Queue the one digest of a first run for each sink: what stood already before anybody watched."""
    for sink in audit.sinks:
        routed = [finding for finding in findings if _goes_to(audit, finding, sink, now)]
        levels = [finding.level for finding in routed]
        counts = {level.value: levels.count(level) for level in reversed(Level) if level in levels}
        queue(tx, compose.digest(audit.organization, routed, counts, now, audit.link), [sink], now)
    return len(audit.sinks)


def _goes_to(audit: Audit, finding: Finding, sink: str, now: int) -> bool:
    alert = _alert(audit, Transition(finding, None, Reason.DETECTED, now))
    return alert is not None and sink in sinks_for(audit.routes, alert, audit.sinks)


def _alert(audit: Audit, change: Transition) -> Alert | None:
    return compose.from_transition(change, audit.policies.by_name.get(change.finding.policy), audit.link)
