"""Messages that were given up, and their second chance."""

from collections.abc import Collection

from sqlalchemy import and_, exists, or_, select

from auditor.store import held, outbox
from auditor.store.database import DatabaseTime, Transaction, slices
from auditor.store.outbox import Entry, Progress
from auditor.store.tables import outbox as messages


def revive(
    tx: Transaction, sinks: Collection[str], ids: Collection[str] | None = None
) -> tuple[list[Entry], list[Entry]]:
    """Put messages to `sinks` that were given up back, of `ids` or all: owed since now, and never tried.

    Those about one thing keep the order of their writing. What was overtaken stays as it is: something newer about the
    same thing was confirmed, or is on its way. Returns both as they stand then: put back, overtaken; oldest first.
    """
    given_up = [messages.c.state == Progress.DEAD, messages.c.sink.in_(list(sinks))]
    if ids is not None:
        given_up.append(messages.c.id.in_(list(ids)))
    newer = messages.alias("newer")
    on_its_way = and_(newer.c.state == Progress.PENDING, newer.c.lease_until > DatabaseTime())
    overtaken = exists().where(
        newer.c.sink == messages.c.sink,
        newer.c.order_key == messages.c.order_key,
        newer.c.row > messages.c.row,
        or_(newer.c.state == Progress.DELIVERED, on_its_way),
    )
    query = select(messages.c.row, overtaken.label("overtaken")).where(*given_up).with_for_update(of=messages)
    found = {row.row: row.overtaken for row in tx.execute(query.order_by(messages.c.row))}
    back = [row for row, late in found.items() if not late]
    at = held.now(tx)
    for some in slices(back):
        held.renew(tx, [messages.c.row.in_(some)], at)
    return outbox.of_rows(tx, back), outbox.of_rows(tx, [row for row, late in found.items() if late])
