"""Waivers as people read them: what is accepted, by whom, until when, and what is wrong with it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from auditor.findings.matcher import told
from auditor.findings.waiverbook import Known, Limits, Standing, faults
from auditor.findings.waivers import Origin

DAY = 86_400
SOON = 14
"""Days before its end in which a waiver ends soon."""
SHOWN = 30 * DAY
"""Seconds that a waiver which is over is still shown."""


@dataclass(frozen=True, slots=True)
class WaiverRow:
    """One waiver. Reason, owner and ticket are what a person wrote: never trust them."""

    id: str
    about: str
    reason: str
    owner: str
    ticket: str
    until: int
    standing: Standing
    ends_soon: bool
    matches: int
    """Findings that it matched in the last pass."""
    faults: tuple[str, ...]
    origin: Origin
    by: str
    """Who wrote it down."""
    pinned: tuple[str, ...]
    ended_by: str
    """Who ended it before its time; empty when nobody did."""

    @property
    def counts(self) -> bool:
        """Whether it holds, or will."""
        return self.standing in {Standing.IN_FORCE, Standing.NOT_YET}


def rows(known: Iterable[Known], voids: Mapping[str, int], limits: Limits, now: int) -> tuple[WaiverRow, ...]:
    """The waivers that count, or did in the last thirty days, those that end first before the others."""
    held = [each.within(limits.longest) for each in known]
    shown = [each for each in held if min(each.waiver.until, each.gone_at or now) > now - SHOWN]
    made = [row(each, faults(each, voids.get(each.waiver.id, 0), limits, now), now) for each in shown]
    return tuple(sorted(made, key=lambda row: (row.until, row.id)))


def row(known: Known, wrong: Iterable[str], now: int) -> WaiverRow:
    """One waiver, and what is wrong with it."""
    waiver, standing = known.waiver, known.standing(now)
    return WaiverRow(
        id=waiver.id,
        about=told(waiver.match),
        reason=waiver.reason,
        owner=waiver.owner,
        ticket=waiver.ticket,
        until=waiver.until,
        standing=standing,
        ends_soon=standing is Standing.IN_FORCE and waiver.until - now <= SOON * DAY,
        matches=known.matches,
        faults=tuple(wrong),
        origin=waiver.origin,
        by=waiver.by or waiver.owner,
        pinned=tuple(waiver.pinned),
        ended_by=waiver.ended_by,
    )
