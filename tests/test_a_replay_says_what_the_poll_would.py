"""Stored events are replayed from their raw bytes, in part decoded: with the same matches as event by event."""

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from organization import small
from randompolicies import evenly, judge_of, judges, numbers, scalars, words

from auditor.detection.completing import completing
from auditor.inventory.events import record_at, record_of
from auditor.policy.evaluate import base_matches, match
from auditor.policy.load import load
from auditor.policy.policyset import Judge, PolicySet
from auditor.policy.replay import RawEvent, Replay, Scan
from auditor.store import events, history, organizations
from auditor.store.database import Store, open_store
from auditor.store.events import StoredEvent
from auditor.store.history import Wanted
from auditor.terms import Stream

pytest_plugins = ["databases"]

FIELDS = (
    "id", "type", "effective_at", "actor.id", "actor.email", "actor.ip", "actor.kind", "actor.type",
    "actor.session.user.id", "project.id", "project", "payload.a", "payload.b", "payload.a.b", "login.failed.a",
    "login.failed", "payload", "a.b", "actor.is_beneficiary", "payload.principal_id",
)  # fmt: skip
STEPS = (
    "a",
    "b",
    "a.b",
    "id",
    "email",
    "payload",
    "actor",
    "session",
    "user",
    "ip_address",
    "project",
    "login",
    "failed",
)
TYPES = ("login.failed", "actor", "id", "payload", "a")


def objects(values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(STEPS), values, max_size=4)


leaves = evenly(words, scalars, st.none(), st.lists(st.one_of(words, numbers, st.none()), max_size=2))
trees = evenly(leaves, objects(evenly(leaves, objects(leaves))), st.lists(objects(leaves), max_size=2))
people = st.fixed_dictionaries({}, optional={"id": evenly(words, trees), "email": evenly(words, trees)})
actors = st.fixed_dictionaries(
    {},
    optional={
        "type": words,
        "id": words,
        "session": evenly(st.fixed_dictionaries({}, optional={"user": people, "ip_address": scalars}), trees),
        "api_key": evenly(
            st.fixed_dictionaries({}, optional={"user": people, "service_account": evenly(people, trees)}), trees
        ),
    },
)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """A type, and an event of it: usual ones, and all kinds that nobody expects."""
    kind = draw(st.sampled_from(TYPES))
    body: dict[str, object] = {
        **draw(objects(trees)),
        **draw(st.fixed_dictionaries({}, optional={"actor": evenly(actors, trees), "project": trees})),
        **draw(st.fixed_dictionaries({}, optional={kind: evenly(objects(trees), trees), "effective_at": numbers})),
        "id": "event_1",
        "type": kind,
    }
    return kind, json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


EXAMPLES = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


@EXAMPLES
@given(judges("audit_event", FIELDS, keywords=True, most=3), bodies())
def test_what_is_decoded_in_part_matches_like_the_whole(rules: tuple[Judge, ...], event: tuple[str, bytes]) -> None:
    kind, raw = event
    try:
        record_of(raw)
    except ValueError:
        return
    stored = RawEvent("event_1", kind, 7, raw)
    expected = [
        i for i, rule in enumerate(rules) if rule.matcher.asked(record_at(stored.raw, stored.effective_at).fields, 7)
    ]
    scan = Scan(rules)
    assert list(scan.matching(stored)) == expected
    assert not expected or scan.types([kind]) == [kind]


SESSION = {
    "type": "session",
    "session": {"ip_address": "192.0.2.1", "user": {"id": "user_1", "email": "a@example.com"}},
}
BODIES: tuple[Mapping[str, object], ...] = (
    {"actor": SESSION, "login.failed": {"a": 1, "b": ["x", None]}, "project": {"id": "p", "name": "n"}},
    {"actor": {"type": "api_key", "api_key": {"id": "key_1", "service_account": {"id": "sa_1"}}}},
    {"actor": SESSION, "login.failed": {"principal_id": "user_1"}},
    {"actor": {"api_key": {"id": "key_1", "user": {"id": 5}, "service_account": None}, "session": {}}},
    {"actor": {"id": "own", "kind": "own", "email": 5, "ip": "own"}, "login.failed": None},
    {"actor": "nobody", "login.failed": "x", "project": "p"},
    {"actor": [SESSION, SESSION], "login.failed": [{"a": 1}, {"a": 2}]},
    {"actor": {**SESSION, "session.user.id": "dotted"}},
    {"actor": SESSION, "actor.session.user.id": "dotted", "actor.id": "dotted"},
    {"login.failed": {"a": {"b": 1}}, "login.failed.a": 2},
    {"login.failed": {"a.b": 1}, "payload.a": 3},
    {"login": {"failed": {"a": 1}}, "a": {"b": 5}},
    {"a.b": 5, "payload": {"a": 6, "b": 7}, "project": [1, 2]},
    {"login.failed": {"a": [{"b": 1}, {"b": 2}], "b": [[1]]}, "a": {"b": {"c": 1}}},
    {"login.failed": {"a": 10**25, "b": 1.5}, "a": {"b": 1e300}, "project": {"id": {"x": 1}}},
    {},
)
PLAIN = 5
"""So many of them look as documented."""


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_read_as_the_poll_reads_it(field: str) -> None:
    wanted = [
        None,
        "*",
        1,
        2,
        5,
        6,
        7,
        "x",
        "own",
        "user",
        "user_1",
        "a@example.com",
        "192.0.2.1",
        "key_1",
        "dotted",
        "sa_1",
        True,
        False,
    ]
    trees: list[dict[str, object]] = [{"a": {field: each}, "condition": "a"} for each in wanted]
    rules = [judge_of(f"rule-{i}", "audit_event", tree, None) for i, tree in enumerate(trees)]
    scan = Scan([rule for rule in rules if rule])
    for kind in TYPES:
        for body in BODIES:
            event = RawEvent("event_1", kind, 7, json.dumps({"id": "event_1", "type": kind, **body}).encode())
            fields = record_at(event.raw, event.effective_at).fields
            assert list(scan.matching(event)) == [
                i for i, rule in enumerate(rules) if rule and rule.matcher.asked(fields, 7)
            ]


def test_what_looks_as_documented_is_decoded_in_part_only() -> None:
    tree: dict[str, object] = {
        "a": dict.fromkeys(
            ("actor.id", "actor.email", "actor.ip", "actor.kind", "actor.is_beneficiary", "project.id", "payload.a"),
            "?*",
        ),
        "condition": "a or not a",
    }
    rule = judge_of("one", "audit_event", tree, None)
    assert rule
    scan = Scan([rule])
    assert scan.matching(RawEvent("e", "login.failed", 0, b'{"id": "e", "type": "login.failed"}')) == [0]
    for body in BODIES[:PLAIN]:
        raw = json.dumps({"id": "e", "type": "login.failed", **body}).encode()
        lane = scan.lane("login.failed")
        assert lane
        assert lane.fused(lane.decode(raw), 0) == [0]


def test_events_of_the_simulator_are_replayed_with_the_same_matches_and_windows(database_url: str) -> None:
    policies = load(["builtin:openai"], {}, {})
    log = [
        StoredEvent(each.id, each.type, each.effective_at, 0, Stream.ORGANIZATION, bytes(each.raw))
        for each in small().log.events
    ]
    records = [record_of(each.raw) for each in log]
    expected: dict[str, list[str]] = {}
    for verdict in match(policies, records, 0):
        expected.setdefault(verdict.policy, []).extend(verdict.events)
    for correlated in policies.correlations:
        found = base_matches(correlated, policies.bases, records)
        if last := completing(correlated.correlation, found):
            expected[correlated.policy.name] = last
    store = filled(database_url, log)
    replay = Replay(policies)
    with store.transaction() as tx:
        stored = history.type_names(tx, "acme")
    assert stored == sorted({each.type for each in log})
    wanted = replay.types(stored)
    assert set(wanted) <= set(stored)
    few = PolicySet(rules=tuple(each for each in policies.rules if each.policy.name == "admin-key-created"))
    assert 0 < len(Replay(few).types(stored)) < len(stored)
    for batch in history.scan(store, "acme", Wanted(types=tuple(wanted)), size=7):
        replay.feed(RawEvent(*row) for row in batch)
    assert {name: sorted(ids) for name, ids in replay.matches().items()} == {
        name: sorted(ids) for name, ids in expected.items()
    }
    store.close()


def test_a_scan_gives_every_event_once_and_only_those_that_are_wanted(database_url: str) -> None:
    log = [
        StoredEvent(f"event_{i:02}", f"type.{i % 3}", 100 + i // 9, 0, Stream.ORGANIZATION, b"%d" % i)
        for i in range(40)
    ]
    store = filled(database_url, log)
    # Of one second there are nine, more than twice as many as a batch has.
    assert scanned(store, Wanted()) == [(each.id, each.type, each.effective_at, each.raw) for each in log]
    some = scanned(store, Wanted(since=101, before=103, types=("type.2", "type.0", "none")))
    assert [row[0] for row in some] == [
        each.id for kind in ("type.2", "type.0") for each in log if each.type == kind and 101 <= each.effective_at < 103
    ]
    assert scanned(store, Wanted(before=101)) == scanned(store, Wanted())[:9]
    store.close()


def test_where_the_type_alone_decides_nobody_reads_the_bytes(database_url: str) -> None:
    trees: dict[str, dict[str, object]] = {
        "by-type": {"a": {"type|startswith": "type.1"}, "condition": "a"},
        "by-payload": {"a": {"type": "type.2", "payload.a": 1}, "condition": "a"},
    }
    rules = {name: judge_of(name, "audit_event", tree, None) for name, tree in trees.items()}
    assert all(rules.values())
    replay = Replay(PolicySet(rules=tuple(rule for rule in rules.values() if rule)))
    kinds = [f"type.{i}" for i in range(3)]
    assert [replay.bare(kind) for kind in kinds] == [True, True, False]
    log = [
        StoredEvent(
            f"event_{i:02}", kinds[i % 3], 100 + i, 0, Stream.ORGANIZATION,
            json.dumps({"id": f"event_{i:02}", "type": kinds[i % 3], kinds[i % 3]: {"a": i % 2}}).encode(),
        )
        for i in range(12)
    ]  # fmt: skip
    store = filled(database_url, log)
    bare = [row for batch in history.scan(store, "acme", Wanted(types=("type.1",)), size=3, raw=False) for row in batch]
    assert [row[:3] for row in bare] == [
        (each.id, each.type, each.effective_at) for each in log if each.type == "type.1"
    ]
    assert {bytes(row[3]) for row in bare} == {b""}
    replay.feed(bare)
    for batch in history.scan(store, "acme", Wanted(types=("type.2",))):
        replay.feed(batch)
    assert replay.matches() == {
        "by-type": ("event_01", "event_04", "event_07", "event_10"),
        "by-payload": ("event_05", "event_11"),
    }
    store.close()


def scanned(store: Store, wanted: Wanted) -> list[tuple[str, str, int, bytes]]:
    """The rows in the order of their time, those of one second by id."""
    batches = list(history.scan(store, "acme", wanted, size=4))
    assert all(0 < len(batch) < 4 + 9 for batch in batches)
    rows = [(row[0], row[1], row[2], row[3]) for batch in batches for row in batch]
    # Each type comes by itself.
    order = {kind: number for number, kind in enumerate(wanted.types)}
    times = [(order.get(row[1], 0), row[2]) for row in rows]
    assert times == sorted(times)
    return sorted(rows, key=lambda row: (order.get(row[1], 0), row[2], row[0]))


def filled(url: str, log: Sequence[StoredEvent]) -> Store:
    store = open_store(url)
    with store.transaction() as tx:
        organizations.hold(tx, "acme")
        events.insert(tx, "acme", log)
    return store
