"""Reading the organization: every kind of resource, each walk with its line in the coverage ledger."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from auditor.adminapi.client import AdminClient
from auditor.adminapi.envelope import refuse_two_of_a_key
from auditor.adminapi.paging import walk
from auditor.adminapi.resources import RESOURCES
from auditor.adminapi.resourcetypes import ResourceType, Tier
from auditor.errors import ApiError
from auditor.inventory.bodies import Body, split
from auditor.inventory.breaker import Breaker
from auditor.inventory.model import Collection, Coverage, Gap, Record, Scope, Snapshot
from auditor.inventory.records import record_of
from auditor.inventory.schema import ancestors
from auditor.terms import Status

WORKERS = 16
"""Walks under way at once; the client bounds the requests."""

WALK_SECONDS = 3600
"""Longest that one list may take; at the default budget, 180,000 pages would fit."""

Progress = Callable[[str, int, int], None]
"""Told of each finished walk: kind, walks done, walks known so far."""


Stage = Callable[[Sequence[Body]], Awaitable[None]]
"""Takes the bodies of each page as it is read, so that nobody holds those of a whole organization."""


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk: its records, its line in the ledger, and what broke it off."""

    records: tuple[Record, ...]
    coverage: Coverage
    error: ApiError | None = None


Carry = Callable[[ResourceType, Sequence[Scope]], Awaitable[Mapping[Scope, Walk]]]
"""Which scopes of a kind of the tier FAN_OUT need not be read in this snapshot, and what is known of them."""


def no_progress(kind: str, done: int, known: int) -> None:
    """Nobody is watching."""


async def unstaged(bodies: Sequence[Body]) -> None:
    """Nobody keeps the bodies."""


async def nothing_carried(kind: ResourceType, scopes: Sequence[Scope]) -> Mapping[Scope, Walk]:
    """Everything is read."""
    return {}


async def collect(
    client: AdminClient,
    organization: str,
    now: int,
    *,
    kinds: Sequence[ResourceType] = RESOURCES,
    progress: Progress = no_progress,
    stage: Stage = unstaged,
    carry: Carry = nothing_carried,
) -> Snapshot:
    """The picture of the organization at `now` (Unix seconds).

    Never raises for what the API does: what could not be read is a gap in the ledger. `stage` must not raise.
    """
    done: dict[str, Collection] = {}
    ledger: list[Coverage] = []
    counted = _Counted(progress)
    breaker = Breaker()
    for generation in generations(kinds):
        known: dict[tuple[str, Scope], Walk] = {}
        for kind in generation:
            if kind.tier is Tier.FAN_OUT:
                carried = await carry(kind, scopes(kind, done))
                known |= {(kind.name, scope): walk for scope, walk in carried.items()}
        jobs = [(kind, scope) for kind in generation for scope in scopes(kind, done) if (kind.name, scope) not in known]
        counted.known += len(jobs)
        results = known | await _walk_all(client, jobs, counted, breaker, stage)
        for kind in generation:
            walks = [results[kind.name, scope] for scope in scopes(kind, done)]
            lines = [walk.coverage for walk in walks] + _inherited(kind, done)
            done[kind.name] = Collection(
                kind.name,
                records=tuple(record for walk in walks for record in walk.records),
                gaps=tuple(line.gap for line in lines if line.gap),
            )
            ledger += lines
    return Snapshot(organization, now, done, tuple(ledger))


class _Counted:
    def __init__(self, progress: Progress) -> None:
        self.known = 0
        self._done = 0
        self._progress = progress

    def finished(self, kind: str) -> None:
        self._done += 1
        self._progress(kind, self._done, self.known)


def generations(kinds: Sequence[ResourceType]) -> Iterable[list[ResourceType]]:
    """Kinds without parents, then their children, and so on."""
    depths = sorted({len(ancestors(kind.name)) for kind in kinds})
    return ([kind for kind in kinds if len(ancestors(kind.name)) == depth] for depth in depths)


def scopes(kind: ResourceType, done: Mapping[str, Collection]) -> list[Scope]:
    """The parents to walk `kind` for: one empty scope for the organization itself."""
    if kind.parent is None:
        return [()]
    return [
        record.ids
        for record in done[kind.parent].records
        if not any(record.fields.get(field) == value for field, value in kind.skip_parents.items())
    ]


def _inherited(kind: ResourceType, done: Mapping[str, Collection]) -> list[Coverage]:
    """A parent that was not seen has children that were not seen: each gap of the parents is one of the children."""
    if kind.parent is None:
        return []
    return [
        Coverage(
            kind.name,
            gap.scope,
            gap.status if gap.status is not Status.PARTIAL else Status.FAILED,
            pages=0,
            items=0,
            gap=Gap(
                kind.name,
                gap.scope,
                gap.status if gap.status is not Status.PARTIAL else Status.FAILED,
                f"its list of kind {gap.kind} could not be read: {gap.reason}",
                gap.hint,
            ),
        )
        for gap in done[kind.parent].gaps
    ]


async def _walk_all(
    client: AdminClient,
    jobs: Sequence[tuple[ResourceType, Scope]],
    counted: _Counted,
    breaker: Breaker,
    stage: Stage,
) -> dict[tuple[str, Scope], Walk]:
    results: dict[tuple[str, Scope], Walk] = {}
    waiting = iter(jobs)

    async def work() -> None:
        for kind, scope in waiting:
            given_up = breaker.open(kind.name)
            walk = _not_walked(kind, scope, given_up) if given_up else await _walk_one(client, kind, scope, stage)
            if not given_up:
                breaker.note(kind.name, walk.error)
            results[kind.name, scope] = walk
            counted.finished(kind.name)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(WORKERS, len(jobs))):
            group.create_task(work())
    return results


async def _walk_one(client: AdminClient, kind: ResourceType, scope: Scope, stage: Stage) -> Walk:
    started = time.monotonic()
    records: dict[str, Record] = {}
    surprises: Counter[str] = Counter()
    pages = 0
    unread = _Unread()
    error: ApiError | None = None
    try:
        async with asyncio.timeout(WALK_SECONDS):
            async for page in walk(client, kind, dict(zip(ancestors(kind.name), scope, strict=True))):
                pages += 1
                await stage(_keep(kind, scope, page.items, records, unread, surprises))
    except ApiError as caught:
        error = caught
    except TimeoutError:
        error = ApiError(f"the list was not read whole within {WALK_SECONDS // 60} minutes")
    if error is None and not records and not unread.broken and kind.never_empty:
        error = ApiError("the list is empty, which it cannot be")
    gap = _gap(kind, scope, pages, unread, error)
    coverage = Coverage(
        kind.name,
        scope,
        gap.status if gap else Status.COMPLETE,
        pages=pages,
        items=len(records),
        seconds=round(time.monotonic() - started, 3),
        surprises=dict(surprises),
        gap=gap,
    )
    return Walk(tuple(records.values()), coverage, error)


def _not_walked(kind: ResourceType, scope: Scope, why: str) -> Walk:
    gap = Gap(kind.name, scope, Status.FAILED, why, "the next pass asks again; is the API down, or the network?")
    return Walk((), Coverage(kind.name, scope, gap.status, pages=0, items=0, gap=gap))


def _keep(
    kind: ResourceType,
    scope: Scope,
    items: Sequence[bytes],
    records: dict[str, Record],
    unread: "_Unread",
    surprises: Counter[str],
) -> list[Body]:
    """Add the records of one page to those of the pages before. Returns the bodies of those that are new."""
    bodies = []
    for raw in items:
        parsed = _parse(kind, scope, raw, surprises)
        if parsed is None:
            unread.broken += 1
            continue
        record, body = parsed
        # A row that moved between pages comes twice, and is the same.
        known = records.setdefault(record.id, record)
        unread.contradicted += known.digest != record.digest and not kind.several
        if known is record:
            bodies.append(body)
    return bodies


def _parse(kind: ResourceType, scope: Scope, raw: bytes, surprises: Counter[str]) -> tuple[Record, Body] | None:
    try:
        item = msgspec.json.decode(raw)
        refuse_two_of_a_key(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        item = None
    if isinstance(item, dict):
        body = split(kind, item)
        record = record_of(kind, scope, item, body.digest, surprises)
        if record is not None:
            return record, body
    surprises["not an item"] += 1
    return None


@dataclass
class _Unread:
    """Items that came and are not known all the same."""

    broken: int = 0
    contradicted: int = 0
    """Came twice, with different contents."""


def _gap(kind: ResourceType, scope: Scope, pages: int, unread: _Unread, error: ApiError | None) -> Gap | None:
    if error is not None:
        refused = error.status in {401, 403}
        status = Status.PARTIAL if pages else Status.REFUSED if refused else Status.FAILED
        return Gap(kind.name, scope, status, error.message, error.hint)
    if unread.broken:
        reason = f"{_items(unread.broken)} could not be read as {kind.name}"
        return Gap(kind.name, scope, Status.PARTIAL, reason, "the API may have changed; is there a newer auditor?")
    if unread.contradicted:
        reason = f"{_items(unread.contradicted)} came twice with different contents"
        return Gap(
            kind.name, scope, Status.PARTIAL, reason, "the list changed while it was read; the next pass reads it"
        )
    return None


def _items(count: int) -> str:
    return f"{count} item{'s' if count > 1 else ''}"
