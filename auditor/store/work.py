"""What is due, and who does it: one lease for each kind of work of each organization, by the database's clock."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, select, update

from auditor.errors import LeaseLost
from auditor.store.database import DatabaseTime, Transaction
from auditor.store.tables import work


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do one piece of work until it runs out or somebody else takes it over."""

    organization: str
    kind: str
    owner: str
    fence: int
    """Grows with every claim: the writes of whoever holds an older one fail."""
    due_at: int
    """Unix seconds at which the work was due."""


def ensure(tx: Transaction, organization: str, kind: str, due_at: float) -> None:
    """See that this work exists; what is known keeps its time. `due_at` is in Unix seconds."""
    tx.add_new(work, [{"organization": organization, "kind": kind, "due_at": due_at, "fence": 0}])


def claim(
    tx: Transaction, owner: str, organizations: Collection[str], kinds: Collection[str], seconds: float
) -> Lease | None:
    """Lease the most overdue work that nobody holds, for `seconds`; None when there is none."""
    now = DatabaseTime()
    free = or_(work.c.lease_until.is_(None), work.c.lease_until <= now)
    query = (
        select(work.c.organization, work.c.kind, work.c.fence, work.c.due_at)
        .where(work.c.organization.in_(list(organizations)), work.c.kind.in_(list(kinds)), work.c.due_at <= now, free)
        .order_by(work.c.due_at, work.c.organization, work.c.kind)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    lease = Lease(row.organization, row.kind, owner, row.fence + 1, int(row.due_at))
    taken = update(work).where(work.c.organization == lease.organization, work.c.kind == lease.kind)
    tx.execute(taken.values(owner=owner, fence=lease.fence, lease_until=now + seconds))
    return lease


def renew(tx: Transaction, lease: Lease, seconds: float) -> None:
    """Hold the lease for `seconds` from now. Raises LeaseLost when it is another's."""
    _change(tx, lease, lease_until=DatabaseTime() + seconds)


def verify(tx: Transaction, lease: Lease) -> None:
    """Make sure that nobody took the work over, and that nobody can before this transaction ends.

    Call it before the first write. Raises LeaseLost.
    """
    if tx.execute(select(work.c.fence).where(_held(lease)).with_for_update()).one_or_none() is None:
        raise _lost(lease)


def complete(tx: Transaction, lease: Lease, next_due_at: float) -> None:
    """Give the lease back and say when the work is due again (Unix seconds). Raises LeaseLost."""
    _change(tx, lease, due_at=next_due_at, lease_until=None, owner=None)


def _change(tx: Transaction, lease: Lease, **values: object) -> None:
    if tx.execute(update(work).where(_held(lease)).values(values)).rowcount == 0:
        raise _lost(lease)


def _held(lease: Lease) -> ColumnElement[bool]:
    return and_(
        work.c.organization == lease.organization,
        work.c.kind == lease.kind,
        work.c.owner == lease.owner,
        work.c.fence == lease.fence,
    )


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"another process took over the {lease.kind} of {lease.organization}", retryable=True)
