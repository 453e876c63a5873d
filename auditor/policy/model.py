"""What a policy is, and what it says of a record. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from auditor.inventory.model import Gap, Record, Scope
from auditor.inventory.schema import EVENT_KIND
from auditor.terms import Level, Outcome

EVENT = EVENT_KIND
"""The kind of an audit-log event: a resource like any other."""

WHOLE: Scope = ("*",)
"""Identity of a verdict on a whole collection, which names no resource."""

Controls = Mapping[str, Mapping[str, str]]
"""Framework (`soc2`) to control id (`CC6.1`) to mapping strength (`direct`, `partial`, `supporting`)."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """How many records may match before the policy fails. By default none: every match is a finding."""

    min: int = 0
    max: int | None = 0

    @property
    def each(self) -> bool:
        """Whether every match is a finding of its own, rather than the count of them one of the whole collection."""
        return self.min == 0 and self.max == 0


@dataclass(frozen=True, slots=True)
class Example:
    """A record, or events, with what the policy must say of them."""

    name: str
    expect: Outcome
    now: int
    """Unix seconds at which the clock stands."""
    because: str = ""
    """Selection that must be among those that matched, empty for any."""
    records: tuple[Record, ...] = ()
    """What is judged, as the collection would give it."""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy, checked and ready to compile; parameters are already in its detection."""

    name: str
    title: str
    kind: str
    """Kind of resource it judges; EVENT for event policies and correlations."""
    level: Level
    description: str = ""
    remediation: str = ""
    message: str = ""
    """Template of the sentence that people read; the title when empty."""
    status: str = "stable"
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    controls: Controls = field(default_factory=dict)
    params: Mapping[str, object] = field(default_factory=dict)
    """Values in force, after the overrides of auditor.yaml."""
    allowed: Allowed = Allowed()
    examples: tuple[Example, ...] = ()
    path: str = ""
    """File it was read from, for messages."""
    ours: bool = True
    """Whether it follows the conventions of this project; False for a rule that was written elsewhere."""
    digest: str = ""
    """SHA-256 of the file and the parameters in force: which text of the policy judged."""
    judgement: str = ""
    """The same of what decides alone, without words, controls and examples."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """FAIL or UNKNOWN, for one resource or one gap. A pass needs no words: PolicyResult counts it."""

    policy: str
    level: Level
    outcome: Outcome
    kind: str
    ids: Scope
    """Identity of the resource; for a count of the whole collection `("*",)`; for a gap the scope of the gap."""
    name: str
    """What people call the resource. Chosen by members of the organization: never trust it."""
    message: str
    matched: tuple[str, ...] = ()
    """Selections that matched."""
    gap: Gap | None = None
    """What hid the answer; None for a setting that no event has shown yet."""
    why: str = ""
    """Why the answer is unknown, in words that are the same for every policy that the same thing hides it from."""
    record: Record | None = None
    events: tuple[str, ...] = ()
    """Ids of the events behind an occurrence, the first one first."""
    at: int | None = None
    """Unix seconds at which an occurrence happened; None for the state of a resource."""


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What one policy says of a whole snapshot: FAIL before UNKNOWN before PASS."""

    policy: str
    outcome: Outcome
    passed: int
    """Applicable records that comply; of a policy on the count of them 1 when it complies."""
    verdicts: tuple[Verdict, ...] = ()
    undecided: frozenset[Scope] | None = None
    """Ids of the records that were judged UNKNOWN: no finding of theirs is resolved.

    None when they were not told apart: then any UNKNOWN verdict keeps every finding of the policy as it is.
    """
