"""What comes and goes too often to be told each time; its state stays right all the while. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from auditor.findings.model import Finding, Transition

WINDOW = 86_400
"""Seconds in which openings are counted, and after which a finding that stayed as it is flaps no more."""


@dataclass(frozen=True, slots=True)
class Calmed:
    """Changes that are told, and findings that are told as flapping instead, from now on."""

    told: tuple[Transition, ...] = ()
    began: tuple[Finding, ...] = ()


def calm(changes: Iterable[Transition], openings: Mapping[str, int], most: int) -> Calmed:
    """Withhold the changes of findings that opened more than `most` times in the last WINDOW, or flap already.

    `openings` counts them by id, those of `changes` included.
    """
    told: list[Transition] = []
    began: dict[str, Finding] = {}
    for change in changes:
        finding = change.finding
        if finding.flapping_since is not None:
            continue
        if finding.occurrence or openings.get(finding.id, 0) <= most:
            told.append(change)
        else:
            began[finding.id] = finding
    return Calmed(tuple(told), tuple(began.values()))


def settled(flapping: Iterable[Finding], now: int) -> list[Finding]:
    """Those that have stayed as they are for a WINDOW, and so are told as they are."""
    return [each for each in flapping if now - each.changed_at >= WINDOW]
