"""By when a fault is to be mended, and what is overdue. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from auditor.findings.model import Finding
from auditor.terms import Level

Due = Mapping[Level, int]
"""Seconds that a finding of a level may stand; a level that is not there is never overdue."""


def due_at(finding: Finding, due: Due) -> int | None:
    """Until when (Unix seconds) the fault should be mended.

    None for what happened once, is over, or is waived: the waiver says until when.
    """
    if finding.occurrence or finding.waived or not finding.state.active or finding.level not in due:
        return None
    return finding.due_from + due[finding.level]


def is_overdue(finding: Finding, due: Due, now: int) -> bool:
    """Whether it should have been mended before `now` (Unix seconds)."""
    at = due_at(finding, due)
    return at is not None and at <= now


def newly_overdue(standing: Iterable[Finding], due: Due, now: int) -> list[Finding]:
    """Those that are overdue and were not told as that since they stand, marked as told at `now`; the worst first.

    What a clock told that was ahead was not so yet.
    """
    late = [each for each in standing if not _was_told(each, now) and is_overdue(each, due, now)]
    late.sort(key=lambda each: (-each.level.rank, each.policy, each.ids))
    return [replace(each, overdue_told=now) for each in late]


def _was_told(finding: Finding, now: int) -> bool:
    return finding.overdue_told is not None and finding.overdue_told <= now
