"""Messages of the outbox that are held back: what is suppressed, its release, and what was said beside it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select, update

from auditor.store.database import DatabaseTime, Transaction, slices
from auditor.store.outbox import MARK, SINCE, Progress
from auditor.store.tables import outbox


@dataclass(frozen=True, slots=True)
class Held:
    """A message that is held back."""

    row: int
    id: str
    sink: str
    order_key: str
    alert: bytes
    newest: bool
    """Whether nothing newer about the same thing was queued for the sink."""
    batch: str
    """What it was sent with before it was held back; empty when it was not sent."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was told of something, or is about to be."""

    row: int
    alert: bytes
    group: str


_NO_MARK = ~outbox.c.id.startswith(MARK, autoescape=True)
_TOLD = _NO_MARK, or_(outbox.c.state != Progress.SUPPRESSED, outbox.c.batch != "")


def now(tx: Transaction) -> float:
    """The clock of the database, which decides when messages are due. Unix seconds."""
    return float(tx.execute(select(DatabaseTime())).scalar_one())


def suppressed(tx: Transaction, organization: str) -> list[Held]:
    """What of an organization is held back, and not for good; oldest first."""
    newest = (
        select(func.max(outbox.c.row))
        .where(outbox.c.sink == (mine := outbox.alias("mine")).c.sink, outbox.c.order_key == mine.c.order_key)
        .scalar_subquery()
    )
    query = (
        select(mine, newest.label("newest"))
        .where(mine.c.state == Progress.SUPPRESSED, mine.c.settled_at.is_(None), mine.c.organization == organization)
        .order_by(mine.c.row)
    )
    return [
        Held(row.row, row.id, row.sink, row.order_key, bytes(row.alert), row.row == row.newest, row.batch)
        for row in tx.execute(query)
    ]


def was_told(tx: Transaction, sink: str, order_key: str, prefix: str) -> bool:
    """Whether `sink` confirmed a message about `order_key` whose id begins with `prefix`."""
    query = select(outbox.c.row).where(
        outbox.c.sink == sink,
        outbox.c.order_key == order_key,
        outbox.c.state == Progress.DELIVERED,
        outbox.c.id.startswith(prefix, autoescape=True),
    )
    return tx.execute(query.limit(1)).first() is not None


@dataclass(frozen=True, slots=True)
class Before:
    """What was said of one thing to one sink before a message; None for nothing."""

    first: bytes | None
    last: bytes | None
    told: bytes | None
    """The last that was told."""


def said_before(tx: Transaction, sink: str, order_key: str, end: str) -> Before:
    """What was said of `order_key` to `sink` before the message `end`.

    What was tried before it was held back, or given up, may have arrived, and counts as told. Marks do not count, but
    `end` may be one.
    """
    mine = (outbox.c.sink == sink, outbox.c.order_key == order_key)
    before = select(outbox.c.row).where(*mine, outbox.c.id == end).scalar_subquery()
    said = select(outbox.c.alert).where(*mine, _NO_MARK, outbox.c.row < before).limit(1)
    last = said.order_by(outbox.c.row.desc())
    queries = (said.order_by(outbox.c.row), last, last.where(*_TOLD))
    return Before(*(tx.execute(query).scalar() for query in queries))


def last_said(tx: Transaction, sinks: Collection[str], order_keys: Collection[str]) -> Mapping[tuple[str, str], Said]:
    """What each sink was told last of each key, or is about to be, by sink and key. As in `said_before`."""
    found: dict[tuple[str, str], Said] = {}
    for some in slices(list(order_keys)):
        mine = outbox.c.sink.in_(sinks), outbox.c.order_key.in_(some)
        newest = select(func.max(outbox.c.row)).where(*mine, *_TOLD).group_by(outbox.c.sink, outbox.c.order_key)
        for row in tx.execute(select(outbox).where(outbox.c.row.in_(newest))):
            found[row.sink, row.order_key] = Said(row.row, bytes(row.alert), row.group_key)
    return found


def said_since(tx: Transaction, sink: str, order_key: str, other: str, end: str) -> bool:
    """Whether `sink` was told of `other` after it was last told of `order_key`, both before the message `end`."""
    before = select(outbox.c.row).where(outbox.c.sink == sink, outbox.c.id == end).scalar_subquery()
    said = outbox.c.sink == sink, outbox.c.row < before, *_TOLD
    last = select(func.coalesce(func.max(outbox.c.row), 0)).where(*said, outbox.c.order_key == order_key)
    query = select(outbox.c.row).where(*said, outbox.c.order_key == other, outbox.c.row > last.scalar_subquery())
    return tx.execute(query.limit(1)).first() is not None


def release(tx: Transaction, rows: Iterable[int]) -> int:
    """Let messages that are held back go out now, as if they were new; returns how many.

    What was sent as one goes out as one.
    """
    at = now(tx)
    return sum(renew(tx, _held(some), at) for some in slices(list(rows)))


def renew(tx: Transaction, which: Collection[ColumnElement[bool]], at: float) -> int:
    """Let messages be owed since `at` (Unix seconds), due then, and as if never tried; returns how many.

    Who got one already still does not get it again, and the others are waited for anew.
    """
    kept = select(outbox.c.row, outbox.c.receipt).where(*which, outbox.c.receipt.is_not(None))
    for row in tx.execute(kept).all():
        if SINCE in row.receipt:
            tx.execute(update(outbox).where(outbox.c.row == row.row).values(receipt={**row.receipt, SINCE: int(at)}))
    values = {
        "state": Progress.PENDING,
        "due_at": at,
        "flush_at": at,
        "created_at": int(at),
        "attempts": 0,
        "tried_at": None,
        "error": "",
        "settled_at": None,
    }
    return tx.execute(update(outbox).where(*which).values(values)).rowcount


def drop(tx: Transaction, rows: Iterable[int]) -> int:
    """Hold messages back for good; returns how many."""
    values = {"settled_at": DatabaseTime()}
    return sum(tx.execute(update(outbox).where(*_held(some)).values(values)).rowcount for some in slices(list(rows)))


def _held(rows: Collection[int]) -> tuple[ColumnElement[bool], ...]:
    return outbox.c.row.in_(rows), outbox.c.state == Progress.SUPPRESSED, outbox.c.settled_at.is_(None)
