"""What became of each waiver: whether it is in force, when it ends, and what is wrong with it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from auditor import clock
from auditor.findings.waivers import DAY, Waiver

STAGES = (1, 7, 14)
"""Days before its end at which people are told, the last one first."""


class Standing(StrEnum):
    """Whether a waiver is worth anything."""

    IN_FORCE = "in force"
    NOT_YET = "not yet"
    EXPIRED = "expired"
    GONE = "gone"
    """It is not in the file any more."""


@dataclass(frozen=True, slots=True)
class Known:
    """A waiver and what became of it. Times are Unix seconds."""

    waiver: Waiver
    known_at: int
    gone_at: int | None = None
    """When it was gone from the file."""
    matched_at: int | None = None
    """When a pass last found something that it matches."""
    matches: int = 0
    """Findings that it matched in the last pass."""

    def within(self, longest: int) -> "Known":
        """The same where a waiver lasts `longest` seconds at most."""
        return replace(self, waiver=self.waiver.within(longest))

    def standing(self, now: int) -> Standing:
        """Whether it is worth anything at `now`."""
        if self.waiver.until <= now:
            return Standing.EXPIRED
        if self.gone_at is not None:
            return Standing.GONE
        return Standing.IN_FORCE if self.waiver.holds(now) else Standing.NOT_YET

    def stage(self, now: int) -> int | None:
        """The nearest of STAGES that it has reached, None before the first, and for what covers nothing.

        One that had begun when the waiver was made is no news, except where it holds for less than was asked for.
        """
        until = self.waiver.until
        days = next((days for days in STAGES if until - now <= days * DAY), None)
        if days is None or self.standing(now) is not Standing.IN_FORCE or not self.matches:
            return None
        begun = until - days * DAY <= max(self.known_at, self.waiver.on)
        return None if begun and self.waiver.asked_until is None else days


@dataclass(frozen=True, slots=True)
class Limits:
    """What a waiver may be before it is a fault of its own."""

    unused: int
    """Seconds without a finding that it matches."""
    broad: int
    """Findings that it may match."""
    longest: int
    """Seconds that one of the store lasts at most."""


def faults(known: Known, voids: int, limits: Limits, now: int) -> Iterator[str]:
    """What is wrong with a waiver, each as one sentence; `voids` is for how many findings it is void."""
    standing, waiver = known.standing(now), known.waiver
    if waiver.asked_until is not None and not waiver.ended_by:
        ends = "ended" if standing is Standing.EXPIRED else "ends"
        yield f"longer than findings.max_waiver allows: {ends} {clock.last_day(waiver.until)}"
    elif standing is Standing.EXPIRED and not waiver.ended_by:
        yield "expired: delete it, or renew it after a review"
    if standing is not Standing.IN_FORCE:
        return
    idle = now - max(known.matched_at or 0, known.known_at, waiver.on)
    if not known.matches and idle >= limits.unused:
        yield f"unused: it has matched nothing for {idle // DAY} days"
    if known.matches > limits.broad:
        yield f"too broad: it matches {known.matches} findings, more than {limits.broad}"
    if not waiver.match.narrow:
        yield "too broad: it names no policy and no resource"
    if voids:
        yield f"void for {voids} finding{'s' if voids > 1 else ''}: a pinned fact changed"
