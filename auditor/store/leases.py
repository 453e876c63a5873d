"""Which messages of the outbox a process takes to send, for a while, and what goes out as one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, exists, func, or_, select, update

from auditor.store.database import DatabaseTime, Transaction, slices
from auditor.store.outbox import Leased, Message, Progress, message_of
from auditor.store.tables import outbox


def lease(
    tx: Transaction,
    sinks: Iterable[str],
    owner: str,
    seconds: float,
    limit: int,
    *,
    apart: bool = False,
    probing: bool = False,
    protected: bool | None = None,
) -> list[Leased]:
    """Take at most `limit` messages that are due for `sinks`, for `seconds`; the longest due first.

    What was sent as one and not confirmed is taken as one, however much that is, and nothing else with it: it may have
    arrived, and must be known again by its id. With `probing` that comes first, due or not: each other message that is
    tried at a sink which answers nothing would have to be repeated by itself, too. Nor is taken together what was
    confirmed in part and what was not, or not so: who has a part already would get it again.

    A message waits while an older one of the same order key is owed to the same sink; with `apart`, while any other of
    its group is on its way. With `protected` true or false only what is protected, or what is not, is taken; what was
    sent as one is protected if any of it is.
    """
    sinks = list(sinks)
    if protected and not _owes_protected(tx, sinks):
        return []
    older = outbox.alias("older")
    owed = exists().where(
        older.c.sink == outbox.c.sink,
        older.c.order_key == outbox.c.order_key,
        older.c.row < outbox.c.row,
        older.c.state == Progress.PENDING,
    )
    sent = outbox.c.batch != ""
    due = or_(outbox.c.due_at <= DatabaseTime(), sent) if probing else outbox.c.due_at <= DatabaseTime()
    mine = _tried().where(outbox.c.sink.in_(sinks), *_unleased(), due, ~owed)
    if protected is not None:
        mine = mine.where(_protected(sinks) if protected else ~_protected(sinks))
    by_age = (outbox.c.due_at, outbox.c.row)
    free = mine.where(~_talked_of()) if apart else mine
    heads = free.where(or_(~sent, ~_follows())).order_by(*((~sent, *by_age) if probing else by_age))
    first = _taken(tx, _locked(heads, 1), owner, seconds)
    if first and first[0].batch:
        return first + _taken(tx, _batch_of(first[0]), owner, seconds)
    if first and limit > 1:
        others = mine.where(~sent, ~_is(first[0].message), _kept_as(first[0].message))
        if apart:
            # Of its group nothing else was on its way before.
            others = others.where(or_(~_talked_of(), outbox.c.group_key == first[0].message.group))
        return first + _taken(tx, _locked(others.order_by(*by_age), limit - 1), owner, seconds)
    return first


def lease_rest(tx: Transaction, first: Leased, owner: str, seconds: float, limit: int) -> list[Leased]:
    """Take at most `limit` of the messages that are to be told with `first`, which was leased in this transaction.

    These are the others of its group that go out at the same time, and were never sent, or confirmed in part as it was;
    none that is protected if it is not. Oldest first.
    """
    message = first.message
    together = (
        outbox.c.sink == message.sink,
        outbox.c.group_key == message.group,
        outbox.c.flush_at == message.flush_at,
        outbox.c.batch == "",
        outbox.c.due_at <= DatabaseTime(),
        ~_is(message),
        _kept_as(message),
        *(() if message.protected else (~outbox.c.protected,)),
    )
    found = tx.execute(_locked(select(outbox.c.row, outbox.c.order_key).where(*together, *_unleased()), limit)).all()
    blocked = _blocked(tx, message, {row.row: row.order_key for row in found})
    free = [row.row for row in found if row.row not in blocked]
    return [
        leased
        for some in slices(free)
        for leased in _taken(tx, _locked(_tried().where(outbox.c.row.in_(some)), len(some)), owner, seconds)
    ]


def bind(tx: Transaction, leased: Sequence[Leased]) -> None:
    """Write down that `leased`, which this transaction took, are sent as one from now on."""
    fresh = [each.message for each in leased if not each.batch]
    for sink in {message.sink for message in fresh}:
        ids = [message.id for message in fresh if message.sink == sink]
        for some in slices(ids):
            mine = outbox.c.sink == sink, outbox.c.id.in_(some)
            tx.execute(update(outbox).where(*mine).values(batch=ids[0]))


def _protected(sinks: Sequence[str]) -> ColumnElement[bool]:
    """Whether it is protected, or was sent as one with what is."""
    mate = outbox.alias("mate")
    mates = mate.c.protected, mate.c.sink.in_(sinks), mate.c.state == Progress.PENDING, mate.c.batch != ""
    return or_(outbox.c.protected, outbox.c.batch.in_(select(mate.c.batch).where(*mates)))


def _owes_protected(tx: Transaction, sinks: Sequence[str]) -> bool:
    """Whether there is any, which an index knows."""
    owed = outbox.c.protected, outbox.c.sink.in_(sinks), outbox.c.state == Progress.PENDING
    return tx.execute(select(outbox.c.row).where(*owed).limit(1)).first() is not None


def _follows() -> ColumnElement[bool]:
    """Whether an older message that it was sent with is owed, too: that is leased, and takes it along."""
    first = outbox.alias("first")
    return exists().where(
        first.c.sink == outbox.c.sink,
        first.c.batch == outbox.c.batch,
        first.c.row < outbox.c.row,
        first.c.state == Progress.PENDING,
    )


def _batch_of(first: Leased) -> Select[Any]:
    """The others that were sent with `first`, locked. None is left out: with others it would be another message."""
    message = first.message
    mates = outbox.c.sink == message.sink, outbox.c.batch == first.batch, outbox.c.id != message.id
    return _tried().where(*mates, *_unleased()).order_by(outbox.c.row).with_for_update(of=outbox)


def _is(message: Message) -> ColumnElement[bool]:
    """Whether it is this one: where the machine slept since it was leased, it is free to be leased already."""
    return and_(outbox.c.sink == message.sink, outbox.c.id == message.id)


def _kept_as(first: Message) -> ColumnElement[bool]:
    """Whether the same was confirmed of it as of `first`: nothing as a rule."""
    its = outbox.alias("its")
    kept = select(func.coalesce(cast(its.c.receipt, Text), "")).where(its.c.id == first.id, its.c.sink == first.sink)
    return func.coalesce(cast(outbox.c.receipt, Text), "") == kept.scalar_subquery()


def _talked_of() -> ColumnElement[bool]:
    """Whether another message of the group is on its way."""
    other = outbox.alias("other")
    return exists().where(
        other.c.sink == outbox.c.sink,
        other.c.group_key == outbox.c.group_key,
        other.c.group_key != "",
        other.c.state == Progress.PENDING,
        other.c.lease_until > DatabaseTime(),
    )


def _blocked(tx: Transaction, first: Message, found: Mapping[int, str]) -> set[int]:
    """The rows of `found` (row to order key) before which something else is owed that is not told with them."""
    blocked: set[int] = set()
    for some in slices(list(set(found.values()))):
        query = select(outbox.c.row, outbox.c.order_key, outbox.c.id).where(
            outbox.c.sink == first.sink, outbox.c.order_key.in_(some), outbox.c.state == Progress.PENDING
        )
        others = [(row.row, row.order_key) for row in tx.execute(query) if row.row not in found and row.id != first.id]
        blocked |= {row for older, key in others for row, mine in found.items() if key == mine and older < row}
    return blocked


def _tried() -> Select[Any]:
    """Messages, and for how long each was tried."""
    return select(outbox, (DatabaseTime() - outbox.c.tried_at).label("tried_for"))


def _unleased() -> tuple[ColumnElement[bool], ...]:
    """What is owed, and on its way by nobody."""
    return (
        outbox.c.state == Progress.PENDING,
        or_(outbox.c.lease_until.is_(None), outbox.c.lease_until <= DatabaseTime()),
    )


def _locked(query: Select[Any], limit: int) -> Select[Any]:
    return query.order_by(outbox.c.row).limit(limit).with_for_update(skip_locked=True, of=outbox)


def _taken(tx: Transaction, locked: Select[Any], owner: str, seconds: float) -> list[Leased]:
    now = DatabaseTime()
    rows = tx.execute(locked).all()
    for some in slices([row.row for row in rows]):
        taken = update(outbox).where(outbox.c.row.in_(some))
        tx.execute(
            taken.values(
                owner=owner,
                lease_until=now + seconds,
                fence=outbox.c.fence + 1,
                attempts=outbox.c.attempts + 1,
                tried_at=func.coalesce(outbox.c.tried_at, now),
            )
        )
    return [
        Leased(
            message_of(row), row.attempts + 1, row.fence + 1, row.batch, float(row.tried_for or 0), row.receipt or {}
        )
        for row in rows
    ]
