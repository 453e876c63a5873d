"""Opening a database: made safely, brought up to date or refused, and every failure told with a next step."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, make_url, text

import auditor.store
from auditor.errors import StoreError
from auditor.store import organizations, outbox, tally
from auditor.store.database import Store, open_store
from auditor.store.outbox import Message
from auditor.store.sqlite import wal_is_safe
from auditor.store.tables import HEAD, metadata

pytest_plugins = ["databases"]

MIGRATIONS = Path(auditor.store.__file__).parent / "migrations"


def refusal(url: str) -> StoreError:
    with pytest.raises(StoreError) as caught:
        open_store(url).close()
    assert caught.value.hint
    return caught.value


def engine_of(url: str) -> Engine:
    parsed = make_url(url)
    return create_engine(parsed.set(drivername=parsed.drivername.replace("postgresql", "postgresql+psycopg")))


def run_sql(url: str, *statements: str) -> None:
    engine = engine_of(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = open_store(sqlite_url)
    yield store
    store.close()


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 46, 1), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_wal_is_used_only_where_its_bug_is_mended(version: tuple[int, int, int], safe: bool) -> None:
    assert wal_is_safe(version) is safe


def test_a_file_is_durable_and_read_by_its_owner_only(store: Store, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "auditor.db").stat().st_mode) == 0o600
    with store.transaction() as tx:
        pragmas = {name: tx.execute(text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "foreign_keys")}
        mode = tx.execute(text("PRAGMA journal_mode")).scalar()
    assert pragmas == {"synchronous": 2, "foreign_keys": 1}
    assert mode == ("wal" if wal_is_safe(sqlite3.sqlite_version_info) else "delete")


@pytest.mark.skipif(wal_is_safe(sqlite3.sqlite_version_info), reason="this SQLite is safe in WAL mode")
def test_a_file_in_wal_mode_is_brought_back_to_safety(tmp_path: Path, sqlite_url: str) -> None:
    with sqlite3.connect(tmp_path / "auditor.db") as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    open_store(sqlite_url).close()
    with sqlite3.connect(tmp_path / "auditor.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_the_migrations_make_exactly_the_tables_of_the_program(database_url: str) -> None:
    open_store(database_url).close()
    engine = engine_of(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_opening_again_keeps_what_is_there(database_url: str) -> None:
    for expected in (None, 42):
        store = open_store(database_url)
        with store.transaction() as tx:
            assert organizations.read(tx, "acme").baseline_at == expected
            organizations.mark_baseline(tx, "acme", 42)
        store.close()


def test_several_that_open_at_once_migrate_once(database_url: str) -> None:
    errors: list[BaseException] = []

    def open_it() -> None:
        try:
            open_store(database_url).close()
        except BaseException as error:  # noqa: BLE001 - every failure of a thread fails the test
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_schema_of_a_newer_version_is_refused(database_url: str) -> None:
    open_store(database_url).close()
    run_sql(database_url, "UPDATE alembic_version SET version_num = '9999'")
    error = refusal(database_url)
    assert "newer version of auditor (schema 9999" in error.message
    assert "install that version" in error.hint


def test_a_migration_that_fails_leaves_nothing(database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE reports (mine INTEGER)")
    refusal(database_url)
    run_sql(database_url, "DROP TABLE reports")
    open_store(database_url).close()


def test_a_database_named_by_nonsense_is_refused_without_repeating_it() -> None:
    for url in ("", "auditor.db", "nonsense://", "mysql://root:hunter22@db/x", "postgresql://a:hunter22@host:port/x"):
        error = refusal(url)
        assert "hunter22" not in error.message + error.hint
        assert "sqlite:///auditor.db" in error.hint


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    error = refusal(f"sqlite:///{tmp_path}/none/auditor.db")
    assert f"{tmp_path}/none does not exist" in error.message


def test_a_directory_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be opened" in refusal(f"sqlite:///{tmp_path}").message


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, sqlite_url: str) -> None:
    (tmp_path / "auditor.db").write_text("these are my notes\n" * 100)
    assert "not an SQLite database" in refusal(sqlite_url).message
    assert (tmp_path / "auditor.db").read_text() == "these are my notes\n" * 100


def test_a_damaged_file_is_refused(tmp_path: Path, sqlite_url: str) -> None:
    open_store(sqlite_url).close()
    file = tmp_path / "auditor.db"
    file.write_bytes(file.read_bytes()[:100] + b"\xff" * 8000)
    assert "damaged" in refusal(sqlite_url).message


def test_a_read_only_database_is_told(tmp_path: Path, sqlite_url: str) -> None:
    open_store(sqlite_url).close()
    store = open_store(f"sqlite:///file:{tmp_path}/auditor.db?mode=ro&uri=true")
    with pytest.raises(StoreError, match="read-only"), store.transaction() as tx:
        organizations.mark_baseline(tx, "acme", 42)
    store.close()


def test_another_program_that_holds_the_file_is_an_error_that_may_pass(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.store.sqlite.BUSY", 0.1)
    store = open_store(sqlite_url)
    other = sqlite3.connect(tmp_path / "auditor.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked") as caught, store.transaction():
        pass
    assert caught.value.retryable
    other.execute("ROLLBACK")
    other.close()
    with store.transaction(), pytest.raises(StoreError, match="no connection became free"), store.transaction():
        pass
    with store.transaction() as tx:
        assert organizations.read(tx, "acme").baseline_at is None
    store.close()


def fill(store: Store, start: int) -> None:
    with store.transaction() as tx:
        outbox.add(tx, [Message(f"m{start + n}", "acme", "slack", b"x" * 1000, 1, 1) for n in range(1000)])


def test_a_full_disk_loses_nothing_that_was_written_and_work_resumes(store: Store) -> None:
    fill(store, 0)
    with store.transaction() as tx:
        pages = tx.execute(text("PRAGMA page_count")).scalar_one()
        tx.execute(text(f"PRAGMA max_page_count = {pages + 20}"))
    with pytest.raises(StoreError, match="the disk is full") as caught:
        fill(store, 1000)
    assert caught.value.retryable
    with store.transaction() as tx:
        assert tally.pending(tx) == {"slack": 1000}
        tx.execute(text("PRAGMA max_page_count = 1000000"))
    fill(store, 1000)
    with store.transaction() as tx:
        assert tally.pending(tx) == {"slack": 2000}
        assert tx.execute(text("PRAGMA integrity_check")).scalar() == "ok"


LIMITED = """
    import resource, signal, sys
    from auditor.errors import StoreError
    from auditor.store import outbox, tally
    from auditor.store.database import open_store
    from auditor.store.outbox import Message
    store = open_store(sys.argv[1])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    for start in range(0, 9000, 50):
        try:
            with store.transaction() as tx:
                outbox.add(tx, [Message(f"m{start + n}", "acme", "slack", b"x" * 1000, 1, 1) for n in range(50)])
        except StoreError as error:
            print(start, error.retryable, error.message, flush=True)
            break
    with store.transaction() as tx:
        print(tally.pending(tx)["slack"])
"""


def test_a_file_that_may_not_grow_keeps_what_was_committed(sqlite_url: str) -> None:
    program = [sys.executable, "-c", textwrap.dedent(LIMITED), sqlite_url]
    told, kept = subprocess.run(program, capture_output=True, text=True, check=True).stdout.splitlines()
    written, retryable, message = told.split(" ", 2)
    assert (retryable, kept) == ("True", written)
    assert "disk" in message
    store = open_store(sqlite_url)
    with store.transaction() as tx:
        assert tally.pending(tx) == {"slack": int(kept)}
    store.close()


WRITER = """
    import sys
    from auditor.store import outbox
    from auditor.store.database import open_store
    from auditor.store.outbox import Message
    store = open_store(sys.argv[1])
    for number in range(100_000):
        with store.transaction() as tx:
            outbox.add(tx, [Message(f"{number}-{n}", "acme", "slack", b"x" * 500, 1, 1) for n in range(10)])
        print(number, flush=True)
"""


@pytest.mark.parametrize("milliseconds", [5, 40, 120])
def test_kill_9_between_any_writes_keeps_whole_transactions(sqlite_url: str, milliseconds: int) -> None:
    program = [sys.executable, "-c", textwrap.dedent(WRITER), sqlite_url]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        confirmed = [writer.stdout.readline()]
        time.sleep(milliseconds / 1000)
        os.kill(writer.pid, signal.SIGKILL)
        confirmed += writer.stdout.readlines()
    store = open_store(sqlite_url)
    with store.transaction() as tx:
        kept = tally.pending(tx)["slack"]
        assert tx.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    store.close()
    assert kept % 10 == 0
    assert kept // 10 in {len(confirmed), len(confirmed) + 1}


def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    error = refusal(f"postgresql://auditor:hunter22@/auditor?host={tmp_path}")
    assert "cannot be reached" in error.message
    assert error.retryable
    assert "hunter22" not in str(error)


def test_a_database_that_does_not_exist_is_told(postgres_server: str) -> None:
    error = refusal(postgres_server.replace("/postgres?", "/nowhere?"))
    assert "does not exist" in error.message
    assert "createdb" in error.hint


def test_a_user_who_may_not_make_tables_is_told(postgres_url: str) -> None:
    run_sql(postgres_url, "CREATE ROLE reader LOGIN")
    for grant in ("SELECT 1", "GRANT USAGE ON SCHEMA public TO reader"):
        run_sql(postgres_url, grant)
        error = refusal(postgres_url.replace("//postgres@", "//reader@"))
        assert "lacks a privilege" in error.message


def test_a_session_that_the_server_ends_is_an_error_that_may_pass(postgres_url: str) -> None:
    store = open_store(postgres_url)

    def write_through_a_broken_session() -> None:
        with store.transaction() as tx:
            organizations.mark_baseline(tx, "acme", 42)
            mine = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
            run_sql(postgres_url, f"SELECT pg_terminate_backend({mine})")
            organizations.read(tx, "acme")

    with pytest.raises(StoreError, match="ended the session") as caught:
        write_through_a_broken_session()
    assert caught.value.retryable
    with store.transaction() as tx:
        assert organizations.read(tx, "acme").baseline_at is None
    store.close()


def test_transactions_that_wait_for_each_other_are_parted(postgres_url: str) -> None:
    store = open_store(postgres_url)
    with store.transaction() as tx:
        organizations.mark_baseline(tx, "one", 1)
        organizations.mark_baseline(tx, "two", 1)
    both = threading.Barrier(2)
    errors: list[StoreError] = []

    def cross(first: str, second: str) -> None:
        try:
            with store.transaction() as tx:
                organizations.mark_baseline(tx, first, 2)
                both.wait()
                organizations.mark_baseline(tx, second, 2)
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=cross, args=names) for names in (("one", "two"), ("two", "one"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert [error.retryable for error in errors] == [True]


def test_the_schema_is_not_touched_when_it_is_up_to_date(tmp_path: Path, sqlite_url: str) -> None:
    open_store(sqlite_url).close()
    before = (tmp_path / "auditor.db").read_bytes()
    program = "import sys; from auditor.store.database import open_store; open_store(sys.argv[1]).close()"
    check = program + "; sys.exit('alembic' in sys.modules)"
    subprocess.run([sys.executable, "-c", check, sqlite_url], check=True)
    assert (tmp_path / "auditor.db").read_bytes() == before
