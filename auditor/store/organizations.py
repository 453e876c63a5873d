"""Organizations: what is known of each beyond its rows in other tables."""

from dataclasses import dataclass

from sqlalchemy import select

from auditor.store.database import Transaction
from auditor.store.tables import organizations


@dataclass(frozen=True, slots=True)
class Organization:
    """One organization under audit."""

    name: str
    baseline_at: int | None = None
    """Unix seconds of the first run; until then nothing is told one by one."""


def read(tx: Transaction, organization: str) -> Organization:
    """The organization; one that was never seen has no baseline."""
    query = select(organizations.c.baseline_at).where(organizations.c.name == organization)
    return Organization(organization, tx.execute(query).scalar())


def mark_baseline(tx: Transaction, organization: str, at: int) -> None:
    """Remember that the first run was at `at` (Unix seconds)."""
    tx.put(organizations, [{"name": organization, "baseline_at": at}])


def hold(tx: Transaction, organization: str) -> None:
    """Make other transactions that read and then write this organization wait until this one ends.

    What two of them find new must not be new twice. SQLite has one writer anyhow.
    """
    if tx.serial:
        return
    tx.add_new(organizations, [{"name": organization}])
    tx.execute(select(organizations.c.name).where(organizations.c.name == organization).with_for_update())
