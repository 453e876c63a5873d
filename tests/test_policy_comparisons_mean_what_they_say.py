"""Each comparison at its boundary: times, networks, texts, numbers, lists, what is absent."""

import json
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policyfiles import DAY, NOW, RULE, event, gap, judged, key, loaded, state

from auditor.inventory.model import Record, Unknown
from auditor.policy.evaluate import match
from auditor.policy.load import PolicySet
from auditor.terms import Outcome

ABSENT = object()
HOUR = 3600


def matches(folder: Path, comparison: str, **fields: object) -> bool:
    """Whether one comparison holds for a key with these fields."""
    policies = loaded(folder, state(f"{{bad: {{{comparison}}}, condition: bad}}"))
    result = judged(policies, key("some", **{name: None if each is ABSENT else each for name, each in fields.items()}))
    assert result.outcome is not Outcome.UNKNOWN
    return result.outcome is Outcome.FAIL


TIMES = {
    "older_than": {NOW - 90 * DAY - 1: True, NOW - 90 * DAY: False, NOW: False, NOW + DAY: False, ABSENT: False},
    "newer_than": {
        NOW - 90 * DAY + 1: True,
        NOW - 90 * DAY: False,
        NOW: True,
        NOW + 1: False,
        ABSENT: False,
    },
    "within": {NOW - 1: False, NOW: True, NOW + 90 * DAY: True, NOW + 90 * DAY + 1: False, ABSENT: False},
}


@pytest.mark.parametrize(("modifier", "at"), [(modifier, at) for modifier, cases in TIMES.items() for at in cases])
def test_times_are_compared_to_the_second(tmp_path: Path, modifier: str, at: object) -> None:
    for span in ("90d", "2160h", "12w6d"):
        assert matches(tmp_path, f"created_at|{modifier}: {span}", created_at=at) is TIMES[modifier][at]


ADDRESSES = {
    ("192.0.2.0/24", 256): False,
    ("192.0.2.0/24", 255): True,
    ("192.0.2.7", 1): False,
    ("192.0.2.7", 0): True,
    ("192.0.2.7/24", 255): True,
    ("0.0.0.0/0", 2**32 - 1): True,
    ("2001:db8::/48", 2**80): False,
    ("2001:db8::/47", 2**80): True,
    ("everybody", 0): False,
    ("", 0): False,
}


@pytest.mark.parametrize(("network", "limit"), ADDRESSES)
def test_wider_than_counts_addresses_of_both_families(tmp_path: Path, network: str, limit: int) -> None:
    assert matches(tmp_path, f"name|wider_than: {limit}", name=network) is ADDRESSES[network, limit]


COMPARISONS: dict[str, dict[object, bool]] = {
    "name: Bad": {"bad": True, "BAD": True, "bad ": False, "": False, ABSENT: False},
    "name: ''": {"": True, "a": False, ABSENT: False},
    "name: '*'": {"": True, "a\nb": True, ABSENT: False},
    "name: '?*'": {"": False, "a": True, "\n": True, ABSENT: False},
    "name: 'pro?-*x'": {"prod-x": True, "PROD-abcx": True, "pro-x": False, "prod-xy": False},
    r"name: 'a\*b'": {"a*b": True, "axb": False},
    "name: 'a.c'": {"a.c": True, "abc": False},
    "name: straße": {"STRASSE": True, "Straße": True},
    "name: [a, b]": {"a": True, "B": True, "c": False},
    "name: null": {ABSENT: True, "": False, "null": False},
    "name: 'null'": {ABSENT: False, "null": True},
    "name|cased: Bad": {"Bad": True, "bad": False},
    "name|contains: bad": {"a BAD day": True, "good": False, ABSENT: False},
    "name|contains|all: [a, b]": {"xbxax": True, "xa": False},
    "name|startswith: ba": {"Bad": True, "abba": False},
    "name|endswith: ad": {"BAD": True, "adb": False},
    "name|re: '^a+$'": {"aaa": True, "AAA": False, "ba": False, ABSENT: False},
    "name|re: 'b.d'": {"a bad one": True},
    "name|re|i: '^a+$'": {"AAA": True},
    "name|re|m: '^b$'": {"a\nb\nc": True},
    "name|re: '^b$'": {"a\nb\nc": False},
    "name|re|s: 'a.b'": {"a\nb": True},
    "name|cidr: 192.0.2.0/24": {"192.0.2.9": True, "198.51.100.1": False, "2001:db8::1": False, "x": False},
    "name|cidr: '2001:db8::/32'": {"2001:db8::1": True, "192.0.2.9": False},
    "name|exists: true": {"": True, ABSENT: False},
    "name|exists: false": {"": False, ABSENT: True},
    "name|neq: bad": {"bad": False, "good": True, ABSENT: True},
    "name|contains|neq: bad": {"a bad day": False, "good": True},
    "created_at|gt: 5": {6: True, 5: False, ABSENT: False},
    "created_at|gte: 5": {5: True, 4: False},
    "created_at|lt: 5": {4: True, 5: False, ABSENT: False},
    "created_at|lte: 5": {5: True, 6: False},
    "created_at: 5": {5: True, 6: False, ABSENT: False},
    "name|cased|contains: Bad": {"a Bad day": True, "a bad day": False},
    "name|contains|cased: Bad": {"a Bad day": True, "a bad day": False},
    "name|re|ignorecase|dotall: 'a.B'": {"A\nb": True},
    "name|re|multiline: '^b$'": {"a\nb": True},
    "created_at|hour|gte: 22": {2 * HOUR: False, 22 * HOUR: True, 23 * HOUR + 3599: True, ABSENT: False},
    "created_at|hour|lt: 6": {6 * HOUR - 1: True, 6 * HOUR: False},
}


@pytest.mark.parametrize(
    ("comparison", "found"), [(comparison, found) for comparison, cases in COMPARISONS.items() for found in cases]
)
def test_comparisons_are_those_of_sigma(tmp_path: Path, comparison: str, found: object) -> None:
    field = comparison.split(":", maxsplit=1)[0].split("|", maxsplit=1)[0]
    assert matches(tmp_path, comparison, **{field: found}) is COMPARISONS[comparison][found]


@pytest.mark.parametrize(
    ("comparison", "found", "expected"),
    [
        ("owner.is_member: false", False, True),
        ("owner.is_member: false", True, False),
        ("owner.is_member: false", ABSENT, False),
        ("owner.groups: a", ["b", "A"], True),
        ("owner.groups: a", [], False),
        ("owner.groups: [a, b]", ["c", "b"], True),
        ("owner.groups|contains|all: [ops, dev]", ["devs", "ops-eu"], True),
        ("owner.groups|contains|all: [ops, dev]", ["devs"], False),
        ("owner.groups|neq: a", ["a", "b"], False),
        ("owner.groups|neq: a", [], True),
        ("owner.groups: null", [], False),
        ("owner.groups: null", ABSENT, True),
        ("owner.groups|exists: true", [], True),
        ("owner.groups|exists: false", [], False),
        ("owner.groups: '?*'", [], False),
    ],
)
def test_a_list_matches_when_any_element_does(tmp_path: Path, comparison: str, found: object, expected: bool) -> None:
    field = comparison.split(":", maxsplit=1)[0].split("|", maxsplit=1)[0].replace(".", "__")
    assert matches(tmp_path, comparison, **{field: found}) is expected


@pytest.mark.parametrize(
    ("comparison", "found", "expected"),
    [
        ("owner.groups|outside: [ops, dev]", ["ops", "DEV"], False),
        ("owner.groups|outside: [ops, dev]", ["ops", "sales"], True),
        ("owner.groups|outside: [ops, dev]", [], False),
        ("owner.groups|outside: [ops, dev]", [None], False),
        ("owner.groups|outside: [ops, dev]", ABSENT, False),
        ("owner.groups|outside: 'ops-*'", ["ops-eu", "ops-us"], False),
        ("owner.groups|outside: 'ops-*'", ["ops-eu", "my-ops-eu"], True),
        ("name|outside: [ada, bob]", "Bob", False),
        ("name|outside: [ada, bob]", "", True),
    ],
)
def test_outside_looks_for_an_element_that_is_none_of_the_values(
    tmp_path: Path, comparison: str, found: object, expected: bool
) -> None:
    field = comparison.split("|", maxsplit=1)[0].replace(".", "__")
    assert matches(tmp_path, comparison, **{field: found}) is expected


@given(
    st.lists(st.sampled_from(["a", "B", "ab", "c"])),
    st.lists(st.sampled_from(["A", "b", "a*", "?"]), min_size=1, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_outside_is_what_is_left_when_each_element_is_asked_by_itself(elements: list[str], allowed: list[str]) -> None:
    with TemporaryDirectory() as folder:
        outside = matches(Path(folder), f"owner.groups|outside: {json.dumps(allowed)}", owner__groups=elements)
        among = [matches(Path(folder), f"name: {json.dumps(allowed)}", name=each) for each in elements]
    assert outside is not all(among)


PARTS: dict[str, dict[str, bool]] = {
    "minute: 59": {"2026-02-28T10:59:59Z": True, "2026-02-28T11:00:00Z": False},
    "hour: 0": {"2026-02-28T00:00:00Z": True, "2026-02-28T01:00:00Z": False, "2026-02-27T23:59:59Z": False},
    "hour: [22, 23]": {"2026-02-28T22:30:00Z": True, "2026-02-28T21:59:59Z": False},
    "day: 29": {"2024-02-29T12:00:00Z": True, "2025-03-01T00:00:00Z": False},
    "week: 53": {"2026-12-31T00:00:00Z": True, "2027-01-03T23:59:59Z": True, "2027-01-04T00:00:00Z": False},
    "month: 12": {"2026-12-31T23:59:59Z": True, "2027-01-01T00:00:00Z": False},
    "year: 2026": {"2026-12-31T23:59:59Z": True, "2025-12-31T23:59:59Z": False},
    "month|neq: 12": {"2026-12-31T23:59:59Z": False, "2027-01-01T00:00:00Z": True},
}


@pytest.mark.parametrize(
    ("comparison", "at"), [(comparison, at) for comparison, cases in PARTS.items() for at in cases]
)
def test_parts_of_a_time_are_those_of_utc(tmp_path: Path, comparison: str, at: str) -> None:
    created = int(datetime.fromisoformat(at).timestamp())
    assert matches(tmp_path, f"created_at|{comparison}", created_at=created) is PARTS[comparison][at]


REFERENCES: list[tuple[str, dict[str, object], Outcome]] = [
    ("name|fieldref: owner.name", {"name": "Ada", "owner__name": "ada"}, Outcome.FAIL),
    ("name|fieldref: owner.name", {"name": "Ada", "owner__name": "Adam"}, Outcome.PASS),
    ("name|fieldref|startswith: owner.name", {"name": "ada-ci", "owner__name": "Ada"}, Outcome.FAIL),
    ("name|fieldref|endswith: owner.name", {"name": "ada-ci", "owner__name": "Ada"}, Outcome.PASS),
    ("name|fieldref|contains: owner.name", {"name": "of ada, ci", "owner__name": "Ada"}, Outcome.FAIL),
    ("name|fieldref: [owner.id, owner.name]", {"name": "ada", "owner__name": "Ada"}, Outcome.FAIL),
    ("name|fieldref|all: [owner.id, owner.name]", {"name": "ada", "owner__name": "Ada"}, Outcome.PASS),
    ("name|fieldref|neq: owner.name", {"name": "ada", "owner__name": "Ada"}, Outcome.PASS),
    ("name|fieldref|neq: owner.name", {"name": "ada"}, Outcome.FAIL),
    ("owner.id|fieldref: owner.email", {}, Outcome.PASS),
    ("owner.groups|fieldref: name", {"name": "ops", "owner__groups": ["dev", "OPS"]}, Outcome.FAIL),
    ("name|fieldref: owner.groups", {"name": "ops", "owner__groups": ["dev"]}, Outcome.PASS),
    ("last_used_at|fieldref: created_at", {"last_used_at": 5, "created_at": 5}, Outcome.FAIL),
    ("last_used_at|fieldref: created_at", {"last_used_at": 5, "created_at": 6}, Outcome.PASS),
    ("name|fieldref: owner.name", {"name": "ada", "owner__name": Unknown()}, Outcome.UNKNOWN),
    ("name|fieldref|neq: owner.name", {"name": "ada", "owner__name": Unknown()}, Outcome.UNKNOWN),
    ("name|fieldref: owner.groups", {"name": "ops", "owner__groups": Unknown(known=("OPS",))}, Outcome.FAIL),
    ("name|fieldref: owner.groups", {"name": "ops", "owner__groups": Unknown(known=("dev",))}, Outcome.UNKNOWN),
    (
        "name|fieldref: [owner.id, owner.name]",
        {"name": "ada", "owner__id": Unknown(), "owner__name": "Ada"},
        Outcome.FAIL,
    ),
]


@pytest.mark.parametrize(("comparison", "fields", "expected"), REFERENCES)
def test_a_field_is_compared_with_another_one(
    tmp_path: Path, comparison: str, fields: dict[str, object], expected: Outcome
) -> None:
    policies = loaded(tmp_path, state(f"{{bad: {{{comparison}}}, condition: bad}}"))
    assert judged(policies, key("some", **fields)).outcome is expected


def test_the_gap_behind_a_field_that_is_compared_with_is_named(tmp_path: Path) -> None:
    policies = loaded(tmp_path, state("{bad: {name|fieldref: owner.name}, condition: bad}"))
    hidden = gap("user")
    (verdict,) = judged(policies, key("some", owner__name=Unknown((hidden,)))).verdicts
    assert (verdict.outcome, verdict.gap) == (Outcome.UNKNOWN, hidden)


def verdict(policies: PolicySet, **fields: object) -> Outcome:
    return judged(policies, key("some", **fields)).outcome


PARAMS = "examples:", "params: {names: [], after: 30d, some: [x, y]}\nexamples:"


@pytest.mark.parametrize(
    ("comparison", "name", "expected"),
    [
        ("name: '%names%'", "x", False),
        ("name|neq: '%names%'", "x", True),
        ("name|contains|all: '%names%'", "x", False),
        ("name: ['%some%', z]", "y", True),
        ("name: ['%some%', z]", "z", True),
        ("name: ['%some%', z]", "a", False),
        ("name|contains: '%some%'", "axa", True),
        ("name|expand: '%some%'", "x", True),
    ],
)
def test_a_parameter_is_spliced_and_an_empty_list_matches_nothing(
    tmp_path: Path, comparison: str, name: str, expected: bool
) -> None:
    rest = "{name: ['%names%', '%some%'], created_at|older_than: '%after%'}"
    text = state(f"{{bad: {{{comparison}}}, rest: {rest}, condition: bad or (rest and not rest)}}").replace(*PARAMS)
    assert (verdict(loaded(tmp_path, text), name=name) is Outcome.FAIL) is expected


CONDITIONS: dict[str, set[str]] = {
    "a": {"a", "ab"},
    "a and b": {"ab"},
    "a or b": {"a", "b", "ab"},
    "not a": {"", "b"},
    "not (a or b)": {""},
    "a and not b": {"a"},
    "1 of them": {"a", "b", "ab"},
    "any of them": {"a", "b", "ab"},
    "all of them": {"ab"},
    "1 of a*": {"a", "ab"},
    "all of a*": {"a", "ab"},
    "any of a*": {"a", "ab"},
    "not 1 of them": {""},
    "(a and not b) or (b and not a)": {"a", "b"},
    "[a, b]": {"a", "b", "ab"},
}


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("name", ["", "a", "b", "ab"])
def test_conditions_join_selections(tmp_path: Path, condition: str, name: str) -> None:
    text = state(f"{{a: {{name|contains: a}}, b: {{name|contains: b}}, condition: {condition}}}")
    if condition in {"a", "not a", "1 of a*", "all of a*", "any of a*"}:
        text = text.replace("b: {name|contains: b}, ", "")
    assert (verdict(loaded(tmp_path, text), name=name) is Outcome.FAIL) is (name in CONDITIONS[condition])


def test_a_list_of_mappings_are_alternatives_and_a_mapping_holds_as_a_whole(tmp_path: Path) -> None:
    text = state("{bad: [{name: a, owner.type: user}, {name: b}], condition: bad}")
    policies = loaded(tmp_path, text)
    found = [verdict(policies, name=name, owner__type=kind) for name in ("a", "b") for kind in ("user", "service")]
    assert [outcome is Outcome.FAIL for outcome in found] == [True, False, True, True]


def events(folder: Path, detection: str, *records: Record) -> list[str]:
    policies = loaded(folder, RULE + f"detection: {detection}\n", "rule.yaml")
    return [verdict.events[0] for verdict in match(policies, records, NOW)]


def test_in_an_event_what_is_absent_compares_false_and_its_negation_true(tmp_path: Path) -> None:
    one, other = event("e1", "a", payload__role="owner"), event("e2", "a")
    assert events(tmp_path, "{s: {payload.role: owner}, condition: s}", one, other) == ["e1"]
    assert events(tmp_path, "{s: {payload.role: owner}, condition: not s}", one, other) == ["e2"]
    assert events(tmp_path, "{s: {payload.role|neq: owner}, condition: s}", one, other) == ["e2"]
    assert events(tmp_path, "{s: {payload.role: null}, condition: s}", one, other) == ["e2"]


def test_in_an_event_types_are_not_known_and_texts_and_numbers_meet(tmp_path: Path) -> None:
    record = event("e1", "a", payload__count=5, payload__on=True, payload__code="7")
    for comparison in ("payload.count: 5", "payload.count: '5'", "payload.on: true", "payload.code: 7"):
        assert events(tmp_path, f"{{s: {{{comparison}}}, condition: s}}", record) == ["e1"], comparison
    assert events(tmp_path, "{s: {payload.on: 1}, condition: s}", record) == []


def test_in_an_event_what_somebody_did_to_oneself_is_found(tmp_path: Path) -> None:
    rule = "{s: {actor.id|fieldref: payload.principal_id}, condition: s}"
    own = event("e1", "role.assignment.created", actor__id="user_1", payload__principal_id="user_1")
    other = event("e2", "role.assignment.created", actor__id="user_1", payload__principal_id="user_2")
    assert events(tmp_path, rule, own, other, event("e3", "a")) == ["e1"]
    assert events(tmp_path, "{s: {a|fieldref: b}, condition: s}", event("e1", "x", a=True, b="true")) == []
    assert events(tmp_path, "{s: {a|fieldref: b}, condition: s}", event("e1", "x", a=True, b=True)) == ["e1"]


def test_in_an_event_only_a_time_has_an_hour(tmp_path: Path) -> None:
    rule = "{s: {effective_at|hour: [0, 1]}, condition: s}"
    record = event("e1", "a")
    broken = [event(f"e{i}", "a", at) for i, at in enumerate((-1, 10**15), start=2)]
    assert events(tmp_path, rule, record, *broken) == ["e1"]


def test_a_keyword_is_looked_for_in_every_field_of_an_event(tmp_path: Path) -> None:
    record = event("e1", "a", payload__note="The Quick fox")
    assert events(tmp_path, "{s: [quick, slow], condition: s}", record) == ["e1"]
    assert events(tmp_path, "{s: slow, condition: s}", record) == []
    assert events(tmp_path, "{s: [{type: b}, fox], condition: s}", record) == ["e1"]
    assert events(tmp_path, "{s: [{type: a}, slow], condition: s}", record) == ["e1"]
    assert events(tmp_path, "{s: [{type: b}, slow], condition: s}", record) == []
    assert events(tmp_path, "{s: 404, condition: s}", event("e2", "a", payload__note="error 404")) == ["e2"]
    assert events(tmp_path, "{s: {'|all': ['*quick*', '*fox*']}, condition: s}", record) == ["e1"]


def test_a_hostile_value_takes_no_long_time_and_no_other_path(tmp_path: Path) -> None:
    policies = loaded(tmp_path, state("{bad: {name: '*a*a*a*a*a*a*a*a*b', name|re: '(a+)+b'}, condition: bad}"))
    assert verdict(policies, name="a" * 100_000) is Outcome.PASS
    policies = loaded(tmp_path, state("{bad: {name|contains: '%'}, condition: bad}"))
    assert verdict(policies, name="100%") is Outcome.FAIL
