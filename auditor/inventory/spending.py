"""What keys, projects and the organization used and cost, joined to the snapshot from the daily series. Pure.

`30d` is the day of the last reading so far and the 30 whole days (UTC) before it, so that nothing that was used
within 30 times 24 hours is missing; `7d` and `90d` alike. `prev_30d` are the 30 days before those. `1d` is the dearer
one of the day so far and the day before.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from auditor import clock
from auditor.adminapi.reports import COST, COSTS, DAY, REPORTS, REQUESTS, TOKENS, Report
from auditor.inventory.model import Collection, Coverage, Gap, Record, Snapshot, Unknown, enriched
from auditor.inventory.schema import MODEL_USE, ORGANIZATION_USAGE
from auditor.inventory.tally import Tallies, Tally
from auditor.inventory.usage import Reading, UsedDay
from auditor.terms import Status

Fields = dict[str, object]
_KEYS = "project_api_key"


@dataclass(frozen=True)
class Series:
    """The daily series as the store holds it, from `first_day` on."""

    readings: Mapping[str, Reading]
    days: Iterable[UsedDay]
    stale_after: int
    """Seconds after which a reading that was good tells nothing of the present any more."""
    deleted: frozenset[str] = frozenset()
    """Keys, and projects some of whose keys, were deleted lately: they may be billed and in no list."""


def first_day(now: int, stale_after: int) -> int:
    """The first day that `spend` may look at: a reading that is a few days old counts up to its own end."""
    return (now - stale_after) // DAY - COSTS.days


def spend(snapshot: Snapshot, series: Series) -> Snapshot:
    """The snapshot with what `schema.SPENDING` names, with its two kinds, and a line in the ledger for each report.

    What hangs on a report that is refused, broken, old or short of a day is Unknown. A key that a complete report does
    not name cost nothing.
    """
    tallies = Tallies.of(series.readings, series.days)
    ledger = tuple(_line(report, series, tallies, snapshot.taken_at) for report in REPORTS)
    joined = _Joined(snapshot, series, tallies, {line.kind: line.gap for line in ledger if line.gap})
    collections = {kind: joined.collection(each) for kind, each in snapshot.collections.items()}
    collections |= {ORGANIZATION_USAGE: joined.organization(), MODEL_USE: joined.models()}
    return replace(snapshot, collections=collections, coverage=(*snapshot.coverage, *ledger))


def _line(report: Report, series: Series, tallies: Tallies, now: int) -> Coverage:
    reading = series.readings.get(report.name)
    if reading is None:
        gap = Gap(report.name, (), Status.FAILED, "the report was not read yet")
        return Coverage(report.name, (), Status.FAILED, 0, 0, gap=gap)
    return reading.line(reading.gap or _unproven(report, reading, series, tallies, now))


def _unproven(report: Report, reading: Reading, series: Series, tallies: Tallies, now: int) -> Gap | None:
    """What is missing although the last reading ended well."""
    age = now - (reading.read_at or 0)
    if age > series.stale_after:
        reason = f"the report was last read {age // DAY} days ago"
        return Gap(report.name, (), Status.FAILED, reason, "is the daily reading still under way? see the log")
    missing = tallies.missing(report)
    if missing:
        dates = ", ".join(clock.from_epoch(day * DAY).date().isoformat() for day in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        return Gap(report.name, (), Status.PARTIAL, f"days of the report are missing: {dates}{more}")
    if report.name == COST and len(tallies.currencies) > 1:
        reason = f"costs come in several currencies: {', '.join(sorted(tallies.currencies))}"
        return Gap(report.name, (), Status.PARTIAL, reason)
    return None


class _Joined:
    """Puts what was counted beside what was seen."""

    def __init__(self, snapshot: Snapshot, series: Series, tallies: Tallies, gaps: Mapping[str, Gap]) -> None:
        self._snapshot = snapshot
        self._series = series
        self._tallies = tallies
        self._gaps = gaps
        self._tokens = self._behind(measure=TOKENS)
        self._models = self._behind(group="model")
        self._requests = {group: self._behind(measure=REQUESTS, group=group) for group in ("project_id", "api_key_id")}
        self._keys = snapshot.collection(_KEYS)
        self._of_account: dict[tuple[str, str], list[str]] = {}
        for key in self._keys.records:
            account = key.fields.get("owner.service_account.id")
            if isinstance(account, str):
                self._of_account.setdefault((key.ids[0], account), []).append(key.id)

    def collection(self, collection: Collection) -> Collection:
        """The collection with the fields of its kind."""
        relate = _RELATE.get(collection.kind)
        if relate is None:
            return collection
        records = tuple(enriched(record, relate(self, record)) for record in collection.records)
        return replace(collection, records=records)

    def key(self, record: Record) -> Fields:
        """What one key used and cost. Reports that do not tell keys apart say nothing of it."""
        return self._fields(self._tallies.keys.get(record.id), "api_key_id")

    def project(self, record: Record) -> Fields:
        """What a project used and cost, by whatever key or none."""
        return self._fields(self._tallies.projects.get(record.id), "project_id")

    def account(self, record: Record) -> Fields:
        """The sum over the keys of a service account."""
        keys = self._of_account.get((record.ids[0], record.id), ())
        found = [self._tallies.keys[key] for key in keys if key in self._tallies.keys]
        hidden = tuple(gap for gap in self._keys.gaps if gap.scope == record.ids[: len(gap.scope)])
        fields = self._fields(Tally.sum(found), "api_key_id")
        return {name: Unknown(hidden) for name in fields} if hidden else fields

    def _fields(self, tally: Tally | None, group: str) -> Fields:
        tally = tally or Tally()
        costs = (self._gaps[COST],) if COST in self._gaps else ()
        spent: Fields = {**tally.costs(self._tallies.costs_until)}
        return {name: Unknown(costs) if costs else value for name, value in spent.items()} | self._used(tally, group)

    def _used(self, tally: Tally, group: str) -> Fields:
        requests = self._requests[group]
        names = tuple(sorted(tally.models))
        return {
            "requests_30d": Unknown(requests) if requests else tally.requests,
            "tokens_30d": Unknown(self._tokens) if self._tokens else tally.tokens,
            "models_30d": Unknown(self._models, names) if self._models else list(names),
        }

    def _behind(self, *, measure: str | None = None, group: str = "project_id") -> tuple[Gap, ...]:
        """The gaps of the reports that have a measure, if one is named, and tell a group apart."""
        return tuple(
            self._gaps[report.name]
            for report in REPORTS
            if report.name in self._gaps and report.tells(group) and (measure is None or measure in report.measures)
        )

    def organization(self) -> Collection:
        """One record: the sums, what the API attributes to no key, and keys that are billed and in no list."""
        costs = (self._gaps[COST],) if COST in self._gaps else ()
        everything = self._tallies.everything
        unattributed = self._tallies.unattributed.costs(self._tallies.costs_until)["cost_30d"]
        hidden = costs + self._keys.gaps
        fields: Fields = {
            "id": "organization",
            "currency": next(iter(self._tallies.currencies), None),
            **self._fields(everything, "project_id"),
            "cost_unattributed_30d": Unknown(costs) if costs else unattributed,
            "unlisted_keys": Unknown(hidden) if hidden else self._unlisted(),
            "costs_read_at": self._read_at(lambda report: report.name == COST),
            "usage_read_at": self._read_at(lambda report: report.name != COST),
        }
        known = {name: value for name, value in fields.items() if value is not None}
        return Collection(ORGANIZATION_USAGE, (Record(ORGANIZATION_USAGE, ("organization",), known),))

    def _unlisted(self) -> list[str]:
        """Keys that are billed and in no list, although nobody has deleted them."""
        known = {record.id for record in self._keys.records} | self._series.deleted
        return sorted(key for key, project in self._tallies.billed.items() if not {key, project} & known)

    def _read_at(self, wanted: Callable[[Report], bool]) -> object:
        """The oldest good reading of some reports."""
        times = [reading.read_at if (reading := self._series.readings.get(each.name)) else None
                 for each in REPORTS if wanted(each)]  # fmt: skip
        return Unknown(why="a report was never read whole") if None in times else min(filter(None, times))

    def models(self) -> Collection:
        """One record for each model that a project used: approved models are judged one by one."""
        names = {record.id: record.fields for record in self._snapshot.collection("project").records}
        records = tuple(
            Record(MODEL_USE, (project, model), _model(project, model, names.get(project, {}), used))
            for project, tally in sorted(self._tallies.projects.items())
            for model, used in sorted(tally.models.items())
        )
        return Collection(MODEL_USE, records, self._models)


def _model(project: str, model: str, fields: Mapping[str, object], used: Mapping[str, float]) -> Fields:
    found: Fields = {
        "model": model,
        "project.id": project,
        "requests_30d": used.get(REQUESTS, 0),
        "tokens_30d": used.get(TOKENS, 0),
    }
    return found | {f"project.{name}": fields[name] for name in ("name", "status") if name in fields}


_RELATE: Mapping[str, Callable[[_Joined, Record], Fields]] = {
    "project": _Joined.project,
    "project_api_key": _Joined.key,
    "service_account": _Joined.account,
}
