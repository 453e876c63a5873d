"""What a report says, before anybody thinks of HTML. Pure data; every time is whole Unix seconds."""

from dataclasses import dataclass, field
from enum import StrEnum

from auditor.findings.model import Decision, Reason, standing
from auditor.inventory.model import Scope
from auditor.policy.model import EVENT
from auditor.reporting.waived import WaiverRow
from auditor.store.settings import Settings
from auditor.terms import Level, Outcome, State, Status


class ChangeKind(StrEnum):
    """What happened to a finding, as a reader of the week sees it."""

    OPENED = "opened"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    REMOVED = "policy removed"
    """It ended with its policy, and nothing was mended."""


@dataclass(frozen=True, slots=True)
class Point:
    """The score at one time, 0 to 100."""

    at: int
    score: int

    @property
    def pair(self) -> tuple[int, int]:
        """For a line chart."""
        return self.at, self.score


@dataclass(frozen=True, slots=True)
class Score:
    """The score now and at the start of the period; None when no snapshot was judged."""

    now: int | None = None
    before: int | None = None
    history: tuple[Point, ...] = ()
    """One point a day, the last snapshot of the day, oldest first; the last point is `now`."""
    earned: int = 0
    """Weights of the policies that passed."""
    possible: int = 0
    """Weights of all policies that were judged, the unknown ones included."""
    accepted: int | None = None
    """The score now if every accepted risk counted as passed."""
    gilded: int = 0
    """Points that the score would have had more at the start without the policies that were removed since."""

    @property
    def change(self) -> int | None:
        """Points gained since the start of the period; None without both ends."""
        return None if self.now is None or self.before is None else self.now - self.before

    @property
    def earned_change(self) -> int | None:
        """Points gained by the policies that judged all the time, or came: none for the removal of what failed."""
        return None if self.change is None else self.change - self.gilded


@dataclass(frozen=True, slots=True)
class Summary:
    """How many policies passed, failed, or could not be judged."""

    passed: int = 0
    failed: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        """All policies that were judged."""
        return self.passed + self.failed + self.unknown


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One policy with its last outcome."""

    name: str
    title: str
    level: Level
    kind: str
    outcome: Outcome | None
    """None for policies that watch events, and for those that were not judged yet."""
    passed: int = 0
    failed: int = 0
    unknown: int = 0

    @property
    def watches_events(self) -> bool:
        """Whether it judges what happens rather than what is."""
        return self.kind == EVENT


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding, or one occurrence, as people read it."""

    id: str
    policy: str
    title: str
    level: Level
    state: State
    kind: str
    ids: Scope
    name: str
    """Chosen by members of the organization: never trust it."""
    owner: str
    """Who answers for the resource, empty when nothing says so. Never trust it either."""
    message: str
    remediation: str
    opened_at: int
    seen_at: int
    changed_at: int
    resolved_at: int | None
    occurrence: bool
    actor: str
    """Who did it, from where, as the audit event tells; empty when no event explains it."""
    evidence: tuple[tuple[str, str], ...]
    """Label and value: what matched, hash of the body, digest of the policy, ids of the events."""
    decision: Decision | None = None
    """Who acknowledged or waived it, and why; both are what a person wrote: never trust them."""
    due_at: int | None = None
    overdue: bool = False
    waivable: bool = True
    """Whether its risk can be accepted for a time."""
    ended: Reason | None = None
    """Why it is resolved, where that was asked for."""

    @property
    def standing(self) -> str:
        """Its state for people: what ended with its policy is not called resolved."""
        return standing(self.state, self.ended)

    @property
    def identity(self) -> str:
        """The ids of the resource, outermost first, as one text."""
        return " / ".join(self.ids)


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """All active findings of one policy; `rows` may be fewer than `total`."""

    policy: str
    title: str
    level: Level
    remediation: str
    total: int
    rows: tuple[FindingRow, ...]

    @property
    def hidden(self) -> int:
        """How many findings are counted here but not listed."""
        return self.total - len(self.rows)


@dataclass(frozen=True, slots=True)
class Change:
    """One finding that opened, came back, was resolved or lost its policy in the period."""

    kind: ChangeKind
    at: int
    reason: str
    finding: FindingRow


@dataclass(frozen=True, slots=True)
class Changes:
    """What the period changed; `rows` are the latest and worst, the counts are of all."""

    opened: int = 0
    reopened: int = 0
    resolved: int = 0
    removed: int = 0
    rows: tuple[Change, ...] = ()

    @property
    def total(self) -> int:
        """All changes of the period."""
        return self.opened + self.reopened + self.resolved + self.removed


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do: the remediation of one failing policy."""

    policy: str
    title: str
    level: Level
    remediation: str
    count: int
    """Findings that it would close."""
    gain: int
    """Points of the score that it would win."""
    names: tuple[str, ...]
    """The first resources it is about, with their ids."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A name and how often it occurred."""

    name: str
    count: int

    @property
    def pair(self) -> tuple[str, int]:
        """For a chart of columns."""
        return self.name, self.count

    @property
    def bar(self) -> tuple[str, int, str]:
        """For a chart of bars, in the one colour that judges nothing."""
        return self.name, self.count, "accent"


@dataclass(frozen=True, slots=True)
class Activity:
    """What the audit log held in the period."""

    total: int = 0
    days: tuple[Tally, ...] = ()
    """One entry a day (`2026-01-31`, UTC), days without an event included."""
    types: tuple[Tally, ...] = ()
    """Most frequent first."""
    other_types: int = 0
    """Types that are not listed."""


@dataclass(frozen=True, slots=True)
class StreamRow:
    """How far one stream of the audit log has been read."""

    stream: str
    read_to: int | None
    """Time of the newest event that was read; None when none ever was."""
    polled_at: int
    status: Status
    reason: str
    holes: tuple[tuple[int, int], ...] = ()
    """Between what is proven read: from, until."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """One policy that speaks for a control, and how strongly."""

    policy: str
    title: str
    strength: str
    """`direct`, `partial` or `supporting`."""
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Control:
    """One control of a framework: it fails when any of its policies does, and passes only when all do."""

    id: str
    outcome: Outcome | None
    """None when only policies that watch events speak for it."""
    policies: tuple[Mapping, ...]


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework, with the controls that at least one policy speaks for."""

    name: str
    title: str
    controls: tuple[Control, ...]
    summary: Summary


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """How the reading of one kind of resource went, all its parts together."""

    kind: str
    status: Status
    parts: int
    """Collections of this kind: one for the organization, or one a parent."""
    items: int
    pages: int
    seconds: float
    surprises: tuple[Tally, ...] = ()
    read_at: int | None = None
    """When its oldest part was read (Unix seconds), for what is not read in every pass."""


@dataclass(frozen=True, slots=True)
class GapRow:
    """Collections of one kind that could not be read for one reason."""

    kind: str
    status: Status
    reason: str
    hint: str
    scopes: tuple[str, ...]
    """The first places, empty when it is missing in the whole organization."""
    count: int


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """A policy that could not be judged for one reason."""

    policy: str
    title: str
    level: Level
    kind: str
    reason: str
    hint: str
    count: int
    """Resources or collections of which nothing can be said."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What could not be seen. Counted against the score, never a pass."""

    gaps: tuple[GapRow, ...] = ()
    unknowns: tuple[UnknownRow, ...] = ()
    streams: tuple[StreamRow, ...] = ()
    """Streams of the audit log that were not read whole."""
    types: tuple[Tally, ...] = ()
    """Types of events of the period that this version does not know."""

    @property
    def collections(self) -> int:
        """How many collections were not read whole."""
        return sum(gap.count for gap in self.gaps)

    @property
    def nothing(self) -> bool:
        """Whether all was seen."""
        return not (self.gaps or self.unknowns or self.streams or self.types)


@dataclass(frozen=True, slots=True)
class Proof:
    """What lets an outsider check the report against the store."""

    run: str = ""
    taken_at: int | None = None
    resources: int = 0
    ledger_sha256: str = ""
    findings_sha256: str = ""
    policies: tuple[tuple[str, str], ...] = ()
    """Name and SHA-256 of each policy with its parameters in force."""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """What became of the messages for one sink."""

    sink: str
    delivered: int
    waiting: int
    dead: int
    suppressed: int = 0
    """Held back by a silence, a mute time or an inhibition."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one report says of one organization over one period."""

    organization: str
    start: int
    end: int
    generated_at: int
    score: Score = Score()
    summary: Summary = Summary()
    levels: tuple[Tally, ...] = ()
    """Active findings by level, worst first, every level present; occurrences are not counted."""
    changes: Changes = Changes()
    actions: tuple[Action, ...] = ()
    findings: tuple[FindingGroup, ...] = ()
    waived: tuple[FindingRow, ...] = ()
    waived_count: int = 0
    waivers: tuple[WaiverRow, ...] = ()
    overdue: tuple[FindingRow, ...] = ()
    overdue_count: int = 0
    occurrences: tuple[FindingRow, ...] = ()
    occurrence_count: int = 0
    policies: tuple[PolicyRow, ...] = ()
    activity: Activity = Activity()
    streams: tuple[StreamRow, ...] = ()
    frameworks: tuple[Framework, ...] = ()
    ledger: tuple[LedgerRow, ...] = ()
    unseen: Unseen = Unseen()
    settings: Settings = field(default_factory=Settings)
    """What no endpoint shows, as the last snapshot found it."""
    proof: Proof = Proof()
    deliveries: tuple[DeliveryRow, ...] = ()
    version: str = ""
    """Version of auditor that wrote it."""

    @property
    def active(self) -> int:
        """All active findings, waived ones included."""
        return sum(level.count for level in self.levels)

    @property
    def listed(self) -> int:
        """How many of the active findings are listed one by one."""
        return sum(len(group.rows) for group in self.findings) + len(self.waived)
