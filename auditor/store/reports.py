"""Reports that were written, with the hash that proves each unchanged."""

from dataclasses import asdict, dataclass

from sqlalchemy import select

from auditor.store.database import Transaction
from auditor.store.tables import reports


@dataclass(frozen=True, slots=True)
class StoredReport:
    """One report of one period."""

    organization: str
    period: str
    """`2026-W05`."""
    created_at: int
    """Unix seconds."""
    path: str
    sha256: str


def add(tx: Transaction, organization: str, period: str, created_at: int, path: str, sha256: str) -> None:
    """Remember a report; the one of the same period is replaced, as its file was."""
    tx.put(reports, [asdict(StoredReport(organization, period, created_at, path, sha256))])


def listing(tx: Transaction, organization: str) -> list[StoredReport]:
    """The reports of an organization, newest first."""
    query = select(reports).where(reports.c.organization == organization).order_by(reports.c.created_at.desc())
    return [StoredReport(**row) for row in tx.execute(query).mappings()]
