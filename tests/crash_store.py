"""The store of a daemon that is killed, looked at from outside: whether there is work, and time that passes for it."""

import sqlite3
import time

from auditor.jobs.schedule import KINDS


def end_leases(database: sqlite3.Connection, living: str = "") -> None:
    """As if the machine had been off for a while: all leases end but those of the process `living`."""
    for table in ("work", "outbox"):
        ended = f"UPDATE {table} SET lease_until = 0 WHERE lease_until IS NOT NULL AND owner IS NOT ?"  # noqa: S608
        database.execute(ended, (living,))


def make_due(database: sqlite3.Connection) -> None:
    """As if all work had waited for its time until now."""
    database.execute("UPDATE work SET due_at = 0")


def owe(database: sqlite3.Connection) -> None:
    """As if nothing of what was queued had been sent."""
    database.execute("UPDATE outbox SET state = 'pending', attempts = 0, receipt = NULL, settled_at = NULL")


def is_busy(database: sqlite3.Connection) -> bool:
    """Whether work is due or under way, or a message is not settled."""
    busy = """
        SELECT (SELECT count(*) FROM work) < ?
            OR EXISTS (SELECT 1 FROM work WHERE lease_until IS NOT NULL OR due_at <= ?)
            OR EXISTS (SELECT 1 FROM outbox WHERE state = 'pending')
    """
    (answer,) = database.execute(busy, (len(KINDS), time.time())).fetchone()
    return bool(answer)
