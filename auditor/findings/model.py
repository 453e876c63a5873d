"""A finding, its life, and the changes in it. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from auditor.fingerprint import fingerprint
from auditor.inventory.model import Scope
from auditor.terms import Level, State


class Reason(StrEnum):
    """Why a finding changed its state."""

    DETECTED = "detected"
    DETECTED_AGAIN = "detected again"
    COMPLIES = "complies"
    GONE = "resource gone"
    POLICY_REMOVED = "policy removed"
    EXPIRED = "expired"
    ACKNOWLEDGED = "acknowledged"
    WAIVED = "waived"
    WAIVER_EXPIRED = "waiver expired"
    WAIVER_VOID = "waiver void"
    WAIVER_REMOVED = "waiver removed"


def standing(state: State, ended: Reason | None) -> str:
    """The state for people, `ended` being why it is resolved: without its policy nothing was mended."""
    return ended.value if state is State.RESOLVED and ended is Reason.POLICY_REMOVED else state.value


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a finding: that it is known, or that its risk is accepted until a day."""

    by: str
    at: int
    """Unix seconds."""
    reason: str = ""
    waiver: str = ""
    """Id of the waiver; empty for an acknowledgement."""
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault of one resource under one policy, or one occurrence of an event policy."""

    id: str
    """`identity()` of what it is about; never depends on names or wording."""
    organization: str
    policy: str
    kind: str
    ids: Scope
    name: str
    """Display name of the resource when last seen. Chosen by members of the organization: never trust it."""
    level: Level
    state: State
    title: str
    message: str
    opened_at: int
    """Unix seconds, like every time here."""
    seen_at: int
    """When the fault was last confirmed."""
    changed_at: int
    """When the state last changed."""
    resolved_at: int | None = None
    absences: int = 0
    """Complete collections in a row without the resource; at two it is gone."""
    absent_since: int | None = None
    """When the first of those was taken; the same picture judged twice is one absence."""
    occurrence: bool = False
    """Whether it happened (an event) rather than holds (a state); an occurrence expires and is not scored."""
    evidence: Mapping[str, object] = field(default_factory=dict)
    """JSON values: `matched`, `body_sha256`, `policy_digest`, `events`, `actor`."""
    decision: Decision | None = None
    """Of an acknowledged or a waived finding; a resolved one keeps the last until it comes back."""
    since: int | None = None
    """When it came back, or its waiver ended; None while it stands since it was opened."""
    overdue_told: int | None = None
    """When people were told that it is overdue; not again before it comes back."""
    ending_told: int | None = None
    """When the last stage began of which people were told that what it is about ends soon."""
    flapping_since: int | None = None
    """Since when it comes and goes too often to be told each time."""

    @property
    def stands_since(self) -> int:
        """Since when it is to be mended."""
        return self.opened_at if self.since is None else self.since

    @property
    def due_from(self) -> int:
        """Since when its time to be mended runs: what comes and goes all day is given no more with each coming."""
        return self.stands_since if self.flapping_since is None else min(self.stands_since, self.flapping_since)

    @property
    def waived(self) -> bool:
        """Whether somebody accepted the risk, and it is not to be told."""
        return self.state is State.WAIVED


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state: the row that alerts and history are made of."""

    finding: Finding
    """As it is after the change."""
    before: State | None
    """None when the finding is new."""
    reason: Reason
    at: int
    by: str = ""
    """Who decided it; empty for what a picture showed."""
    comment: str = ""
    waiver: str = ""
    """Id of the waiver that began or ended."""
    until: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class Collapse:
    """Most of the resources with a finding are gone at once: of a kind, or of one policy about it."""

    kind: str
    policy: str = ""
    """Empty for the whole kind."""

    def takes(self, finding: Finding) -> bool:
        """Whether the finding is one of theirs."""
        return finding.kind == self.kind and self.policy in {"", finding.policy}


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one pass changed. `findings` are all rows to write, `transitions` those whose state changed."""

    findings: tuple[Finding, ...] = ()
    transitions: tuple[Transition, ...] = ()
    held: tuple[Collapse, ...] = ()
    """What vanished at once: nothing of it is resolved by absence for a day."""


def identity(organization: str, policy: str, kind: str, ids: Scope) -> str:
    """The stable id of a finding: 16 hex digits over organization, policy, kind and ids."""
    text = "\x1f".join((organization, policy, kind, *ids))
    return fingerprint(text)
