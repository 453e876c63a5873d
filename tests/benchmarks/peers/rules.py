"""The rules of `auditevents` as Sigma rules, which is how we and the tools around pySigma read them."""

from collections.abc import Mapping
from uuid import NAMESPACE_DNS, uuid5

from auditor.policy.compile import compile_detection
from auditor.policy.grammar import Vocabulary, parse_detection
from auditor.policy.model import EVENT, Policy
from auditor.policy.policyset import Judge
from auditor.policy.template import Message
from auditor.terms import Level
from peers.conditions import Condition, detection


def sigma(name: str, condition: Condition) -> dict[str, object]:
    """The rule as it stands in a file."""
    return {
        "title": name,
        "id": str(uuid5(NAMESPACE_DNS, f"{name}.example.com")),
        "logsource": {"product": "openai", "service": "audit"},
        "level": "low",
        "detection": detection(condition),
    }


def judges(rules: Mapping[str, Condition]) -> tuple[Judge, ...]:
    """The rules as ours."""
    found = []
    for name, condition in rules.items():
        parsed = parse_detection(detection(condition), Vocabulary({}, True, False, True), refuse)
        assert parsed
        found.append(Judge(Policy(name, name, EVENT, Level.LOW), compile_detection(parsed), Message("")))
    return tuple(found)


def refuse(place: object, message: str, hint: str = "") -> None:
    """A rule of a benchmark has no faults."""
    raise SystemExit(f"{place}: {message} {hint}")
