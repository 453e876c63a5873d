"""The fused function of many policies against each policy by itself, on random policies and records, and on ours."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from organization import KEY, NOW, served, small
from pydantic import SecretStr
from randompolicies import KIND, LOOSE, TYPED, TYPES, hidden, judge_of, judges, records, seen

from auditor.adminapi.client import AdminClient
from auditor.adminapi.fields import Type
from auditor.adminapi.resources import RESOURCES
from auditor.inventory.collect import collect
from auditor.inventory.events import record_of
from auditor.inventory.model import Fields, Record, Snapshot, Unknown
from auditor.inventory.relations import join
from auditor.inventory.schema import fields_of
from auditor.inventory.settings import fold
from auditor.policy.atoms import RARELY
from auditor.policy.evaluate import evaluate, match
from auditor.policy.fusing import fuse
from auditor.policy.load import load
from auditor.policy.policyset import Judge, PolicySet
from auditor.policy.program import MAX_TYPES, EventProgram, StateProgram, list_in_event
from auditor.policy.quick import Swept, quick, sweep
from auditor.simulator.organization import Organization

PROVE = os.environ.get("AUDITOR_PROVE") == "1"
EXAMPLES = 4000 if PROVE else 100
THOROUGH = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

pytestmark = pytest.mark.timeout(3600 if PROVE else 120)


def alone(judge: Judge, fields: Fields, now: int) -> bool | str | None:
    """What a policy says by itself."""
    applies = judge.applies(fields, now) if judge.applies else True
    if applies is False:
        return "excepted"
    answer = judge.matcher.asked(fields, now)
    return None if applies is None and answer is not False else answer


def together(judges: Sequence[Judge], fields: Fields, now: int) -> list[bool | str | None]:
    """What each policy says when all are asked at once."""
    record = Record(KIND, ("key_1",), fields)
    words: list[bool | str | None] = []
    for found in StateProgram(judges[0].policy.kind, judges).sort([record], now):
        said: bool | str | None = bool(found.matching)
        words.append(None if found.undecided else "excepted" if found.excepted else said)
        assert found.passed == (words[-1] is False)
    return words


VALUES: tuple[object, ...] = (
    None, "", "a", "A", "ab", "BA", "xax", "k", "\u212a", "\u017f", "s", "ß", "ẞ", "SS", "straße", "STRASSE",
    "xstraßex", "İ", "i\u0307", "\ufb01", "fi", "a*b", "axb", "a\nb", "b\nc", "a\\b", "null", "true", "True", "5",
    "5.0", "1", "0", True, False, 5, 6, 4, 0, 1, 5.0, 5.5, float("nan"), float("inf"), 10**30, NOW, NOW - 86_400,
    NOW - 86_401, NOW - 86_399, NOW + 1, NOW - 1, NOW + 86_400, NOW + 86_401, NOW - 86_400.5, "192.0.2.9",
    "198.51.100.1", "2001:db8::1", "2001:db9::1", "0.0.0.5", "::5", "192.0.2.01", "fe80::1%eth0", "192.0.2.0/24",
    "::/0", "192.0.2.9\0", "\u0661\u0669\u0662.0.2.9", [], [None], ["a"], ["b", "A"], ["xax", 5], [5], [True],
    [5.0, None], ["192.0.2.9"], [["a"]], ["\u017f"], [NOW - 86_401],
)  # fmt: skip
COMPARISONS: tuple[tuple[str, object], ...] = (
    *(("", each) for each in (None, "a", "*", "?*", "", "a*", "*a", "*a*", r"a\*b", "a?b")),
    *(("", each) for each in ("ß", "*ß*", "*k*", "k*", "*s", "*i*", "straße")),
    *(("", each) for each in (5, 5.5, 0, True, False, "5", "true", ["a", "b"], ["a", 5, None, True, "*k"], [])),
    *(("|neq", each) for each in ("a", ["a", "b"], [], 5)),
    *(("|cased", each) for each in ("a", "A", "a*", "*A", "*a*", "a?b", ["a", "5"], "true", "5")),
    *(("|contains", each) for each in ("a", "K", "ss", "", ["a", "5"], [f"w{i}" for i in range(20)] + ["xa"], "é")),
    *(("|contains|all", each) for each in (["a", "x"], ["a", "b"], ["5", "x"])),
    *((f"|{each}", ["a", "5", "S"]) for each in ("startswith", "endswith", "contains|cased", "startswith|cased")),
    *(("|re", each) for each in ("^a", "a$", "^a$", "^(a|x)", "(?:b|A)$", "a", "b.", "^b", "5")),
    *(("|re", each) for each in ("[ab]", r"^a\*b$", r"a\\b")),
    *((f"|re|{each}", "b$") for each in ("i", "m", "s", "i|s", "i|m")),
    *((f"|re|{each}", "a.b") for each in ("i", "m", "s", "i|s", "i|m")),
    *(("|re|i", each) for each in ("^A", "^k$", "^b", "(s|k)")),
    *((f"|{each}", 5) for each in ("lt", "lte", "gt", "gte")),
    ("|gt", 5.5), ("|lt", [0, 6]), ("|gt|neq", 5),
    *((f"|{each}", span) for each in ("older_than", "newer_than", "within") for span in ("1d", "0s", ["1s", "1d"])),
    *(("|cidr", each) for each in ("192.0.2.0/24", "2001:db8::/32", "0.0.0.0/0", "::/0")),
    ("|cidr", ["192.0.2.0/30", "198.51.100.0/24"]),
    *(("|wider_than", each) for each in (0, 1, 255, 256)),
    *(("|outside", each) for each in ("a", ["a", "b"], ["a*", "5"], "*", ["ß", "true"], [])),
    *(("|exists", each) for each in (True, False)),
)  # fmt: skip


OTHERS = tuple({"a": {"field|contains": f"word {number}"}, "condition": "a"} for number in range(RARELY))
"""With them a field is asked for so often that it is read before all else."""


@pytest.mark.parametrize(("modifiers", "wanted"), COMPARISONS, ids=repr)
@pytest.mark.parametrize("may_be_list", [True, False])
@pytest.mark.parametrize("others", [(), OTHERS], ids=["where needed", "before"])
def test_every_comparison_says_of_every_value_what_its_tests_say(
    modifiers: str, wanted: object, may_be_list: bool, others: Sequence[Mapping[str, object]]
) -> None:
    trees = ({"a": {f"field{modifiers}": wanted}, "condition": "a"}, *others)
    asked = [judge for tree in trees if (judge := judge_of("one", "anything", tree, None))]
    assert len(asked) == 1 + len(others)
    fused = fuse(enumerate(asked), {}, lambda _name: may_be_list)
    for value in VALUES:
        record = {"field": value}
        said = answered(fused, record)
        if said is None:
            # A list where none belongs, or no number where one does: others are asked then.
            assert not may_be_list
            assert isinstance(value, list | str | bool | float)
        else:
            assert said == ([0] if asked[0].matcher.asked(record, NOW) else []), value
            assert may_be_list or wanted == [] or not isinstance(value, list)
    for known in ((), ("a", 5)):
        record = {"field": Unknown((), known)}
        said = answered(fused, record)
        # What is compared with nothing is not looked at.
        assert said is None or (wanted == [] and said == ([0] if asked[0].matcher.asked(record, NOW) else []))


@pytest.mark.parametrize(("modifiers", "wanted"), COMPARISONS, ids=repr)
@pytest.mark.parametrize("others", [(), OTHERS, (*OTHERS, *OTHERS)], ids=["where needed", "twice", "before"])
def test_the_quick_function_says_the_same_or_nothing(
    modifiers: str, wanted: object, others: Sequence[Mapping[str, object]]
) -> None:
    trees = ({"a": {f"field{modifiers}": wanted}, "condition": "a"}, *others)
    asked = [judge for tree in trees if (judge := judge_of("one", "anything", tree, None))]
    said = quick(enumerate(asked), {})
    told = sweep(asked, lambda _name: True)
    for value in (*VALUES, Unknown(), Unknown((), ("a", 5))):
        record = Record("anything", ("one",), {"field": value})
        expected = [number for number, judge in enumerate(asked) if judge.matcher.asked(record.fields, NOW)]
        assert answered(said, record.fields) in (None, expected), value
        assert swept(told, len(asked), record) in (None, expected), value


def swept(told: Swept, policies: int, record: Record) -> list[int] | None:
    """What a sweep says of one record; None for nothing."""
    matching: list[list[Record]] = [[] for _ in range(policies)]
    left: list[Record] = []
    excepted: list[Record] = []
    told([record], NOW, [each.append for each in matching], [excepted.append] * policies, left.append)
    return None if left else [number for number, each in enumerate(matching) if each]


def test_a_policy_that_was_told_before_another_had_no_answer_is_told_once() -> None:
    trees: tuple[dict[str, object], ...] = (
        {"a": {"name": "x"}, "condition": "a"},
        {"a": {"name": "y"}, "condition": "not a"},
        {"a": {"owner.type": "user"}, "condition": "a"},
    )
    policies = [judge for i, tree in enumerate(trees) if (judge := judge_of(f"policy-{i}", KIND, tree, None))]
    records = [Record(KIND, (f"key_{i}",), {"name": "x", "owner.type": hidden}) for i, hidden in enumerate(OWNERS)]
    one, other, third = StateProgram(KIND, policies).sort(records, NOW)
    assert one.matching == other.matching == records
    assert (third.matching, third.undecided) == ([records[2]], [records[0], records[3]])


OWNERS = (Unknown(), "service_account", "user", Unknown())


@pytest.mark.parametrize("kind", ["login.failed", "login.succeeded"])
def test_rules_that_share_their_tests_say_what_each_says_alone(kind: str) -> None:
    people = [f"user{number}@example.com" for number in range(8)]
    # Those that share an address come first in the code, but not in the answer.
    trees: list[dict[str, object]] = [
        {"a": {"payload.scope": "all", "payload.role": role, "payload.count|gt": number}, "condition": "a"}
        for number in (5, 9)
        for role in ("owner", ["reader", "admin"], None)
    ]
    trees += [
        {"a": {"actor.email": person, "payload.role": role}, "condition": "a"}
        for person in people
        for role in ("owner", "reader")
    ]
    trees += [{"a": {"type": kind}, "b": {"payload.role": "owner"}, "condition": "a and not b"}]
    rules = tuple(rule for tree in trees if (rule := judge_of("one", "audit_event", tree, None)))
    assert len(rules) == 23
    program, matched = EventProgram(rules), 0
    for person, role, scope, count in product(
        (*people, None, 5), ("OWNER", "reader", "admin", None), ("All", "none"), COUNTS
    ):
        fields = {"actor.email": person, "payload.role": role, "payload.scope": scope, "payload.count": count}
        for record in ({**fields, "type": "login.failed"}, {**fields, "type": "x"}, {**fields, "type": ["x"]}):
            expected = [number for number, rule in enumerate(rules) if rule.matcher.asked(record, NOW)]
            assert list(program.matching(record, NOW)) == expected
            event = Record("audit_event", ("one",), record)
            assert list(program.hits([event], NOW)) == ([(event, expected)] if expected else [])
            matched += len(expected)
    assert matched > 1000


class Watched(dict[str, object]):
    """Fields that note which of them are read."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        super().__init__(fields)
        self.read: list[object] = []

    def get(self, name: object, *default: object) -> object:
        self.read.append(name)
        return super().get(name, *default)  # type: ignore[call-overload]


def test_of_an_event_that_no_rule_matches_few_fields_are_read_and_each_once() -> None:
    trees: list[dict[str, object]] = [
        {
            "a": {"payload.role": role, "payload.scope": "all", "payload.name|contains": f"word {number}"},
            "condition": "a",
        }
        for number, role in enumerate(("owner", "admin", "reader", "owner"))
    ]
    trees += [
        {"a": {"payload.scope": "none"}, "b": {"payload.note|exists": True}, "condition": "a and not b"},
        {"a": {"payload.role": "admin", "payload.scope|startswith": "w"}, "condition": "a"},
    ]
    rules = [rule for tree in trees if (rule := judge_of("one", "audit_event", tree, None))]
    said = quick(enumerate(rules), {})
    others = Watched({"payload.role": "Owner", "payload.scope": "read", "payload.count": 9, "payload.name": "word 0"})
    assert said(others, NOW) == []
    assert others.read == ["payload.scope"]
    matching = Watched({**others, "payload.scope": "ALL"})
    assert said(matching, NOW) == [0]
    assert sorted(map(str, matching.read)) == ["payload.name", "payload.role", "payload.scope"]


COUNTS = (5, 6, 10, 9.5, None, "10", True)


def answered(fused: Callable[[Fields, int], list[int] | None], fields: Fields) -> list[int] | None:
    """What the function says; when it raises, it says nothing."""
    try:
        return fused(fields, NOW)
    except Exception:  # noqa: BLE001 - as its callers do
        return None


@pytest.mark.parametrize("hidden", [Unknown(), Unknown((), ("b",)), ["b"]])
@pytest.mark.parametrize("field", ["name", "owner.name", "owner.groups"])
def test_what_is_hidden_hides_no_answer_that_others_give(field: str, hidden: object) -> None:
    trees: tuple[dict[str, object], ...] = (
        {"a": {"created_at|gt": 5}, "b": {field: "b"}, "condition": "a and b"},
        {"a": {"created_at|gt": 5}, "b": {field: "b"}, "condition": "not a or b"},
        {"a": {field: None}, "condition": "a"},
    )
    for tree in trees:
        judge = judge_of("one", KIND, tree, None)
        assert judge
        for created in (5, 6):
            fields = {"created_at": created, field: hidden}
            assert together([judge], fields, NOW) == [alone(judge, fields, NOW)]
    judge = judge_of("one", KIND, trees[0], None)
    assert judge
    fused = fuse([(0, judge)], {}, lambda _name: False)
    assert answered(fused, {"created_at": 5, field: hidden}) == []
    assert answered(fused, {"created_at": 6, field: hidden}) is None


@THOROUGH
@given(judges(KIND, TYPED, keywords=False), records(TYPED, hidden))
def test_of_resources_they_say_the_same_whatever_is_hidden(
    policies: tuple[Judge, ...], fields: dict[str, object]
) -> None:
    if policies:
        assert together(policies, fields, NOW) == [alone(each, fields, NOW) for each in policies]


@THOROUGH
@given(judges("audit_event", LOOSE, keywords=True), records(LOOSE, seen), st.sampled_from(TYPES))
def test_of_events_they_say_the_same_for_every_type(
    rules: tuple[Judge, ...], fields: dict[str, object], kind: str
) -> None:
    program = EventProgram(rules)
    for record in (fields, {**fields, "type": kind}, {**fields, "type": "never.heard.of"}):
        expected = [number for number, rule in enumerate(rules) if rule.matcher.asked(record, NOW)]
        assert list(program.matching(record, NOW)) == expected


@THOROUGH
@given(judges("audit_event", LOOSE, keywords=True), records(LOOSE, seen))
def test_the_function_itself_answers_for_all_that_can_be_seen(
    rules: tuple[Judge, ...], fields: dict[str, object]
) -> None:
    fused = fuse(enumerate(rules), {}, lambda _name: True)
    assert fused(fields, NOW) == [number for number, rule in enumerate(rules) if rule.matcher.asked(fields, NOW)]


@pytest.fixture(scope="module")
def organization() -> Organization:
    return small()


@pytest.fixture(scope="module")
def shipped() -> PolicySet:
    return load(["builtin:openai"], {}, {})


def test_ours_say_the_same_of_every_simulated_resource(organization: Organization, shipped: PolicySet) -> None:
    with served(organization) as (address, _):
        snapshot = asyncio.run(read(address))
    found = {result.policy: result for result in evaluate(shipped, snapshot, NOW)}
    assert sorted(found) == [judge.policy.name for judge in shipped.states]
    for judge in shipped.states:
        records = snapshot.collection(judge.policy.kind).records
        said = {record.ids: alone(judge, record.fields, NOW) for record in records}
        result = found[judge.policy.name]
        assert result.undecided == frozenset(ids for ids, each in said.items() if each is None)
        if judge.policy.allowed.each:
            assert [each.ids for each in result.verdicts if each.record] == [
                ids for ids, each in said.items() if each is True
            ]
            assert result.passed == list(said.values()).count(False)
    assert sum(len(result.verdicts) for result in found.values()) > 20


def test_of_resources_of_which_nothing_is_hidden_the_quick_function_says_it(
    organization: Organization, shipped: PolicySet
) -> None:
    with served(organization) as (address, _):
        snapshot = asyncio.run(read(address))
    asked = 0
    for kind in {judge.policy.kind for judge in shipped.states}:
        judges = [judge for judge in shipped.states if judge.policy.kind == kind]
        told = sweep(judges, lambda name, kind=kind: fields_of(kind)[name].type is Type.STRINGS)  # type: ignore[misc]
        names = {name for judge in judges for name in judge.matcher.fields | judge.applies_fields}
        for record in snapshot.collection(kind).records:
            values = [record.fields.get(name) for name in names]
            mixed = any(fields_of(kind)[name].type is Type.ANY for name in names)
            if not mixed and not any(isinstance(value, Unknown) for value in values):
                assert swept(told, len(judges), record) is not None, (kind, record)
                asked += 1
    assert asked > 20


def test_ours_say_the_same_of_every_simulated_event(organization: Organization, shipped: PolicySet) -> None:
    events = [record_of(bytes(event.raw)) for event in organization.log.events]
    expected = [
        (rule.policy.name, event.id, rule.matcher.matched(event.fields, NOW))
        for event in events
        for rule in shipped.rules
        if rule.matcher.asked(event.fields, NOW)
    ]
    assert len(expected) > 5
    assert [(each.policy, each.events[0], each.matched) for each in match(shipped, events, NOW)] == expected


async def read(address: str) -> Snapshot:
    async with AdminClient(SecretStr(KEY), base_url=address, requests_per_minute=10_000_000) as client:
        return fold(join(await collect(client, "acme", NOW, kinds=RESOURCES)), [], {})


def test_a_policy_too_large_for_the_function_is_asked_by_itself_and_hides_no_other() -> None:
    deep = "not " * 60 + "a"
    wide: dict[str, object] = {"a": [{"name": "x", "created_at|gt": number} for number in range(300)], "condition": "a"}
    trees: tuple[dict[str, object], ...] = (
        {"a": {"name": "x"}, "condition": deep},
        wide,
        {"a": {"name": "x"}, "condition": "a"},
    )
    policies = [judge_of(f"policy-{i}", KIND, tree, None) for i, tree in enumerate(trees)]
    assert together([each for each in policies if each], {"name": "X", "created_at": 5}, NOW) == [True, True, True]
    assert together([each for each in policies if each], {"name": "X", "created_at": Unknown()}, NOW) == [
        True,
        None,
        True,
    ]


def test_a_text_of_a_policy_is_never_code() -> None:
    name = "__import__('os')"
    tree: dict[str, object] = {
        "a": {f"{name}": "'); raise SystemExit #", f"{name}.x|contains": ['"""', "\\", "{0}"]},
        "condition": "a",
    }
    judge = judge_of("one", "anything", tree, None)
    assert judge
    fused = fuse([(0, judge)], {}, list_in_event)
    assert fused({name: "'); RAISE SystemExit #", f"{name}.x": 'a """'}, NOW) == [0]
    assert fused({name: "x"}, NOW) == []


def test_an_event_without_a_type_and_made_up_types_are_judged_too() -> None:
    rule = judge_of(
        "one", "audit_event", {"a": {"type|startswith": "login"}, "b": ["admin"], "condition": "a or b"}, None
    )
    assert rule
    program = EventProgram((rule,))
    assert program.matching({"note": "an Admin"}, NOW) == [0]
    assert [bool(program.matching({"type": f"login.{i}"}, NOW)) for i in range(MAX_TYPES + 10)] == [True] * (
        MAX_TYPES + 10
    )
    assert [bool(program.matching({"type": f"x.{i}"}, NOW)) for i in range(10)] == [False] * 10


def test_a_policy_that_breaks_the_function_hides_no_other() -> None:
    one = judge_of("one", KIND, {"a": {"name|contains": "a"}, "condition": "a"}, None)
    other = judge_of("other", KIND, {"a": {"owner.type": "user"}, "condition": "a"}, None)
    assert one
    assert other
    program = StateProgram(KIND, (one, other))
    record = Record(KIND, ("key_1",), Brittle({"name": "b", "owner.type": "user"}))
    first, second = program.sort([record], NOW)
    assert (first.matching, second.matching) == ([], [record])


class Brittle(dict[str, object]):
    """Fields of which the name cannot be read the first time."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        super().__init__(fields)
        self.broken = True

    def get(self, key: str, default: object = None) -> object:
        if key == "name" and self.broken:
            self.broken = False
            raise RuntimeError
        return super().get(key, default)
