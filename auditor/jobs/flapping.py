"""Telling once a day that a finding comes and goes, and how it stands once it does so less often."""

from collections.abc import Sequence
from dataclasses import replace

from auditor.findings.flapping import WINDOW, Guard, ended, reminding
from auditor.findings.model import Finding, Transition
from auditor.jobs import announce
from auditor.jobs.context import Audit
from auditor.store import findings, transitions
from auditor.store.database import Transaction


def calmed(tx: Transaction, audit: Audit, changes: Sequence[Transition], now: int) -> list[Transition]:
    """The changes that are told: not those of findings that flap, and the last ones of those that flap no more.

    `changes` must have been written. What begins to flap is one notice, and another one for each day that it lasts.
    """
    flapping = findings.flapping(tx, audit.organization)
    some = [*flapping, *(change.finding for change in changes)]
    counted = transitions.openings(tx, [each.id for each in some], now - WINDOW + 1, now)
    guard = Guard(audit.rules.flapping, counted, audit.policies.by_name)
    calm_again, still = guard.settled(flapping), guard.calm(changes)
    # As they are stored: the pass may have changed more of them than the transition shows.
    stored = findings.by_ids(tx, [each.id for each in still.began])
    findings.save(tx, [replace(each, flapping_since=now) for each in stored.values()])
    findings.save(tx, [ended(each) for each in calm_again])
    announce.flapping(tx, audit, [(each, counted[each.id]) for each in still.began], now)
    over = {each.id for each in calm_again}
    lasting = [each for each in reminding(flapping, now) if each.id not in over]
    announce.flapping(tx, audit, [(each, counted[each.id]) for each in lasting], now)
    return [*still.told, *(_last(tx, each) for each in calm_again)]


def _last(tx: Transaction, finding: Finding) -> Transition:
    """The last change of its state, which was withheld when it happened."""
    row = transitions.of_finding(tx, finding.id)[-1]
    return Transition(finding, row.before, row.reason, row.at, row.by, row.comment, row.waiver, row.until)
