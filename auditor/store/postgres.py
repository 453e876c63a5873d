"""PostgreSQL as this program uses it: through psycopg 3, safe behind a connection pooler, no wait without an end."""

from sqlalchemy import URL, Connection, Engine, create_engine, event

from auditor.errors import StoreError

LOCK_WAIT = 15
"""Seconds to wait for a row that another transaction holds."""


def engine(url: URL) -> Engine:
    """The engine of a PostgreSQL database; nothing is connected yet. Raises StoreError when psycopg is missing."""
    try:
        made = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_timeout=LOCK_WAIT,
            connect_args={
                "connect_timeout": 10,
                "application_name": "auditor",
                # A pooler may hand the next transaction another session, which knows no prepared statement.
                "prepare_threshold": None,
            },
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            "PostgreSQL needs the package psycopg", hint="pip install 'openai-org-auditor[postgres]'"
        ) from error

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(LOCK_WAIT * 1000)}")

    return made
