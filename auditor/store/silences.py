"""Silences: who asked that which alerts are not sent, why, and until when."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, update

from auditor.store.database import Transaction
from auditor.store.tables import silences

Matchers = Mapping[str, Any]
"""A matcher as it is written: each key with the values that are taken, and below `not` those that are not."""


class Phase(StrEnum):
    """Where a silence stands."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence. Times are Unix seconds."""

    id: str
    matchers: Matchers
    author: str
    comment: str
    created_at: int
    starts_at: int
    ends_at: int

    def phase(self, now: float) -> Phase:
        """Where it stands at `now`."""
        if now >= self.ends_at:
            return Phase.EXPIRED
        return Phase.ACTIVE if now >= self.starts_at else Phase.PENDING


def add(
    tx: Transaction, matchers: Matchers, author: str, comment: str, *, now: int, starts_at: int, ends_at: int
) -> Silence:
    """Write a new silence and return it."""
    made = Silence(secrets.token_hex(4), matchers, author, comment, now, starts_at, ends_at)
    row = {
        "id": made.id,
        "matchers": dict(matchers),
        "author": author,
        "comment": comment,
        "created_at": now,
        "starts_at": starts_at,
        "ends_at": ends_at,
    }
    tx.put(silences, [row])
    return made


def active(tx: Transaction, now: float) -> list[Silence]:
    """Those in force at `now` (Unix seconds), the oldest first."""
    query = select(silences).where(silences.c.starts_at <= now, silences.c.ends_at > now)
    return [_silence(row) for row in tx.execute(query.order_by(silences.c.created_at, silences.c.id))]


def listing(tx: Transaction) -> list[Silence]:
    """All of them, the newest first."""
    return [_silence(row) for row in tx.execute(select(silences).order_by(silences.c.created_at.desc(), silences.c.id))]


def expire(tx: Transaction, name: str, now: int) -> bool:
    """End the silence at `now`; one that has not begun never does. False when there is none that still lasts."""
    mine = update(silences).where(silences.c.id == name, silences.c.ends_at > now)
    return tx.execute(mine.values(ends_at=now)).rowcount == 1


def _silence(row: Row[Any]) -> Silence:
    return Silence(
        row.id, row.matchers, row.author, row.comment, int(row.created_at), int(row.starts_at), int(row.ends_at)
    )
