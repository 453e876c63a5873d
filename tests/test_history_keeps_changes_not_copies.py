"""History: each body once, each change a row, absence believed only where the reading was whole, and nothing lost."""

import json
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from audits import auditing, opened
from organization import NOW, served, small
from pictures import Items, keep, picture, refused, run_of
from sqlalchemy import create_engine, text

import auditor.store
from auditor.adminapi.resources import BY_NAME
from auditor.errors import StoreError
from auditor.inventory.bodies import joined, split
from auditor.inventory.model import Coverage, Scope
from auditor.inventory.tiers import AT_ONCE
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.store import bodies, ledger, organizations, readings, runs, versions, volatiles
from auditor.store.database import Store, open_store
from auditor.store.runs import Judgement, PolicyLine, Run
from auditor.store.versions import Came, Version
from auditor.terms import Level, Outcome, Status

pytest_plugins = ["databases"]

KEYS: tuple[str, Scope] = ("project_api_key", ("proj_1",))
PROJECT: Items = {("project", ()): [{"id": "proj_1", "name": "one", "status": "active"}]}


def key(name: str = "deploy", id_: str = "key_1", **more: object) -> dict[str, object]:
    return {"id": id_, "name": name, "object": "organization.project.api_key", "created_at": 1, **more}


def rows(store: Store, kind: str = "project_api_key") -> list[Version]:
    with store.transaction() as tx:
        return versions.touched(tx, "acme", 0, 1 << 40, [kind])


def spans(store: Store, kind: str = "project_api_key") -> list[tuple[str, Came, int | None, int, int | None]]:
    return [(each.ids[-1], each.came, each.after, each.valid_from, each.valid_to) for each in rows(store, kind)]


def count(store: Store, table: str) -> int:
    with store.transaction() as tx:
        found = tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608 - a name of our own
    assert isinstance(found, int)
    return found


def test_what_does_not_change_is_stored_once(store: Store) -> None:
    for at in range(100, 1000, 100):
        keep(store, at, {**PROJECT, KEYS: [key(last_used_at=at)]})

    assert spans(store) == [("key_1", Came.VISIBLE, None, 100, None)]
    assert {name: count(store, name) for name in ("versions", "ledger", "runs")} == {
        "versions": 2,
        "ledger": 2,
        "runs": 9,
    }
    assert count(store, "bodies") == 3, "a project, a key, and the empty list of what the policies said"


def test_a_change_ends_a_row_and_begins_one(store: Store) -> None:
    keep(store, 100, {KEYS: [key("old")]})
    keep(store, 200, {KEYS: [key("old")]})
    keep(store, 300, {KEYS: [key("new")]})

    assert spans(store) == [
        ("key_1", Came.VISIBLE, None, 100, 300),
        ("key_1", Came.CHANGED, 200, 300, None),
    ]
    before, after = rows(store)
    with store.transaction() as tx:
        contents = bodies.contents(tx, {before.body, after.body})
    assert [json.loads(contents[each.body])["name"] for each in (before, after)] == ["old", "new"]
    assert before.seen_to == 200


def test_only_a_whole_reading_ends_a_row(store: Store) -> None:
    keep(store, 100, {**PROJECT, KEYS: [key()]})
    keep(store, 200, PROJECT, refused("project_api_key", "proj_1"))
    keep(store, 300, {}, refused("project"), refused("project_api_key"))
    assert spans(store) == [("key_1", Came.VISIBLE, None, 100, None)]

    keep(store, 400, {**PROJECT, KEYS: []})
    assert spans(store) == [("key_1", Came.VISIBLE, None, 100, 400)]
    assert rows(store)[0].seen_to == 100, "nobody can say when between 100 and 400 it went"


def test_what_was_absent_before_is_added_and_what_was_hidden_before_is_visible(store: Store) -> None:
    other = ("project_api_key", ("proj_2",))
    keep(store, 100, {KEYS: []}, refused("project_api_key", "proj_2"))
    keep(store, 200, {KEYS: [key()], other: [key(id_="key_2")]})

    assert spans(store) == [("key_1", Came.ADDED, 100, 200, None), ("key_2", Came.VISIBLE, None, 200, None)]


def test_what_appears_behind_a_gap_is_added_since_the_last_whole_reading(store: Store) -> None:
    keep(store, 100, {**PROJECT, KEYS: []})
    keep(store, 200, {**PROJECT, KEYS: []})
    keep(store, 300, {}, refused("project"), refused("project_api_key"))
    keep(store, 400, PROJECT, refused("project_api_key", "proj_1"))
    keep(store, 500, {**PROJECT, KEYS: [key()]})

    assert spans(store) == [("key_1", Came.ADDED, 200, 500, None)]


def test_what_is_in_a_new_project_was_added_with_it(store: Store) -> None:
    keep(store, 100, {("project", ()): []})
    keep(store, 200, {**PROJECT, KEYS: [key()]})

    assert spans(store) == [("key_1", Came.ADDED, 100, 200, None)]


def test_what_comes_back_is_added_again(store: Store) -> None:
    for at, found in ((100, [key()]), (200, []), (300, [key()])):
        keep(store, at, {KEYS: found})

    assert spans(store) == [("key_1", Came.VISIBLE, None, 100, 200), ("key_1", Came.ADDED, 200, 300, None)]
    assert len({each.body for each in rows(store)}) == 1


def test_volatile_values_have_one_current_value_and_a_row_a_day(store: Store) -> None:
    day = 86_400
    for at, used in ((day + 1, None), (day + 2, 50), (day + 3, 60), (2 * day, 70), (3 * day, 70)):
        keep(store, at, {KEYS: [key(last_used_at=used)]})

    with store.transaction() as tx:
        assert volatiles.current(tx, "acme", "project_api_key") == {("proj_1", "key_1"): {"last_used_at": 70}}
        assert volatiles.series(tx, "acme", "project_api_key") == {
            1: {("proj_1", "key_1"): {"last_used_at": 60}},
            2: {("proj_1", "key_1"): {"last_used_at": 70}},
        }
    assert len(rows(store)) == 1

    keep(store, 4 * day, {}, refused("project_api_key", "proj_1"))
    with store.transaction() as tx:
        assert volatiles.current(tx, "acme", "project_api_key")
    keep(store, 5 * day, {KEYS: []})
    with store.transaction() as tx:
        assert volatiles.current(tx, "acme", "project_api_key") == {}


def test_a_body_keeps_fields_that_nobody_knows_and_joins_to_what_was_sent() -> None:
    kind = BY_NAME["project_api_key"]
    item = {"zebra": {"deep": [1, 2.5, None, 1 << 70]}, **key(last_used_at=7), "owner": {"type": "user", "shoe": "43"}}
    body = split(kind, item)

    assert b"last_used_at" not in body.content
    assert joined(kind, body.content, {"last_used_at": 7}) == item
    assert split(kind, dict(reversed(item.items()))) == body, "the order of the fields is no change"
    odd = split(kind, key(last_used_at="yesterday"))
    assert msgspec.json.decode(odd.content)["last_used_at"] == "yesterday", "what is no time is a surprise, and is kept"


def test_runs_come_back_with_the_ledger_of_their_time(store: Store) -> None:
    lines: list[tuple[Coverage, ...]] = [
        (Coverage("user", (), Status.COMPLETE, 1, items, seconds=0.5), Coverage("group", (), Status.COMPLETE, 1, 3))
        for items in (5, 5, 6, 5)
    ]
    lines.append((*lines[-1], Coverage("role", (), Status.REFUSED, 0, 0, gap=refused("role"))))
    said = PolicyLine("stale", "Stale", Level.HIGH, Outcome.PASS, 4, 0, 0)
    added = [replace(run_of(100 + n, each), policies=(said,)) for n, each in enumerate(lines)]
    for run in added:
        with store.transaction() as tx:
            runs.add(tx, run)

    with store.transaction() as tx:
        found = runs.history(tx, "acme", "snapshot", 0)
        assert found == added
        assert [line.seconds for line in found[0].coverage] == [0.5, 0.0]
        assert [each.policies for each in runs.daily(tx, "acme", "snapshot", 0)] == [(said,)]
    assert count(store, "ledger") == 5, "five, six and five again users; groups; the refusal"
    assert count(store, "bodies") == 2, "what the policies said, and that nothing was unknown"


def test_the_last_whole_reading_of_a_scope_is_known_behind_any_gap(store: Store) -> None:
    def completed(scope: Scope) -> int | None:
        with store.transaction() as tx:
            before = runs.before(tx, "acme")
            return ledger.completed(tx, "acme", "project_api_key", [scope], before).get(scope)

    keep(store, 100, {KEYS: []})
    keep(store, 200, {KEYS: []})
    assert completed(("proj_1",)) == 200
    for at in (300, 400):
        keep(store, at, {}, refused("project_api_key", "proj_1"))
        assert completed(("proj_1",)) == 200
    keep(store, 500, {}, refused("project_api_key"))
    assert completed(("proj_1",)) == 200
    assert completed(("proj_9",)) is None


def test_a_fault_that_lasts_is_one_range_whatever_request_it_names(store: Store) -> None:
    for at, status, request in ((1, 500, "7f3a9b2c1d4e"), (2, 500, "99aa88bb77cc"), (3, 503, "99aa88bb77cc")):
        reason = f"HTTP {status}: tell us req_{request}, try again in {at}0s"
        keep(store, at, {}, replace(refused("user"), reason=reason))

    with store.transaction() as tx:
        told = [run.coverage[0].gap for run in runs.history(tx, "acme", "snapshot", 0)]
    assert [gap.reason[:8] for gap in told if gap] == ["HTTP 500", "HTTP 500", "HTTP 503"]
    assert count(store, "ledger") == 2


def test_a_row_without_its_body_cannot_be_written(store: Store) -> None:
    seen, _ = picture(100, {KEYS: [key()]})
    with pytest.raises(StoreError), store.transaction() as tx:
        versions.record(tx, "acme", seen, None)
    assert spans(store) == []


def test_bodies_of_a_snapshot_that_never_ended_are_thrown_away_after_a_week(store: Store) -> None:
    seen, staged = picture(100, {KEYS: [key(), key(id_="key_2")]})
    with store.transaction() as tx:
        bodies.stage(tx, staged, 100)
    keep(store, 200, {KEYS: [key()]})
    with store.transaction() as tx:
        assert bodies.forget_abandoned(tx, 100 + bodies.ABANDONED - 1) == 0
        # It comes again, and is as new as if it had never waited.
        bodies.stage(tx, staged, 100 + bodies.FRESH)
        assert bodies.forget_abandoned(tx, 100 + bodies.ABANDONED) == 0
        assert bodies.forget_abandoned(tx, 100 + bodies.FRESH + bodies.ABANDONED) == 1
        assert set(bodies.contents(tx, {body.digest for body in staged})) == {rows_body(seen)}


def rows_body(seen: object) -> bytes:
    assert hasattr(seen, "collection")
    digest = seen.collection("project_api_key").records[0].digest
    assert isinstance(digest, bytes)
    return digest


def test_a_role_list_is_known_since_its_last_whole_reading(store: Store) -> None:
    ada, bob = ("user_role", ("user_1",)), ("user_role", ("user_2",))
    role: dict[str, object] = {"id": "role_1", "name": "reader"}

    def known() -> dict[Scope, tuple[int, bool]]:
        with store.transaction() as tx:
            found = readings.known(tx, "acme", "user_role")
        return {scope: (each.read_at, each.due_at == AT_ONCE) for scope, each in found.items()}

    keep(store, 100, {ada: [role], bob: []})
    assert known() == {("user_1",): (100, False), ("user_2",): (100, False)}
    keep(store, 200, {ada: [role], bob: [role]})
    assert known() == {("user_1",): (200, False), ("user_2",): (200, True)}
    keep(store, 300, {bob: [role]}, refused("user_role", "user_1"))
    assert known() == {("user_1",): (200, True), ("user_2",): (300, False)}
    keep(store, 400, {}, refused("user_role"))
    assert known() == {("user_1",): (200, True), ("user_2",): (300, False)}
    keep(store, 500, {bob: [role]})
    assert known() == {("user_2",): (500, False)}


def test_organizations_do_not_see_each_other(store: Store) -> None:
    keep(store, 100, {KEYS: [key()]})
    with store.transaction() as tx:
        organizations.hold(tx, "other")
        assert versions.current(tx, "other", "project_api_key") == {}
        assert runs.before(tx, "other") is None
        assert versions.began_at(tx, "other") is None
        assert versions.began_at(tx, "acme") == 100


async def test_a_pass_over_a_served_organization_is_kept_whole(tmp_path: Path) -> None:
    organization = small()
    with opened(tmp_path) as store, served(organization) as (address, _):
        async with auditing(address, store) as audit:
            first = await take(audit, await poll(audit, NOW), NOW)
            size = count(store, "versions")
            _, renamed = next(iter(organization.project_keys()))
            renamed.name = "renamed"
            renamed.last_used_at = NOW + 800
            second = await take(audit, await poll(audit, NOW + 900), NOW + 900)
        with store.transaction() as tx:
            last = runs.latest(tx, "acme", "snapshot")
            changed = versions.touched(tx, "acme", NOW, NOW + 900, list(BY_NAME))
            waiting = tx.execute(text("SELECT count(*) FROM bodies WHERE staged_at IS NOT NULL")).scalar()

    assert size == first.run.resources
    assert [(each.ids[-1], each.came) for each in changed if each.valid_to is None] == [(renamed.id, Came.CHANGED)]
    assert last == second.run
    assert waiting == 0


def first_schema(url: str, run: Run) -> None:
    """A database as the version before left it, with a run in it."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(auditor.store.__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "0001")
        row = {"id": run.id, "at": run.finished_at, "body": zlib.compress(msgspec.json.encode(run))}
        into = "INSERT INTO runs (id, organization, kind, started_at, finished_at, body) VALUES "
        connection.execute(text(into + "(:id, 'acme', 'snapshot', :at, :at, :body)"), row)
    engine.dispose()


def test_a_store_of_the_first_schema_keeps_its_runs(database_url: str) -> None:
    old = run_of(100, (Coverage("user", (), Status.COMPLETE, 1, 5),))
    first_schema(database_url, old)
    store = open_store(database_url)
    try:
        with store.transaction() as tx:
            assert runs.latest(tx, "acme", "snapshot") == old
            assert runs.before(tx, "acme") is None
            assert runs.judgement(tx, "acme", "snapshot") == Judgement(100, {}, ())
            runs.add(tx, run_of(200, old.coverage))
            assert [run.finished_at for run in runs.history(tx, "acme", "snapshot", 0)] == [100, 200]
            assert [each.finished_at for each in runs.daily(tx, "acme", "snapshot", 100)] == [200]
    finally:
        store.close()
