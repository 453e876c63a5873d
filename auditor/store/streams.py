"""What the store holds of each audit-log stream: the numbers from which its health is judged."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import ColumnElement, func, select

from auditor.store.database import Transaction
from auditor.store.tables import events
from auditor.terms import Stream

SAMPLE = 20_000
"""The newest events from which the usual time between two is taken."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """One stream. Times are Unix seconds; None when it never had an event."""

    newest_at: int | None = None
    oldest_at: int | None = None
    first_read_at: int | None = None
    """When the oldest event was read."""
    recent: int = 0
    """Events of the last `span` seconds before the newest one."""
    gaps: tuple[int, ...] = ()
    """Seconds between each two of those events that follow each other, rising; of the newest SAMPLE only."""


def traffic(tx: Transaction, organization: str, stream: Stream, span: int, now: int) -> Traffic:
    """What came in `stream`. An event that claims to be of the future does not make the log look alive."""
    table = events.c
    mine = (*_of(organization, stream), table.effective_at <= now)
    times = select(table.effective_at).where(*mine).order_by(table.effective_at.desc())
    newest = tx.execute(times.limit(1)).scalar()
    if newest is None:
        return Traffic()
    first = select(table.effective_at, table.arrived_at).where(*mine).order_by(table.effective_at).limit(1)
    oldest = tx.execute(first).one()
    recent = (*mine, table.effective_at > newest - span)
    number = tx.execute(select(func.count()).select_from(events).where(*recent)).scalar_one()
    newer = tx.execute(times.where(*recent).limit(SAMPLE)).scalars().all()
    gaps = tuple(sorted(later - earlier for later, earlier in pairwise(newer)))
    return Traffic(newest, oldest.effective_at, oldest.arrived_at, number, gaps)


def unheard(tx: Transaction, organization: str, known: Collection[str]) -> dict[Stream, list[str]]:
    """Types of stored events that are not among `known`, by stream."""
    found: dict[Stream, list[str]] = {stream: [] for stream in Stream}
    types = select(events.c.type).where(events.c.organization == organization).distinct()
    for kind in sorted(set(tx.execute(types).scalars()) - set(known)):
        one = select(events.c.stream).where(events.c.organization == organization, events.c.type == kind).limit(1)
        found[Stream(tx.execute(one).scalar_one())].append(kind)
    return found


def _of(organization: str, stream: Stream) -> tuple[ColumnElement[bool], ...]:
    return events.c.organization == organization, events.c.stream == stream
