"""What time alone makes news: the end of a silence or a mute time, and what is told again because it is still open."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from auditor.alerts import compose
from auditor.alerts.gate import Gate, Judge
from auditor.alerts.grouping import Timing, joins, repeats
from auditor.alerts.message import Alert, AlertKind, decode
from auditor.alerts.outgoing import Routed, gather
from auditor.alerts.route import Destination
from auditor.findings.model import Finding, Transition
from auditor.jobs import announce, dispatch
from auditor.jobs.context import Audit
from auditor.log import get
from auditor.store import findings, held, organizations, telling, transitions
from auditor.store.database import Transaction
from auditor.store.held import Held
from auditor.terms import UNDECIDED

log = get(__name__)

LATELY = 3 * 86_400
"""Seconds for which decisions are looked for after a start: longer than a daemon stands still."""
SINCE_LAST = 900
"""The same after the last look: whoever decides may have a clock that is behind."""


def release(audit: Audit, gate: Gate) -> int:
    """Let go what nothing holds back any more; returns how many messages that makes.

    What is still so is told once, if it was never told; what is over, or was overtaken, is held back for good. Running
    it again, or in two processes at once, makes nothing twice; nor does `repeat`.
    """
    with audit.store.transaction() as tx:
        return _release(tx, audit, gate)


def repeat(audit: Audit, now: int) -> int:
    """Queue what is told again at `now` (Unix seconds); returns how many alerts that are.

    A group of which something was last told `repeat_interval` ago is told again, with all that is still open of it but
    what was told in the last half of that. Each finding is counted by itself, so that neither another group after a
    reload or a new name nor news of its group put it off or bring it early. Occurrences are not told again: they
    happened, and do not last; nor is what comes and goes all day. Before anything was told there is nothing to tell
    again.
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
    known = findings.by_ids(tx, {id_ for batch in over for _, alert in batch.free for id_ in _subjects(alert)})
    current = {
        row
        for batch in over
        if any(_is_news(tx, each, alert, known) for each, alert in batch.free)
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


def _subjects(alert: Alert) -> Iterable[str]:
    """The findings that an alert tells of, or that a notice is about."""
    lines = [line.finding for line in alert.lines]
    return filter(None, (alert.finding or alert.about, *lines))


def _is_news(tx: Transaction, each: Held, alert: Alert, known: Mapping[str, Finding]) -> bool:
    """Whether the alert, if it was told now, would tell what is so and was not told."""
    if not alert.finding:
        # That something is overdue or ends soon, or was found with others, is no news when it is over by now.
        about = [known.get(id_) for id_ in _subjects(alert)]
        return not about or any(finding is not None and finding.state.active for finding in about)
    finding = known.get(alert.finding)
    if finding is None or not each.newest:
        return False
    if alert.kind is AlertKind.RESOLVED:
        return not finding.state.active
    if finding.state not in UNDECIDED:
        return False
    if compose.is_again(alert):
        # It was due, and nothing was said since.
        return alert.level is finding.level
    return not held.was_told(tx, each.sink, each.order_key, alert.id)


@dataclass(frozen=True, slots=True)
class _Open:
    """What is open at one sink, and how long ago that was told there."""

    alert: Alert
    goes: Destination
    since: float
    """When it was last told, or that was last held back: no two reminders have the same."""
    elapsed: float

    @property
    def timing(self) -> Timing:
        return self.goes.node.timing(self.alert.level)


def _repeat(tx: Transaction, audit: Audit, now: int) -> int:
    begun = organizations.read(tx, audit.organization).baseline_at
    if begun is None:
        return 0
    groups: dict[tuple[str, str], list[_Open]] = defaultdict(list)
    for each in _standing(tx, audit, begun, now):
        groups[each.goes.sink, each.goes.group(each.alert)].append(each)
    due = [
        (compose.again(each.alert, each.since), each.goes)
        for group in groups.values()
        if any(repeats(each.elapsed, each.timing) for each in group)
        for each in group
        if joins(each.elapsed, each.timing)
    ]
    # One message tells how it stands.
    gather(tx, dispatch.joined(tx, audit, due), now)
    return len(due)


def _standing(tx: Transaction, audit: Audit, begun: int, now: int) -> Iterator[_Open]:
    """What is open, at each sink that is told of it again; without what is on its way there, or is held back."""
    by_sink: dict[str, list[Routed]] = defaultdict(list)
    for finding in _lasting(tx, audit):
        for alert, goes in _repeated(audit, finding):
            by_sink[goes.sink].append((alert, goes))
    at = held.now(tx)
    for sink, mine in by_sink.items():
        told = telling.told(tx, sink, {alert.finding for alert, _ in mine}, at)
        for alert, goes in mine:
            before = told.get(alert.finding)
            # What a digest of many told stands in no message of its own. By the clock of the daemon, which may have
            # been ahead, like the change.
            since = max((each for each in (begun, alert.at) if each <= now), default=now)
            if before is None:
                yield _Open(alert, goes, since, now - since)
            elif not before.owed:
                elapsed = now - since if before.at is None else min(now - since, at - before.at)
                yield _Open(alert, goes, before.queued, elapsed)


def _lasting(tx: Transaction, audit: Audit) -> Iterable[Finding]:
    found = findings.search(tx, audit.organization, states=UNDECIDED, levels=audit.routing.repeated)
    return (finding for finding in found if not finding.occurrence and finding.flapping_since is None)


def _repeated(audit: Audit, finding: Finding) -> Iterator[Routed]:
    """Where the finding is told again, if it is."""
    alert = audit.teller.standing(finding)
    for goes in audit.routing.destinations(alert):
        if goes.node.timing(alert.level).repeat:
            yield alert, goes
