"""Everything one report needs of the store, read in one short transaction so that its parts agree."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from auditor.clock import from_epoch
from auditor.findings.model import Finding
from auditor.findings.waiverbook import Known
from auditor.reporting.view import DeliveryRow, StreamRow, Tally
from auditor.store import events, findings, intervals, runs, settings, tally, transitions, waivers, watermarks
from auditor.store.database import Transaction
from auditor.store.outbox import Progress
from auditor.store.runs import Judgement, Run
from auditor.store.settings import Settings
from auditor.store.transitions import TransitionRow
from auditor.terms import State, Stream

DAY = 86_400

ACTIVE = tuple(state for state in State if state.active)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store holds of one organization and one period."""

    organization: str
    start: int
    end: int
    latest: Run | None = None
    """The snapshot that the report is about."""
    history: tuple[Judgement, ...] = ()
    """The last snapshot before the period and the last of each of its days, oldest first; none when all are older."""
    findings: Mapping[str, Finding] = field(default_factory=dict)
    """Active findings and occurrences, and those that changed in the period, by id."""
    changes: tuple[TransitionRow, ...] = ()
    events: Mapping[str, int] = field(default_factory=dict)
    """Audit events of the period by type."""
    days: tuple[Tally, ...] = ()
    streams: tuple[StreamRow, ...] = ()
    deliveries: tuple[DeliveryRow, ...] = ()
    settings: Settings = field(default_factory=Settings)
    waivers: tuple[Known, ...] = ()
    voids: Mapping[str, int] = field(default_factory=dict)
    """For how many findings a waiver is void, by its id."""


def read(tx: Transaction, organization: str, start: int, end: int) -> Facts:
    """The facts of `start <= time <= end`; `end` is the present, because findings are read as they stand."""
    changes = tuple(change for change in transitions.since(tx, organization, start) if change.at <= end)
    found = findings.search(tx, org=organization, states=ACTIVE)
    known = {finding.id: finding for finding in found}
    missing = sorted({change.finding for change in changes} - known.keys())
    known.update((finding.id, finding) for finding in findings.by_ids(tx, missing).values())
    return Facts(
        organization=organization,
        start=start,
        end=end,
        latest=runs.latest(tx, organization, "snapshot"),
        history=tuple(runs.daily(tx, organization, "snapshot", start - DAY)),
        findings=known,
        changes=changes,
        events=events.counts(tx, organization, start),
        days=_days(tx, organization, start, end),
        streams=_streams(tx, organization),
        deliveries=_deliveries(tx, organization, start),
        settings=settings.read(tx, organization),
        waivers=tuple(waivers.listing(tx, organization)),
        voids=waivers.voids(tx, organization),
    )


def _days(tx: Transaction, organization: str, start: int, end: int) -> tuple[Tally, ...]:
    """Events a day: what came since the day began less what came since the next one began."""
    begins = range(start - start % DAY, end + 1, DAY)
    since = [sum(events.counts(tx, organization, max(begin, start)).values()) for begin in begins]
    later = (*since[1:], 0)
    return tuple(Tally(_date(begin), n - after) for begin, n, after in zip(begins, since, later, strict=True))


def _date(seconds: int) -> str:
    return from_epoch(seconds).date().isoformat()


def _deliveries(tx: Transaction, organization: str, start: int) -> tuple[DeliveryRow, ...]:
    """Messages of the period by sink, and older ones that still wait."""
    told = tally.counts(tx, organization, start)
    return tuple(
        DeliveryRow(
            sink,
            *(
                told.get((sink, state), 0)
                for state in (Progress.DELIVERED, Progress.PENDING, Progress.DEAD, Progress.SUPPRESSED)
            ),
        )
        for sink in sorted({sink for sink, _ in told})
    )


def _streams(tx: Transaction, organization: str) -> tuple[StreamRow, ...]:
    marks = ((stream, watermarks.read(tx, organization, stream)) for stream in Stream)
    return tuple(
        StreamRow(stream.value, mark.at, mark.polled_at, mark.status, mark.reason, _holes(tx, organization, stream))
        for stream, mark in marks
        if mark
    )


def _holes(tx: Transaction, organization: str, stream: Stream) -> tuple[tuple[int, int], ...]:
    proven = intervals.read(tx, organization, stream)
    return tuple((end, begin) for (_, end), (begin, _) in pairwise(proven))
