"""What is written into the store comes out of it as it was, from both databases."""

from dataclasses import replace

import pytest

from auditor.detection.model import BaseMatch
from auditor.findings.model import Finding, Reason, Transition, identity
from auditor.inventory.model import Coverage, Gap
from auditor.store import events, findings, matches, organizations, reports, runs, transitions, watermarks
from auditor.store.database import Store
from auditor.store.events import StoredEvent
from auditor.store.runs import PolicyLine, Run, UnknownLine
from auditor.store.watermarks import Watermark
from auditor.terms import Level, Outcome, State, Status, Stream

pytest_plugins = ["databases"]

HOSTILE = "<!channel> <script>\x1b[31m\u202e\N{PILE OF POO}'; DROP TABLE findings;--" + "x" * 10_000


def event(name: str, at: int, kind: str = "api_key.created") -> StoredEvent:
    return StoredEvent(name, kind, at, at + 5, Stream.ORGANIZATION, b'{"id": "\\u0000"}\x00\xff')


def finding(key: str = "key_1", **changes: object) -> Finding:
    ids = ("proj_1", key)
    made = Finding(
        id=identity("acme", "stale", "project_api_key", ids),
        organization="acme",
        policy="stale",
        kind="project_api_key",
        ids=ids,
        name="deploy",
        level=Level.HIGH,
        state=State.OPEN,
        title="Stale",
        message="not used",
        opened_at=100,
        seen_at=100,
        changed_at=100,
        evidence={"matched": ["unused"], "actor": {"email": "jo@example.com", "ip": "192.0.2.1"}},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_events_come_back_byte_for_byte_and_once(store: Store) -> None:
    first = [event("e2", 20), event("e1", 20), event("e0", 10, "user.added")]
    with store.transaction() as tx:
        assert events.insert(tx, "acme", first) == 3
        assert events.insert(tx, "acme", [event("e2", 99), event("e3", 30)]) == 1
        assert events.insert(tx, "acme", []) == 0
    with store.transaction() as tx:
        assert events.known(tx, "acme", ["e1", "e3", "e4"]) == {"e1", "e3"}
        assert events.known(tx, "other", ["e1"]) == set()
        created = sorted(events.of_types(tx, "acme", ["api_key.created"]), key=lambda each: each.id)
        assert created == [event("e1", 20), event("e2", 20), event("e3", 30)]
        assert list(events.of_types(tx, "acme", [])) == []
        assert [each.id for each in events.recent(tx, "acme", 2)] == ["e3", "e2"]
        assert [each.id for each in events.recent(tx, "acme", 9, since=20)] == ["e3", "e2", "e1"]
        assert events.counts(tx, "acme", 10) == {"api_key.created": 3, "user.added": 1}
        assert events.counts(tx, "acme", 30) == {"api_key.created": 1}


def test_more_ids_than_one_statement_carries_are_looked_up(store: Store) -> None:
    some = [event(f"e{number}", number) for number in range(6_000)]
    with store.transaction() as tx:
        assert events.insert(tx, "acme", some) == 6_000
        assert len(events.known(tx, "acme", [f"e{number}" for number in range(70_000)])) == 6_000
        assert findings.by_ids(tx, [f"f{number}" for number in range(70_000)]) == {}


def test_an_event_whose_id_no_database_can_hold_is_known_all_the_same(store: Store) -> None:
    with store.transaction() as tx:
        events.insert(tx, "acme", [event("e\0\ud800", 10)])
        assert events.known(tx, "acme", ["e\0\ud800"]) == {"e\0\ud800"}


def test_watermarks_are_replaced_one_stream_at_a_time(store: Store) -> None:
    mark = Watermark(10, 20, Status.COMPLETE, "")
    refused = Watermark(None, 30, Status.REFUSED, "403")
    with store.transaction() as tx:
        assert watermarks.read(tx, "acme", Stream.TENANT) is None
        watermarks.write(tx, "acme", Stream.TENANT, mark)
        watermarks.write(tx, "acme", Stream.TENANT, refused)
        watermarks.write(tx, "acme", Stream.ORGANIZATION, mark)
        assert watermarks.read(tx, "acme", Stream.TENANT) == refused
        assert watermarks.read(tx, "acme", Stream.ORGANIZATION) == mark
        assert watermarks.read(tx, "other", Stream.ORGANIZATION) is None


def test_findings_come_back_equal_and_are_replaced_by_id(store: Store) -> None:
    one, two = finding("key_1"), finding("key_2", name=HOSTILE, message=HOSTILE, level=Level.LOW, changed_at=101)
    done = finding("key_3", state=State.RESOLVED, resolved_at=150, absences=2, absent_since=140, occurrence=True)
    with store.transaction() as tx:
        findings.save(tx, [one, two, done])
        findings.save(tx, [])
    with store.transaction() as tx:
        assert findings.active(tx, "acme") == {one.id: one, two.id: two}
        assert findings.active(tx, "other") == {}
        assert findings.by_ids(tx, [done.id, one.id, "none"]) == {done.id: done, one.id: one}
        findings.save(tx, [replace(one, seen_at=200, state=State.ACKNOWLEDGED)])
        assert findings.active(tx, "acme")[one.id].seen_at == 200


def test_findings_are_searched_by_every_condition(store: Store) -> None:
    one, two = finding("key_1"), finding("key_2", level=Level.LOW, changed_at=101)
    done = finding("key_3", state=State.RESOLVED, organization="other")
    with store.transaction() as tx:
        findings.save(tx, [one, two, done])
        assert findings.search(tx, "acme") == [two, one]
        assert len(findings.search(tx)) == 3
        assert findings.search(tx, states=[State.RESOLVED]) == [done]
        assert findings.search(tx, states=[]) == []
        assert findings.search(tx, levels=[Level.LOW]) == [two]
        assert findings.search(tx, policy="another") == []
        assert findings.search(tx, "acme", limit=1) == [two]


def test_text_that_no_database_can_hold_is_made_storable(store: Store) -> None:
    with store.transaction() as tx:
        findings.save(tx, [finding(name="a\0b", message="c\ud800d", evidence={"matched": ["\0"]})])
        (kept,) = findings.search(tx)
        assert (kept.name, kept.message, kept.evidence) == ("a\ufffdb", "c?d", {"matched": ["\0"]})


def test_transitions_are_told_in_their_order(store: Store) -> None:
    one = finding()
    gone = replace(one, state=State.RESOLVED)
    with store.transaction() as tx:
        findings.save(tx, [one])
        transitions.add(tx, [Transition(one, None, Reason.DETECTED, 100)], "run1")
        transitions.add(tx, [Transition(gone, State.OPEN, Reason.GONE, 100)], None)
        transitions.add(tx, [], None)
        first, second = transitions.since(tx, "acme", 100)
        assert (first.finding, first.before, first.after, first.run) == (one.id, None, State.OPEN, "run1")
        assert (second.before, second.after, second.reason, second.at) == (State.OPEN, State.RESOLVED, Reason.GONE, 100)
        assert transitions.since(tx, "acme", 101) == []
        assert transitions.since(tx, "other", 0) == []


def test_the_last_end_says_why_a_finding_is_resolved(store: Store) -> None:
    one = finding()
    gone, back = replace(one, state=State.RESOLVED), replace(one, state=State.REOPENED)
    with store.transaction() as tx:
        findings.save(tx, [gone])
        turns = (gone, Reason.COMPLIES), (back, Reason.DETECTED_AGAIN), (gone, Reason.POLICY_REMOVED)
        transitions.add(tx, [Transition(each, None, reason, 100) for each, reason in turns], None)
        assert transitions.ends(tx, [gone]) == {one.id: Reason.POLICY_REMOVED}
        assert transitions.ends(tx, [back]) == {}, "it stands"


def test_runs_come_back_whole(store: Store) -> None:
    gap = Gap("user", (), Status.REFUSED, HOSTILE, "ask")
    run = Run(
        id="run1",
        organization="acme",
        kind="snapshot",
        started_at=1,
        finished_at=9,
        resources=7,
        summary={"pass": 1, "fail": 0, "unknown": 1},
        policies=(PolicyLine("stale", "Stale", Level.HIGH, Outcome.PASS, 4, 0, 0),),
        coverage=(Coverage("user", (), Status.REFUSED, 1, 0, 0.25, {"wrong type: name": 2}, gap),),
        unknowns=(UnknownLine("owners", Level.LOW, "user", ("proj_1",), HOSTILE, "cannot tell", "403", "ask"),),
    )
    later = replace(run, id="run2", finished_at=19)
    with store.transaction() as tx:
        assert runs.latest(tx, "acme", "snapshot") is None
        runs.add(tx, later)
        runs.add(tx, run)
        assert runs.latest(tx, "acme", "snapshot") == later
        assert runs.latest(tx, "acme", "poll") is None
        assert runs.history(tx, "acme", "snapshot", 0) == [run, later]
        assert runs.history(tx, "acme", "snapshot", 10) == [later]


def test_the_baseline_is_remembered(store: Store) -> None:
    with store.transaction() as tx:
        assert organizations.read(tx, "acme").baseline_at is None
        events.known(tx, "acme", [])
        assert organizations.read(tx, "acme").baseline_at is None
        organizations.mark_baseline(tx, "acme", 42)
        assert organizations.read(tx, "acme") == organizations.Organization("acme", 42)


def test_matches_of_a_window_are_found_by_group_and_consumed(store: Store) -> None:
    group = ("jo@example.com", "x" * 20_000)
    found = [BaseMatch("failed", f"e{at}", at, group, f"192.0.2.{at}", None) for at in (3, 1, 2)]
    with store.transaction() as tx:
        matches.add(tx, "acme", "burst", found)
        matches.add(tx, "acme", "burst", [found[0], BaseMatch("failed", "e9", 2, ("other",), None, None)])
        assert matches.of_group(tx, "acme", "burst", group, 1, 3) == [found[1], found[2], found[0]]
        assert matches.of_group(tx, "acme", "burst", group, 2, 2) == [found[2]]
        assert matches.of_group(tx, "acme", "another", group, 0, 9) == []
        matches.consume(tx, "acme", "burst", ["e1", "e2"], "e1")
        told = [match.occurrence for match in matches.of_group(tx, "acme", "burst", group, 0, 9)]
        assert told == ["e1", "e1", None]
        assert matches.of_group(tx, "acme", "burst", ("other",), 0, 9)[0].value is None


def test_the_report_of_a_period_replaces_the_one_before(store: Store) -> None:
    with store.transaction() as tx:
        reports.add(tx, "acme", "2026-W01", 10, "a.html", "00")
        reports.add(tx, "acme", "2026-W02", 20, "b.html", "11")
        reports.add(tx, "acme", "2026-W02", 30, "c.html", "22")
        assert [(each.period, each.path) for each in reports.listing(tx, "acme")] == [
            ("2026-W02", "c.html"),
            ("2026-W01", "a.html"),
        ]


def test_an_error_in_the_block_leaves_nothing(store: Store) -> None:
    def write_and_fail() -> None:
        with store.transaction() as tx:
            organizations.mark_baseline(tx, "acme", 42)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with store.transaction() as tx:
        assert organizations.read(tx, "acme").baseline_at is None
