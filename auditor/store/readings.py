"""When each role list of a principal was last read whole, and when it is due again."""

from collections.abc import Collection, Iterator

from sqlalchemy import and_, delete, select

from auditor.adminapi.resources import BY_NAME
from auditor.adminapi.resourcetypes import Tier
from auditor.inventory.model import Collection as Seen
from auditor.inventory.model import Coverage, Scope, Snapshot
from auditor.inventory.schema import ancestors
from auditor.inventory.tiers import AT_ONCE, Reading, next_due
from auditor.store.database import Transaction, slices
from auditor.store.tables import readings

KINDS: tuple[str, ...] = tuple(kind.name for kind in BY_NAME.values() if kind.tier is Tier.FAN_OUT)
"""The kinds that are read less often than the others."""


def known(tx: Transaction, organization: str, kind: str) -> dict[Scope, Reading]:
    """The last whole reading of each scope of a kind."""
    query = select(readings.c.scope, readings.c.read_at, readings.c.due_at).where(
        readings.c.organization == organization, readings.c.kind == kind
    )
    return {tuple(row.scope): Reading(row.read_at, row.due_at) for row in tx.execute(query).all()}


def record(
    tx: Transaction, organization: str, seen: Snapshot, differing: Collection[tuple[str, Scope]], interval: int
) -> None:
    """Write down what a snapshot read; `differing` are kinds and scopes that did not look as they did before.

    What differs, and what could not be read, is due at once: the next snapshot looks again.
    """
    for kind in KINDS:
        if kind not in seen.collections:
            continue
        before = known(tx, organization, kind)
        lines = [line for line in seen.coverage if line.kind == kind and len(line.scope) == len(ancestors(kind))]
        rows = []
        for line in lines:
            reading = _after(line, before.get(line.scope), seen.taken_at, interval)
            if reading and (kind, line.scope) in differing:
                reading = Reading(reading.read_at, AT_ONCE)
            if reading:
                rows.append({"scope": line.scope, "read_at": reading.read_at, "due_at": reading.due_at})
        tx.put(readings, [{"organization": organization, "kind": kind, **row} for row in rows])
        _drop(tx, organization, kind, list(_gone(before, lines, seen.collections[kind])))


def _after(line: Coverage, before: Reading | None, now: int, interval: int) -> Reading | None:
    """What is known of a scope after this snapshot; None when that did not change."""
    if line.read_at is not None:
        return None
    if line.gap:
        return Reading(before.read_at, AT_ONCE) if before else None
    return Reading(now, next_due(line.kind, line.scope, before, now, interval))


def _gone(before: Collection[Scope], lines: Collection[Coverage], collection: Seen) -> Iterator[Scope]:
    """Scopes whose principal is no longer there."""
    there = {line.scope for line in lines}
    return (scope for scope in before if scope not in there and not collection.hides(scope))


def _drop(tx: Transaction, organization: str, kind: str, gone: Collection[Scope]) -> None:
    for some in slices(list(gone)):
        tx.execute(
            delete(readings).where(
                and_(readings.c.organization == organization, readings.c.kind == kind, readings.c.scope.in_(some))
            )
        )
