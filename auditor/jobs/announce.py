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

FEW = 3
"""Alerts that are told one by one even where they could be folded."""


def transitions(tx: Transaction, audit: Audit, changes: Iterable[Transition], now: int, *, fold: bool = False) -> int:
    """Queue an alert for each change that is news; returns how many messages were queued.

    With `fold`, more than FEW to one sink become one digest: most of them stood already and were only seen now.
    """
    alerts = [alert for change in changes if (alert := _alert(audit, change))]
    by_sink: dict[str, list[Alert]] = {}
    for alert in alerts:
        for sink in sinks_for(audit.routes, alert, audit.sinks):
            by_sink.setdefault(sink, []).append(alert)
    queued = 0
    for sink, routed in by_sink.items():
        told = [compose.merged(routed, now)] if fold and len(routed) > FEW else routed
        for alert in told:
            queue(tx, alert, [sink], now)
        queued += len(told)
    return queued


def held(tx: Transaction, audit: Audit, policies: Sequence[str], now: int) -> None:
    """Queue a notice that findings of `policies` vanished together and are not believed to be mended; once a day."""
    for policy in policies:
        alert = compose.notice(
            f"held/{audit.organization}/{policy}/{now // 86_400}",
            audit.organization,
            Level.HIGH,
            "Many findings vanished at once",
            f"Most resources with a finding of {policy} are gone. They stay open for a day: a list may be cut.",
            now,
        )
        queue(tx, alert, sinks_for(audit.routes, alert, audit.sinks), now)


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
