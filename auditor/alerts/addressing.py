"""Keeps apart what is meant for different people: nobody is told of what others answer for."""

from collections.abc import Sequence

import msgspec

from auditor.alerts.message import decode
from auditor.alerts.sink import Sink
from auditor.store import outbox
from auditor.store.database import Transaction
from auditor.store.outbox import Leased


def for_one(tx: Transaction, sink: Sink, leased: Sequence[Leased]) -> Sequence[Leased]:
    """Those of `leased` that go to whom the first goes to; the others are given back, for messages of their own."""
    if not sink.config.personal or len(leased) < 2:
        return leased
    owned = [(each, _owner(each)) for each in leased]
    for each, owner in owned:
        if owner != owned[0][1]:
            outbox.give_back(tx, each)
    return [each for each, owner in owned if owner == owned[0][1]]


def _owner(leased: Leased) -> str:
    """What cannot be read is given up with whatever it is leased with."""
    try:
        return decode(leased.message.alert).person
    except msgspec.DecodeError:
        return ""
