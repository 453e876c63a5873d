"""Where alerts go: routed, joined with what was told before, and folded into digests, in the same transaction."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from auditor import clock
from auditor.alerts import compose, digests, marking
from auditor.alerts.gate import Gate
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.outgoing import Routed, gather, queue
from auditor.alerts.route import Destination
from auditor.jobs.context import Audit
from auditor.store.database import Transaction

FEW = 3
"""Alerts that are told one by one even where they could be folded."""
FEW_KEPT = 500
"""The same for changes of findings, to a sink on whose other side each has a state. Ten messages take them, so that
what comes behind them waits for no window."""
BEGINNINGS = frozenset({AlertKind.OPENED, AlertKind.REOPENED})
_ENDS = frozenset({AlertKind.RESOLVED})
"""What such a sink must hear of each finding, however many there are."""


@dataclass(frozen=True, slots=True)
class Fold:
    """What becomes one digest for a sink: more than FEW alerts, or more than `kept` where each has a state."""

    kept: int = FEW
    merge: Callable[[Sequence[Alert], int], Alert] = digests.merged
    groups: bool = False
    """Whether alerts that the routes tell together count as one."""

    def takes(self, routed: Sequence[Routed], *, keeps: bool) -> bool:
        """Whether they are too many for one sink."""
        if keeps:
            return len(routed) > self.kept
        return len({goes.group(alert) for alert, goes in routed} if self.groups else routed) > FEW


def spread(tx: Transaction, audit: Audit, alerts: Sequence[Alert], now: int, fold: Fold | None) -> int:
    """Queue each alert for wherever it goes; returns how many messages that makes. Without `fold` none is folded."""
    by_sink: dict[tuple[str, str], list[Routed]] = {}
    for alert, goes in routed(tx, audit, alerts):
        by_sink.setdefault((goes.sink, goes.whose(alert)), []).append((alert, goes))
    queued = 0
    for (sink, _), mine in by_sink.items():
        keeps = sink in audit.keeping
        alone = _ENDS if keeps else frozenset()
        many = [each for each in mine if each[0].kind not in alone]
        if fold and fold.takes(many, keeps=keeps):
            folded = _apart(tx, audit, [alert for alert, _ in many], sink, now)
            for some in folded:
                queue(tx, fold.merge(some, now), [sink], now)
            mine = [each for each in mine if each[0].kind in alone]  # noqa: PLW2901
            queued += len(folded)
        gather(tx, mine, now)
        queued += len(mine)
    return queued


def _apart(tx: Transaction, audit: Audit, alerts: Sequence[Alert], sink: str, now: int) -> list[list[Alert]]:
    """What may be told in one digest: nothing that is held back with what is not, as that would carry it along."""
    judge = Gate(audit.teller, lambda: clock.from_epoch(now)).at(tx)
    kinds: dict[tuple[bool, bool], list[Alert]] = defaultdict(list)
    for alert in alerts:
        held_back = alert.kind in BEGINNINGS and judge.hold(alert, sink) is not None
        kinds[alert.protected, held_back].append(alert)
    return list(kinds.values())


def routed(tx: Transaction, audit: Audit, alerts: Sequence[Alert]) -> Iterator[Routed]:
    """Each alert with wherever the routes lead it.

    What was told before is told again with what it was told with there. What is over, or was decided, goes wherever the
    finding is open still, too: the level, the owner or the class may be another one by now, and tags are gone with
    their policy.
    """
    known = _open_at(tx, audit, [alert for alert in alerts if _follows(alert)])
    for alert in alerts:
        found = audit.routing.destinations(alert)
        yield from (_joined(known if _follows(alert) else {}, alert, goes) for goes in found)
        if _ends(alert):
            for sink, group in sorted(known.get(alert.finding, {}).items()):
                if sink not in {goes.sink for goes in found}:
                    yield alert, Destination(sink, audit.routing.root, joins=group)


def joined(tx: Transaction, audit: Audit, again: Sequence[Routed]) -> list[Routed]:
    """What is told `again`, each with what it was told with there, wherever the routes would put it by now."""
    known = _open_at(tx, audit, [alert for alert, _ in again])
    return [_joined(known, alert, goes) for alert, goes in again]


_Places = Mapping[str, Mapping[str, str]]
"""By finding the sinks that hold it for open, each with the group in which it was told."""


def _open_at(tx: Transaction, audit: Audit, alerts: Sequence[Alert]) -> _Places:
    """Of what was told before; in no sink of people's own."""
    sinks = audit.keeping.union(audit.routing.config.sinks) - audit.routing.config.personal
    return marking.open_at(tx, sinks, [alert.finding for alert in alerts]) if alerts else {}


def _joined(known: _Places, alert: Alert, goes: Destination) -> Routed:
    return alert, replace(goes, joins=known.get(alert.finding, {}).get(goes.sink, ""))


def _follows(alert: Alert) -> bool:
    """Whether the finding was told before."""
    return _ends(alert) or compose.is_again(alert)


def _ends(alert: Alert) -> bool:
    """Whether it ends or marks what was told of the finding."""
    return alert.kind is AlertKind.RESOLVED or alert.marks
