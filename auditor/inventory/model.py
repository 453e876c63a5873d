"""What was seen of an organization, and what was not: records, gaps, coverage, snapshot. Pure data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from auditor.terms import Status

Scope = tuple[str, ...]
"""Ids of the parents of a collection, outermost first: `()`, `(project,)`, `(project, user)`."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A collection, or a part of it, that could not be read."""

    kind: str
    """Kind of resource that is missing, as policies name it: `project_api_key`."""
    scope: Scope
    """Where it is missing: the ids of the parents, empty for the whole organization."""
    status: Status
    """PARTIAL, REFUSED or FAILED."""
    reason: str
    """What the API said, short enough for one line of an alert."""
    hint: str = ""
    """The operator's next step."""

    @property
    def key(self) -> str:
        """Stable name of the gap: kind and scope, never the wording of the reason."""
        return "/".join((self.kind, *self.scope))


@dataclass(frozen=True, slots=True)
class Unknown:
    """The value of a field that could not be seen, wholly or in part.

    `known` holds the elements of a list that were seen all the same: a match among them is a match, its absence
    proves nothing. `gaps` is what hides the rest; it is empty for a setting that no event has shown yet.
    """

    gaps: tuple[Gap, ...] = ()
    known: tuple[object, ...] = ()
    why: str = ""


Fields = Mapping[str, object]
"""Flat fields by dotted name (`owner.name`): str, int, float, bool, None, list of those, or Unknown.

Times are whole Unix seconds, as the API sends them; the schema of the kind says which fields are times.
An absent key and None mean the same. A path through a list of objects holds the list of its values.
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One resource, or one audit-log event, as policies see it."""

    kind: str
    ids: Scope
    """Ids of the parents, then its own: the identity of the resource within the organization."""
    fields: Fields
    raw: bytes = b""
    """The bytes of an audit-log event; the body of a resource goes to the store page by page, and is not kept here."""
    digest: bytes = b""
    """SHA-256 of the body of a resource as `bodies.split` makes it: the name of the evidence in the store."""

    @property
    def id(self) -> str:
        """The resource's own id."""
        return self.ids[-1]

    @property
    def name(self) -> str:
        """What people call it, else its id. Chosen by members of the organization: never trust it."""
        for key in ("name", "email", "group_name", "model"):
            value = self.fields.get(key)
            if isinstance(value, str) and value:
                return value
        return self.id


def enriched(record: Record, more: Fields) -> Record:
    """The record with more fields."""
    return replace(record, fields={**record.fields, **more}) if more else record


@dataclass(frozen=True, slots=True)
class Coverage:
    """One line of the ledger: how the reading of one collection went."""

    kind: str
    scope: Scope
    status: Status
    pages: int
    items: int
    """Distinct items, by identity."""
    seconds: float = field(default=0.0, compare=False)
    """How long it took; two readings that differ in nothing else are equal."""
    surprises: Mapping[str, int] = field(default_factory=dict)
    """What did not look as documented, counted: `wrong type: last_used_at` to 3."""
    gap: Gap | None = None
    read_at: int | None = None
    """When it was read (Unix seconds), if that was before the pass; None for what each pass reads."""


@dataclass(frozen=True, slots=True)
class Collection:
    """All records of one kind in the whole organization, with what is missing of them."""

    kind: str
    records: tuple[Record, ...] = ()
    gaps: tuple[Gap, ...] = ()
    unseen: str = ""
    """Why nothing at all is known, though nothing was refused: no event has shown this setting yet."""

    @property
    def complete(self) -> bool:
        """Whether absence from `records` proves absence from the organization."""
        return not self.gaps and not self.unseen

    def hides(self, ids: Scope) -> bool:
        """Whether a gap may hide the resource of these `ids`: absence then proves nothing."""
        return bool(self.unseen) or any(gap.scope == ids[: len(gap.scope)] for gap in self.gaps)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The picture of one organization at one time."""

    organization: str
    taken_at: int
    """Unix seconds at which the reading began."""
    collections: Mapping[str, Collection]
    coverage: tuple[Coverage, ...] = ()

    def collection(self, kind: str) -> Collection:
        """The collection of `kind`; one that was never read is unseen, not empty."""
        return self.collections.get(kind) or Collection(kind, unseen=f"{kind} was not read")

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Every gap of the ledger, in its order."""
        return tuple(line.gap for line in self.coverage if line.gap)

    @property
    def size(self) -> int:
        """How many resources were read."""
        return sum(line.items for line in self.coverage)


def by_kind(coverage: Iterable[Coverage]) -> dict[str, Coverage]:
    """The ledger summed up to one line a kind, in the order of first appearance.

    The status is COMPLETE when every part is, the common status when all parts failed alike, else PARTIAL; `read_at`
    is that of the oldest part.
    """
    parts: dict[str, list[Coverage]] = {}
    for line in coverage:
        parts.setdefault(line.kind, []).append(line)
    return {kind: _sum(kind, lines) for kind, lines in parts.items()}


def _sum(kind: str, lines: list[Coverage]) -> Coverage:
    statuses = {line.status for line in lines}
    surprises: dict[str, int] = {}
    for line in lines:
        for name, count in line.surprises.items():
            surprises[name] = surprises.get(name, 0) + count
    return Coverage(
        kind=kind,
        scope=(),
        status=statuses.pop() if len(statuses) == 1 else Status.PARTIAL,
        pages=sum(line.pages for line in lines),
        items=sum(line.items for line in lines),
        seconds=sum(line.seconds for line in lines),
        surprises=surprises,
        gap=next((line.gap for line in lines if line.gap), None),
        read_at=min((line.read_at for line in lines if line.read_at is not None), default=None),
    )
