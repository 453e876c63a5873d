"""Audit events, exactly as they came."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import RowMapping, Select, func, select

from auditor.store import organizations
from auditor.store.database import Transaction, slices
from auditor.store.tables import events, storable
from auditor.terms import Stream


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event. Times are Unix seconds."""

    id: str
    type: str
    effective_at: int
    """When it happened, as the API says."""
    arrived_at: int
    """When it was first read."""
    stream: Stream
    raw: bytes
    """The bytes the API sent."""


def known(tx: Transaction, organization: str, ids: Iterable[str]) -> set[str]:
    """Those of `ids` that are stored. Until the transaction ends, no other one can store events of the organization."""
    organizations.hold(tx, organization)
    wanted = {storable(each): each for each in ids}
    found: set[str] = set()
    for some in slices(list(wanted)):
        query = select(events.c.id).where(events.c.organization == organization, events.c.id.in_(some))
        found.update(wanted[stored] for stored in tx.execute(query).scalars())
    return found


def insert(tx: Transaction, organization: str, new: Sequence[StoredEvent]) -> int:
    """Store events; one that is known already is left as it is. Returns how many were not."""
    return tx.add_new(events, [{"organization": organization, **asdict(event)} for event in new])


def by_ids(tx: Transaction, organization: str, ids: Iterable[str]) -> list[StoredEvent]:
    """The events of `ids` that are stored, oldest first."""
    found: list[StoredEvent] = []
    for some in slices(sorted({storable(each) for each in ids})):
        found += _listed(tx, _of(organization).where(events.c.id.in_(some)))
    return sorted(found, key=lambda event: (event.effective_at, event.id))


def find(tx: Transaction, organization: str, identity: str) -> StoredEvent | None:
    """The event of this id, None when it is not stored."""
    found = _listed(tx, _of(organization).where(events.c.id == storable(identity)))
    return found[0] if found else None


def new_types(tx: Transaction, organization: str, types: Collection[str]) -> set[str]:
    """Those of `types` of which no event is stored yet."""
    wanted = {storable(each): each for each in types}
    query = (
        select(events.c.type).where(events.c.organization == organization, events.c.type.in_(sorted(wanted))).distinct()
    )
    there = set(tx.execute(query).scalars()) if wanted else set()
    return {kind for stored, kind in wanted.items() if stored not in there}


def of_types(
    tx: Transaction, organization: str, types: Iterable[str], until: int | None = None
) -> Iterator[StoredEvent]:
    """All events of these types up to and with `until` (Unix seconds) in no order, and never all of them in memory:
    100,000 keys may have been made."""
    query = _of(organization).where(events.c.type.in_(sorted(types))).execution_options(yield_per=1000)
    if until is not None:
        query = query.where(events.c.effective_at <= until)
    return (_event(row) for row in tx.execute(query).mappings())


def recent(tx: Transaction, organization: str, limit: int, since: int | None = None) -> list[StoredEvent]:
    """The newest events, newest first, at most `limit`, none that happened before `since`."""
    query = _of(organization)
    if since is not None:
        query = query.where(events.c.effective_at >= since)
    return _listed(tx, query.order_by(events.c.effective_at.desc(), events.c.id.desc()).limit(limit))


def counts(tx: Transaction, organization: str, since: int) -> dict[str, int]:
    """Number of events since `since` (Unix seconds, included) by type, most frequent first."""
    query = (
        select(events.c.type, func.count().label("number"))
        .where(events.c.organization == organization, events.c.effective_at >= since)
        .group_by(events.c.type)
        .order_by(func.count().desc(), events.c.type)
    )
    return {row["type"]: row["number"] for row in tx.execute(query).mappings()}


def _of(organization: str) -> Select[tuple[object, ...]]:
    columns = (column for column in events.columns if column.name != "organization")
    return select(*columns).where(events.c.organization == organization)


def _listed(tx: Transaction, query: Select[tuple[object, ...]]) -> list[StoredEvent]:
    return [_event(row) for row in tx.execute(query).mappings()]


def _event(row: RowMapping) -> StoredEvent:
    return StoredEvent(
        row["id"], row["type"], row["effective_at"], row["arrived_at"], Stream(row["stream"]), bytes(row["raw"])
    )
