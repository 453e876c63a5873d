"""Who did it: the audit events that explain why a finding opened, or that none does where one should."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from auditor.adminapi.resources import BY_NAME
from auditor.findings.evidence import of_cause, of_events
from auditor.findings.model import Finding, Reconciled
from auditor.inventory.changes import LATE, SKEW, Cause, Events, What, explain
from auditor.inventory.events import record_at
from auditor.inventory.model import Record, Scope, Snapshot
from auditor.inventory.schema import FOLDED, IP_ALLOWLIST, SETTING, SETTINGS
from auditor.jobs import changes
from auditor.jobs.context import Audit
from auditor.policy.model import WHOLE
from auditor.store import events, history, runs
from auditor.store.database import Transaction

_Key = tuple[str, Scope, int]
"""Kind, ids, and the snapshot that saw it."""


def explained(tx: Transaction, audit: Audit, snapshot: Snapshot, changed: Reconciled, now: int) -> Reconciled:
    """`changed` with the events that explain what opened in this pass, and what none explained within the last hour.

    The history must know the snapshot already, and the runs not yet. An event may arrive later than what it tells of.
    """
    fresh = {change.finding.id for change in changed.transitions if change.finding.state.active}
    asked = [each for each in changed.findings if _is_asked(each, fresh, now)]
    if not asked:
        return changed
    causes = {**_of_resources(tx, audit, asked, now), **_of_settings(tx, audit, snapshot, asked, fresh)}
    told = {each.id: replace(each, evidence={**each.evidence, **causes.get(each.id, {})}) for each in asked}
    return replace(
        changed,
        findings=tuple(told.get(each.id, each) for each in changed.findings),
        transitions=tuple(
            replace(each, finding=told.get(each.finding.id, each.finding)) for each in changed.transitions
        ),
    )


def _is_asked(finding: Finding, fresh: Iterable[str], now: int) -> bool:
    if finding.occurrence or not finding.state.active:
        return False
    late = finding.evidence.get("cause") == Cause.UNEXPLAINED and now - finding.stands_since <= LATE
    return finding.id in fresh or late


def _of_resources(tx: Transaction, audit: Audit, asked: Sequence[Finding], now: int) -> dict[str, dict[str, object]]:
    """What is known of the changes that the snapshots saw in which these findings opened."""
    mine: dict[_Key, list[Finding]] = {}
    for each in asked:
        if each.kind in BY_NAME and each.ids != WHOLE:
            mine.setdefault((each.kind, each.ids, each.stands_since), []).append(each)
    if not mine:
        return {}
    kinds, first = sorted({kind for kind, _, _ in mine}), min(at for _, _, at in mine)
    seen = changes.seen(tx, audit.organization, first - 1, now, kinds)
    found = [each for each in seen if each.what is not What.REMOVED and (each.kind, each.ids, each.at) in mine]
    wanted = changes.explaining(tx, audit.organization, found, kinds)
    stored = history.listing(tx, audit.organization, wanted) if wanted else ()
    about = Events(record_at(event.raw, event.effective_at) for event in stored)
    read_to = changes.read_to(tx, audit.organization)
    known = (explain(change, about, read_to) for change in found)
    return {each.id: of_cause(one) for one in known for each in mine[one.change.kind, one.change.ids, one.change.at]}


def _of_settings(
    tx: Transaction, audit: Audit, snapshot: Snapshot, asked: Sequence[Finding], fresh: Iterable[str]
) -> dict[str, dict[str, object]]:
    """The events that show the settings which changed since the picture before."""
    before = runs.before(tx, audit.organization)
    folded = [each for each in asked if each.kind in FOLDED and each.id in fresh]
    if before is None or not folded:
        return {}
    named = {each.id: tuple(_naming(snapshot, each)) for each in folded}
    ids = {id_ for some in named.values() for id_ in some}
    recent = {
        event.id: record_at(event.raw, event.effective_at)
        for event in events.by_ids(tx, audit.organization, ids)
        if event.effective_at >= before.at - SKEW
    }
    return {id_: _shown(recent, some) for id_, some in named.items() if set(some) & recent.keys()}


def _naming(snapshot: Snapshot, finding: Finding) -> Iterator[str]:
    """Ids of the events that may have made the finding."""
    if finding.kind == IP_ALLOWLIST and finding.ids == WHOLE:
        records: Iterable[Record] = snapshot.collection(IP_ALLOWLIST).records
    elif finding.kind == SETTINGS:
        records = snapshot.collection(SETTING).records
    else:
        records = _named(snapshot, finding.kind, finding.ids[-1])
    yield from (event for each in records if isinstance(event := each.fields.get("event"), str))


def _named(snapshot: Snapshot, kind: str, id_: str) -> list[Record]:
    return [each for each in snapshot.collection(kind).records if each.id == id_]


def _shown(recent: Mapping[str, Record], ids: Iterable[str]) -> dict[str, object]:
    found = tuple(each for id_, each in recent.items() if id_ in set(ids))
    return of_events(found)
