"""Reading many stored audit events: in pages, by day, and by type. Nothing here holds more than a page in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, literal, select, tuple_

from auditor.store.database import Store, Transaction
from auditor.store.events import StoredEvent
from auditor.store.tables import events
from auditor.terms import Stream

PAGE = 1000
"""Events that are read in one transaction."""

Place = tuple[int, str]
"""Where a page ended: `effective_at` and id of its last event."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; None and empty mean any. Times are Unix seconds."""

    since: int | None = None
    """Happened at this time or later."""
    before: int | None = None
    """Happened earlier than this."""
    types: tuple[str, ...] = ()
    stream: Stream | None = None
    arrived_after: int | None = None
    """Read from the API later than this."""


@dataclass(frozen=True, slots=True)
class SeenType:
    """What the store holds of one type of event. Times are Unix seconds."""

    type: str
    events: int
    first_at: int
    last_at: int


@dataclass(frozen=True, slots=True)
class SeenDay:
    """What the store holds of one day (UTC)."""

    number: int
    """Days since 1970-01-01."""
    events: int
    arrived_at: int
    """When the last of them was read, in Unix seconds."""


def walk(
    store: Store, organization: str, wanted: Wanted, *, newest_first: bool = False, size: int = PAGE
) -> Iterator[StoredEvent]:
    """The events in the order of their time, within one second by id; a page is read when it is needed.

    No transaction is open while the caller looks at an event. Raises StoreError.
    """
    place: Place | None = None
    while True:
        with store.transaction() as tx:
            found = page(tx, organization, wanted, place, newest_first=newest_first, size=size)
        yield from found
        if len(found) < size:
            return
        place = (found[-1].effective_at, found[-1].id)


def listing(tx: Transaction, organization: str, wanted: Wanted, size: int = PAGE) -> Iterator[StoredEvent]:
    """The same within one transaction."""
    place: Place | None = None
    while True:
        found = page(tx, organization, wanted, place, newest_first=False, size=size)
        yield from found
        if len(found) < size:
            return
        place = (found[-1].effective_at, found[-1].id)


def page(
    tx: Transaction, organization: str, wanted: Wanted, place: Place | None, *, newest_first: bool, size: int
) -> list[StoredEvent]:
    """At most `size` events that come after `place`."""
    table = events.c
    columns = (column for column in events.columns if column.name != "organization")
    query = select(*columns).where(table.organization == organization, *_bounds(wanted))
    order = (table.effective_at, table.id)
    if place:
        here = tuple_(*order)
        query = query.where(here < place if newest_first else here > place)
    query = query.order_by(*(column.desc() for column in order) if newest_first else order).limit(size)
    return [_event(row) for row in tx.execute(query).mappings()]


def _bounds(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    table = events.c
    if wanted.since is not None:
        yield table.effective_at >= wanted.since
    if wanted.before is not None:
        yield table.effective_at < wanted.before
    if wanted.stream is not None:
        yield table.stream == wanted.stream
    if wanted.arrived_after is not None:
        yield table.arrived_at > wanted.arrived_after
    if wanted.types:
        yield table.type.in_(wanted.types)


def scan(
    store: Store, organization: str, wanted: Wanted, size: int = 20 * PAGE, *, raw: bool = True
) -> Iterator[Sequence[tuple[str, str, int, bytes]]]:
    """Id, type, `effective_at` and raw bytes of the events, in batches, for those who want to see very many.

    Without `raw` the bytes are empty, and are not read.

    Types and times are looked up in the index: with types, each type comes by itself; all come in the order of time,
    those of one second in any order. No transaction is open while the caller looks at a batch. Raises StoreError.
    """
    for kind in wanted.types or (None,):
        rest, seen = replace(wanted, types=()), frozenset[str]()
        while True:
            # As many as were seen of the second in which the last batch ended may come again.
            most = size + len(seen)
            with store.transaction() as tx:
                found = _batch(tx, organization, rest, kind, most, raw=raw)
            fresh = [row for row in found if row[0] not in seen] if seen else found
            if fresh:
                yield fresh
            if len(found) < most:
                break
            at = found[-1][2]
            last = frozenset(row[0] for row in takewhile(lambda row: row[2] == at, reversed(found)))  # noqa: B023
            rest, seen = replace(rest, since=at), last | (seen if at == rest.since else frozenset())


def _batch(
    tx: Transaction, organization: str, wanted: Wanted, kind: str | None, size: int, *, raw: bool
) -> Sequence[tuple[str, str, int, bytes]]:
    """The oldest of those that are wanted. The index knows their times, but not their ids: it does not sort by them."""
    table = events.c
    content = table.raw if raw else literal(b"")
    query = select(table.id, table.type, table.effective_at, content).where(table.organization == organization)
    query = query.where(*_bounds(wanted))
    if kind is not None:
        query = query.where(table.type == kind)
    found: Any = tx.plain(query.order_by(table.effective_at).limit(size))
    batch: Sequence[tuple[str, str, int, bytes]] = found
    return batch


def first_at(tx: Transaction, organization: str) -> int | None:
    """When the oldest stored event happened, in Unix seconds; None while there is none."""
    table = events.c
    return tx.execute(select(func.min(table.effective_at)).where(table.organization == organization)).scalar()


def type_names(tx: Transaction, organization: str) -> list[str]:
    """Every type of event that was ever stored, by name: one look into the index for each."""
    table = events.c
    query = select(table.type).where(table.organization == organization).order_by(table.type).limit(1)
    found: list[str] = []
    while True:
        kind = tx.execute(query.where(table.type > found[-1]) if found else query).scalar()
        if kind is None:
            return found
        found.append(kind)


def types(tx: Transaction, organization: str) -> list[SeenType]:
    """Every type of event that was ever stored, by name."""
    table = events.c
    query = (
        select(
            table.type,
            func.count().label("events"),
            func.min(table.effective_at).label("first_at"),
            func.max(table.effective_at).label("last_at"),
        )
        .where(table.organization == organization)
        .group_by(table.type)
    )
    return sorted((SeenType(**row) for row in tx.execute(query).mappings()), key=lambda each: each.type)


def days(tx: Transaction, organization: str, since: int | None = None) -> list[SeenDay]:
    """Every day that has events, oldest first; none that ended before `since` (Unix seconds)."""
    table = events.c
    number = (table.effective_at // 86_400).label("number")
    query = select(number, func.count().label("events"), func.max(table.arrived_at).label("arrived_at")).where(
        table.organization == organization
    )
    if since is not None:
        query = query.where(table.effective_at >= since - since % 86_400)
    return [SeenDay(**row) for row in tx.execute(query.group_by(number).order_by(number)).mappings()]


def _event(row: RowMapping) -> StoredEvent:
    return StoredEvent(**{**row, "stream": Stream(row["stream"]), "raw": bytes(row["raw"])})
