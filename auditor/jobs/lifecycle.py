"""What people decided, laid over what a pass found: waivers applied and taken back, and told before they end."""

from collections.abc import Iterable, Mapping, Sequence

from auditor.alerts import notices
from auditor.alerts.words import counted, moment
from auditor.findings.duedates import newly_overdue
from auditor.findings.expiry import newly_ending
from auditor.findings.model import Finding, Reconciled, Transition
from auditor.findings.waiverbook import Known
from auditor.findings.waivers import Decided, Facts, Waiver, decide
from auditor.fingerprint import fingerprint
from auditor.inventory.model import Record, Scope, Snapshot
from auditor.jobs import announce
from auditor.jobs.context import Audit
from auditor.store import organizations, waivers
from auditor.store.database import Transaction
from auditor.terms import UNDECIDED, Level


def waivers_of(tx: Transaction, audit: Audit) -> list[Waiver]:
    """Every waiver of the organization, of the file and of the store, those that are over too."""
    of_store = waivers.stored(tx, audit.organization)
    return [*_of_file(audit), *(each.within(audit.rules.max_waiver) for each in of_store)]


def judge(tx: Transaction, audit: Audit, standing: Iterable[Finding], facts: Facts, now: int) -> Decided:
    """What waivers make of `standing` (findings that are not resolved); nothing is written."""
    known = waivers_of(tx, audit)
    used = waivers.uses(tx, audit.organization, [waiver.id for waiver in known])
    return decide(known, standing, facts, used, audit.policies.by_name, now)


def keep(tx: Transaction, audit: Audit, decided: Decided, now: int) -> None:
    """Write down what a whole pass made of the waivers, and queue what is to be told of them.

    Its findings must have been saved before.
    """
    waivers.note_file(tx, audit.organization, _of_file(audit), now)
    waivers.save_uses(tx, audit.organization, decided.uses)
    waivers.note_matches(tx, audit.organization, decided.matched, now)
    for known in waivers.listing(tx, audit.organization):
        _warn(tx, audit, known.within(audit.rules.max_waiver), now)


def overdue(tx: Transaction, audit: Audit, standing: Sequence[Finding], decided: Decided, now: int) -> list[Finding]:
    """Queue a notice for each finding that is overdue since the last pass; returns them, marked as told.

    Nothing is overdue for people before they were told of it: before the first picture was.
    """
    if organizations.read(tx, audit.organization).baseline_at is None:
        return []
    latest = {each.id: each for each in (*standing, *decided.findings)}
    late = newly_overdue(latest.values(), audit.rules.due.by_level, now)
    announce.overdue(tx, audit, late, now)
    return late


def ending(tx: Transaction, audit: Audit, standing: Iterable[Finding], facts: Facts, now: int) -> list[Finding]:
    """Queue a notice for each finding of something that ends soon, at each stage; returns them, marked as told.

    What ends is what the policy of the finding compares with the time to come (`expires_at|within`). Of several
    findings with one id the last counts; nothing is told before the first picture was.
    """
    if organizations.read(tx, audit.organization).baseline_at is None:
        return []
    fields = {each.policy.name: each.matcher.detection.compared_by("within") for each in audit.policies.states}

    def ends(finding: Finding) -> int | None:
        names = fields.get(finding.policy)
        seen = facts(finding) if names else None
        times = [at for name in names or () if isinstance(at := (seen or {}).get(name), int)]
        return min(times, default=None)

    soon = newly_ending({each.id: each for each in standing}.values(), ends, now)
    announce.ending(tx, audit, soon, now)
    return [each.finding for each in soon]


Worse = tuple[Finding, Level]
"""A finding, and the lower level that it had."""


def raised(active: Mapping[str, Finding], standing: Iterable[Finding]) -> list[Worse]:
    """What nobody took on, before or now, and is worse than it was, with its level before: policies were changed.

    `active` is how it stood before, of several `standing` with one id the last counts. What comes and goes all day is
    told of once a day anyway.
    """
    open_before = {id_: each.level for id_, each in active.items() if each.state in UNDECIDED}
    latest = {each.id: each for each in standing if each.id in open_before}.values()
    found = [(each, open_before[each.id]) for each in latest if each.state in UNDECIDED]
    return [(each, before) for each, before in found if each.level.rank > before.rank and each.flapping_since is None]


def news(changed: Iterable[Transition], decided: Decided) -> list[Transition]:
    """The changes that may be told: nothing of what is waived now, and what is not any more."""
    now_waived = {finding.id for finding in decided.findings if finding.waived}
    told = [change for change in changed if change.finding.id not in now_waived]
    return [*told, *(change for change in decided.transitions if not change.finding.waived)]


def standing(active: Mapping[str, Finding], *changes: Reconciled) -> list[Finding]:
    """The findings that are not resolved after `changes` of those that were `active`."""
    latest = {**active, **{finding.id: finding for change in changes for finding in change.findings}}
    return [finding for finding in latest.values() if finding.state.active]


def waived(known: Iterable[Finding], decided: Decided) -> frozenset[str]:
    """Ids of the findings that are waived after what was decided; of several `known` with one id the last counts."""
    latest = {each.id: each for each in (*known, *decided.findings)}
    return frozenset(id_ for id_, each in latest.items() if each.waived)


def facts_of(snapshot: Snapshot) -> Facts:
    """The fields of the resource of a finding, as a picture shows them."""
    seen: dict[str, Mapping[Scope, Record]] = {}

    def fields(finding: Finding) -> Mapping[str, object] | None:
        if finding.kind not in seen:
            records = snapshot.collection(finding.kind).records
            seen[finding.kind] = {record.ids: record for record in records}
        record = seen[finding.kind].get(finding.ids)
        return record.fields if record else None

    return fields


def _of_file(audit: Audit) -> list[Waiver]:
    return [each for each in audit.waivers if audit.organization in (each.match.organization or [audit.organization])]


def _warn(tx: Transaction, audit: Audit, known: Known, now: int) -> None:
    """Queue the notice that a waiver ends soon: once 14, 7 and 1 days before, and again for a renewed one."""
    days, waiver = known.stage(now), known.waiver
    if days is None:
        return
    told = fingerprint(f"{audit.organization}/{waiver.id}")
    ends = moment(waiver.until)
    alert = notices.notice(
        f"waiver/{told}/{waiver.until}/{days}",
        audit.organization,
        Level.HIGH if days == 1 else Level.MEDIUM,
        f"A waiver ends within {counted(days, 'day')}",
        f"{waiver.id} covers {counted(known.matches, 'finding')}, told again when it ends at {ends}: {waiver.reason}",
        now,
        [("Owner", waiver.owner), ("Ends", ends), *([("Ticket", waiver.ticket)] if waiver.ticket else [])],
    )
    announce.at_once(tx, audit, alert, now)
