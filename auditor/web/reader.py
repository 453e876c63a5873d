"""What the page reads of the store: one short transaction an answer. It blocks, so it is called in a thread."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditor.alerts.message import decode
from auditor.alerts.untrusted import named
from auditor.config import Findings
from auditor.findings.model import Finding, Reason
from auditor.findings.waiverbook import Limits
from auditor.findings.waivers import Waiver
from auditor.inventory.events import record_of
from auditor.policy.model import Policy
from auditor.reporting import rows, waived, waiverlines
from auditor.reporting.build import build
from auditor.reporting.view import FindingRow, Report
from auditor.store import events, findings, outbox, reports, transitions
from auditor.store.database import Store
from auditor.store.events import StoredEvent
from auditor.store.outbox import Entry, Progress
from auditor.store.reports import StoredReport
from auditor.terms import State
from auditor.web.query import SIZE, Query

WEEK = 7 * 86_400

ACTIVE = tuple(state for state in State if state.active)


@dataclass(frozen=True, slots=True)
class EventRow:
    """One audit event as people read it. Actor and project are names from outside: never trust them."""

    id: str
    type: str
    at: int
    actor: str
    address: str
    project: str
    stream: str


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One message as people read it."""

    id: str
    sink: str
    title: str
    created_at: int
    state: Progress
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class Some:
    """One page of rows, and whether another follows."""

    rows: tuple[object, ...]
    more: bool


class PageReader:
    """Reads what the page shows.

    `policies` gives those in force by name (they may be reloaded while the page is up); `rules` how findings live;
    `of_file` the waivers of the file; `now` whole Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        organizations: Sequence[str],
        policies: Callable[[], Mapping[str, Policy]],
        now: Callable[[], int],
        rules: Callable[[], Findings] = Findings,
        of_file: Callable[[], Sequence[Waiver]] = tuple,
    ) -> None:
        self.store = store
        self.organizations = tuple(organizations)
        self.policies = policies
        self.now = now
        self.rules = rules
        self.of_file = of_file

    def report(self, organization: str) -> Report:
        """The report of the last seven days, up to now."""
        now = self.now()
        return build(self.store, organization, self.policies(), self.rules(), start=now - WEEK, now=now)

    def findings(self, query: Query) -> Some:
        """Findings that the query asks for, worst first; without a state the active ones."""
        found: list[Finding] = []
        with self.store.transaction() as tx:
            for level in (query.level,) if query.level else rows.levels():
                found += findings.search(
                    tx,
                    org=query.organization,
                    states=(query.state,) if query.state else ACTIVE,
                    levels=(level,),
                    policy=query.policy or None,
                    limit=query.enough - len(found),
                )
                if len(found) >= query.enough:
                    break
            ended = transitions.ends(tx, found)
        return _some([self._row(each, ended) for each in found], query)

    def finding(self, id_: str) -> FindingRow | None:
        """One finding of an organization of this page, or None."""
        with self.store.transaction() as tx:
            found = findings.by_ids(tx, [id_]).get(id_)
            ended = transitions.ends(tx, [found] if found else [])
        return self._row(found, ended) if found and found.organization in self.organizations else None

    def waivers(self, query: Query) -> Some:
        """Every waiver that is or was known: what counts before what is over, each with what ends next on top."""
        rules, now = self.rules(), self.now()
        limits = Limits(rules.unused_waiver, rules.broad_waiver, rules.max_waiver)
        with self.store.transaction() as tx:
            found = waiverlines.lines(tx, query.organization, self.of_file(), self.policies(), limits, now)
        made = [waived.row(line.known, line.faults, now) for line in found]
        counting = sorted((row for row in made if row.counts), key=lambda row: (row.until, row.id))
        over = sorted((row for row in made if not row.counts), key=lambda row: (-row.until, row.id))
        return _some([*counting, *over], query)

    def events(self, query: Query) -> Some:
        """The latest audit events."""
        with self.store.transaction() as tx:
            found = events.recent(tx, query.organization, query.enough)
        return _some([_event(each) for each in found], query)

    def deliveries(self, query: Query) -> Some:
        """The latest messages of the outbox."""
        with self.store.transaction() as tx:
            found = outbox.listing(tx, limit=query.enough, organization=query.organization)
        return _some([_delivery(each) for each in found], query)

    def reports(self, organization: str) -> Sequence[StoredReport]:
        """The reports that were written, the latest first."""
        with self.store.transaction() as tx:
            return reports.listing(tx, organization)

    def stored_report(self, organization: str, sha256: str) -> str | None:
        """The text of a written report, found by its digest; None when it is not listed, gone, or altered."""
        path = next((Path(row.path) for row in self.reports(organization) if row.sha256 == sha256), None)
        if path is None or not path.is_file():
            return None
        data = path.read_bytes()
        return data.decode() if hashlib.sha256(data).hexdigest() == sha256 else None

    def _row(self, finding: Finding, ended: Mapping[str, Reason]) -> FindingRow:
        due = self.rules().due.by_level
        return rows.row(finding, self.policies(), due, self.now(), ended.get(finding.id))


def _some(found: Sequence[object], query: Query) -> Some:
    rest = tuple(found[query.first :])
    return Some(rest[:SIZE], len(rest) > SIZE)


def _event(stored: StoredEvent) -> EventRow:
    """The row of an event; one that cannot be read is shown by its id and type alone."""
    try:
        fields: Mapping[str, object] = record_of(stored.raw).fields
    except ValueError:
        fields = {}
    return EventRow(
        id=stored.id,
        type=stored.type,
        at=stored.effective_at,
        actor=_first(fields, "actor.email", "actor.id"),
        address=_first(fields, "actor.ip"),
        project=named(_first(fields, "project.name"), _first(fields, "project.id"), 160),
        stream=stored.stream,
    )


def _delivery(entry: Entry) -> DeliveryRow:
    message = entry.message
    title = decode(message.alert).title
    return DeliveryRow(message.id, message.sink, title, message.created_at, entry.state, entry.attempts, entry.error)


def _first(fields: Mapping[str, object], *names: str) -> str:
    return next((str(fields[name]) for name in names if fields.get(name)), "")
