"""Which findings are open at a sink on whose other side each has a state: marks of people go to no other."""

from collections.abc import Sequence

import msgspec

from auditor.alerts.gate import is_end
from auditor.alerts.message import Alert, decode
from auditor.alerts.sink import Sink
from auditor.store import held, outbox
from auditor.store.database import Transaction
from auditor.store.outbox import Leased


def of_open(tx: Transaction, sink: Sink, leased: Sequence[Leased]) -> Sequence[Leased]:
    """`leased` without the marks of findings that are not open at the sink, which are held back for good.

    It was told of those in a digest of many, or not at all. What was sent before stays as it was.
    """
    if not sink.keeps_state or (leased and leased[0].batch):
        return leased
    void = [each for each in leased if _is_void(tx, each)]
    for each in void:
        outbox.suppress(tx, each, "nothing to mark", final=True)
    return [each for each in leased if each not in void]


def is_open(tx: Transaction, sink: str, finding: str) -> bool:
    """Whether `sink` holds the finding for open, or will when it has what is on its way."""
    last = held.last_said(tx, sink, finding)
    return last is not None and not is_end(last)


def _is_void(tx: Transaction, leased: Leased) -> bool:
    mark = _mark(leased)
    if mark is None:
        return False
    _, last = held.said_before(tx, leased.message.sink, mark.finding, mark.id)
    return last is None or is_end(last)


def _mark(leased: Leased) -> Alert | None:
    """What cannot be read is let through, to be given up with a word."""
    try:
        alert = decode(leased.message.alert)
    except msgspec.DecodeError:
        return None
    return alert if alert.marks else None
