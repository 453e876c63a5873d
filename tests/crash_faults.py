"""The same product with a fault planted, to prove that the test which kills it would find the fault."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from auditor.alerts.message import Alert
from auditor.alerts.sink import Context, Receipt, Sink, SinkConfig
from auditor.store import tables
from auditor.store.database import Store, Transaction, Values
from auditor.terms import Status

HASTY = "a message is marked as delivered before it is sent"
TORN = "the watermark is committed before its events"


def sinks(fault: str, sound: Mapping[str, Sink], database: Path) -> Mapping[str, Sink]:
    """The sinks, hasty ones for HASTY."""
    return (
        {name: replace(sink, _send=_hasty(sink, database)) for name, sink in sound.items()} if fault == HASTY else sound
    )


def store(fault: str, sound: Store) -> Store:
    """The store, a torn one for TORN."""
    return _TornStore(sound._engine, sound._where) if fault == TORN else sound


def _hasty(sink: Sink, database: Path) -> Any:
    async def send(_config: SinkConfig, alert: Alert, context: Context) -> Receipt:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as connection:
            connection.execute("UPDATE outbox SET state = 'delivered', lease_until = NULL WHERE id = ?", (alert.id,))
        return await sink.send(alert, context)

    return send


class _TornStore(Store):
    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._engine.begin() as connection:
            yield _TornTransaction(connection)


class _TornTransaction(Transaction):
    def add_new(self, table: Table, rows: Sequence[Values]) -> int:
        if table is tables.events and rows:
            self._advance(rows)
        return super().add_new(table, rows)

    def _advance(self, rows: Sequence[Values]) -> None:
        first = rows[0]
        mark = {"at": max(int(str(row["effective_at"])) for row in rows), "polled_at": first["arrived_at"]}
        place = {"organization": first["organization"], "stream": first["stream"]}
        self.put(tables.watermarks, [{**place, **mark, "status": Status.COMPLETE, "reason": ""}])
        self._connection.exec_driver_sql("COMMIT")
        self._connection.exec_driver_sql("BEGIN IMMEDIATE")
