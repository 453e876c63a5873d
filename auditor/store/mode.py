"""What kind of store there is, for people who check their installation."""

import sqlite3
import stat
from pathlib import Path

from sqlalchemy import make_url, text
from sqlalchemy.exc import ArgumentError

from auditor.store import sqlite
from auditor.store.database import Transaction
from auditor.store.tables import HEAD


def mode_of(tx: Transaction) -> str:
    """`SQLite 3.51.3, journal mode WAL, schema 0001`."""
    if tx.serial:
        journal = tx.execute(text("PRAGMA journal_mode")).scalar_one()
        return f"SQLite {sqlite3.sqlite_version}, journal mode {str(journal).upper()}, schema {HEAD}"
    version = tx.execute(text("SHOW server_version")).scalar_one()
    return f"PostgreSQL {version}, schema {HEAD}"


def file_of(url: str) -> Path | None:
    """The file of an SQLite store, None for any other."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    return sqlite.file_of(parsed) if parsed.get_backend_name() == "sqlite" else None


def readable_by_others(file: Path) -> bool:
    """Whether somebody beside the owner and the group may read the file: it holds names and addresses of people."""
    return bool(file.stat().st_mode & stat.S_IROTH)
