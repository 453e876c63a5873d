"""SQLite as this program uses it: durable, one connection a process, every transaction a writer from its start."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

from auditor.errors import StoreError

BUSY = 15
"""Seconds to wait for another process, or for another thread of this one, before giving up."""


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this version of SQLite has the fix of the WAL-reset bug, which can corrupt a database.

    Fixed in 3.51.3 and in the maintenance versions 3.50.7 and 3.44.6: https://www.sqlite.org/wal.html#walresetbug
    """
    if version[:2] in {(3, 44), (3, 50)}:
        return version[2] >= {44: 6, 50: 7}[version[1]]
    return version >= (3, 51, 3)


def engine(url: URL, where: str) -> Engine:
    """The engine of an SQLite file, which is made, readable for its owner only, when it is missing.

    Raises StoreError when the file's directory is missing or cannot be written.
    """
    _make_file(url, where)
    # One connection: threads queue for it in their order, instead of polling for the lock of the file.
    made = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=BUSY,
        connect_args={"check_same_thread": False, "timeout": BUSY},
    )
    journal = "WAL" if wal_is_safe(sqlite3.sqlite_version_info) else "DELETE"

    @event.listens_for(made, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        # The driver begins nothing of its own; what begins, begins below.
        connection.isolation_level = None
        for pragma in ("foreign_keys = ON", "synchronous = FULL", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        (mode,) = connection.execute(f"PRAGMA journal_mode = {journal}").fetchone()
        if journal == "DELETE" and mode == "wal":
            raise StoreError(
                f"{where} is in WAL mode, which this SQLite {sqlite3.sqlite_version} may corrupt",
                hint="stop what else has it open, or install SQLite 3.51.3 or later",
            )

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that starts as a reader may fail when it comes to write; this one waits here, or not at all.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return made


def file_of(url: URL) -> Path | None:
    """The file of a store, None for one in memory."""
    name = url.database or ":memory:"
    return None if name == ":memory:" or name.startswith("file:") else Path(name)


def _make_file(url: URL, where: str) -> None:
    file = file_of(url)
    if file is None:
        return
    if not file.parent.is_dir():
        raise StoreError(f"{where}: the directory {file.parent} does not exist", hint="create it, or change `store`")
    if file.exists():
        return
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(
            f"{where} cannot be made: {error.strerror}", hint="check the owner and the mode of its directory"
        ) from error
