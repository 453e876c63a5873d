"""The score: the share of policies that pass, weighted by level. What could not be judged counts as not passed."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from auditor.reporting.view import Point, Score, Summary
from auditor.store.runs import Judgement, PolicyLine, Run
from auditor.terms import Level, Outcome

WEIGHTS = {Level.CRITICAL: 10, Level.HIGH: 5, Level.MEDIUM: 3, Level.LOW: 1, Level.INFORMATIONAL: 0}
"""Points of one policy by its level."""


def points(lines: Iterable[PolicyLine]) -> tuple[int, int]:
    """Weights earned by the policies that pass, and weights of all."""
    earned = possible = 0
    for line in lines:
        weight = WEIGHTS[line.level]
        possible += weight
        earned += weight if line.outcome is Outcome.PASS else 0
    return earned, possible


def percent(earned: int, possible: int) -> int | None:
    """The score from 0 to 100, rounded down so that 100 means all; None when nothing has weight."""
    return earned * 100 // possible if possible else None


def of_history(history: Iterable[Judgement], latest: Run | None, watching: Collection[str]) -> Score:
    """The score over `history` (oldest first), which begins where the period does; `latest` is now.

    `watching` are the policies that judge events and are not scored: they pass by default, and would gild the score.
    """
    if latest is None:
        return Score()
    lines = judged(latest.policies, watching)
    earned, possible = points(lines)
    runs = [(each.finished_at, judged(each.policies, watching)) for each in history]
    known = [Point(at, score) for at, then in runs if (score := percent(*points(then))) is not None]
    first = next((then for _, then in runs if percent(*points(then)) is not None), ())
    return Score(
        now=percent(earned, possible),
        before=known[0].score if len(known) > 1 else None,
        history=tuple(known),
        earned=earned,
        possible=possible,
        gilded=_gilded(first, lines) if len(known) > 1 else 0,
    )


def _gilded(before: Collection[PolicyLine], now: Collection[PolicyLine]) -> int:
    """What the score of `before` would have gained by the mere removal of the policies that are not judged `now`."""
    left = {line.policy for line in now}
    whole, rest = (percent(*points(some)) for some in (before, [line for line in before if line.policy in left]))
    return max(rest - whole, 0) if whole is not None and rest is not None else 0


def accepting(lines: Iterable[PolicyLine], waived: Collection[str]) -> int | None:
    """The score if the failures of the policies `waived` counted as passed; what was not seen counts as before."""
    return percent(*points(replace(each, outcome=Outcome.PASS) if _waived(each, waived) else each for each in lines))


def _waived(line: PolicyLine, waived: Collection[str]) -> bool:
    return line.outcome is Outcome.FAIL and not line.unknown and line.policy in waived


def judged(lines: Iterable[PolicyLine], watching: Collection[str]) -> tuple[PolicyLine, ...]:
    """The lines of policies that judge a state."""
    return tuple(line for line in lines if line.policy not in watching)


def summary(lines: Iterable[PolicyLine]) -> Summary:
    """How many policies passed, failed, or could not be judged."""
    outcomes = [line.outcome for line in lines]
    return Summary(*(outcomes.count(outcome) for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN)))
