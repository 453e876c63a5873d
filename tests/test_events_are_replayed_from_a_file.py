"""`events replay`: what event policies find in a file of events, whatever else the file holds."""

import gzip
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policyfiles import RULE, state, written

from auditor.cli import call
from auditor.detection.completing import completing
from auditor.detection.model import BaseMatch, Correlation
from auditor.detection.windows import occurrences
from auditor.errors import ConfigError
from auditor.inventory.events import record_of
from auditor.jobs.replay import MAX_LINE, Replayed, replay
from auditor.policy.evaluate import match
from auditor.policy.load import load

SINGLE = RULE + "detection: {s: {type: role.created}, condition: s}\n"
COUNTED = (
    RULE.replace("name: rule", "name: failed")
    + """detection: {s: {type: login.failed}, condition: s}
---
title: Three failures
id: 8cca5e73-e765-4c4a-b7ea-722e179eaa0d
name: failures
level: critical
correlation: {type: event_count, rules: [failed], group-by: [actor.ip], timespan: 15m, condition: {gte: 3}}
"""
)


def event(identity: str, kind: str, at: int = 0, ip: str = "192.0.2.1") -> dict[str, Any]:
    session = {"ip_address": ip, "user": {"id": "user_1", "email": "person@example.com"}}
    return {
        "id": identity,
        "type": kind,
        "effective_at": at,
        "actor": {"type": "session", "session": session},
        kind: {},
    }


def stored(folder: Path, lines: Sequence[bytes | Mapping[str, Any]], name: str = "events.jsonl") -> Path:
    raw = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return folder / name


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    written(folder, SINGLE, "rule.yaml")
    written(folder, COUNTED, "failures.yaml")
    return folder


def replayed(policies: Path, lines: Sequence[bytes | Mapping[str, Any]], name: str = "events.jsonl") -> Replayed:
    return replay(load([str(policies)], {}, {}), stored(policies.parent, lines, name))


FAILURES = [event(f"f{i}", "login.failed", i) for i in range(6)]


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz"])
def test_each_policy_has_the_events_that_it_matches_and_a_correlation_those_that_complete_it(
    policies: Path, name: str
) -> None:
    later = [event(f"g{i}", "login.failed", 5000 + i) for i in range(3)]
    other = [event(f"h{i}", "login.failed", i, f"192.0.2.{i + 9}") for i in range(3)]
    found = replayed(
        policies, [event("r1", "role.created"), *FAILURES, *later, event("r2", "role.created"), *other], name
    )
    assert found.events == 14
    assert found.matches == {"rule": ["r1", "r2"], "failures": ["f2", "g2"]}


def test_the_order_of_lines_does_not_matter_to_a_correlation(policies: Path) -> None:
    lines = [FAILURES[place] for place in (3, 0, 5, 1, 4, 2)]
    assert replayed(policies, lines).matches["failures"] == ["f2"]


HOSTILE: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"not json", "no audit event"),
    "half an object": (b'{"id": "e1", "type": ', "no audit event"),
    "a list": (b"[1]", "no audit event"),
    "a number": (b"7", "no audit event"),
    "an event without a type": (b'{"id": "e1"}', "no audit event"),
    "an id that is no text": (b'{"id": {}, "type": "a"}', "no audit event"),
    "lists in lists without end": (b"[" * 200_000, "no audit event"),
    "objects in objects without end": (b'{"a":' * 100_000, "no audit event"),
    "bytes that are no text": (b'{"id": "\xff\xfe", "type": "a"}', "no audit event"),
    "NUL": (b"\x00" * 1000, "no audit event"),
    "half of a surrogate pair": (b'{"id": "\\ud800", "type": "a"}', "no audit event"),
    "a number without end": (b'{"id": "e1", "type": "a", "n": ' + b"9" * 5000 + b"e}", "no audit event"),
    "a line without end": (b"x" * (3 * MAX_LINE), "too long"),
    "an event without end": (b'{"id":"e1","type":"a","x":"' + b"x" * MAX_LINE + b'"}', "too long"),
    "an event that was there before": (json.dumps(event("r1", "role.created")).encode(), "seen before"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_line_is_skipped_and_counted_and_hides_none_beside_it(policies: Path, case: str) -> None:
    line, reason = HOSTILE[case]
    found = replayed(policies, [event("r1", "role.created"), line, b"", b"  ", event("r2", "role.created")])
    assert found.matches["rule"] == ["r1", "r2"]
    assert (found.events, found.skipped) == (2, {reason: 1})


def test_a_last_line_counts_with_and_without_its_end(policies: Path) -> None:
    file = stored(policies.parent, [event("r1", "role.created")])
    file.write_bytes(file.read_bytes().strip())
    found = replay(load([str(policies)], {}, {}), file)
    assert found.matches["rule"] == ["r1"]
    file.write_bytes(b"x" * (2 * MAX_LINE + 2))
    assert replay(load([str(policies)], {}, {}), file).skipped == {"too long": 1}


TIMELESS: list[object] = [None, "noon", -1, 1e300, True, []]


def test_events_at_no_time_match_and_count_in_no_window(policies: Path) -> None:
    lines = [{**each, "effective_at": at} for each, at in zip(FAILURES, TIMELESS, strict=True)]
    assert replayed(policies, [*lines, {**event("r1", "role.created"), "effective_at": None}]).matches == {
        "rule": ["r1"],
        "failures": [],
    }


ODD: list[dict[str, Any]] = [
    {**event("o1", "role.created"), "actor.ip": "192.0.2.9"},
    {**event("o2", "role.created"), "role.created": [{"id": "role_1"}, {"id": "role_2"}]},
    {**event("o3", "role.created"), "payload": {"id": "role_9"}},
    {**event("o4", "role.created"), "role.created": {"id": "role_1", "id.x": 1}},
    {**event("o5", "login.failed"), "actor": None},
    {**event("o6", "login.failed", -5), "role.created": {"id": "role_1"}},
    {**event("o7", "role.created", 1 << 50), "role.created": {"id": "role_1"}},
    {**event("o8", "role.created"), "role.created": {"id": "role_1"}, "project": {"id": "proj_1"}},
]
"""Events that the fast way must not read otherwise than the slow one."""


def test_events_that_are_decoded_in_part_say_what_whole_ones_would(policies: Path) -> None:
    narrow = SINGLE.replace("name: rule", "name: narrow").replace("0aff2549", "1aff2549")
    written(policies, narrow.replace("type: role.created", "payload.id: role_1, type: role.created"), "narrow.yaml")
    anywhere = SINGLE.replace("name: rule", "name: anywhere").replace("0aff2549", "2aff2549")
    written(policies, anywhere.replace("{type: role.created}", "['*role_2*', '*proj_1*']"), "anywhere.yaml")
    rules = load([str(policies)], {}, {})
    whole = [(verdict.policy, verdict.events[0]) for verdict in match(rules, [record_of(each) for each in ODD], now=0)]

    found = replayed(policies, ODD)
    assert sorted((name, id_) for name, ids in found.matches.items() for id_ in ids) == sorted(whole)
    assert found.matches["narrow"] == ["o4", "o7", "o8"]
    assert found.matches["anywhere"] == ["o8"]


def test_the_calendar_counts_with_a_configuration_and_not_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policies").mkdir()
    written(Path("policies"), RULE + "detection: {s: {local.hour: 1}, condition: s}\n", "rule.yaml")
    settings = "organizations: {acme: {}}\npolicies: {paths: [policies]}\nschedule: {timezone: Europe/Berlin}\n"
    Path("auditor.yaml").write_text(settings)
    stored(tmp_path, [event("e1", "role.created", 10)])

    def found(*arguments: str) -> object:
        assert call(["events", "replay", "--events", "events.jsonl", "-o", "json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)["matches"]

    assert found() == {"rule": ["e1"]}, "midnight in UTC is one o'clock in Berlin"
    assert found("--policies", "policies") == {"rule": []}
    assert found("--policies", "policies", "-c", "auditor.yaml") == {"rule": ["e1"]}


def test_a_file_that_breaks_off_is_an_error_and_no_result(policies: Path) -> None:
    file = stored(policies.parent, FAILURES * 500, "events.jsonl.gz")
    whole = file.read_bytes()
    for raw in (whole[:-12], whole[: len(whole) // 2], b"no gzip", whole[:20] + b"\xff" * 20 + whole[40:]):
        file.write_bytes(raw)
        with pytest.raises(ConfigError, match="cannot be read to its end"):
            replay(load([str(policies)], {}, {}), file)
    for missing in (policies.parent / "gone.jsonl", policies):
        with pytest.raises(ConfigError, match="cannot be read"):
            replay(load([str(policies)], {}, {}), missing)


def hit(at: int, rule: str = "a", value: str | None = None) -> BaseMatch:
    return BaseMatch(rule, f"{rule}{at:04}", at, ("group",), value, None)


def test_the_event_that_completes_is_the_last_that_was_needed() -> None:
    values = Correlation("value_count", ("a",), (), 60, 2, "actor.id")
    assert completing(values, [hit(0, value="x"), hit(1, value="x"), hit(2, value="y"), hit(3, value="z")]) == ["a0002"]
    ordered = Correlation("temporal_ordered", ("a", "b"), (), 60, 2)
    assert completing(ordered, [hit(0, "b"), hit(1, "a"), hit(2, "a"), hit(9, "b"), hit(10, "b")]) == ["b0009"]
    temporal = Correlation("temporal", ("a", "b"), (), 60, 2)
    assert completing(temporal, [hit(0, "b"), hit(1, "a"), hit(9, "b")]) == ["a0001"]


@given(st.lists(st.integers(0, 400), max_size=40, unique=True), st.integers(1, 6))
def test_there_is_one_completing_event_for_each_occurrence(times: list[int], least: int) -> None:
    spec = Correlation("event_count", ("a",), (), 60, least)
    matches = [hit(at) for at in times]
    found = occurrences(spec, matches)
    assert completing(spec, matches) == [occurrence.events[least - 1] for occurrence in found]


def test_many_events_of_one_burst_take_no_long_time() -> None:
    spec = Correlation("event_count", ("a",), (), 10_000, 5)
    before = time.process_time()
    assert completing(spec, [hit(at) for at in range(10_000)]) == ["a0004"]
    assert time.process_time() - before < 5


def test_the_command_prints_matches_and_needs_no_configuration(
    policies: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(policies.parent)
    file = stored(policies.parent, [*FAILURES, event("\x1b[2J", "role.created"), b"bad"])
    arguments = ["events", "replay", "--events", str(file), "--policies", str(policies)]

    assert call([*arguments, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "events": 7,
        "skipped": {"no audit event": 1},
        "matches": {"rule": ["\x1b[2J"], "failures": ["f2"]},
    }
    assert call(arguments) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "7 events; skipped lines: 1 no audit event" in told
    assert call(arguments[:4]) == 0
    assert "login-failures" in capsys.readouterr().out, "without --policies the shipped ones are run"
    states = written(policies.parent, state("{bad: {name: bad}, condition: bad}"))
    assert call([*arguments[:5], states]) == 0
    assert capsys.readouterr().err == (
        "note: none of these policies is about events: what is judged is the state of resources\n"
    )
    assert call([*arguments[:5], "gone.yaml"]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert call(["events", "replay", "--events", "gone.jsonl"]) == 2
    assert "cannot be read" in capsys.readouterr().err
