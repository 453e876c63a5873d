"""Pictures of an organization made by hand, and stored as a pass would store them."""

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping

from auditor.adminapi.resources import BY_NAME
from auditor.inventory.bodies import Body, split
from auditor.inventory.model import Collection, Coverage, Gap, Record, Scope, Snapshot
from auditor.inventory.records import record_of
from auditor.store import bodies, organizations, readings, runs, versions, volatiles
from auditor.store.database import Store
from auditor.store.runs import Run
from auditor.terms import Status

Items = Mapping[tuple[str, Scope], list[dict[str, object]]]
"""What the API sends, by kind and scope."""


def refused(kind: str, *scope: str) -> Gap:
    """What a missing permission leaves."""
    return Gap(kind, scope, Status.REFUSED, "403: missing scope", "ask an owner")


def picture(at: int, items: Items, *gaps: Gap) -> tuple[Snapshot, list[Body]]:
    """The snapshot at `at`, and the bodies that were staged for it."""
    staged: list[Body] = []
    kinds = [*(kind for kind, _ in items), *(gap.kind for gap in gaps)]
    records: dict[str, list[Record]] = {kind: [] for kind in kinds}
    lines = [Coverage(gap.kind, gap.scope, gap.status, 0, 0, gap=gap) for gap in gaps]
    for (kind, scope), bodies_ in items.items():
        for item in bodies_:
            body = split(BY_NAME[kind], item)
            record = record_of(BY_NAME[kind], scope, item, body.digest, Counter())
            assert record
            records[kind].append(record)
            staged.append(body)
        lines.append(Coverage(kind, scope, Status.COMPLETE, 1, len(bodies_), seconds=at % 7))
    collections = {
        kind: Collection(kind, tuple(found), tuple(gap for gap in gaps if gap.kind == kind))
        for kind, found in records.items()
    }
    return Snapshot("acme", at, collections, tuple(lines)), staged


def keep(store: Store, at: int, items: Items, *gaps: Gap) -> None:
    """Store a picture as a pass does: bodies first, the rest in one transaction."""
    seen, staged = picture(at, items, *gaps)
    with store.transaction() as tx:
        bodies.stage(tx, staged, at)
    with store.transaction() as tx:
        organizations.hold(tx, "acme")
        differing = versions.record(tx, "acme", seen, runs.before(tx, "acme"))
        readings.record(tx, "acme", seen, differing, 6 * 3600)
        volatiles.record(tx, "acme", seen)
        runs.add(tx, run_of(at, seen.coverage))


def run_of(at: int, coverage: Iterable[Coverage]) -> Run:
    """A run that said nothing."""
    return Run(uuid.uuid4().hex, "acme", "snapshot", at, at, 0, {}, (), tuple(coverage), ())
