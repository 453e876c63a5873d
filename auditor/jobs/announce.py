"""From changes of findings to rows of the outbox, in the same transaction as the changes."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from auditor.alerts import compose, digests, notices
from auditor.alerts.message import Alert
from auditor.alerts.outgoing import mark, queue
from auditor.alerts.sink import events_queue
from auditor.alerts.words import counted
from auditor.findings.expiry import Ending
from auditor.findings.model import Collapse, Finding, Reason, Transition
from auditor.fingerprint import fingerprint
from auditor.inventory import model as inventory
from auditor.inventory.model import Gap, Record
from auditor.inventory.settingtypes import Standing
from auditor.jobs import dispatch
from auditor.jobs.context import Audit
from auditor.store.database import Transaction
from auditor.store.events import StoredEvent
from auditor.terms import Level

MANY = 10
"""Lists that are named in one notice."""


def transitions(
    tx: Transaction,
    audit: Audit,
    changes: Iterable[Transition],
    now: int,
    *,
    fold: bool = False,
    introduced: Collection[str] = (),
) -> int:
    """Queue an alert for each change that is news; returns how many messages were queued.

    With `fold`, more than FEW to one sink become one digest: most of them stood already and were only seen now. So does
    what policies find that are `introduced` with this picture, when it would make more than FEW messages. A sink that
    keeps the state of each finding would know none of them: it gets up to FEW_KEPT, and every end.
    """
    teller = audit.teller
    alerts = [alert for change in changes if (alert := teller.of(change))]
    stood: list[Alert] = []
    others: list[Alert] = []
    for each in alerts:
        begins = each.kind in dispatch.BEGINNINGS and each.policy in introduced and not each.once
        (stood if begins else others).append(each)
    queued = dispatch.spread(tx, audit, stood, now, dispatch.Fold(dispatch.FEW_KEPT, digests.introduced, groups=True))
    return queued + dispatch.spread(tx, audit, others, now, dispatch.Fold(dispatch.FEW_KEPT) if fold else None)


def raised(tx: Transaction, audit: Audit, found: Iterable[tuple[Finding, Level]], now: int) -> int:
    """Queue an alert for each finding that is worse than it was, with the level of before: others may be told of it.

    Returns how many messages were queued.
    """
    alerts = [compose.raised(audit.teller.standing(finding), before, now) for finding, before in found]
    return dispatch.spread(tx, audit, alerts, now, dispatch.Fold(dispatch.FEW_KEPT, groups=True))


def marks(tx: Transaction, audit: Audit, changes: Iterable[Transition], now: int) -> int:
    """Queue a mark for each change that a person decided, for sinks that show or keep it where the finding was told.

    Returns how many were not queued before.
    """
    queued = 0
    for alert, goes in dispatch.routed(tx, audit, list(filter(None, map(audit.teller.mark, changes)))):
        if goes.sink in audit.marked:
            queued += mark(tx, alert, goes, now)
    return queued


def events(tx: Transaction, audit: Audit, fresh: Sequence[tuple[Record, StoredEvent]], now: int) -> None:
    """Queue each new audit event, raw, for the sinks that a route with `events: all` names."""
    queues = [events_queue(name) for name in audit.routing.streams]
    for record, event in fresh if queues else ():
        queue(tx, compose.event(audit.organization, record, event.raw, event.effective_at), queues, now)


def at_once(tx: Transaction, audit: Audit, alert: Alert, now: int) -> None:
    """Queue the alert wherever it goes, without waiting for others."""
    queue(tx, alert, [goes.sink for goes in audit.routing.destinations(alert)], now)


def held(tx: Transaction, audit: Audit, collapses: Sequence[Collapse], now: int) -> None:
    """Queue a notice for each policy or kind whose resources vanished together, which is not believed; once a day."""
    for each in collapses:
        named = each.policy or f"kind/{each.kind}"
        most = f"with a finding of {each.policy}" if each.policy else f"of kind {each.kind} with a finding"
        alert = notices.notice(
            f"held/{audit.organization}/{named}/{now // 86_400}",
            audit.organization,
            Level.HIGH,
            "Many findings vanished at once",
            f"Most resources {most} are gone. They stay open for a day: a list may be cut.",
            now,
            protected=True,
        )
        at_once(tx, audit, alert, now)


def refused(tx: Transaction, audit: Audit, gap: Gap, now: int) -> None:
    """Queue a notice that the API refuses the auditor's own key: from now on nothing is seen. Once a day."""
    alert = notices.notice(
        f"refused/{audit.organization}/{now // 86_400}",
        audit.organization,
        Level.CRITICAL,
        "The auditor's own key is refused",
        f"Nothing of {audit.organization} can be read any more, and nothing that happens there is seen: {gap.reason}",
        now,
        [("Next step", gap.hint)] if gap.hint else (),
        protected=True,
    )
    at_once(tx, audit, alert, now)


def unseen(tx: Transaction, audit: Audit, gaps: Sequence[Gap], now: int) -> None:
    """Queue one notice of the lists and reports that cannot be read; once a week while they are the same."""
    kinds = Counter(gap.kind for gap in gaps)
    if not kinds:
        return
    first = {gap.kind: gap for gap in reversed(gaps)}
    told = [
        (kind, first[kind].reason + (f", in {count} places" if count > 1 else ""))
        for kind, count in kinds.most_common(MANY)
    ]
    hints = dict.fromkeys(gap.hint for gap in gaps if gap.hint)
    alert = notices.notice(
        f"unseen/{audit.organization}/{fingerprint(' '.join(sorted(kinds)))}/{now // (7 * 86_400)}",
        audit.organization,
        Level.MEDIUM,
        f"{counted(len(kinds), 'list')} of {audit.organization} cannot be read",
        "What stands there is not judged: policies about it are unknown, and no finding of theirs is resolved.",
        now,
        [*told, *(("Next step", hint) for hint in list(hints)[: dispatch.FEW])],
    )
    at_once(tx, audit, alert, now)


def misconfigured(tx: Transaction, audit: Audit, reason: str, now: int) -> None:
    """Queue a notice that a new configuration, or a policy of it, is refused; once a day for one reason."""
    alert = notices.notice(
        f"configuration/{audit.organization}/{fingerprint(reason)}/{now // 86_400}",
        audit.organization,
        Level.HIGH,
        "A new configuration is refused",
        f"The last good one stays in force. {reason}",
        now,
    )
    at_once(tx, audit, alert, now)


def contradicted(tx: Transaction, audit: Audit, settings: inventory.Collection, now: int) -> None:
    """Queue a notice for each attestation that an event contradicts; once for one statement and one event."""
    for record in settings.records:
        fields = record.fields
        if fields.get("attestation") != Standing.CONTRADICTED:
            continue
        told = f"{audit.organization}/{record.id}/{fields.get('until')}/{fields.get('event')}"
        alert = notices.notice(
            f"attestation/{fingerprint(told)}",
            audit.organization,
            Level.HIGH,
            "An attestation is contradicted",
            f"{fields.get('by')} attested {record.id}; an audit event shows something else, so that word is void.",
            now,
            [("Setting", record.id), ("Event", str(fields.get("event", ""))), ("Evidence", str(fields["evidence"]))],
        )
        at_once(tx, audit, alert, now)


def overdue(tx: Transaction, audit: Audit, findings: Iterable[Finding], now: int) -> int:
    """Queue a notice for each finding that was not mended in time; more than FEW at once are one digest a sink."""
    teller = audit.teller
    return dispatch.spread(tx, audit, [teller.overdue(finding, now) for finding in findings], now, dispatch.Fold())


def ending(tx: Transaction, audit: Audit, endings: Iterable[Ending], now: int) -> int:
    """Queue a notice for each finding of something that ends soon; more than FEW at once are one digest a sink."""
    teller = audit.teller
    return dispatch.spread(tx, audit, [teller.ending(each, now) for each in endings], now, dispatch.Fold())


def flapping(tx: Transaction, audit: Audit, found: Iterable[tuple[Finding, int]], now: int) -> int:
    """Queue a notice for each finding that comes and goes, with how often it opened; once for each day of its flapping.

    None is folded: each promises how its finding stands in the end, and is looked up then.
    """
    return dispatch.spread(
        tx, audit, [audit.teller.flapping(finding, times, now) for finding, times in found], now, None
    )


def unheard(tx: Transaction, audit: Audit, types: Iterable[str], now: int) -> int:
    """Queue a notice for each type of event that no version knew before, once ever; returns how many were queued.

    More than FEW at once are one digest for each sink: a log that is read for the first time may be full of them.
    """
    alerts = [_unheard(audit, kind, now) for kind in sorted(types)]
    return dispatch.spread(tx, audit, alerts, now, dispatch.Fold())


def _unheard(audit: Audit, kind: str, now: int) -> Alert:
    return notices.notice(
        f"event-type/{audit.organization}/{fingerprint(kind)}",
        audit.organization,
        Level.LOW,
        "A type of audit event that this version does not know",
        f"{kind}: it is kept and counted; no shipped policy watches it.",
        now,
        [("Type", kind)],
    )


def baseline(tx: Transaction, audit: Audit, findings: Sequence[Finding], now: int) -> int:
    """Queue the one digest of a first run, of what stood before anybody watched, for each sink of a route or owner.

    A sink that no route leads to, or only one of notices or events, is told of no finding later, and of none now. One
    that a route for digests leads to is told of all that such a route takes.
    """
    teller, routing = audit.teller, audit.routing
    routed: dict[tuple[str, str | None], list[Alert]] = {
        (sink, None): [] for sink in routing.receivers if sink not in routing.config.personal
    }
    for finding in findings:
        alert = teller.of(Transition(finding, None, Reason.DETECTED, now))
        if alert is None:
            continue
        for goes in routing.destinations(digests.merged([alert], now)):
            owner = goes.whose(alert) if goes.personal else None
            routed.setdefault((goes.sink, owner), []).append(alert)
    for (sink, owner), mine in routed.items():
        levels = [alert.level for alert in mine]
        counts = {level.value: levels.count(level) for level in reversed(Level) if level in levels}
        told = digests.digest(
            audit.organization, mine, counts, now, audit.link, owner, unrouted=len(findings) - len(mine)
        )
        queue(tx, told, [sink], now)
    return len(routed)
