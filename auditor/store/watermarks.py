"""Up to where each audit-log stream was read."""

from dataclasses import asdict, dataclass

from sqlalchemy import select

from auditor.store.database import Transaction
from auditor.store.tables import watermarks
from auditor.terms import Status, Stream


@dataclass(frozen=True, slots=True)
class Watermark:
    """Where the reading of a stream stands. Times are Unix seconds."""

    at: int | None
    """The newest event that was stored; None while there was none."""
    polled_at: int
    """When it was last tried."""
    status: Status
    """How the last try ended."""
    reason: str
    """Why it did not end well, empty when it did."""


def read(tx: Transaction, organization: str, stream: Stream) -> Watermark | None:
    """The watermark of a stream, None before the first try."""
    table = watermarks.c
    query = select(table.at, table.polled_at, table.status, table.reason).where(
        table.organization == organization, table.stream == stream
    )
    row = tx.execute(query).one_or_none()
    return Watermark(row.at, row.polled_at, Status(row.status), row.reason) if row else None


def write(tx: Transaction, organization: str, stream: Stream, watermark: Watermark) -> None:
    """Replace the watermark of a stream."""
    tx.put(watermarks, [{"organization": organization, "stream": stream, **asdict(watermark)}])
