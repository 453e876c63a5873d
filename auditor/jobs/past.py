"""Whole pictures of the past: what the history shows, with all that is joined on, as far as the store can tell it.

What cannot be rebuilt is Unknown, never guessed: the key that the auditor had then, and which types of events an older
version did not know. Costs and use come from the daily series, up to the day that had been read; of that day they are
those of the whole of it. Registers and attestations are those of today.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from auditor.adminapi.reports import DAY, REPORTS
from auditor.inventory import activity, auditlog, ownkey, settings
from auditor.inventory.attestations import Attestation
from auditor.inventory.derived import JOINED, derive
from auditor.inventory.model import Gap, Snapshot, Unknown
from auditor.inventory.registers import register
from auditor.inventory.relations import join
from auditor.inventory.schema import AUDIT_LOG, EVENT_KIND, FOLDED, RELATIONS, SPENDING, SUMMED
from auditor.inventory.spending import Series, first_day, spend
from auditor.inventory.streams import Log
from auditor.inventory.usage import Reading
from auditor.jobs.history import Shown
from auditor.jobs.picture import EVENTS_LOOKED_AT
from auditor.jobs.settings import records
from auditor.jobs.spending import deleted, patience
from auditor.policy.policyset import Judge
from auditor.registers.table import Registers
from auditor.store import history, intervals, ledger, runs, streams, usage
from auditor.store.database import Store, Transaction
from auditor.store.history import Wanted
from auditor.terms import Status, Stream

_KEY = "the store does not keep which key the auditor had then"
_TYPES = "the store does not keep which types an older version knew"

NOT_KEPT: Mapping[str, str] = {
    "is_auditors": _KEY,
    "unknown_types": _TYPES,
    "unknown_type_count": _TYPES,
}
"""Fields that no picture of the past has, and why."""
_FROM_EVENTS = frozenset(RELATIONS["admin_api_key"]) - {name for name in RELATIONS["admin_api_key"] if "." in name}


@dataclass(frozen=True)
class Surroundings:
    """What the configuration adds to every picture."""

    registers: Registers
    attestations: Sequence[Attestation] = ()
    """Those that hold for the organization."""
    usage_every: int = DAY
    """Seconds between two readings of the usage and cost reports."""


@dataclass(frozen=True)
class Asked:
    """What policies ask for, beside resources and their relations: the rest is not worked out."""

    settings: bool
    spending: bool
    sightings: bool
    kinds: frozenset[str]
    """Kinds that are judged, and those whose relations go into theirs: no others need to be joined."""

    @classmethod
    def by(cls, judges: Sequence[Judge]) -> "Asked":
        """What these judges ask."""
        kinds = frozenset(judge.policy.kind for judge in judges)
        fields = frozenset(name for judge in judges for name in named(judge))
        return cls(
            settings=bool(kinds & FOLDED.keys() or fields & (_FROM_EVENTS | {"is_default"})),
            spending=bool(kinds & SUMMED.keys() or fields & SPENDING.keys()),
            sightings="last_seen_at" in fields,
            kinds=kinds.union(*(JOINED.get(kind, ()) for kind in kinds)),
        )


class Past:
    """The pictures of one organization; they must be asked for in the order of their time.

    Of resources of kinds that nobody asks for they show what the API sent, and no relations.
    """

    def __init__(self, store: Store, organization: str, around: Surroundings, asked: Asked) -> None:
        self._store = store
        self._organization = organization
        self._around = around
        self._asked = asked
        self._shown = Shown(store, organization)

    def picture(self, run: ledger.Run) -> Snapshot:
        """The picture that a snapshot took, as far as it can be rebuilt. Raises StoreError."""
        seen = self._shown.picture(run)
        kinds = self._asked.kinds
        marked = ownkey.mark(join(seen, kinds), lambda _: Unknown(why=_KEY))
        found = register(derive(marked, kinds), self._around.registers, kinds)
        with self._store.transaction() as tx:
            if self._asked.sightings:
                found = self._sighted(tx, found)
            if self._asked.settings:
                found = self._folded(tx, found)
            return self._spent(tx, found, run) if self._asked.spending else found

    def _sighted(self, tx: Transaction, seen: Snapshot) -> Snapshot:
        wanted = Wanted(before=seen.taken_at + 1)
        newest = history.page(tx, self._organization, wanted, None, newest_first=True, size=EVENTS_LOOKED_AT)
        return activity.see(seen, (event.raw for event in newest), _gap(seen, Stream.ORGANIZATION))

    def _folded(self, tx: Transaction, seen: Snapshot) -> Snapshot:
        logs = {stream: self._log(tx, seen, stream) for stream in Stream}
        told = records(tx, self._organization, seen.taken_at)
        folded = settings.fold(seen, told, logs, self._around.attestations)
        health = folded.collection(AUDIT_LOG)
        hidden = {name: Unknown(why=_TYPES) for name in ("unknown_types", "unknown_type_count")}
        lines = tuple(replace(each, fields={**each.fields, **hidden}) for each in health.records)
        return replace(folded, collections={**folded.collections, AUDIT_LOG: replace(health, records=lines)})

    def _log(self, tx: Transaction, seen: Snapshot, stream: Stream) -> Log:
        """What was known of a stream then: no later than that, and without the holes that were filled since."""
        at, gap = seen.taken_at, _gap(seen, stream)
        proven = tuple(
            (since, min(until, at)) for since, until in intervals.read(tx, self._organization, stream) if since <= at
        )
        if not proven and gap is None:
            return Log(stream)
        traffic = streams.traffic(tx, self._organization, stream, auditlog.RECENT, at)
        return Log(
            stream=stream,
            status=gap.status if gap else Status.COMPLETE,
            reason=gap.reason if gap else "",
            proven=proven,
            read_at=at,
            newest_at=traffic.newest_at,
            oldest_at=traffic.oldest_at,
            first_read_at=traffic.first_read_at,
            recent=traffic.recent,
            gaps=traffic.gaps,
        )

    def _spent(self, tx: Transaction, seen: Snapshot, run: ledger.Run) -> Snapshot:
        stale_after = patience(self._around.usage_every)
        first = first_day(seen.taken_at, stale_after)
        known = runs.reports_read(tx, self._organization, run.number)
        gaps = {gap.kind: gap for gap in seen.gaps}
        readings = {
            report.name: _reading(report.name, seen.taken_at, known.get(report.name), gaps.get(report.name))
            for report in REPORTS
            if report.name in known or report.name in gaps
        }
        gone = deleted(tx, self._organization, seen.taken_at - stale_after, seen.taken_at)
        days = usage.days(tx, self._organization, first, seen.taken_at // DAY)
        return spend(seen, Series(readings, days, stale_after, gone))


def _reading(report: str, at: int, read_at: int | None, gap: Gap | None) -> Reading:
    """How the reading of a report stood."""
    if gap is None:
        return Reading(report, at, read_at, Status.COMPLETE)
    return Reading(report, at, read_at, gap.status, gap.reason, gap.hint)


def _gap(seen: Snapshot, stream: Stream) -> Gap | None:
    """Why the snapshot could not rely on a stream, None when it could."""
    return next((gap for gap in seen.gaps if gap.kind == EVENT_KIND and gap.scope == (stream,)), None)


def named(judge: Judge) -> frozenset[str]:
    """Every field that a policy asks for."""
    return judge.matcher.fields | judge.applies_fields | judge.message.names
