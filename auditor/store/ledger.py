"""The coverage ledger as ranges: a line that is the same in a thousand runs is one row, from where it began."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Row, and_, or_, select, update

from auditor.inventory.model import Coverage, Gap, Scope
from auditor.store.database import Transaction, Values, slices
from auditor.store.tables import ledger, storable
from auditor.terms import Status

_OF_THE_MOMENT = re.compile(r"\b(?=[\w-]*\d)[\w-]{12,}|\b\d+(?:\.\d+)?m?s\b")
"""What differs from answer to answer of one fault: ids of requests, and how long to wait. A range keeps the first."""


@dataclass(frozen=True, slots=True)
class Run:
    """Which run of an organization, and when it began (Unix seconds)."""

    number: int
    at: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A range that goes on: what the last run said of one scope."""

    row: int
    line: Coverage
    complete_at: int | None
    """When the scope was last read whole before this range began."""


def standing(tx: Transaction, organization: str, kind: str) -> dict[Scope, Standing]:
    """What the last run said of each scope of a kind."""
    query = select(ledger).where(_of(organization, kind), ledger.c.end_run.is_(None))
    return {
        line.scope: Standing(row.row, line, row.complete_at) for row in tx.execute(query).all() for line in [_line(row)]
    }


def completed(
    tx: Transaction, organization: str, kind: str, scopes: Collection[Scope], before: Run | None
) -> dict[Scope, int]:
    """When each of `scopes` was last read whole, up to the run `before`; those that never were are left out."""
    found = standing(tx, organization, kind)
    past = _past(tx, organization, kind) if any(scope not in found for scope in scopes) else {}
    last = {scope: _complete_at(found[scope], before) if scope in found else past.get(scope) for scope in scopes}
    return {scope: at for scope, at in last.items() if at is not None}


def record(tx: Transaction, organization: str, run: Run, before: Run | None, coverage: Iterable[Coverage]) -> None:
    """Write the ledger of a run down, as changes against the run `before`."""
    lines: dict[str, dict[Scope, Coverage]] = {kind: {} for kind in _open_kinds(tx, organization)}
    for line in coverage:
        lines.setdefault(line.kind, {})[line.scope] = line
    for kind, now in lines.items():
        _record(tx, organization, kind, run, before, now)


def of_run(tx: Transaction, organization: str, number: int) -> dict[str, list[Coverage]]:
    """The ledger of a run, by kind; without the seconds, which are kept with the run."""
    query = select(ledger).where(_in_run(organization, number))
    found: dict[str, list[Coverage]] = {}
    for row in tx.execute(query.order_by(ledger.c.row)):
        found.setdefault(row.kind, []).append(_line(row))
    return found


def gaps_of_run(tx: Transaction, organization: str, number: int) -> dict[str, list[Gap]]:
    """Every kind that a run tried to read, with what it could not."""
    mine = _in_run(organization, number)
    found: dict[str, list[Gap]] = {
        kind: [] for kind in tx.execute(select(ledger.c.kind).where(mine).distinct()).scalars()
    }
    for row in tx.execute(select(ledger).where(mine, ledger.c.reason.is_not(None)).order_by(ledger.c.row)):
        if gap := _line(row).gap:
            found[row.kind].append(gap)
    return found


def _in_run(organization: str, number: int) -> ColumnElement[bool]:
    going_on = or_(ledger.c.end_run.is_(None), ledger.c.end_run > number)
    return and_(ledger.c.organization == organization, ledger.c.first_run <= number, going_on)


def _record(
    tx: Transaction, organization: str, kind: str, run: Run, before: Run | None, lines: Mapping[Scope, Coverage]
) -> None:
    known = standing(tx, organization, kind)
    ended = [each.row for scope, each in known.items() if not _same(each.line, lines.get(scope))]
    begun = [line for scope, line in lines.items() if scope not in known or not _same(known[scope].line, line)]
    complete = completed(tx, organization, kind, [line.scope for line in begun], before) if begun else {}
    for some in slices(ended):
        until = before.at if before else run.at
        tx.execute(update(ledger).where(ledger.c.row.in_(some)).values(end_run=run.number, until=until))
    if begun:
        tx.execute(ledger.insert(), [_row(organization, line, run, complete.get(line.scope)) for line in begun])


def _same(one: Coverage, other: Coverage | None) -> bool:
    """Whether two lines say the same, whenever it was read."""
    return other is not None and _said(one) == _said(other)


def _said(line: Coverage) -> tuple[object, ...]:
    gap = (_OF_THE_MOMENT.sub("*", storable(line.gap.reason)), storable(line.gap.hint)) if line.gap else None
    return (line.status, line.pages, line.items, dict(line.surprises), gap)


def _complete_at(range_: Standing, before: Run | None) -> int | None:
    if range_.line.status is Status.COMPLETE:
        return before.at if before else None
    return range_.complete_at


def _past(tx: Transaction, organization: str, kind: str) -> dict[Scope, int]:
    """When scopes of ranges that are over were last read whole; the last range of each counts."""
    columns = (ledger.c.scope, ledger.c.status, ledger.c.complete_at, ledger.c.until)
    query = select(*columns).where(_of(organization, kind), ledger.c.end_run.is_not(None)).order_by(ledger.c.row)
    found: dict[Scope, int] = {}
    for row in tx.execute(query):
        at = row.until if row.status == Status.COMPLETE else row.complete_at
        if at is not None:
            found[tuple(row.scope)] = at
    return found


def _open_kinds(tx: Transaction, organization: str) -> Sequence[str]:
    query = select(ledger.c.kind).where(ledger.c.organization == organization, ledger.c.end_run.is_(None)).distinct()
    return tx.execute(query).scalars().all()


def _of(organization: str, kind: str) -> ColumnElement[bool]:
    return and_(ledger.c.organization == organization, ledger.c.kind == kind)


def _row(organization: str, line: Coverage, run: Run, complete_at: int | None) -> Values:
    return {
        "organization": organization,
        "kind": line.kind,
        "scope": line.scope,
        "status": line.status,
        "pages": line.pages,
        "items": line.items,
        "surprises": dict(line.surprises) or None,
        "reason": line.gap.reason if line.gap else None,
        "hint": line.gap.hint if line.gap else None,
        "complete_at": complete_at,
        "first_run": run.number,
        "since": run.at,
    }


def _line(row: Row[tuple[object, ...]]) -> Coverage:
    kind, scope, status = row.kind, tuple(row.scope), Status(row.status)
    gap = None if row.reason is None else Gap(kind, scope, status, row.reason, row.hint)
    return Coverage(kind, scope, status, row.pages, row.items, surprises=row.surprises or {}, gap=gap)
