"""When groups of messages go out, and when each thing was told last."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, or_, select, update

from auditor.store.database import Transaction, slices
from auditor.store.outbox import Progress
from auditor.store.tables import outbox


@dataclass(frozen=True, slots=True)
class Flushes:
    """When messages of a group go out. Unix seconds by the clock of the database."""

    last: float | None = None
    """The latest that went out, or was due."""
    coming: float | None = None
    """The first that is still to go out."""


def flushes(tx: Transaction, sink: str, groups: Collection[str], at: float) -> Mapping[str, Flushes]:
    """When messages of each of `groups` go or went out to `sink`, seen `at`; groups that had none are left out."""
    found: dict[str, Flushes] = {}
    ahead = outbox.c.flush_at > at
    last, coming = case((~ahead, outbox.c.flush_at)), case((and_(ahead, _waits()), outbox.c.flush_at))
    for some in slices(list(groups)):
        query = select(outbox.c.group_key, func.max(last).label("last"), func.min(coming).label("coming")).where(
            outbox.c.sink == sink, outbox.c.group_key.in_(some), outbox.c.flush_at.is_not(None)
        )
        rows = tx.execute(query.group_by(outbox.c.group_key))
        found |= {row.group_key: Flushes(row.last, row.coming) for row in rows}
    return found


def hasten(tx: Transaction, sink: str, group: str, at: float) -> None:
    """Let what of the group waits for later go out `at` (Unix seconds)."""
    mine = outbox.c.sink == sink, outbox.c.group_key == group, outbox.c.flush_at > at
    tx.execute(update(outbox).where(*mine, _waits()).values(flush_at=at, due_at=at))


def _waits() -> ColumnElement[bool]:
    """Whether a message is owed and was never tried."""
    return and_(outbox.c.state == Progress.PENDING, outbox.c.attempts == 0)


@dataclass(frozen=True, slots=True)
class Told:
    """What was said of one thing to one sink, marks apart. Unix seconds by the clock of the database."""

    at: float | None
    """When it was last told, or given up; None for never.

    What was held back before it was sent does not count, nor what a clock that was ahead wrote for a time to come.
    """
    queued: float
    """The same, with what was held back."""
    owed: bool
    """Whether something of it is still on its way, or will be let go when nothing holds it back."""


def told(tx: Transaction, sink: str, order_keys: Collection[str], now: float) -> Mapping[str, Told]:
    """What `sink` was told of each of `order_keys`, seen `now`; those of which nothing was queued are left out."""
    found: dict[str, Told] = {}
    held_back = outbox.c.state == Progress.SUPPRESSED
    owed = or_(outbox.c.state == Progress.PENDING, and_(held_back, outbox.c.settled_at.is_(None)))
    at = func.max(case((or_(~held_back, outbox.c.batch != ""), outbox.c.flush_at)))
    for some in slices(list(order_keys)):
        query = select(
            outbox.c.order_key,
            at.label("at"),
            func.max(outbox.c.flush_at).label("queued"),
            func.max(case((owed, 1), else_=0)).label("owed"),
        ).where(outbox.c.sink == sink, outbox.c.order_key.in_(some), or_(outbox.c.flush_at <= now, owed))
        rows = tx.execute(query.group_by(outbox.c.order_key))
        found |= {row.order_key: Told(row.at, row.queued, bool(row.owed)) for row in rows}
    return found
