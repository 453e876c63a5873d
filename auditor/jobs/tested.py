"""What a backtest found: for each policy the findings it would have opened, and how much it would have said. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from auditor.findings.model import Finding
from auditor.policy.model import Policy

LISTED = 1000
"""Findings of a policy that are listed, the newest of them; the others are counted."""


@dataclass
class Tested:
    """One policy. Times are Unix seconds."""

    policy: Policy
    findings: int = 0
    stood: int = 0
    """Those of the first picture: nobody knows since when, and they are told in one digest."""
    reopened: int = 0
    resolved: int = 0
    open: int = 0
    """Those that are open at the end; an occurrence is for 14 days."""
    owners: set[str] = field(default_factory=set)
    """Who owns the resources, or who acted; without those that nobody owns."""
    by_day: Counter[int] = field(default_factory=Counter)
    """Alerts by day since 1970-01-01 (UTC): a finding that opens, opens again or ends is one each."""
    listed: list[Finding] = field(default_factory=list)
    unknown: int = 0
    """Pictures of which it said `unknown`."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why, with the number of pictures."""
    not_kept: tuple[str, ...] = ()
    """Fields that it asks for and that no picture of the past has."""

    @property
    def alerts(self) -> int:
        """Messages, the digest of what stood at first included."""
        return self.by_day.total()

    def enter(self, findings: Sequence[Finding]) -> None:
        """Some more findings, of which no more are kept than are listed."""
        self.findings += len(findings)
        self.owners.update(owner for each in findings if (owner := owner_of(each)))
        self.listed += findings
        if len(self.listed) > 2 * LISTED:
            self.shorten()

    def shorten(self) -> None:
        """Keep those that are listed, in their order: newest first."""
        self.listed.sort(key=lambda each: (-each.opened_at, each.kind, each.ids))
        del self.listed[LISTED:]


@dataclass
class Backtest:
    """What became of one organization."""

    since: int
    until: int
    pictures: list[int] = field(default_factory=list)
    """The times of the snapshots that were rebuilt."""
    snapshots: int = 0
    """How many there were."""
    events: int = 0
    """Events that were looked at; types that no rule can match were not."""
    began_at: int | None = None
    """When the history of resources begins."""
    event_at: int | None = None
    """When the oldest stored event happened."""
    policies: list[Tested] = field(default_factory=list)


def owner_of(finding: Finding) -> str:
    """Who owns the resource, or who acted; empty when nobody is named."""
    owner, actor = finding.evidence.get("owner"), finding.evidence.get("actor")
    if isinstance(owner, str):
        return owner
    if isinstance(actor, dict):
        return str(actor.get("email") or actor.get("id") or actor.get("ip") or "")
    return ""
