"""How many messages of the outbox are owed, were sent and when: numbers for the pace of a sink, and for people."""

from sqlalchemy import func, or_, select

from auditor.store.database import DatabaseTime, Transaction
from auditor.store.outbox import DIGEST, MARK, Progress
from auditor.store.tables import outbox


def pending(tx: Transaction) -> dict[str, int]:
    """How many messages are owed to each sink that is owed any."""
    owed = select(outbox.c.sink, func.count().label("number")).where(outbox.c.state == Progress.PENDING)
    return {row["sink"]: row["number"] for row in tx.execute(owed.group_by(outbox.c.sink)).mappings()}


def tried_since(tx: Transaction) -> dict[str, int]:
    """Since when, in Unix seconds, what is owed to each sink is tried in vain; sinks that nothing was tried at lack."""
    since = select(outbox.c.sink, func.min(outbox.c.tried_at).label("since"))
    failing = since.where(outbox.c.state == Progress.PENDING, outbox.c.error != "", outbox.c.tried_at.is_not(None))
    return {row["sink"]: int(row["since"]) for row in tx.execute(failing.group_by(outbox.c.sink)).mappings()}


def counts(tx: Transaction, organization: str, since: int) -> dict[tuple[str, Progress], int]:
    """Messages of an organization by sink and progress: those queued since `since`, and older ones still owed.

    A mark that found nothing to mark is no message that was held back.
    """
    query = (
        select(outbox.c.sink, outbox.c.state, func.count().label("number"))
        .where(
            outbox.c.organization == organization,
            or_(outbox.c.created_at >= since, outbox.c.state == Progress.PENDING),
            or_(outbox.c.state != Progress.SUPPRESSED, ~outbox.c.id.startswith(MARK, autoescape=True)),
        )
        .group_by(outbox.c.sink, outbox.c.state)
    )
    return {(row.sink, Progress(row.state)): row.number for row in tx.execute(query)}


def delivered_ages(tx: Transaction, sink: str, seconds: float, *, marks: bool = True) -> list[tuple[float, bool]]:
    """How many seconds ago `sink` confirmed each message of the last `seconds`, oldest first, and if it is protected.

    What went out folded into one digest counts once, as protected if any of it is; without `marks` they do not count.
    """
    age = (DatabaseTime() - outbox.c.settled_at).label("age")
    # A clock that was ahead may have written a time to come.
    recent = outbox.c.settled_at.between(DatabaseTime() - seconds, DatabaseTime())
    confirmed = [outbox.c.sink == sink, outbox.c.state == Progress.DELIVERED, recent]
    if not marks:
        confirmed.append(~outbox.c.id.startswith(MARK, autoescape=True))
    ages: dict[str, tuple[float, bool]] = {}
    columns = outbox.c.id, outbox.c.receipt, outbox.c.protected, age
    for row in tx.execute(select(*columns).where(*confirmed).order_by(age.desc())):
        message = (row.receipt or {}).get(DIGEST, row.id)
        first, protected = ages.get(message, (row.age, False))
        ages[message] = first, protected or row.protected
    return list(ages.values())
