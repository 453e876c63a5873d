"""The report in a few sentences: where we stand, what changed, and what stayed in the dark."""

from auditor.reporting.text import counted, day
from auditor.reporting.view import Report
from auditor.terms import Level


def sentences(report: Report) -> tuple[str, ...]:
    """The sentences, in the order of telling. Numbers and words of our own only: no name from the organization."""
    if report.score.now is None:
        return ("No snapshot of this organization was judged yet, so nothing can be said about it.",)
    return tuple(filter(None, (_standing(report), _week(report), _gilded(report))))


def _standing(report: Report) -> str:
    worst = {tally.name: tally.count for tally in report.levels}
    grave = [f"{worst[level]} {level.value}" for level in (Level.CRITICAL, Level.HIGH) if worst.get(level)]
    if grave:
        total = sum(worst.get(level, 0) for level in (Level.CRITICAL, Level.HIGH))
        return f"{' and '.join(grave)} {'finding is' if total == 1 else 'findings are'} open."
    if report.active:
        return f"Nothing critical or high is open; {counted(report.active, 'lesser finding')} remain."
    return "No finding is open."


def _week(report: Report) -> str:
    change, since = report.score.change, day(report.start)
    moved = "" if change is None else f"The score {_moved(change, 'has not moved', 'rose', 'fell')} since {since}"
    changes = report.changes
    told = f"{counted(changes.opened + changes.reopened, 'finding')} opened and {changes.resolved:,} resolved"
    if changes.removed:
        told += f", {changes.removed:,} closed because their policy was removed"
    return f"{moved}: {told}." if moved else f"{told} since {since}."


def _gilded(report: Report) -> str:
    """How the score would have moved if nobody had removed a policy that failed; empty when nobody did."""
    earned = report.score.earned_change
    if earned is None or not report.score.gilded:
        return ""
    words = ("would not have moved", "would have risen", "would have fallen")
    return f"Without the removal of policies it {_moved(earned, *words)}."


def _moved(points: int, not_at_all: str, up: str, down: str) -> str:
    return f"{up if points > 0 else down} by {counted(abs(points), 'point')}" if points else not_at_all


def dark(report: Report) -> str:
    """What could not be seen, as one sentence; empty when all was seen."""
    unknown, unseen = report.summary.unknown, report.unseen
    parts = [counted(unseen.collections, "collection") + " could not be read whole"] if unseen.collections else []
    if unknown:
        parts.append(counted(unknown, "policy has", "policies have") + " no answer")
    if unseen.streams:
        parts.append("the audit log is incomplete")
    text = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1] if parts else ""
    return f"{text[:1].upper()}{text[1:]}." if text else ""
