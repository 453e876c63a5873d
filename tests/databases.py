"""Fresh databases: with `database_url` or `store` a test runs on SQLite and on PostgreSQL, with `sqlite_url` on SQLite.

Use it with `pytest_plugins = ["databases"]`. The PostgreSQL server is a cluster of its own in a temporary directory,
on a Unix socket only; without the server's programs its tests are skipped.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.exc import OperationalError

from auditor.store.database import Store, open_store
from auditor.store.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a fresh, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/auditor.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An open store of each kind."""
    opened = open_store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of an SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path}/auditor.db"


@pytest.fixture
def postgres_url(postgres_server: str, request: pytest.FixtureRequest) -> str:
    """URL of an empty PostgreSQL database. It is emptied for each test, which takes a tenth of making one.

    For a test that takes `store` its tables may be there already, without a row, which takes a tenth of that.
    """
    _run(postgres_server, _DISCONNECT)
    if "store" in request.fixturenames and _tables(postgres_server) == {*metadata.tables, "alembic_version"}:
        _run(postgres_server, f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY")
    else:
        _run(postgres_server, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return postgres_server


_DISCONNECT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres' AND pid != pg_backend_pid()"
)


def _tables(url: str) -> set[str]:
    engine = _engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a database on a server that lives as long as the tests."""
    pytest.importorskip("psycopg")
    programs = _programs()
    if programs is None:
        pytest.skip("the programs of a PostgreSQL server are not installed")
    # Short: the path of a Unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        data = f"{folder}/data"
        initdb = [str(programs / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*_as_postgres(), *initdb], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        serve = [str(programs / "postgres"), "-D", data, "-k", folder, "-h", "", "-F"]
        with subprocess.Popen([*_as_postgres(), *serve], cwd=folder, stderr=subprocess.DEVNULL) as server:
            url = f"postgresql://postgres@/postgres?host={folder}"
            try:
                _wait_for(url, server)
                yield url
            finally:
                server.send_signal(signal.SIGINT)  # a fast shutdown: open connections are ended


def _programs() -> Path | None:
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    # Debian keeps the programs of each version beside the path.
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: int(file.parts[-3]))
    return found[-1].parent if found else None


def _as_postgres() -> list[str]:
    """The server refuses to run as root, and must not outlive tests that are killed."""
    user = ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *user, "--pdeathsig", "QUIT", "--"]


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 30
    while True:
        try:
            return _run(url, "SELECT 1")
        except OperationalError:
            assert server.poll() is None, "the PostgreSQL server ended"
            assert time.monotonic() < until, "the PostgreSQL server does not answer"
            time.sleep(0.05)


def _engine(url: str) -> Engine:
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")


def _run(url: str, *statements: str) -> None:
    engine = _engine(url)
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
