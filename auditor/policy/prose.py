"""What a policy looks for, line by line, as it was written and with its parameters in place. Pure."""

from collections.abc import Iterator

from auditor.policy.grammar import Selection
from auditor.policy.model import Policy
from auditor.policy.policyset import Correlated, Judge, PolicySet
from auditor.policy.template import one_line

MAX_LINE = 300
"""Characters of one line."""


def judged(policies: PolicySet, policy: Policy) -> list[str]:
    """The selections and the condition of a policy, and of a correlation its rules and what it counts."""
    for judge in (*policies.states, *policies.rules):
        if judge.policy.name == policy.name:
            return [*_of_judge(judge), *_allowed(policy)]
    for correlated in policies.correlations:
        if correlated.policy.name == policy.name:
            return list(_of_correlation(policies, correlated))
    return []


def _of_judge(judge: Judge) -> Iterator[str]:
    if judge.applies_to:
        yield from _of_selection("applies to", judge.applies_to)
    for name, selection in judge.matcher.detection.selections.items():
        yield from _of_selection(name, selection)
    yield f"condition: {judge.matcher.detection.text}"


def _of_selection(name: str, selection: Selection) -> Iterator[str]:
    for number, alternative in enumerate(selection.alternatives):
        yield f"{name}:" if number == 0 else "or:"
        yield from (f"  {one_line(comparison.source, MAX_LINE)}" for comparison in alternative)


def _allowed(policy: Policy) -> Iterator[str]:
    if not policy.allowed.each:
        most = "any number" if policy.allowed.max is None else policy.allowed.max
        yield f"allowed: at least {policy.allowed.min}, at most {most}"


def _of_correlation(policies: PolicySet, correlated: Correlated) -> Iterator[str]:
    spec = correlated.correlation
    for rule in spec.rules:
        yield f"rule {rule}:"
        yield from (f"  {line}" for line in _of_judge(policies.bases[rule]))
    yield counted(correlated)


def counted(correlated: Correlated) -> str:
    """What a correlation asks of a window."""
    spec = correlated.correlation
    each = f" for each {' and '.join(spec.group_by)}" if spec.group_by else ""
    of = f" of {spec.counted}" if spec.counted else ""
    return f"{spec.type}{of}: at least {spec.least} within {spec.timespan} seconds{each}"
