"""What nothing may hold back, no silence and no waiver: that the auditor cannot see, or cannot be believed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from auditor.findings.matcher import Matcher
from auditor.findings.model import Finding
from auditor.inventory.schema import AUDIT_LOG
from auditor.policy.model import Policy

UNMUTABLE = "auditor.unmutable"
"""Tag of the policies whose findings nothing holds back."""


def is_protected(kind: str, tags: Iterable[str]) -> bool:
    """Whether nothing may hold back what is told of such a finding: that the audit log has a gap is one of these."""
    return kind == AUDIT_LOG or UNMUTABLE in tags


def protects(policies: Mapping[str, Policy], finding: Finding) -> bool:
    """Whether nothing may hold back this finding; `policies` are those in force, by name."""
    policy = policies.get(finding.policy)
    return is_protected(finding.kind, policy.tags if policy else ())


@dataclass(frozen=True, slots=True)
class Reach:
    """Names of the policies whose findings a matcher may take."""

    covered: tuple[str, ...]
    beyond: tuple[str, ...]
    """Those whose findings nobody can waive."""

    @property
    def is_vain(self) -> bool:
        """Whether it takes only what nobody can waive."""
        return bool(self.beyond) and not self.covered


def reach(match: Matcher, policies: Iterable[Policy]) -> Reach:
    """What `match` may take of findings that are still to come."""
    taken = [policy for policy in policies if match.may_match(policy)]
    beyond = [policy.name for policy in taken if is_protected(policy.kind, policy.tags)]
    return Reach(tuple(each.name for each in taken if each.name not in beyond), tuple(beyond))
