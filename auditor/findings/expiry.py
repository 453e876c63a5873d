"""What ends soon, and when people are told of it again. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from auditor.findings.model import Finding

DAY = 86_400
STAGES = (1, 7, 14, 30)
"""Days before its end at which people are told, the last one first."""

Ends = Callable[[Finding], int | None]
"""When (Unix seconds) what a finding is about ends; None when nothing ends, or nobody can see when."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A finding of something that ends, marked as told."""

    finding: Finding
    ends: int
    """Unix seconds."""
    days: int
    """The stage of STAGES that was reached."""


def newly_ending(standing: Iterable[Finding], ends: Ends, now: int) -> list[Ending]:
    """Those that reached a stage since they stand, and were not told of that one; what ends first comes first.

    What a finding was told with when it opened is not told again: only stages that began later are.
    """
    found = [ending for finding in standing if (ending := _ending(finding, ends(finding), now))]
    return sorted(found, key=lambda each: (each.ends, each.finding.policy, each.finding.ids))


def _ending(finding: Finding, ends: int | None, now: int) -> Ending | None:
    if ends is None or ends <= now or finding.occurrence or finding.waived or not finding.state.active:
        return None
    days = next((days for days in STAGES if ends - now <= days * DAY), None)
    if days is None:
        return None
    began = ends - days * DAY
    # A time to come was written by a clock that was ahead, and must not keep anything from being told until then.
    since = [at for at in (finding.stands_since, finding.ending_told or 0) if at <= now]
    if began <= max(since, default=0):
        return None
    return Ending(replace(finding, ending_told=began), ends, days)
