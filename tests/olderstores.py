"""Stores as older versions left them."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from sqlalchemy import make_url

from auditor.store import migrations, postgres, sqlite
from auditor.store.database import Transaction


@contextmanager
def as_of(database_url: str, revision: str) -> Iterator[Transaction]:
    """The empty database as the version with `revision` left it, for what that version wrote."""
    url = make_url(database_url)
    engine = postgres.engine(url) if url.get_backend_name() == "postgresql" else sqlite.engine(url, "the store")
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", migrations.__path__[0])
        config.set_main_option("path_separator", "os")
        command.upgrade(config, revision)
        yield Transaction(connection)
    engine.dispose()
