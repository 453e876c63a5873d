"""Puts an alert into the outbox, in the transaction that writes what it tells of."""

from collections.abc import Iterable

from auditor.alerts.message import Alert, encode
from auditor.store import outbox
from auditor.store.database import Transaction
from auditor.store.outbox import Message


def queue(tx: Transaction, alert: Alert, sinks: Iterable[str], now: int) -> None:
    """Queue the alert for each of `sinks`, due at once; queued a second time it is left as it is.

    Alerts of one finding reach a sink in the order of their queueing. `now` is Unix seconds.
    """
    body = encode(alert)
    outbox.add(
        tx, [Message(alert.id, alert.organization, sink, body, now, now, order_key=alert.finding) for sink in sinks]
    )
