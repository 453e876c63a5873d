"""The closed sets of words that every other module uses."""

from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is: Sigma's five levels, in rising order."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for informational to 4 for critical: `max(levels, key=lambda level: level.rank)`."""
        return list(Level).index(self)


class Outcome(StrEnum):
    """What a policy says of a resource. Only PASS counts as compliant."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"


class State(StrEnum):
    """Where a finding stands in its life."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    WAIVED = "waived"
    RESOLVED = "resolved"
    REOPENED = "reopened"

    @property
    def active(self) -> bool:
        """Whether the fault still exists, whatever people decided about it."""
        return self is not State.RESOLVED


UNDECIDED = frozenset({State.OPEN, State.REOPENED})
"""What nobody has taken on, and no risk was accepted of."""


class Status(StrEnum):
    """How the reading of one collection ended. Only COMPLETE may resolve a finding."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    REFUSED = "refused"
    FAILED = "failed"


class Stream(StrEnum):
    """The two audit-log streams: `tenant_only=true` is needed for tenant-scoped events, and then gives only those."""

    ORGANIZATION = "organization"
    TENANT = "tenant"
