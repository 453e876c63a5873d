"""Correlations over events: what is enough, told once for each burst, whenever and in whatever order events arrive."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policyfiles import NOW, RULE, event, loaded

from auditor.detection.model import BaseMatch, Correlation
from auditor.detection.windows import occurrences
from auditor.inventory.model import Record
from auditor.policy.evaluate import base_matches, correlate
from auditor.policy.model import Verdict
from auditor.policy.policyset import PolicySet
from auditor.terms import Outcome

SPAN = 900
COUNT = Correlation("event_count", ("a",), (), SPAN, 3)


def hit(at: int, event_id: str = "", rule: str = "a", value: str | None = None, told: str | None = None) -> BaseMatch:
    return BaseMatch(rule, event_id or f"e{at:05}", at, ("group",), value, told)


def windows(spec: Correlation, *matches: BaseMatch) -> list[tuple[str, ...]]:
    return [found.events for found in occurrences(spec, matches)]


def test_enough_within_the_span_is_one_occurrence_and_one_less_is_none() -> None:
    assert windows(COUNT, hit(0), hit(10), hit(20)) == [("e00000", "e00010", "e00020")]
    assert windows(COUNT, hit(0), hit(10)) == []


def test_the_span_is_inclusive_to_the_second() -> None:
    assert windows(COUNT, hit(0), hit(10), hit(SPAN)) == [("e00000", "e00010", "e00900")]
    assert windows(COUNT, hit(0), hit(10), hit(SPAN + 1)) == []


def test_the_window_slides() -> None:
    assert windows(COUNT, hit(0), hit(800), hit(901), hit(950)) == [("e00800", "e00901", "e00950")]


def test_the_order_of_arrival_does_not_matter() -> None:
    assert windows(COUNT, hit(20), hit(0), hit(10)) == windows(COUNT, hit(0), hit(10), hit(20))


def test_a_burst_is_told_once_and_the_next_one_again() -> None:
    burst = [hit(i) for i in range(10)]
    later = [hit(SPAN + 100 + i) for i in range(5)]
    assert windows(COUNT, *burst, *later) == [
        tuple(match.event_id for match in burst),
        tuple(match.event_id for match in later),
    ]


def test_what_was_told_is_not_told_again_and_draws_in_what_comes_near_it() -> None:
    told = [hit(100 + i, told="e00100") for i in range(3)]
    assert windows(COUNT, *told, *(hit(200 + i) for i in range(5))) == []
    assert windows(COUNT, *told, *(hit(90 - i) for i in range(5))) == []
    assert windows(COUNT, *told, *(hit(101 + SPAN + i) for i in range(3))) == [("e01001", "e01002", "e01003")]


def test_an_event_counts_once_however_many_rules_it_matches() -> None:
    twice = [hit(i, f"e{i}", rule) for i in range(2) for rule in ("a", "b")]
    assert windows(replace(COUNT, rules=("a", "b")), *twice) == []


def test_values_are_counted_when_they_differ() -> None:
    spec = replace(COUNT, type="value_count", counted="actor.id")
    assert windows(spec, *(hit(i, value="user_1") for i in range(9))) == []
    assert windows(spec, *(hit(i, value=None) for i in range(9))) == []
    (found,) = occurrences(spec, [hit(i, value=f"user_{i // 2}") for i in range(6)])
    assert (found.count, len(found.events)) == (3, 6)


def test_all_rules_must_match_in_any_order_or_in_theirs() -> None:
    spec = Correlation("temporal", ("a", "b"), (), SPAN, 2)
    ordered = replace(spec, type="temporal_ordered")
    forward, backward = [hit(0, rule="a"), hit(9, rule="b")], [hit(0, rule="b"), hit(9, rule="a")]
    assert windows(spec, *forward) == windows(ordered, *forward) == [("e00000", "e00009")]
    assert windows(spec, *backward) == [("e00000", "e00009")]
    assert windows(ordered, *backward) == []
    assert windows(spec, hit(0, rule="a"), hit(5, rule="a")) == []


def test_events_of_one_second_have_either_order() -> None:
    ordered = Correlation("temporal_ordered", ("a", "b"), (), SPAN, 2)
    assert windows(ordered, hit(5, "e1", "b"), hit(5, "e2", "a")) == [("e1", "e2")]


def test_matches_that_are_never_enough_take_no_long_time() -> None:
    spec = replace(COUNT, type="value_count", least=5)
    before = time.process_time()
    assert windows(spec, *(hit(i // 40, f"e{i}", value="user_1") for i in range(40_000))) == []
    assert time.process_time() - before < 5


class Kept:
    """The windows of one group as the store keeps them: new matches come, what was told is marked."""

    def __init__(self, spec: Correlation) -> None:
        self.spec, self.matches = spec, dict[tuple[str, str], BaseMatch]()
        self.told: list[tuple[str, ...]] = []

    def poll(self, fresh: Sequence[BaseMatch]) -> None:
        """As a poll does it: only what is near the new matches is read back."""
        self.matches.update({(match.event_id, match.rule): match for match in fresh})
        earliest, latest = min(match.at for match in fresh), max(match.at for match in fresh)
        reach = 2 * self.spec.timespan
        history = [match for match in self.matches.values() if earliest - reach <= match.at <= latest + reach]
        for found in occurrences(self.spec, history, (earliest - self.spec.timespan, latest)):
            self.told.append(found.events)
            for key, match in list(self.matches.items()):
                if match.event_id in found.events:
                    self.matches[key] = replace(match, occurrence=found.events[0])


polls = st.lists(st.lists(st.integers(0, 6 * SPAN), min_size=1, max_size=8, unique=True), min_size=1, max_size=8)


@settings(max_examples=150)
@given(polls)
def test_no_split_into_polls_tells_a_burst_twice_or_counts_an_event_twice(times: list[list[int]]) -> None:
    kept = Kept(COUNT)
    for batch in times:
        fresh = [hit(at) for at in batch if (f"e{at:05}", "a") not in kept.matches]
        if fresh:
            kept.poll(fresh)
    starts = sorted(int(events[0][1:]) for events in kept.told)
    everything = [event_id for events in kept.told for event_id in events]
    assert len(everything) == len(set(everything))
    assert all(later - earlier > SPAN for earlier, later in pairwise(starts))
    assert all(int(events[-1][1:]) - int(events[0][1:]) <= SPAN for events in kept.told)


@settings(max_examples=150)
@given(polls)
def test_after_any_split_into_polls_no_window_is_left_untold(times: list[list[int]]) -> None:
    kept = Kept(COUNT)
    for batch in times:
        kept.poll([hit(at) for at in batch if (f"e{at:05}", "a") not in kept.matches] or [hit(10**6)])
    assert occurrences(COUNT, list(kept.matches.values())) == []


def test_what_an_older_occurrence_drew_in_is_not_counted_when_that_one_is_out_of_sight() -> None:
    kept = Kept(COUNT)
    kept.poll([hit(0), hit(1), hit(2)])
    kept.poll([hit(850)])
    kept.poll([hit(910), hit(920)])
    kept.poll([hit(850 + 2 * SPAN)])
    assert kept.told == [("e00000", "e00001", "e00002")]


def test_what_a_later_occurrence_drew_in_is_not_counted_when_that_one_is_out_of_sight() -> None:
    kept = Kept(COUNT)
    kept.poll([hit(901), hit(1801), hit(1802), hit(1803)])
    kept.poll([hit(902), hit(903)])
    kept.poll([hit(0)])
    assert kept.told == [("e01801", "e01802", "e01803")]


FILE = f"""\
{RULE.replace("name: rule", "name: failed")}detection: {{s: {{type: login.failed}}, condition: s}}
---
title: Three failures
id: 8cca5e73-e765-4c4a-b7ea-722e179eaa0d
name: failures
level: critical
correlation:
  type: event_count
  rules: [failed]
  group-by: [actor.ip, actor.id]
  timespan: 15m
  condition: {{gte: 3}}
message: "{{{{ count }}}} failures of {{{{ actor.id }}}} from {{{{ actor.ip }}}}"
"""


def failed(number: int, ip: str = "192.0.2.1", user: str = "user_1", kind: str = "login.failed") -> Record:
    return event(f"e{number}", kind, NOW + number, actor__ip=ip, actor__id=user)


def judged(policies: PolicySet, records: Iterable[Record]) -> list[Verdict]:
    (correlated,) = policies.correlations
    found = base_matches(correlated, policies.bases, list(records))
    return [
        verdict
        for group in dict.fromkeys(match.key for match in found)
        for verdict in correlate(correlated, [match for match in found if match.key == group], NOW)
    ]


def test_an_occurrence_is_identified_by_its_group_and_its_first_event(tmp_path: Path) -> None:
    policies = loaded(tmp_path, FILE, "failures.yaml")
    (verdict,) = judged(policies, [failed(3), failed(1), failed(2), failed(4, kind="login.succeeded")])
    assert (verdict.policy, verdict.outcome, verdict.kind) == ("failures", Outcome.FAIL, "audit_event")
    assert verdict.ids == ("192.0.2.1", "user_1", "e1")
    assert verdict.events == ("e1", "e2", "e3")
    assert verdict.at == NOW + 1
    assert verdict.message == "3 failures of user_1 from 192.0.2.1"
    assert verdict.name == "192.0.2.1 user_1"


def test_groups_do_not_add_up(tmp_path: Path) -> None:
    policies = loaded(tmp_path, FILE, "failures.yaml")
    assert judged(policies, [failed(i, ip=f"192.0.2.{i}") for i in range(9)]) == []
    assert judged(policies, [failed(i, user=f"user_{i}") for i in range(9)]) == []
    both = [failed(i, ip=f"192.0.2.{i % 2}") for i in range(6)]
    assert [verdict.ids[0] for verdict in judged(policies, both)] == ["192.0.2.0", "192.0.2.1"]


def test_an_event_without_a_field_to_group_by_belongs_to_no_group(tmp_path: Path) -> None:
    policies = loaded(tmp_path, FILE, "failures.yaml")
    assert judged(policies, [event(f"e{i}", "login.failed", NOW + i, actor__ip="192.0.2.1") for i in range(9)]) == []


@pytest.mark.parametrize("at", [None, "noon", True])
def test_an_event_without_a_time_is_left_out(tmp_path: Path, at: object) -> None:
    policies = loaded(tmp_path, FILE, "failures.yaml")
    broken = [
        Record("audit_event", (f"e{i}",), {**failed(i).fields, "id": f"e{i}", "effective_at": at}) for i in range(9)
    ]
    assert judged(policies, broken) == []


def test_values_of_a_field_are_counted_over_events(tmp_path: Path) -> None:
    text = FILE.replace("event_count", "value_count").replace("{gte: 3}", "{gt: 2, field: actor.id}")
    policies = loaded(tmp_path, text.replace("[actor.ip, actor.id]", "actor.ip"), "failures.yaml")
    assert judged(policies, [failed(i, user=f"user_{i % 2}") for i in range(9)]) == []
    (verdict,) = judged(policies, [failed(i, user=f"user_{i % 3}") for i in range(9)])
    assert verdict.message == "3 failures of ? from 192.0.2.1"
    assert len(verdict.events) == 9


@pytest.mark.parametrize(
    ("condition", "enough"),
    [("gt: 1.5", 2), ("gte: 1.5", 2), ("gt: 2", 3), ("gte: 2", 2), ("gt: 1.0", 2), ("gt: 0", 1)],
)
def test_more_than_a_part_of_an_event_is_the_next_whole_one(tmp_path: Path, condition: str, enough: int) -> None:
    policies = loaded(tmp_path, FILE.replace("gte: 3", condition), "failures.yaml")
    assert len(judged(policies, [failed(number) for number in range(enough)])) == 1
    assert judged(policies, [failed(number) for number in range(enough - 1)]) == []


def test_who_varies_the_case_of_an_address_is_one_group_and_one_value(tmp_path: Path) -> None:
    text = FILE.replace("[actor.ip, actor.id]", "[actor.email]").replace("{{ actor.id }}", "{{ actor.email }}")
    events = [
        replace(record, fields={**record.fields, "actor.email": email})
        for record, email in zip(
            map(failed, range(3)), ("Eve@x.example", "eve@x.example", "EVE@X.example"), strict=True
        )
    ]
    (verdict,) = judged(loaded(tmp_path, text, "failures.yaml"), events)
    # As the first event writes it, so that what was told before has the name that it had.
    assert verdict.ids == ("Eve@x.example", "e0")
    assert verdict.message == "3 failures of Eve@x.example from ?"
    several = text.replace("event_count", "value_count").replace("{gte: 3}", "{gte: 2, field: actor.email}")
    counted = loaded(tmp_path, several.replace("[actor.email]", "[actor.ip]"), "failures.yaml")
    assert judged(counted, events) == []
    other = replace(events[0], fields={**events[0].fields, "actor.email": "jo@x.example"})
    assert len(judged(counted, [*events, other])) == 1
