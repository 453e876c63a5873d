"""Trying what a key can read: one page of every list, report and audit-log stream, and not one more."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from auditor.adminapi import auditlog, usage
from auditor.adminapi.client import AdminClient
from auditor.adminapi.paging import walk
from auditor.adminapi.reports import DAY, REPORTS, Report
from auditor.adminapi.resources import BY_NAME, RESOURCES
from auditor.adminapi.resourcetypes import ResourceType
from auditor.clock import Clock, epoch
from auditor.errors import ApiError
from auditor.inventory.events import record_of as event_of
from auditor.inventory.model import Record
from auditor.inventory.records import record_of
from auditor.inventory.schema import ancestors
from auditor.terms import Stream

REACH_SECONDS = 15.0
"""How long the first answer may take; without one nothing else is asked."""
TRY_SECONDS = 20.0
"""How long one list may take, retries and pauses included."""
T = TypeVar("T")
_DEFAULT_PAGE = 20
"""Items of a page where the API is not asked for more."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of reading the first page of one kind."""

    kind: str
    records: tuple[Record, ...] = ()
    more: bool = False
    """Whether the page was full, so that the list may be longer."""
    error: ApiError | None = None
    behind: str = ""
    """Kind whose resources are needed for the path, and of which none was there or readable; then nothing was asked."""

    @property
    def readable(self) -> bool:
        """Whether the API answered."""
        return self.error is None and not self.behind


@dataclass(frozen=True, slots=True)
class StreamTried:
    """What came of reading the first page of one audit-log stream."""

    events: int = 0
    newest: int | None = None
    """Unix seconds of the newest event of that page."""
    error: ApiError | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The first answer: the server's clock, and ours around it, as Unix seconds."""

    date: str | None
    asked_at: float
    answered_at: float


@dataclass(frozen=True)
class Probed:
    """What a key could read."""

    first: Answered | None
    """None when the very first question was refused, which tells no time."""
    kinds: Mapping[str, Tried] = field(default_factory=dict)
    streams: Mapping[Stream, StreamTried] = field(default_factory=dict)
    reports: Mapping[str, ApiError | None] = field(default_factory=dict)
    """What came of asking each usage and cost report for yesterday; None where it answered."""

    @property
    def blind(self) -> bool:
        """Whether not one question was answered."""
        answered = (
            any(tried.readable for tried in self.kinds.values()),
            any(not tried.error for tried in self.streams.values()),
            any(not error for error in self.reports.values()),
        )
        return not any(answered)


async def probe(client: AdminClient, clock: Clock) -> Probed:
    """Ask once for each kind, report and stream, and once before.

    Raises ApiError when the API does not answer at all, after REACH_SECONDS at the latest.
    """
    first = await _first(client, clock)
    kinds: dict[str, Tried] = {}
    for depth in sorted({len(ancestors(kind.name)) for kind in RESOURCES}):
        generation = [kind for kind in RESOURCES if len(ancestors(kind.name)) == depth]
        for tried in await asyncio.gather(*(_try(client, kind, kinds) for kind in generation)):
            kinds[tried.kind] = tried
    until = epoch(clock()) + 1
    streams = await asyncio.gather(*(_try_stream(client, stream, until) for stream in Stream))
    reports = await asyncio.gather(*(_try_report(client, report, until) for report in REPORTS))
    names = (report.name for report in REPORTS)
    return Probed(first, kinds, dict(zip(Stream, streams, strict=True)), dict(zip(names, reports, strict=True)))


async def _first(client: AdminClient, clock: Clock) -> Answered | None:
    asked_at = clock().timestamp()
    try:
        async with asyncio.timeout(REACH_SECONDS):
            body = await client.get(BY_NAME["project"].path, (("limit", "1"),))
    except TimeoutError:
        hint = "check the address, the network and the firewall"
        raise ApiError(f"the Admin API did not answer within {REACH_SECONDS:.0f} seconds", hint=hint) from None
    except ApiError as error:
        if error.status is None or error.status >= 500:
            raise
        return None
    return Answered(body.date, asked_at, clock().timestamp())


async def _try(client: AdminClient, kind: ResourceType, done: Mapping[str, Tried]) -> Tried:
    parents: dict[str, str] = {}
    if kind.parent:
        parent = next((each for each in done[kind.parent].records if not _skipped(kind, each)), None)
        if parent is None:
            return Tried(kind.name, behind=done[kind.parent].behind or kind.parent)
        parents = dict(zip(ancestors(kind.name), parent.ids, strict=True))
    try:
        async with asyncio.timeout(TRY_SECONDS):
            page = await _page(walk(client, kind, parents))
    except (ApiError, TimeoutError) as error:
        return Tried(kind.name, error=_as_api_error(error))
    records = (_record(kind, tuple(parents.values()), raw) for raw in page.items)
    full = len(page.items) >= (kind.limit or _DEFAULT_PAGE)
    return Tried(kind.name, tuple(record for record in records if record), more=full)


async def _page(pages: AsyncIterator[T]) -> T:
    """The first page; the walk ends there."""
    try:
        return await anext(pages)
    finally:
        if isinstance(pages, AsyncGenerator):
            await pages.aclose()


def _skipped(kind: ResourceType, parent: Record) -> bool:
    return any(parent.fields.get(name) == value for name, value in kind.skip_parents.items())


def _record(kind: ResourceType, scope: tuple[str, ...], raw: bytes) -> Record | None:
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return record_of(kind, scope, body, b"", Counter()) if isinstance(body, dict) else None


async def _try_stream(client: AdminClient, stream: Stream, until: int) -> StreamTried:
    try:
        async with asyncio.timeout(TRY_SECONDS):
            page = await _page(auditlog.read(client, stream, None, until))
    except (ApiError, TimeoutError) as error:
        return StreamTried(error=_as_api_error(error))
    return StreamTried(len(page.items), max((_time_of(raw) for raw in page.items), default=None))


async def _try_report(client: AdminClient, report: Report, now: int) -> ApiError | None:
    yesterday = now // DAY - 1
    try:
        async with asyncio.timeout(TRY_SECONDS):
            await _page(usage.read(client, report, yesterday, (yesterday + 1) * DAY, size=1))
    except (ApiError, TimeoutError) as error:
        return _as_api_error(error)
    return None


def _time_of(raw: bytes) -> int:
    try:
        at = event_of(raw).fields.get("effective_at")
    except (ValueError, RecursionError):
        return 0
    return at if isinstance(at, int) else 0


def _as_api_error(error: ApiError | TimeoutError) -> ApiError:
    if isinstance(error, ApiError):
        return error
    return ApiError(f"no answer within {TRY_SECONDS:.0f} seconds", hint="try again later")
