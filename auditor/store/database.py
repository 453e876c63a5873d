"""Opening the store, and its transactions: everything in one is written, or nothing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Double, Engine, Executable, Table, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from auditor.errors import ConfigError, StoreError
from auditor.store import postgres
from auditor.store import sqlite as sqlite_files
from auditor.store.faults import explained
from auditor.store.schema import migrate

T = TypeVar("T")

Values = Mapping[str, object]
"""One row to write, by the names of its columns."""


class DatabaseTime(FunctionElement[float]):
    """The clock of the database in Unix seconds: hosts may disagree about the time, leases may not."""

    type = Double()
    inherit_cache = True


@compiles(DatabaseTime, "sqlite")
def _sqlite_time(_element: DatabaseTime, _compiler: SQLCompiler, **_options: object) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(DatabaseTime, "postgresql")
def _postgres_time(_element: DatabaseTime, _compiler: SQLCompiler, **_options: object) -> str:
    # Not now(): that is the time at which the transaction began.
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


class Transaction:
    """What the functions of this package write through; it ends with the `with` block of `Store.transaction`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    @property
    def serial(self) -> bool:
        """Whether no other transaction runs beside this one: SQLite has one writer, PostgreSQL many."""
        return self._dialect == "sqlite"

    def execute(self, statement: Executable, rows: Sequence[Values] | None = None) -> CursorResult[Any]:
        """Run a statement, once or for each of `rows`, which must not be empty then."""
        result = self._connection.execute(statement, rows)
        assert isinstance(result, CursorResult)  # noqa: S101 - Core statements give no other; for the type checker
        return result

    def plain(self, query: Executable) -> Sequence[tuple[Any, ...]]:
        """The rows as the driver gives them, in half the time: of columns of texts, numbers and bytes alone."""
        rows = self.execute(query)
        assert rows.cursor is not None  # noqa: S101 - a query has rows; for the type checker
        found: Sequence[tuple[Any, ...]] = rows.cursor.fetchall()
        rows.close()
        return found

    def add_new(self, table: Table, rows: Sequence[Values]) -> int:
        """Insert the rows whose keys are not there yet; returns how many those were."""
        if not rows:
            return 0
        insert = self._insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
        return self.execute(insert, rows).rowcount

    def put(self, table: Table, rows: Sequence[Values]) -> None:
        """Insert the rows, each in place of the one with the same primary key."""
        if not rows:
            return
        insert = self._insert(table)
        keys = list(table.primary_key.columns)
        others = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
        self.execute(insert.on_conflict_do_update(index_elements=keys, set_=others), rows)

    def _insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        return sqlite.insert(table) if self._dialect == "sqlite" else postgresql.insert(table)


class Store:
    """One open database; its methods may be called from any thread."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction: committed when the block ends, rolled back when it raises. Not to be nested.

        Raises StoreError, `retryable` when the same block may go through later.
        """
        with explained(self._where), self._engine.begin() as connection:
            yield Transaction(connection)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_store(url: str, *, make: bool = True) -> Store:
    """The store at `url` (`sqlite:///auditor.db`, `postgresql://user@host/name`), its schema brought up to date.

    An SQLite file that is missing is made, or without `make` refused: to who only reads, an empty store would answer
    that nothing was ever found. Raises ConfigError then, and StoreError with a hint when the store cannot be opened or
    was written by a newer version.
    """
    parsed = _parsed(url)
    where = parsed.render_as_string(hide_password=True)
    file = sqlite_files.file_of(parsed) if _is_sqlite(parsed) else None
    if not make and file is not None and not file.exists():
        hint = "`auditor run` and `auditor check` make it; a relative path in `store` starts at the working directory"
        raise ConfigError(f"there is no store yet: {file.absolute()} does not exist", hint=hint)
    engine = sqlite_files.engine(parsed, where) if _is_sqlite(parsed) else postgres.engine(parsed)
    try:
        with explained(where):
            migrate(engine, where)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, where)


def slices(items: Sequence[T], size: int = 5000) -> Iterator[Sequence[T]]:
    """`items` in parts that one statement can carry: both databases bound the number of its parameters."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _parsed(url: str) -> URL:
    hint = "for example sqlite:///auditor.db, or postgresql://auditor@db.example.com/auditor"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The text may hold a password, so it is not repeated.
        raise StoreError("`store` is not the URL of a database", hint=hint) from None
    if parsed.drivername not in {"sqlite", "postgresql", "postgres", "postgresql+psycopg"}:
        raise StoreError(f"`store` names a kind of database that is not supported: {parsed.drivername}", hint=hint)
    return parsed.set(drivername="postgresql") if parsed.drivername == "postgres" else parsed
