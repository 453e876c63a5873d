"""A finding, its life, and the changes in it. Pure data."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state: the row that alerts and history are made of."""

    finding: Finding
    """As it is after the change."""
    before: State | None
    """None when the finding is new."""
    reason: Reason
    at: int


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one pass changed. `findings` are all rows to write, `transitions` those whose state changed."""

    findings: tuple[Finding, ...] = ()
    transitions: tuple[Transition, ...] = ()
    held: tuple[str, ...] = ()
    """Policies most of whose resources vanished at once: nothing of theirs is resolved by absence for a day."""


def identity(organization: str, policy: str, kind: str, ids: Scope) -> str:
    """The stable id of a finding: 16 hex digits over organization, policy, kind and ids."""
    text = "\x1f".join((organization, policy, kind, *ids))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
