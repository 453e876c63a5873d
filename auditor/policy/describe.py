"""One policy as text, ready to read in a terminal. Pure."""

from collections.abc import Iterable, Iterator

from auditor.policy.model import EVENT, Policy
from auditor.policy.policyset import PolicySet
from auditor.policy.prose import judged


def describe(policies: PolicySet, policy: Policy) -> str:
    """Everything a person asks of a policy of `policies`, ending in a line break."""
    return "\n".join(_lines(policies, policy)) + "\n"


def _lines(policies: PolicySet, policy: Policy) -> Iterator[str]:
    yield policy.title
    yield "=" * len(policy.title)
    facts = {
        "name": policy.name,
        "level": policy.level,
        "judges": "audit events" if policy.kind == EVENT else policy.kind,
        "status": policy.status,
        "tags": ", ".join(policy.tags),
        "file": policy.path,
    }
    yield from (f"{name + ':':<9} {value}" for name, value in facts.items() if value)
    controls = [
        f"{framework}: " + ", ".join(f"{control} ({strength})" for control, strength in ids.items())
        for framework, ids in policy.controls.items()
    ]
    sections: dict[str, Iterable[str]] = {
        "Why": filter(None, [policy.description]),
        "What to do": filter(None, [policy.remediation]),
        "What it looks for": judged(policies, policy),
        "Message": filter(None, [policy.message]),
        "Parameters": [f"{name}: {value}" for name, value in policy.params.items()],
        "Controls": controls,
        "Examples": [f"{example.expect:<8} {example.name}" for example in policy.examples],
        "References": policy.references,
    }
    for heading, lines in sections.items():
        yield from _section(heading, list(lines))


def _section(heading: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield from ("", heading)
        yield from (f"  {line}" for line in lines)
