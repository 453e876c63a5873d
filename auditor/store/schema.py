"""Bringing the schema up to date: in one transaction, so that it is the old one or the new one, never between."""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from auditor.errors import StoreError
from auditor.store.tables import HEAD

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x61756469
"""Key of the lock under which replicas that start together migrate one after the other."""


def migrate(engine: Engine, where: str) -> None:
    """Run the migrations that are missing. Raises StoreError when a newer version of auditor wrote the schema."""
    with engine.begin() as connection:
        if _revision(connection) == HEAD:
            return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # Held by the transaction, not by the session, so that a connection pooler does no harm.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        _upgrade(connection, where)


def _revision(connection: Connection) -> str | None:
    """The revision of the schema; None for a database without one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, where: str) -> None:
    # Importing alembic takes longer than most commands do, and is needed once a version.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    current = _revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise StoreError(
            f"{where} was written by a newer version of auditor (schema {current}, this one knows {HEAD})",
            hint="install that version again, or name another database under `store`",
        )
    command.upgrade(config, "head")
