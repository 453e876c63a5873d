"""Following the audit log: both streams, a closed window each, judged and stored in the transaction that counts it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from auditor.adminapi import auditlog
from auditor.adminapi.envelope import refuse_two_of_a_key
from auditor.adminapi.eventtypes import KNOWN
from auditor.errors import ApiError
from auditor.findings.model import identity
from auditor.findings.reconcile import occur
from auditor.findings.waivers import Facts
from auditor.inventory.calendar import Calendar
from auditor.inventory.events import record_at, record_of
from auditor.inventory.model import Coverage, Gap, Record
from auditor.inventory.schema import EVENT_KIND
from auditor.jobs import announce, lifecycle
from auditor.jobs.context import Audit
from auditor.log import get
from auditor.policy.evaluate import base_matches, correlate, match
from auditor.policy.model import Verdict
from auditor.policy.policyset import Correlated
from auditor.store import events, findings, intervals, matches, organizations, transitions, waivers, watermarks, work
from auditor.store.database import Transaction
from auditor.store.events import StoredEvent
from auditor.store.watermarks import Watermark
from auditor.terms import Status, Stream

log = get(__name__)

OVERLAP = 3600
"""Seconds before the watermark that are read again: events arrive late, and times are whole seconds."""
SWEEP = 7 * 86_400
"""Seconds before the watermark that a sweep reads again, for events that arrive later than the overlap forgives."""
CHUNK = 5000
"""Events that are stored and judged in one transaction, so that a first backfill does not fill the memory."""


@dataclass
class Polled:
    """What one poll of both streams gave."""

    new: int = 0
    """Events that were not known before."""
    alerts: int = 0
    verdicts: list[Verdict] = field(default_factory=list)
    """Occurrences found for the first time."""
    coverage: list[Coverage] = field(default_factory=list)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Streams that could not be read."""
        return tuple(line.gap for line in self.coverage if line.gap)


@dataclass
class _Walk:
    """Where the walk of one stream stands."""

    stream: Stream
    pages: int = 0
    ids: dict[str, int] = field(default_factory=dict)
    """Hash of the bytes of each event."""
    broken: int = 0
    """Events that are none, or that came twice with different contents."""
    newest: int | None = None
    oldest: int | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    """A walk that came to the end."""

    mark: Watermark
    whole: bool
    """Whether every event could be read; only then the walk proves anything."""
    since: int | None
    """Where it was asked to begin; None for all that the API keeps."""
    oldest: int | None


async def poll(audit: Audit, now: int, overlap: int = OVERLAP) -> Polled:
    """Read what is new in both streams until `now`, judge it, store it, and queue what must be told.

    `overlap` is how many seconds before the watermark are read again: OVERLAP, or SWEEP once a day.
    An API that refuses or breaks off leaves the watermark where it was and a gap in the result; it raises nothing.
    """
    polled = Polled()
    for stream in Stream:
        walk = _Walk(stream)
        gap: Gap | None = None
        try:
            await _follow(audit, walk, polled, now, overlap)
        except ApiError as error:
            gap = _gap(walk, error)
            await asyncio.to_thread(_record_gap, audit, stream, gap, now)
            log.warning("audit_log.gap", organization=audit.organization, stream=stream, reason=gap.reason)
        if gap is None and walk.broken:
            gap = Gap(EVENT_KIND, (stream,), Status.PARTIAL, _broken(walk))
        status = gap.status if gap else Status.COMPLETE
        polled.coverage.append(Coverage(EVENT_KIND, (stream,), status, walk.pages, len(walk.ids), gap=gap))
    return polled


async def _follow(audit: Audit, walk: _Walk, polled: Polled, now: int, overlap: int) -> None:
    watermark = await asyncio.to_thread(_watermark, audit, walk.stream)
    since = watermark.at - overlap if watermark and watermark.at is not None else None
    waiting: list[StoredEvent] = []
    # The bound is exclusive and events of the current second may still arrive: they belong to the next poll,
    # whose overlap reads this second again.
    async for page in auditlog.read(audit.client, walk.stream, since, now + 1):
        walk.pages += 1
        waiting += _events(page.items, walk, now)
        if len(waiting) >= CHUNK:
            await asyncio.to_thread(_commit, audit, waiting, None, walk.stream, polled, now)
            waiting = []
    done = _Done(_moved(walk, watermark, now), walk.broken == 0, since, walk.oldest)
    await asyncio.to_thread(_commit, audit, waiting, done, walk.stream, polled, now)


def _moved(walk: _Walk, before: Watermark | None, now: int) -> Watermark:
    """The watermark after a walk to the end. What could not be read holds it back, but not for ever."""
    at = before.at if before else None
    if not walk.broken:
        mark = max(filter(None, (walk.newest, at)), default=None)
        return Watermark(at=mark, polled_at=now, status=Status.COMPLETE, reason="")
    behind = walk.newest - SWEEP if walk.newest is not None else None
    mark = max(filter(None, (behind, at)), default=None)
    return Watermark(at=mark, polled_at=now, status=Status.PARTIAL, reason=_broken(walk))


def _broken(walk: _Walk) -> str:
    return f"{walk.broken} event{'s' if walk.broken > 1 else ''} could not be read"


def _events(items: Sequence[bytes], walk: _Walk, now: int) -> list[StoredEvent]:
    found = []
    for raw in items:
        try:
            record = record_of(raw)
            refuse_two_of_a_key(raw)
        except (ValueError, RecursionError):
            walk.broken += 1
            continue
        at = _time_of(record, now)
        if record.id in walk.ids:
            walk.broken += walk.ids[record.id] != hash(raw)
            continue
        walk.ids[record.id] = hash(raw)
        # A time in the future must not drag the watermark past events that are still to come.
        walk.newest = max(walk.newest or 0, min(at, now))
        walk.oldest = at if walk.oldest is None else min(walk.oldest, at)
        kind = str(record.fields["type"])
        found.append(StoredEvent(record.id, kind, at, arrived_at=now, stream=walk.stream, raw=raw))
    return found


def _time_of(record: Record, now: int) -> int:
    """When an event happened; when it arrived, if the API sent no usable time."""
    at = record.fields.get("effective_at")
    return at if isinstance(at, int) else now


def _record(event: StoredEvent) -> Record:
    """The event as policies see it."""
    return record_at(event.raw, event.effective_at)


def _watermark(audit: Audit, stream: Stream) -> Watermark | None:
    with audit.store.transaction() as tx:
        return watermarks.read(tx, audit.organization, stream)


def _commit(
    audit: Audit, fetched: Sequence[StoredEvent], done: _Done | None, stream: Stream, polled: Polled, now: int
) -> None:
    """One transaction: the events that are new, what they mean, what must be told, the watermark, what is proven."""
    with audit.store.transaction() as tx:
        if audit.lease:
            work.verify(tx, audit.lease)
        known = events.known(tx, audit.organization, [event.id for event in fetched])
        fresh = [event for event in fetched if event.id not in known]
        strange = events.new_types(tx, audit.organization, {event.type for event in fresh} - KNOWN)
        events.insert(tx, audit.organization, fresh)
        announce.unheard(tx, audit, strange, now)
        calendar = Calendar(audit.registers, audit.timezone)
        records = [calendar.dated(_record(event)) for event in fresh]
        verdicts = _judge(tx, audit, records, now)
        known_findings = findings.by_ids(tx, [_finding_id(audit, verdict) for verdict in verdicts])
        found = occur(audit.organization, verdicts, audit.policies.by_name, known_findings, now)
        decided = lifecycle.judge(tx, audit, found.findings, _facts(audit, verdicts), now)
        findings.save(tx, (*found.findings, *decided.findings))
        transitions.add(tx, (*found.transitions, *decided.transitions), run_id=None)
        waivers.save_uses(tx, audit.organization, decided.uses)
        told = 0
        if organizations.read(tx, audit.organization).baseline_at is not None:
            # A stream that could not be read before shows what is old: that is one digest, and no event is new.
            news = _was_read(tx, audit, stream)
            told = announce.transitions(tx, audit, lifecycle.news(found.transitions, decided), now, fold=not news)
            if news:
                announce.events(tx, audit, list(zip(records, fresh, strict=True)), now)
        if done:
            watermarks.write(tx, audit.organization, stream, done.mark)
            _prove(tx, audit, stream, done, now)
    polled.new += len(fresh)
    polled.alerts += told
    polled.verdicts += verdicts


def _prove(tx: Transaction, audit: Audit, stream: Stream, done: _Done, now: int) -> None:
    """Add what the walk covered to the ledger. The second of `now` is not over, and may bring more."""
    if not done.whole:
        return
    since = done.since
    if since is None:
        # All that the API keeps was asked for: from the oldest event on, and since it was first asked without one.
        known = intervals.read(tx, audit.organization, stream)
        since = min(each for each in (now, done.oldest, known[0][0] if known else None) if each is not None)
    intervals.prove(tx, audit.organization, stream, (since, now))


def _was_read(tx: Transaction, audit: Audit, stream: Stream) -> bool:
    """Whether an earlier walk saw the stream to its end: an empty one has no newest event, and was read."""
    watermark = watermarks.read(tx, audit.organization, stream)
    known = watermark is not None and watermark.at is not None
    return known or bool(intervals.read(tx, audit.organization, stream))


def _facts(audit: Audit, verdicts: Sequence[Verdict]) -> Facts:
    """The fields of the event that an occurrence is about."""
    seen = {_finding_id(audit, verdict): verdict.record.fields for verdict in verdicts if verdict.record}
    return lambda finding: seen.get(finding.id)


def _finding_id(audit: Audit, verdict: Verdict) -> str:
    return identity(audit.organization, verdict.policy, verdict.kind, verdict.ids)


def _judge(tx: Transaction, audit: Audit, fresh: Sequence[Record], now: int) -> list[Verdict]:
    """What the event policies and the correlations say of events that nobody has judged before."""
    verdicts = list(match(audit.policies, fresh, now))
    for correlated in audit.policies.correlations:
        verdicts += _correlate(tx, audit, correlated, fresh, now)
    return verdicts


def _correlate(
    tx: Transaction, audit: Audit, correlated: Correlated, fresh: Sequence[Record], now: int
) -> list[Verdict]:
    """The windows that the new events fill, together with what earlier polls kept of their groups."""
    name, reach = correlated.policy.name, 2 * correlated.correlation.timespan
    found = base_matches(correlated, audit.policies.bases, fresh)
    matches.add(tx, audit.organization, name, found)
    verdicts: list[Verdict] = []
    for group in dict.fromkeys(each.key for each in found):
        times = [each.at for each in found if each.key == group]
        kept = matches.of_group(tx, audit.organization, name, group, min(times) - reach, max(times) + reach)
        # Only a window that reaches a new match can be new, and only near them is all of the history at hand.
        for verdict in correlate(correlated, kept, now, (min(times) - correlated.correlation.timespan, max(times))):
            matches.consume(tx, audit.organization, name, verdict.events, verdict.events[0])
            verdicts.append(verdict)
    return verdicts


def _record_gap(audit: Audit, stream: Stream, gap: Gap, now: int) -> None:
    """Keep the watermark where it was, and say since when and why it stands still."""
    with audit.store.transaction() as tx:
        if audit.lease:
            work.verify(tx, audit.lease)
        before = watermarks.read(tx, audit.organization, stream)
        at = before.at if before else None
        watermarks.write(tx, audit.organization, stream, Watermark(at, now, gap.status, gap.reason))


def _gap(walk: _Walk, error: ApiError) -> Gap:
    refused = error.status in {401, 403}
    status = Status.PARTIAL if walk.pages else Status.REFUSED if refused else Status.FAILED
    return Gap(EVENT_KIND, (walk.stream,), status, error.message, error.hint)
