"""Messages on their way to sinks: written with what they tell of, and settled once their sink confirmed them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, and_, select, update

from auditor.errors import LeaseLost
from auditor.store.database import DatabaseTime, Transaction, slices
from auditor.store.tables import outbox


class Progress(StrEnum):
    """How far a message got."""

    PENDING = "pending"
    DELIVERED = "delivered"
    """The sink confirmed it."""
    DEAD = "dead"
    """Given up."""
    SUPPRESSED = "suppressed"
    """Held back by a silence, a mute time or an inhibition; for good once it is settled."""


MARK = "mark/"
"""How the id of a message begins that only marks, where it was told, what people here decided: no news."""
DIGEST = "digest"
"""In the receipt of a message that went out folded into another one: the id of that one."""
SINCE = "since"
"""In what is kept of a message: since when the rest is waited for, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Message:
    """One alert for one sink."""

    id: str
    """Idempotency key: the same for all sinks and on every try."""
    organization: str
    sink: str
    alert: bytes
    created_at: int
    """Unix seconds, like `due_at`."""
    due_at: float
    order_key: str = ""
    """What it is about: messages of one key reach a sink in the order of their writing. Empty for the message's id."""
    group: str = ""
    """Those of one group with the same `flush_at` are told in one message. Empty for a message of its own."""
    flush_at: float | None = None
    """When the group is told; unlike `due_at` it stays as it is when the message is tried again."""
    protected: bool = False
    """Whether it is leased apart from what is not, so that none of that holds it up."""


@dataclass(frozen=True, slots=True)
class Leased:
    """A message that this process may send until its lease ends."""

    message: Message
    attempts: int
    """Tries so far, this one included."""
    fence: int
    """Grows with every lease: what whoever holds an older one says of the message is refused."""
    batch: str
    """What it was sent with before, as `bind` named it, and may have arrived with; empty when it was never sent."""
    tried_for: float
    """Seconds since it was first tried, on the clock of the database."""
    kept: Mapping[str, Any]
    """What an earlier try confirmed of it, as `postpone` was told."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as it stands, for people."""

    message: Message
    state: Progress
    attempts: int
    error: str
    """What the last failure was, empty for none."""
    receipt: dict[str, Any] | None
    """What the sink confirmed with; of a message that is not delivered, what it confirmed of a part."""
    settled_at: int | None
    """Unix seconds at which it was delivered or given up."""


def add(tx: Transaction, messages: Sequence[Message]) -> int:
    """Queue messages; one that was queued for its sink before is left as it is. Returns how many were not."""
    rows: list[dict[str, object]] = [
        {
            "id": message.id,
            "organization": message.organization,
            "sink": message.sink,
            "order_key": message.order_key or message.id,
            "alert": message.alert,
            "created_at": message.created_at,
            "due_at": message.due_at,
            "state": Progress.PENDING,
            "attempts": 0,
            "fence": 0,
            "error": "",
            "group_key": message.group,
            "flush_at": message.flush_at,
            "protected": message.protected,
        }
        for message in messages
    ]
    return sum(tx.add_new(outbox, some) for some in slices(rows))


def settle(tx: Transaction, leased: Leased, receipt: dict[str, Any]) -> None:
    """The sink confirmed the message with `receipt` (JSON values). Raises LeaseLost."""
    _change(tx, leased, state=Progress.DELIVERED, receipt=receipt, error="", settled_at=DatabaseTime(), batch="")


def postpone(
    tx: Transaction, leased: Leased, seconds: float, error: str, kept: Mapping[str, Any] | None = None
) -> None:
    """The message was not confirmed, or only what is `kept` of it; it is due again in `seconds`. Raises LeaseLost."""
    confirmed = {"receipt": dict(kept)} if kept else {}
    _change(tx, leased, due_at=DatabaseTime() + seconds, error=error, **confirmed)


def keep(tx: Transaction, leased: Leased, kept: Mapping[str, Any]) -> None:
    """Of the message, which is still on its way, what is `kept` was confirmed so far. Raises LeaseLost."""
    _write(tx, leased, receipt=dict(kept))


def unbind(tx: Transaction, leased: Leased, error: str) -> None:
    """What the message was sent with was refused for good; it is due at once, in other company. Raises LeaseLost."""
    _change(tx, leased, due_at=DatabaseTime(), error=error, batch="")


def give_back(tx: Transaction, leased: Leased) -> None:
    """The message is not tried now, and is due as before. Raises LeaseLost."""
    before = {} if leased.attempts > 1 else {"tried_at": None}
    _change(tx, leased, attempts=leased.attempts - 1, **before)


def bury(tx: Transaction, leased: Leased, error: str) -> None:
    """The message is given up, and stays in the listing. Raises LeaseLost."""
    _change(tx, leased, state=Progress.DEAD, error=error, settled_at=DatabaseTime(), batch="")


def suppress(tx: Transaction, leased: Leased, reason: str, *, final: bool) -> None:
    """The message is held back, for good when `final`. Raises LeaseLost."""
    _change(tx, leased, state=Progress.SUPPRESSED, error=reason, settled_at=DatabaseTime() if final else None)


def listing(
    tx: Transaction,
    state: Progress | str | None = None,
    limit: int = 100,
    *,
    organization: str | None = None,
    sinks: Collection[str] | None = None,
) -> list[Entry]:
    """The newest messages, newest first."""
    query: Select[Any] = select(outbox)
    if state is not None:
        query = query.where(outbox.c.state == state)
    if organization is not None:
        query = query.where(outbox.c.organization == organization)
    if sinks is not None:
        query = query.where(outbox.c.sink.in_(list(sinks)))
    return [_entry(row) for row in tx.execute(query.order_by(outbox.c.row.desc()).limit(limit))]


def of_rows(tx: Transaction, rows: Sequence[int]) -> list[Entry]:
    """The messages in `rows`, oldest first."""
    return [
        _entry(row)
        for some in slices(sorted(rows))
        for row in tx.execute(select(outbox).where(outbox.c.row.in_(some)).order_by(outbox.c.row))
    ]


def is_queued(tx: Transaction, id_: str) -> bool:
    """Whether a message of this id was queued for some sink, whatever became of it."""
    return tx.execute(select(outbox.c.row).where(outbox.c.id == id_).limit(1)).first() is not None


def _change(tx: Transaction, leased: Leased, **values: object) -> None:
    _write(tx, leased, owner=None, lease_until=None, **values)


def _write(tx: Transaction, leased: Leased, **values: object) -> None:
    message = leased.message
    mine = and_(
        outbox.c.id == message.id,
        outbox.c.sink == message.sink,
        outbox.c.fence == leased.fence,
        outbox.c.lease_until.is_not(None),
        outbox.c.state == Progress.PENDING,
    )
    changed = tx.execute(update(outbox).where(mine).values(**values)).rowcount
    if changed == 0:
        raise LeaseLost(f"another process took over message {message.id} to {message.sink}", retryable=True)


def message_of(row: Row[Any]) -> Message:
    """The message in a row of the outbox."""
    return Message(
        id=row.id,
        organization=row.organization,
        sink=row.sink,
        alert=bytes(row.alert),
        created_at=row.created_at,
        due_at=row.due_at,
        order_key=row.order_key,
        group=row.group_key,
        flush_at=row.flush_at,
        protected=row.protected,
    )


def _entry(row: Row[Any]) -> Entry:
    settled_at = None if row.settled_at is None else int(row.settled_at)
    return Entry(message_of(row), Progress(row.state), row.attempts, row.error, row.receipt, settled_at)
