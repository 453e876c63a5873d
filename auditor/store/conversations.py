"""Messages that sinks keep up to date: where each is, and how it stands."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select

from auditor.store.database import Transaction, slices
from auditor.store.tables import conversations


@dataclass(frozen=True, slots=True)
class Stored:
    """One conversation."""

    sink: str
    key: str
    """What belongs together in it: a group of the outbox, or a finding."""
    organization: str
    place: Mapping[str, str]
    """Where its message is, in the words of the sink."""
    began_at: int
    """Unix seconds."""
    state: bytes


def read(tx: Transaction, sink: str, keys: Collection[str]) -> dict[str, Stored]:
    """The conversations of `keys` that there are, by key. No other transaction changes them before this one ends."""
    found: dict[str, Stored] = {}
    for some in slices(sorted(keys)):
        query = select(conversations).where(conversations.c.sink == sink, conversations.c.key.in_(some))
        rows = tx.execute(query.order_by(conversations.c.key).with_for_update()).mappings()
        found |= {row["key"]: _stored(row) for row in rows}
    return found


def save(tx: Transaction, one: Stored) -> None:
    """Write a conversation in place of the one with its key."""
    row = {name: getattr(one, name) for name in ("sink", "key", "organization", "place", "began_at", "state")}
    tx.put(conversations, [row])


def drop(tx: Transaction, sink: str, key: str) -> None:
    """Forget a conversation that is over."""
    tx.execute(delete(conversations).where(conversations.c.sink == sink, conversations.c.key == key))


def drop_old(tx: Transaction, sink: str, before: int) -> None:
    """Forget those that began before `before` (Unix seconds): nobody looks at such a message any more."""
    tx.execute(delete(conversations).where(conversations.c.sink == sink, conversations.c.began_at < before))


def _stored(row: Mapping[Any, Any]) -> Stored:
    return Stored(**{**row, "state": bytes(row["state"])})
