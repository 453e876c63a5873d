"""Bodies by the hash of their content: what is the same in a thousand snapshots is stored once.

They come before the rows that name them, page by page. A body that nobody named within a week came with a snapshot
that was never finished.
"""

import zlib
from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import delete, or_, select, update

from auditor.inventory.bodies import Body
from auditor.store.database import Transaction, slices
from auditor.store.tables import bodies

FRESH = 86_400
"""Seconds for which a body that waits is not renewed when it comes again."""
ABANDONED = 7 * 86_400
"""Seconds after which a body that nobody named is thrown away."""


def stage(tx: Transaction, found: Iterable[Body], now: int) -> None:
    """Store those that are not there yet, to be named later by `keep`. `now` is in Unix seconds."""
    wanted = {body.digest: body for body in found}
    for some in slices(list(wanted)):
        held = or_(bodies.c.staged_at.is_(None), bodies.c.staged_at > now - FRESH)
        for digest in tx.execute(select(bodies.c.sha256).where(bodies.c.sha256.in_(some), held)).scalars():
            del wanted[bytes(digest)]
    # What waits from before is put again, so that it does not grow too old between now and the row that names it.
    # In one order, so that two that store the same do not wait for each other.
    tx.put(bodies, [_row(wanted[digest], now) for digest in sorted(wanted)])


def keep(tx: Transaction, digests: Collection[bytes]) -> None:
    """Name bodies that were staged: from now on they stay."""
    for some in slices(list(digests)):
        tx.execute(
            update(bodies).where(bodies.c.sha256.in_(some), bodies.c.staged_at.is_not(None)).values(staged_at=None)
        )


def add(tx: Transaction, body: Body) -> bytes:
    """Store one that stays, and give its name."""
    tx.add_new(bodies, [_row(body, None)])
    keep(tx, [body.digest])
    return body.digest


def contents(tx: Transaction, digests: Collection[bytes]) -> Mapping[bytes, bytes]:
    """The contents of those that are stored, by digest."""
    found: dict[bytes, bytes] = {}
    for some in slices(list(digests)):
        rows = tx.execute(select(bodies.c.sha256, bodies.c.content).where(bodies.c.sha256.in_(some)))
        found.update((bytes(row.sha256), unpacked(row.content)) for row in rows)
    return found


def forget_abandoned(tx: Transaction, now: int) -> int:
    """Throw away what snapshots that were never finished left behind; returns how many."""
    return tx.execute(delete(bodies).where(bodies.c.staged_at <= now - ABANDONED)).rowcount


def unpacked(content: bytes) -> bytes:
    """What a row of the table holds."""
    return zlib.decompress(content)


def _row(body: Body, staged_at: int | None) -> Mapping[str, object]:
    return {"sha256": body.digest, "content": zlib.compress(body.content, level=6), "staged_at": staged_at}
