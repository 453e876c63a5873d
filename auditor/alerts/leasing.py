"""What a lane may send now: leased from the outbox, less what is held back, and bound to go out as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from auditor import log
from auditor.alerts import addressing, bugs, marking
from auditor.alerts.deadletters import each_of
from auditor.alerts.gate import Gate, Hold, Judge
from auditor.alerts.lane import Lane
from auditor.alerts.message import decode
from auditor.alerts.sink import Sink
from auditor.errors import AuditorError
from auditor.store import leases, outbox, tally
from auditor.store.database import Transaction
from auditor.store.outbox import Leased

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a look into the outbox brought."""

    leased: Sequence[Leased] = ()
    """What may be sent."""
    suppressed: int = 0
    """How many messages were held back instead."""
    again: bool = True
    """Whether another look may bring more."""


@dataclass(frozen=True, slots=True)
class Leaser:
    """Leases for one process."""

    sinks: Mapping[str, Sink]
    owner: str
    """Names the process in leases."""
    seconds: int
    """How long a lease lasts."""
    gate: Gate | None = None

    def take(self, tx: Transaction, lane: Lane, now: float) -> Taken:
        """As many messages as the lane takes, or one with the rest of its group or batch.

        What nothing may hold back comes first. A sink that answers nothing is asked with what was sent already, of
        whichever class that is.
        """
        sink = self.sinks[lane.sink]
        probing = lane.probing and not lane.asks_anew
        for kind in (None, True) if probing else (True, False):
            protected = kind is True
            limit = lane.takes(now, protected=protected)
            leased = self._leased(tx, lane, limit, kind, probing=probing) if limit else []
            if leased:
                break
        else:
            return Taken(again=False)
        if not _may_take(tx, lane, limit, now, protected=protected, marks=not sink.keeps_state):
            each_of(leased, lambda one: outbox.give_back(tx, one))
            return Taken()
        if limit == 1 and not leased[0].batch and leased[0].message.group:
            rest = lane.folds(leased[0].message.group) - 1
            leased += leases.lease_rest(tx, leased[0], self.owner, self.seconds, rest) if rest else []
        free = self._admitted(tx, leased)
        mine = marking.of_open(tx, sink, addressing.for_one(tx, sink, free))
        leases.bind(tx, mine)
        return Taken(mine, len(leased) - len(free))

    def _leased(self, tx: Transaction, lane: Lane, limit: int, kind: bool | None, *, probing: bool) -> list[Leased]:
        apart = self.sinks[lane.sink].converses
        return leases.lease(
            tx, [lane.sink], self.owner, self.seconds, limit, apart=apart, probing=probing, protected=kind
        )

    def _admitted(self, tx: Transaction, leased: Sequence[Leased]) -> Sequence[Leased]:
        """What nothing holds back.

        What was sent as one and may have arrived is held back as one: a part of it would be another message.
        """
        if not self.gate:
            return leased
        judge = self.gate.at(tx)
        holds = [(each, _hold(judge, each)) for each in leased]
        free = [each for each, hold in holds if hold is None]
        if free and leased[0].batch:
            return leased
        for each, hold in holds:
            if hold:
                outbox.suppress(tx, each, hold.reason, final=hold.final)
                _log.info("alert.suppressed", sink=each.message.sink, alert=each.message.id, reason=hold.reason)
        return free


def _may_take(tx: Transaction, lane: Lane, limit: int, now: float, *, protected: bool, marks: bool) -> bool:
    """Whether the sink may still take `limit` messages, with what other processes, and earlier ones, sent it."""
    if not lane.limited:
        return True
    lane.recall(now, tally.delivered_ages(tx, lane.sink, lane.terms.storm_window, marks=marks))
    return lane.takes(now, protected=protected) == limit


def _hold(judge: Judge, leased: Leased) -> Hold | None:
    """What cannot be read is let through, to be given up with a word; and so is what a bug keeps from being judged."""
    message = leased.message
    try:
        return judge.hold(decode(message.alert), message.sink)
    except msgspec.DecodeError:
        return None
    except AuditorError:
        raise
    except Exception:  # noqa: BLE001 - better told than held back
        bugs.noted("gate.broke", message.sink, alert=message.id)
        return None
