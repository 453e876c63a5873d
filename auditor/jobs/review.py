"""What time alone makes news: the end of a silence or a mute time, and what is told again because it is still open."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from auditor.alerts import compose
from auditor.alerts.gate import Gate, Judge
from auditor.alerts.grouping import repeats
from auditor.alerts.message import Alert, AlertKind, decode
from auditor.alerts.outgoing import Routed, gather
from auditor.findings.model import Finding, Transition
from auditor.jobs import announce
from auditor.jobs.context import Audit
from auditor.log import get
from auditor.store import findings, held, organizations, transitions
from auditor.store.database import Transaction
from auditor.store.held import Held
from auditor.terms import State

log = get(__name__)

LATELY = 3 * 86_400
"""Seconds for which decisions are looked for after a start: longer than a daemon stands still."""
SINCE_LAST = 900
"""The same after the last look: whoever decides may have a clock that is behind."""
_UNDECIDED = frozenset({State.OPEN, State.REOPENED})


def release(audit: Audit, gate: Gate) -> int:
    """Let go what nothing holds back any more; returns how many messages that makes.

    What is still so is told once, if it was never told; what is over, or was overtaken, is held back for good. Running
    it again, or in two processes at once, makes nothing twice; nor does `repeat`.
    """
    with audit.store.transaction() as tx:
        return _release(tx, audit, gate)


def repeat(audit: Audit, now: int) -> int:
    """Queue what is told again at `now` (Unix seconds); returns how many alerts that are.

    Groups that were last told `repeat_interval` ago are told again, with all that is still open of them. Occurrences
    are not: they happened, and do not last; nor is what comes and goes all day. Before anything was told there is
    nothing to tell again.
    """
    with audit.store.transaction() as tx:
        return _repeat(tx, audit, now)


def mark(audit: Audit, since: int, now: int) -> int:
    """Queue what people decided since `since` (Unix seconds), to mark where it was told; returns how many that makes.

    Whoever decides (a command, a button, a page, a file of waivers) writes it down, and needs to know of no sink.
    Running it again, or in two processes at once, makes nothing twice.
    """
    if not audit.marked:
        return 0
    with audit.store.transaction() as tx:
        rows = transitions.decided(tx, audit.organization, since)
        known = findings.by_ids(tx, rows)
        changes = [
            Transition(known[id_], row.before, row.reason, row.at, row.by, row.comment, row.waiver, row.until)
            for id_, row in rows.items()
            if known[id_].state is row.after
        ]
        return announce.marks(tx, audit, changes, now)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What was sent as one, or was not sent yet: let go as one, or not. A part of it would be another message."""

    rows: frozenset[int]
    waits: bool
    """Whether all of it is held back still."""
    free: Sequence[tuple[Held, Alert]]
    """What nothing holds back."""


def _release(tx: Transaction, audit: Audit, gate: Gate) -> int:
    over = [batch for batch in _batches(tx, audit, gate) if not batch.waits]
    known = findings.by_ids(tx, {_subject(alert) for batch in over for _, alert in batch.free} - {""})
    current = {
        row
        for batch in over
        if any(_is_news(tx, each, alert, known.get(_subject(alert))) for each, alert in batch.free)
        for row in batch.rows
    }
    held.drop(tx, {row for batch in over for row in batch.rows} - current)
    released = held.release(tx, current)
    if released:
        log.info("alerts.released", organization=audit.organization, messages=released)
    return released


def _batches(tx: Transaction, audit: Audit, gate: Gate) -> Sequence[_Batch]:
    together: dict[tuple[str, str | int], list[Held]] = defaultdict(list)
    for each in held.suppressed(tx, audit.organization):
        together[each.sink, each.batch or each.row].append(each)
    judge = gate.at(tx)
    return [_batch(judge, some) for some in together.values()]


def _batch(judge: Judge, some: Sequence[Held]) -> _Batch:
    """What cannot be read is over, and so is an end of what was never told: nothing will ever let it go."""
    read = [(each, alert) for each in some if (alert := _read(each))]
    holds = [(each, alert, judge.hold(alert, each.sink)) for each, alert in read]
    waits = len(read) == len(some) and all(hold and not hold.final for _, _, hold in holds)
    free = [(each, alert) for each, alert, hold in holds if hold is None]
    return _Batch(frozenset(each.row for each in some), waits, free)


def _read(each: Held) -> Alert | None:
    try:
        return decode(each.alert)
    except msgspec.DecodeError:
        return None


def _subject(alert: Alert) -> str:
    """The finding that an alert tells of, or that a notice is about; empty for neither."""
    return alert.finding or alert.about


def _is_news(tx: Transaction, each: Held, alert: Alert, finding: Finding | None) -> bool:
    """Whether the alert, if it was told now, would tell what is so and was not told."""
    if not alert.finding:
        # That something is overdue or ends soon is no news about what is over by now.
        return not alert.about or (finding is not None and finding.state.active)
    if finding is None or not each.newest:
        return False
    if alert.kind is AlertKind.RESOLVED:
        return not finding.state.active
    first = alert.id.partition(compose.REPEATED)[0]
    return finding.state in _UNDECIDED and not held.was_told(tx, each.sink, each.order_key, first)


def _repeat(tx: Transaction, audit: Audit, now: int) -> int:
    begun = organizations.read(tx, audit.organization).baseline_at
    if begun is None:
        return 0
    at = held.now(tx)
    routed = [each for finding in _lasting(tx, audit) for each in _repeated(audit, finding)]
    told: dict[str, dict[str, float]] = {}
    for sink in audit.routing.config.sinks:
        told[sink] = dict(held.flushes(tx, sink, {goes.group(alert) for alert, goes in routed if goes.sink == sink}))
    due: list[Routed] = []
    for alert, goes in routed:
        # A first picture was told in one digest for all groups, by the clock of the daemon.
        last = told[goes.sink].get(goes.group(alert))
        since, elapsed = (begun, now - begun) if last is None else (last, at - last)
        if repeats(elapsed, goes.node.timing(alert.level)):
            due.append((compose.again(alert, since), goes))
    gather(tx, due, now)
    return len(due)


def _lasting(tx: Transaction, audit: Audit) -> Iterable[Finding]:
    found = findings.search(tx, audit.organization, states=_UNDECIDED, levels=audit.routing.repeated)
    return (finding for finding in found if not finding.occurrence and finding.flapping_since is None)


def _repeated(audit: Audit, finding: Finding) -> Iterator[Routed]:
    """Where the finding is told again, if it is."""
    alert = audit.teller.standing(finding)
    for goes in audit.routing.destinations(alert):
        if goes.node.timing(alert.level).repeat:
            yield alert, goes
