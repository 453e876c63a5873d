"""Findings as they stand; how they came to it is in transitions."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields

from sqlalchemy import ColumnElement, RowMapping, func, select

from auditor.findings.model import Decision, Finding
from auditor.store import organizations
from auditor.store.database import Transaction, slices
from auditor.store.tables import findings
from auditor.terms import Level, State

_ACTIVE = tuple(state for state in State if state.active)
_FIELDS = tuple(each.name for each in fields(Finding))


def active(tx: Transaction, organization: str) -> dict[str, Finding]:
    """All findings that are not resolved, by id.

    Until the transaction ends, no other one that reads them so can change them: save what was made of them here.
    """
    organizations.hold(tx, organization)
    return {finding.id: finding for finding in search(tx, organization, states=_ACTIVE)}


def flapping(tx: Transaction, organization: str) -> list[Finding]:
    """Findings that come and go too often to be told each time, whatever their state."""
    query = select(findings).where(findings.c.organization == organization, findings.c.flapping_since.is_not(None))
    return [_finding(row) for row in tx.execute(query.order_by(findings.c.id)).mappings()]


def by_ids(tx: Transaction, ids: Iterable[str]) -> dict[str, Finding]:
    """The findings of `ids` that exist, whatever their state, by id."""
    found: dict[str, Finding] = {}
    for some in slices(sorted(set(ids))):
        rows = tx.execute(select(findings).where(findings.c.id.in_(some))).mappings()
        found.update((row["id"], _finding(row)) for row in rows)
    return found


def save(tx: Transaction, changed: Sequence[Finding]) -> None:
    """Write findings, each in place of the one with its id; the last of several with one id counts."""
    latest = {finding.id: finding for finding in changed}
    rows = [{name: getattr(finding, name) for name in _FIELDS} for finding in latest.values()]
    for some in slices(rows):
        tx.put(findings, some)


def search(
    tx: Transaction,
    org: str | None = None,
    states: Collection[State] | None = None,
    levels: Collection[Level] | None = None,
    policy: str | None = None,
    limit: int | None = None,
) -> list[Finding]:
    """Findings that meet every condition that is given, the latest change first; `limit` bounds their number."""
    conditions: list[ColumnElement[bool]] = []
    if org is not None:
        conditions.append(findings.c.organization == org)
    if states is not None:
        conditions.append(findings.c.state.in_(list(states)))
    if levels is not None:
        conditions.append(findings.c.level.in_(list(levels)))
    if policy is not None:
        conditions.append(findings.c.policy == policy)
    query = select(findings).where(*conditions).order_by(findings.c.changed_at.desc(), findings.c.id).limit(limit)
    return [_finding(row) for row in tx.execute(query).mappings()]


def counts(tx: Transaction, organization: str) -> dict[tuple[Level, State], int]:
    """Number of findings by level and state, occurrences and resolved ones included."""
    query = (
        select(findings.c.level, findings.c.state, func.count().label("number"))
        .where(findings.c.organization == organization)
        .group_by(findings.c.level, findings.c.state)
    )
    return {(Level(row.level), State(row.state)): row.number for row in tx.execute(query)}


def _finding(row: RowMapping) -> Finding:
    values = {name: row[name] for name in _FIELDS}
    values |= {"ids": tuple(row["ids"]), "level": Level(row["level"]), "state": State(row["state"])}
    decision = Decision(**row["decision"]) if row["decision"] else None
    return Finding(**values | {"decision": decision})
