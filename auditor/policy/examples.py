"""Running the examples inside policies: the tests that travel with them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.detection.model import BaseMatch
from auditor.inventory.model import Collection, Snapshot
from auditor.policy.evaluate import base_matches, correlate, evaluate, match
from auditor.policy.model import Example, Policy, Verdict
from auditor.policy.policyset import Correlated, Judge, PolicySet
from auditor.terms import Outcome


@dataclass(frozen=True, slots=True)
class ExampleFailure:
    """An example that does not hold."""

    policy: Policy
    example: Example
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.policy.path}:{self.example.line}: {self.policy.name}, example `{self.example.name}`: {self.reason}"
        )


def check(policies: PolicySet) -> tuple[ExampleFailure, ...]:
    """Every example that does not hold, of every policy, under the parameters that the files declare."""
    policies = policies.written or policies
    failures = []
    for policy in policies.policies:
        for example in policy.examples:
            reason = _reason(example, *run(policies, policy.name, example))
            if reason:
                failures.append(ExampleFailure(policy, example, reason))
    return tuple(failures)


def _reason(example: Example, outcome: Outcome, matched: frozenset[str]) -> str:
    """Why an example does not hold, empty when it does."""
    if outcome is not example.expect:
        return f"expected {example.expect}, got {outcome}"
    if example.because and example.because not in matched:
        return (
            f"expected it because of `{example.because}`, but what matched is {', '.join(sorted(matched)) or 'nothing'}"
        )
    return ""


def run(policies: PolicySet, name: str, example: Example) -> tuple[Outcome, frozenset[str]]:
    """What the policy `name` says of an example, and which of its selections or rules matched."""
    for judge in policies.states:
        if judge.policy.name == name:
            return _state(judge, example)
    for judge in policies.rules:
        if judge.policy.name == name:
            return _said(match(PolicySet(rules=(judge,)), example.records, example.now))
    correlated = next(each for each in policies.correlations if each.policy.name == name)
    return _said(_correlated(correlated, policies.bases, example))


def _state(judge: Judge, example: Example) -> tuple[Outcome, frozenset[str]]:
    kind = judge.policy.kind
    snapshot = Snapshot("example", example.now, {kind: Collection(kind, example.records)})
    (result,) = evaluate(PolicySet(states=(judge,)), snapshot, example.now)
    return result.outcome, frozenset(name for verdict in result.verdicts for name in verdict.matched)


def _said(verdicts: tuple[Verdict, ...]) -> tuple[Outcome, frozenset[str]]:
    matched = frozenset(name for verdict in verdicts for name in verdict.matched)
    return (Outcome.FAIL if verdicts else Outcome.PASS), matched


def _correlated(correlated: Correlated, bases: Mapping[str, Judge], example: Example) -> tuple[Verdict, ...]:
    groups: dict[tuple[str, ...], list[BaseMatch]] = {}
    for each in base_matches(correlated, bases, example.records):
        groups.setdefault(each.key, []).append(each)
    return tuple(verdict for found in groups.values() for verdict in correlate(correlated, found, example.now))
