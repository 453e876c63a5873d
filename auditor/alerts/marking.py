"""Which findings a sink holds for open: their ends go there, and marks of people to no other."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import msgspec

from auditor.alerts import notices
from auditor.alerts.gate import is_end
from auditor.alerts.message import Alert, decode
from auditor.alerts.sink import Sink
from auditor.store import held, outbox
from auditor.store.database import Transaction
from auditor.store.held import Said
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


def open_at(tx: Transaction, sinks: Collection[str], findings: Collection[str]) -> Mapping[str, Mapping[str, str]]:
    """By finding which of `sinks` hold it for open, or will when they have what is on its way; each with the group.

    So does one that was told last that it comes and goes. What a digest of many told is not known any more.
    """
    flapping = {notices.of_flapping(finding): finding for finding in findings}
    newest: dict[tuple[str, str], Said] = {}
    for (sink, key), said in held.last_said(tx, sinks, [*findings, *flapping]).items():
        place = flapping.get(key, key), sink
        newest[place] = max(said, newest.get(place, said), key=lambda each: each.row)
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for (finding, sink), said in newest.items():
        if not is_end(said.alert):
            found[finding][sink] = said.group
    return found


def _is_void(tx: Transaction, leased: Leased) -> bool:
    mark = _mark(leased)
    if mark is None:
        return False
    told = held.said_before(tx, leased.message.sink, mark.finding, mark.id).told
    return told is None or is_end(told)


def _mark(leased: Leased) -> Alert | None:
    """What cannot be read is let through, to be given up with a word."""
    try:
        alert = decode(leased.message.alert)
    except msgspec.DecodeError:
        return None
    return alert if alert.marks else None
