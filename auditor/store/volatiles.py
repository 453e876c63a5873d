"""What moves all the time by itself (`last_used_at`): its current value, and one compressed row a day of what moved."""

import zlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import and_, delete, select

from auditor.adminapi.resources import BY_NAME
from auditor.inventory.bodies import volatile_of
from auditor.inventory.model import Collection as Seen
from auditor.inventory.model import Scope, Snapshot
from auditor.store.database import Transaction, slices
from auditor.store.tables import volatile_days, volatiles

DAY = 86_400

Values = Mapping[str, int]
"""Values by name of the field."""

_decode = msgspec.json.Decoder(list[tuple[tuple[str, ...], dict[str, int]]]).decode


def record(tx: Transaction, organization: str, seen: Snapshot) -> None:
    """Write down the values of a snapshot that differ from those known."""
    for kind, collection in seen.collections.items():
        if kind in BY_NAME and any(field.volatile for field in BY_NAME[kind].fields.values()):
            _record(tx, organization, collection, seen.taken_at // DAY)


def current(tx: Transaction, organization: str, kind: str) -> dict[Scope, Values]:
    """The values that were last seen, by the ids of the resource; one without any value is left out."""
    query = select(volatiles.c.ids, volatiles.c.current).where(
        volatiles.c.organization == organization, volatiles.c.kind == kind
    )
    return {tuple(row.ids): row.current for row in tx.execute(query).all()}


def series(tx: Transaction, organization: str, kind: str) -> dict[int, dict[Scope, Values]]:
    """By day (since 1970, UTC), the last values of the resources whose values moved on that day."""
    query = select(volatile_days.c.day, volatile_days.c.moved).where(
        volatile_days.c.organization == organization, volatile_days.c.kind == kind
    )
    return {row.day: _unpacked(row.moved) for row in tx.execute(query.order_by(volatile_days.c.day))}


def days(
    tx: Transaction, organization: str, kind: str, after: int, until: int
) -> Iterator[tuple[int, dict[Scope, Values]]]:
    """The days of the series after the day `after`, up to and with `until`, oldest first; read row by row."""
    query = (
        select(volatile_days.c.day, volatile_days.c.moved)
        .where(volatile_days.c.organization == organization, volatile_days.c.kind == kind)
        .where(volatile_days.c.day > after, volatile_days.c.day <= until)
        .order_by(volatile_days.c.day)
    )
    return ((row.day, _unpacked(row.moved)) for row in tx.execute(query))


def _record(tx: Transaction, organization: str, collection: Seen, day: int) -> None:
    kind = collection.kind
    known = current(tx, organization, kind)
    values = {record.ids: volatile_of(BY_NAME[kind], record.fields) for record in collection.records}
    moved = {ids: each for ids, each in values.items() if each and known.get(ids) != each}
    place = {"organization": organization, "kind": kind}
    for some in slices(list(moved.items())):
        tx.put(volatiles, [place | {"ids": ids, "current": each} for ids, each in some])
    _drop(tx, organization, kind, [ids for ids in known if ids not in values and not collection.hides(ids)])
    if moved:
        whose_day = and_(
            volatile_days.c.organization == organization, volatile_days.c.kind == kind, volatile_days.c.day == day
        )
        earlier = tx.execute(select(volatile_days.c.moved).where(whose_day)).scalar()
        today = _unpacked(earlier) if earlier else {}
        tx.put(volatile_days, [place | {"day": day, "moved": _packed(today | moved)}])


def _drop(tx: Transaction, organization: str, kind: str, gone: Sequence[Scope]) -> None:
    for some in slices(gone):
        whose = and_(volatiles.c.organization == organization, volatiles.c.kind == kind, volatiles.c.ids.in_(some))
        tx.execute(delete(volatiles).where(whose))


def _packed(moved: Mapping[Scope, Values]) -> bytes:
    return zlib.compress(msgspec.json.encode(sorted(moved.items())), level=6)


def _unpacked(moved: bytes) -> dict[Scope, Values]:
    return dict(_decode(zlib.decompress(moved)))
