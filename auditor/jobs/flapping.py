"""Telling once that a finding comes and goes, and how it stands once it stays."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from auditor.findings.flapping import WINDOW, calm, settled
from auditor.findings.model import Finding, Transition
from auditor.jobs import announce
from auditor.jobs.context import Audit
from auditor.store import findings, transitions
from auditor.store.database import Transaction


def calmed(tx: Transaction, audit: Audit, changes: Sequence[Transition], now: int) -> list[Transition]:
    """The changes that are told: not those of findings that flap, and those of findings that flap no more.

    `changes` must have been written. What begins to flap is one notice.
    """
    flapping = findings.flapping(tx, audit.organization)
    calm_again = settled(flapping, now)
    counted = transitions.openings(tx, [change.finding.id for change in changes], now - WINDOW + 1)
    still = calm(changes, counted, audit.rules.flapping)
    _mark(tx, still.began, now)
    _mark(tx, calm_again, None)
    announce.flapping(tx, audit, [(each, counted[each.id]) for each in still.began], now)
    return [*still.told, *(_last(tx, each) for each in calm_again)]


def _mark(tx: Transaction, some: Iterable[Finding], since: int | None) -> None:
    # As they are stored: the pass may have changed more of them than the transition shows.
    stored = findings.by_ids(tx, [each.id for each in some])
    findings.save(tx, [replace(each, flapping_since=since) for each in stored.values()])


def _last(tx: Transaction, finding: Finding) -> Transition:
    """The last change of its state, which was withheld when it happened."""
    row = transitions.of_finding(tx, finding.id)[-1]
    return Transition(finding, row.before, row.reason, row.at, row.by, row.comment, row.waiver, row.until)
