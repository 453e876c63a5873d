"""What holds an alert back when it is about to go out: silences, times of routes, inhibition.

It is asked at the last moment, as Alertmanager does it: a silence also takes what waits already.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from auditor import clock
from auditor.alerts import notices
from auditor.alerts.inhibition import Inhibition
from auditor.alerts.matching import alone, matches, parts
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
        self._standing: dict[str, Sequence[Alert]] = {}
        self._inhibitions: dict[tuple[int, str], Inhibition] = {}

    def hold(self, alert: Alert, sink: str) -> Hold | None:
        """Why the alert must not go to `sink` now; None when it may.

        A protected one always may, and so may events, and marks, which go only where the finding was told. A digest is
        held back when each of its lines would be.
        """
        if alert.protected or alert.marks or alert.kind is AlertKind.EVENT:
            return None
        if alert.kind is AlertKind.RESOLVED and not self._known_open(alert, sink):
            return Hold("what it ends was never told", final=True)
        if self._is_over(alert):
            return Hold("what it is about is over", final=True)
        reasons = (self._reason(part, sink) for part in parts(alert))
        first = next(reasons)
        return Hold(first) if first and all(reasons) else None

    def _reason(self, part: Alert, sink: str) -> str:
        checks: tuple[Callable[[Alert, str], str], ...] = (self._silenced, self._muted, self._inhibited)
        return next(filter(None, (check(part, sink) for check in checks)), "")

    def _known_open(self, alert: Alert, sink: str) -> bool:
        """Whether the sink may take for open what the alert ends. Better an end too many than none."""
        before = held.said_before(self._tx, sink, alert.finding, alert.id)
        if before.told is not None and not is_end(before.told):
            return True
        flapping = notices.of_flapping(alert.finding)
        if held.said_since(self._tx, sink, alert.finding, flapping, alert.id):
            return True  # That notice promises how it ends.
        # What a digest of many told is in no message of its own: then an end comes first, or after another one.
        if before.last is None or is_end(before.last):
            return True
        return before.told is None and before.first is not None and is_end(before.first)

    def _is_over(self, alert: Alert) -> bool:
        """Whether it is a notice about a finding that has ended meanwhile, or tells of nothing but such.

        It is of no order with the finding's own messages, and may have been refused while the end was told. That a
        finding comes and goes is told all the same: that notice promises how it ends.
        """
        about = []
        for part in parts(alert):
            # Of most digests the first line says that it is none.
            if not (subject := _subject(alone(part))):
                return False
            about.append(subject)
        known = findings.by_ids(self._tx, about)
        return all(id_ in known and not known[id_].state.active for id_ in about)

    def _silenced(self, part: Alert, _sink: str) -> str:
        for silence, match in self._silences:
            if matches(match, part):
                return f"silence {silence.id} by {silence.author}: {silence.comment}"
        return ""

    @cached_property
    def _silences(self) -> list[tuple[Silence, Match]]:
        active = silences.active(self._tx, self._moment.timestamp())
        return [(each, Match.model_validate(each.matchers)) for each in active]

    def _muted(self, part: Alert, sink: str) -> str:
        return self._teller.routing.muted(part, sink, self._moment)

    def _inhibited(self, part: Alert, _sink: str) -> str:
        for rule in self._teller.routing.config.inhibit_rules:
            # What is open is looked up only for what a rule may hold back: it may be much.
            if not matches(rule.target_match, part):
                continue
            source = self._inhibition(rule, part.organization).source(alone(part))
            if source:
                return f"inhibited by {source.policy}, finding {source.finding}"
        return ""

    def _inhibition(self, rule: InhibitRule, organization: str) -> Inhibition:
        key = id(rule), organization
        if key not in self._inhibitions:
            if organization not in self._standing:
                firing = findings.search(self._tx, organization, states=_FIRING)
                self._standing[organization] = [self._teller.standing(each) for each in firing]
            self._inhibitions[key] = Inhibition(rule, self._standing[organization])
        return self._inhibitions[key]


def _subject(alert: Alert) -> str:
    """The finding that a notice is about; empty for another one, and for one that outlives it."""
    outlives = alert.id.startswith(notices.of_flapping(alert.about))
    return "" if alert.kind is not AlertKind.NOTICE or outlives else alert.about or alert.finding


def is_end(stored: bytes) -> bool:
    """Whether a stored alert tells that a finding is over; what cannot be read does not."""
    try:
        return decode(stored).kind is AlertKind.RESOLVED
    except msgspec.DecodeError:
        return False
