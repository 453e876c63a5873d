"""What holds an alert back when it is about to go out: silences, times of routes, inhibition.

It is asked at the last moment, as Alertmanager does it: a silence also takes what waits already.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from auditor import clock
from auditor.alerts.matching import covers, labels, matches
from auditor.alerts.message import Alert, AlertKind, decode
from auditor.alerts.teller import Teller
from auditor.routing import InhibitRule, Match
from auditor.store import findings, held, silences
from auditor.store.database import Transaction
from auditor.store.silences import Silence
from auditor.terms import State

_FIRING = frozenset({State.OPEN, State.REOPENED, State.ACKNOWLEDGED})


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an alert is not sent."""

    reason: str
    final: bool = False
    """Whether it will not be sent later, either."""


class Gate:
    """The rules in force; `at` looks at them within a transaction."""

    def __init__(self, teller: Teller, now: clock.Clock = clock.now) -> None:
        self._teller = teller
        self._now = now

    def at(self, tx: Transaction) -> "Judge":
        """Who decides now, with what the store says now."""
        return Judge(tx, self._teller, self._now)


class Judge:
    """Decides on alerts in one transaction."""

    def __init__(self, tx: Transaction, teller: Teller, now: clock.Clock) -> None:
        self._tx = tx
        self._teller = teller
        self._moment = now()
        self._sources: dict[str, Sequence[Alert]] = {}

    def hold(self, alert: Alert, sink: str) -> Hold | None:
        """Why the alert must not go to `sink` now; None when it may.

        A protected one always may, and so may events, and marks, which go only where the finding was told.
        """
        if alert.protected or alert.marks or alert.kind is AlertKind.EVENT:
            return None
        if alert.kind is AlertKind.RESOLVED and not self._known_open(alert, sink):
            return Hold("what it ends was never told", final=True)
        checks: tuple[Callable[[Alert, str], str], ...] = (self._silenced, self._muted, self._inhibited)
        reasons = (check(alert, sink) for check in checks)
        return next((Hold(reason) for reason in reasons if reason), None)

    def _known_open(self, alert: Alert, sink: str) -> bool:
        """Whether the sink may take for open what the alert ends. Better an end too many than none."""
        first, last = held.said_before(self._tx, sink, alert.finding, alert.id)
        if last is not None:
            return not is_end(last)
        # What a digest of many told is in no message of its own: then an end comes first.
        return first is None or is_end(first)

    def _silenced(self, alert: Alert, _sink: str) -> str:
        for silence, match in self._silences:
            if covers(match, alert):
                return f"silence {silence.id} by {silence.author}: {silence.comment}"
        return ""

    @cached_property
    def _silences(self) -> list[tuple[Silence, Match]]:
        active = silences.active(self._tx, self._moment.timestamp())
        return [(each, Match.model_validate(each.matchers)) for each in active]

    def _muted(self, alert: Alert, sink: str) -> str:
        return self._teller.routing.muted(alert, sink, self._moment)

    def _inhibited(self, alert: Alert, _sink: str) -> str:
        for rule in self._teller.routing.config.inhibit_rules:
            if covers(rule.target_match, alert):
                source = next((each for each in self._firing(alert) if inhibits(rule, each, alert)), None)
                if source:
                    return f"inhibited by {source.policy}, finding {source.finding}"
        return ""

    def _firing(self, alert: Alert) -> Sequence[Alert]:
        """What is open in the organization of the alert."""
        name = alert.organization
        if name not in self._sources:
            firing = findings.search(self._tx, name, states=_FIRING)
            self._sources[name] = [self._teller.standing(each) for each in firing]
        return self._sources[name]


def is_end(stored: bytes) -> bool:
    """Whether a stored alert tells that a finding is over; what cannot be read does not."""
    try:
        return decode(stored).kind is AlertKind.RESOLVED
    except msgspec.DecodeError:
        return False


def inhibits(rule: InhibitRule, source: Alert, target: Alert) -> bool:
    """Whether `source`, which is open, holds `target` back, which the rule's `target_match` takes.

    What both sides of the rule take is not held back by what they both take, either: not by itself, above all. A label
    that both lack is equal.
    """
    if source.finding == target.finding or not matches(rule.source_match, source):
        return False
    if matches(rule.source_match, target) and matches(rule.target_match, source):
        return False
    ours, theirs = labels(source), labels(target)
    return all(ours[name] == theirs[name] for name in rule.equal)
