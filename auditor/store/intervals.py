"""Which seconds of each audit-log stream were proven read: the ledger behind every claim that nothing was missed."""

from sqlalchemy import delete, select

from auditor.store.database import Transaction
from auditor.store.tables import intervals
from auditor.terms import Stream

Interval = tuple[int, int]
"""Unix seconds, the second one not included."""


def prove(tx: Transaction, organization: str, stream: Stream, proven: Interval) -> None:
    """Add what a complete walk covered; intervals that overlap or touch become one.

    An empty one says that a walk ended there and found nothing older. The caller holds the organization, so that no
    other process merges at the same time. One that ends before it begins, because a clock was set back, says nothing.
    """
    since, until = proven
    if until < since:
        return
    table = intervals.c
    mine = (table.organization == organization, table.stream == stream)
    touching = (*mine, table.since <= until, table.until >= since)
    for known in tx.execute(select(table.since, table.until).where(*touching)):
        since, until = min(since, known.since), max(until, known.until)
    tx.execute(delete(intervals).where(*touching))
    tx.put(intervals, [{"organization": organization, "stream": stream, "since": since, "until": until}])


def read(tx: Transaction, organization: str, stream: Stream) -> tuple[Interval, ...]:
    """All intervals of a stream, oldest first; between each two of them lies a hole."""
    table = intervals.c
    query = (
        select(table.since, table.until)
        .where(table.organization == organization, table.stream == stream)
        .order_by(table.since)
    )
    return tuple((row.since, row.until) for row in tx.execute(query))
