"""What comes and goes too often to be told each time; its state stays right all the while. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from auditor.findings.model import Finding, Transition
from auditor.findings.protected import protects
from auditor.policy.model import Policy
from auditor.terms import State

WINDOW = 86_400
"""Seconds in which openings are counted; while a finding flaps, people are told so once in each."""

_DECIDED = frozenset({State.ACKNOWLEDGED, State.WAIVED})


@dataclass(frozen=True, slots=True)
class Calmed:
    """Changes that are told, and findings that are told as flapping instead, from now on."""

    told: tuple[Transition, ...] = ()
    began: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Guard:
    """What is told of which findings. Openings are counted by id, those of the changes of this pass included."""

    most: int
    """Openings in the last WINDOW; with more a finding begins to flap."""
    openings: Mapping[str, int]
    policies: Mapping[str, Policy]
    """Those in force, by name."""

    def calm(self, changes: Iterable[Transition]) -> Calmed:
        """Withhold the changes of findings that open too often, or flap already.

        Nothing is withheld of what nothing may hold back (auditor/findings/protected.py).
        """
        told: list[Transition] = []
        began: dict[str, Finding] = {}
        for change in changes:
            finding = change.finding
            if finding.flapping_since is not None:
                continue
            if self._count(finding) > self.most and not self._spared(finding):
                began[finding.id] = finding
            else:
                told.append(change)
        return Calmed(tuple(told), tuple(began.values()))

    def settled(self, flapping: Iterable[Finding]) -> list[Finding]:
        """Those that are told as they are again: they opened at most half as often as what begins to flap.

        So are those that flap by the word of a version which held back what nothing may.
        """
        few = max((self.most + 1) // 2, 1)
        return [each for each in flapping if self._count(each) <= few or self._spared(each)]

    def _count(self, finding: Finding) -> int:
        return self.openings.get(finding.id, 0)

    def _spared(self, finding: Finding) -> bool:
        return finding.occurrence or protects(self.policies, finding)


def window(since: int, now: int) -> int:
    """When the WINDOW of `now` began, counted from `since`, which a clock that was ahead may have written."""
    return since + (now - since) // WINDOW * WINDOW


def reminding(flapping: Iterable[Finding], now: int) -> list[Finding]:
    """Those of which people are told again that they flap: in each WINDOW but the first, unless somebody decided."""
    return [
        each
        for each in flapping
        if each.flapping_since is not None
        and each.state not in _DECIDED
        and window(each.flapping_since, now) != each.flapping_since
    ]


def ended(finding: Finding) -> Finding:
    """The finding when it flaps no more; what it came back for while it did, did not give it more time."""
    since = finding.since if finding.due_from == finding.stands_since else finding.due_from
    return replace(finding, flapping_since=None, since=since)
