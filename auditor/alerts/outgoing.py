"""Puts an alert into the outbox, in the transaction that writes what it tells of."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from auditor.alerts import notices
from auditor.alerts.grouping import told_at
from auditor.alerts.message import Alert, encode
from auditor.alerts.route import Destination
from auditor.store import held, outbox, telling
from auditor.store.database import Transaction
from auditor.store.outbox import Message

Routed = tuple[Alert, Destination]


def queue(tx: Transaction, alert: Alert, sinks: Iterable[str], now: int) -> None:
    """Queue the alert for each of `sinks`, due at once; queued a second time it is left as it is.

    Alerts of one finding reach a sink in the order of their queueing. `now` is Unix seconds; what is due is decided
    by the clock of the database, and one that is ahead of it must not hold the alert back.
    """
    body, at = encode(alert), held.now(tx)
    like = Message(alert.id, alert.organization, "", body, now, at, order_key=alert.finding, protected=alert.protected)
    outbox.add(tx, [replace(like, sink=sink) for sink in sinks])


def mark(tx: Transaction, alert: Alert, destination: Destination, now: int) -> int:
    """Queue a mark for where the finding was told, due at once; returns 0 when it was queued before.

    It is no message of its group: that is told when it would be told without it.
    """
    message = Message(alert.id, alert.organization, destination.sink, encode(alert), now, held.now(tx), alert.finding)
    return outbox.add(tx, [replace(message, group=destination.group(alert))])


def gather(tx: Transaction, routed: Sequence[Routed], now: int) -> None:
    """Queue each alert for its destination, due when its group is told.

    That is counted on the clock of the database, which decides what is due: `now` may be the beginning of a long pass.
    """
    by_sink: dict[str, list[Routed]] = defaultdict(list)
    for alert, destination in routed:
        by_sink[destination.sink].append((alert, destination))
    at = held.now(tx) if by_sink else 0
    for sink, mine in by_sink.items():
        grouped = [(alert, goes.group(alert), goes.timing(alert)) for alert, goes in mine]
        known = telling.flushes(tx, sink, {group for _, group, timing in grouped if timing.gathers}, at)
        told: dict[str, float] = {}
        for _, group, timing in grouped:
            flushes = known.get(group, telling.Flushes())
            told[group] = min(told.get(group, math.inf), told_at(flushes.last, flushes.coming, at, timing))
        for group, flushes in known.items():
            if flushes.coming is not None and told[group] < flushes.coming:
                telling.hasten(tx, sink, group, told[group])
        outbox.add(tx, [_message(alert, sink, group, now, told[group]) for alert, group, _ in grouped])


def _message(alert: Alert, sink: str, group: str, now: int, told: float) -> Message:
    body, key = encode(alert), _order_key(alert)
    return Message(alert.id, alert.organization, sink, body, now, told, key, group, told, alert.protected)


def _order_key(alert: Alert) -> str:
    flapping = notices.of_flapping(alert.about)
    return flapping if alert.id.startswith(f"{flapping}/") else alert.finding
