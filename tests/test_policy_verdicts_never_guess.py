"""PASS, FAIL and UNKNOWN: three-valued logic, gaps, counts, and what does not apply."""

from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policyfiles import gap, judged, key, loaded, state

from auditor.inventory.model import Gap, Snapshot, Unknown
from auditor.policy.evaluate import evaluate
from auditor.policy.load import PolicySet, load
from auditor.policy.model import PolicyResult
from auditor.terms import Outcome

HIDDEN = Unknown((gap(),))
ANSWERS = {True: "yes", False: "no", None: HIDDEN}
FIELDS = {"a": "name", "b": "owner.name", "c": "project.name"}
SELECTIONS = ", ".join(f"{name}: {{{field}: 'yes'}}" for name, field in FIELDS.items())


def outcome(answer: bool | None) -> Outcome:
    return {True: Outcome.FAIL, False: Outcome.PASS, None: Outcome.UNKNOWN}[answer]


def negation(a: bool | None) -> bool | None:
    return None if a is None else not a


def conjunction(a: bool | None, b: bool | None) -> bool | None:
    return False if False in (a, b) else None if None in (a, b) else True


def disjunction(a: bool | None, b: bool | None) -> bool | None:
    return negation(conjunction(negation(a), negation(b)))


Formula = str | tuple[str, "Formula", "Formula"] | tuple[str, "Formula"]
formulas = st.recursive(
    st.sampled_from("abc"),
    lambda inner: st.tuples(st.sampled_from(["and", "or"]), inner, inner) | st.tuples(st.just("not"), inner),
    max_leaves=8,
)


def text_of(formula: Formula) -> str:
    if isinstance(formula, str):
        return formula
    if len(formula) == 2:
        return f"not ({text_of(formula[1])})"
    return f"({text_of(formula[1])}) {formula[0]} ({text_of(formula[2])})"


def answer_of(formula: Formula, answers: dict[str, bool | None]) -> bool | None:
    if isinstance(formula, str):
        return answers[formula]
    if len(formula) == 2:
        return negation(answer_of(formula[1], answers))
    join = conjunction if formula[0] == "and" else disjunction
    return join(answer_of(formula[1], answers), answer_of(formula[2], answers))


@settings(max_examples=40, deadline=None)
@given(formulas, st.fixed_dictionaries(dict.fromkeys("abc", st.sampled_from([True, False, None]))))
def test_conditions_follow_kleene(formula: Formula, answers: dict[str, bool | None]) -> None:
    unused = " and ".join(f"({name} or not {name} or a or not a)" for name in "abc")
    fields = {FIELDS[name]: ANSWERS[answer] for name, answer in answers.items()}
    with TemporaryDirectory() as folder:
        policies = loaded(Path(folder), state(f"{{{SELECTIONS}, condition: ({text_of(formula)}) and {unused}}}"))
    tautology: bool | None = True
    for name in "abc":
        known = disjunction(answers[name], negation(answers[name]))
        tautology = conjunction(tautology, disjunction(known, disjunction(answers["a"], negation(answers["a"]))))
    expected = conjunction(answer_of(formula, answers), tautology)
    assert judged(policies, key("some", **fields)).outcome is outcome(expected)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c"])), st.lists(st.sampled_from(["a", "b", "c"])))
def test_what_a_gap_hides_can_only_turn_an_unknown_into_an_answer(seen: list[str], hidden: list[str]) -> None:
    comparisons: tuple[str, ...] = (
        "owner.groups: a",
        "owner.groups|neq: a",
        "owner.groups|contains|all: [a, b]",
        "owner.groups: null",
    )
    comparisons += ("owner.groups|outside: a", "owner.groups|outside: [a, b]")
    for comparison in comparisons:
        with TemporaryDirectory() as folder:
            policies = loaded(Path(folder), state(f"{{s: {{{comparison}}}, condition: s}}"))
        partly = judged(policies, key("some", owner__groups=Unknown((gap("group_member"),), tuple(seen)))).outcome
        whole = judged(policies, key("some", owner__groups=seen + hidden)).outcome
        if not seen and comparison.endswith("null"):
            continue
        assert partly in {Outcome.UNKNOWN, whole}, comparison


PARTLY: dict[tuple[str, tuple[str, ...]], Outcome] = {
    ("owner.groups: a", ("a",)): Outcome.FAIL,
    ("owner.groups: a", ("b",)): Outcome.UNKNOWN,
    ("owner.groups: a", ()): Outcome.UNKNOWN,
    ("owner.groups|neq: a", ("a",)): Outcome.PASS,
    ("owner.groups|neq: a", ("b",)): Outcome.UNKNOWN,
    ("owner.groups|contains|all: [a, b]", ("a", "b")): Outcome.FAIL,
    ("owner.groups|contains|all: [a, b]", ("a",)): Outcome.UNKNOWN,
    ("owner.groups: null", ("a",)): Outcome.PASS,
    ("owner.groups: null", ()): Outcome.UNKNOWN,
    ("owner.groups|exists: true", ("a",)): Outcome.FAIL,
    ("owner.groups|outside: [a, b]", ("a", "c")): Outcome.FAIL,
    ("owner.groups|outside: [a, b]", ("a", "b")): Outcome.UNKNOWN,
    ("owner.groups|outside: [a, b]", ()): Outcome.UNKNOWN,
    ("owner.groups: '%none%'", ("a",)): Outcome.PASS,
    ("owner.groups|outside: '%none%'", ("a",)): Outcome.FAIL,
}


@pytest.mark.parametrize(("comparison", "known"), PARTLY)
def test_a_list_that_was_seen_in_part_decides_what_it_can(
    tmp_path: Path, comparison: str, known: tuple[str, ...]
) -> None:
    text = state(f"{{s: {{{comparison}}}, condition: s}}")
    if "%" in comparison:
        text = text.replace("examples:", "params: {none: []}\nexamples:")
    record = key("some", owner__groups=Unknown((gap("group_member"),), known))
    assert judged(loaded(tmp_path, text), record).outcome is PARTLY[comparison, known]


BAD = state("{bad: {name: bad}, owned: {owner.groups: a}, condition: bad and not owned}")


def said(result: PolicyResult) -> list[tuple[Outcome, tuple[str, ...]]]:
    return [(verdict.outcome, verdict.ids) for verdict in result.verdicts]


def test_each_match_is_a_finding_and_the_rest_are_counted(tmp_path: Path) -> None:
    result = judged(loaded(tmp_path, BAD), key("bad"), key("good"), key("fine"), key("bad", owner__groups=["a"]))
    (verdict,) = result.verdicts
    assert (result.outcome, result.passed, verdict.ids) == (Outcome.FAIL, 3, ("proj_1", "bad"))
    assert (verdict.name, verdict.kind, verdict.matched) == ("bad", "project_api_key", ("bad",))
    assert verdict.record is not None
    assert verdict.at is None


def test_an_empty_collection_passes_only_when_it_was_read_in_full(tmp_path: Path) -> None:
    policies = loaded(tmp_path, BAD)
    assert judged(policies).outcome is Outcome.PASS
    assert judged(policies, gaps=(gap(),)).outcome is Outcome.UNKNOWN
    assert judged(policies, unseen="no event has shown it").outcome is Outcome.UNKNOWN


def test_a_kind_that_was_never_read_is_unknown(tmp_path: Path) -> None:
    (result,) = evaluate(loaded(tmp_path, BAD), Snapshot("acme", 0, {}), 0)
    (verdict,) = result.verdicts
    assert (result.outcome, verdict.gap, verdict.ids) == (Outcome.UNKNOWN, None, ("*",))
    assert "was not read" in verdict.message


def test_gaps_are_told_once_each_and_beside_what_fails(tmp_path: Path) -> None:
    gaps = (gap("project_api_key", "proj_2"), gap("project_api_key", "proj_3"))
    result = judged(loaded(tmp_path, BAD), key("bad"), key("good"), gaps=gaps)
    unknown = Outcome.UNKNOWN
    assert result.outcome is Outcome.FAIL
    assert said(result) == [(Outcome.FAIL, ("proj_1", "bad")), (unknown, ("proj_2",)), (unknown, ("proj_3",))]
    assert [verdict.gap for verdict in result.verdicts[1:]] == list(gaps)
    assert "403: missing scope" in result.verdicts[1].message


def test_records_behind_one_gap_give_one_verdict(tmp_path: Path) -> None:
    members, roles = gap("group_member", "group_1"), gap("user_role")
    records = [key("bad", owner__groups=Unknown((members,))) for _ in range(3)]
    records.append(key("bad", id="other", owner__groups=Unknown((members, roles))))
    records.append(key("good", owner__groups=Unknown((members,))))
    result = judged(loaded(tmp_path, BAD), *records)
    assert (result.outcome, result.passed) == (Outcome.UNKNOWN, 1)
    assert {verdict.gap for verdict in result.verdicts} == {members, roles}
    assert said(result) == [(Outcome.UNKNOWN, ("group_1",)), (Outcome.UNKNOWN, ("*",))]
    assert result.undecided == frozenset({("proj_1", "bad")})


def test_a_field_that_no_event_and_no_server_showed_is_unknown_without_a_gap(tmp_path: Path) -> None:
    result = judged(loaded(tmp_path, BAD), key("bad", owner__groups=Unknown(why="no event has shown it")))
    (verdict,) = result.verdicts
    assert (verdict.outcome, verdict.gap, verdict.ids) == (Outcome.UNKNOWN, None, ("*",))
    assert "no event has shown it" in verdict.message


APPLIES = BAD + "applies_to: {owner.type: user}\n"


@pytest.mark.parametrize(
    ("kind", "name", "expected", "passed"),
    [
        ("user", "bad", Outcome.FAIL, 0),
        ("user", "good", Outcome.PASS, 1),
        ("service", "bad", Outcome.PASS, 0),
        (None, "bad", Outcome.PASS, 0),
        (HIDDEN, "bad", Outcome.UNKNOWN, 0),
        (HIDDEN, "good", Outcome.PASS, 1),
    ],
)
def test_what_a_policy_does_not_apply_to_is_neither_pass_nor_fail(
    tmp_path: Path, kind: object, name: str, expected: Outcome, passed: int
) -> None:
    result = judged(loaded(tmp_path, APPLIES), key(name, owner__type=kind))
    assert (result.outcome, result.passed) == (expected, passed)


def counting(folder: Path, allowed: str) -> PolicySet:
    text = state("{bad: {name|startswith: bad}, condition: bad}", message="'{{ count }}: {{ names }}'")
    return loaded(folder, text + f"allowed: {allowed}\n")


ONE_GAP: tuple[Gap, ...] = (gap("project_api_key", "proj_9"),)
FAIL, PASS, UNKNOWN = Outcome.FAIL, Outcome.PASS, Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("allowed", "bad", "gaps", "hidden", "expected"),
    [
        ("{min: 1}", 0, (), 0, FAIL),
        ("{min: 1}", 1, (), 0, PASS),
        ("{min: 1}", 9, (), 0, PASS),
        ("{min: 1}", 0, ONE_GAP, 0, UNKNOWN),
        ("{min: 1}", 1, ONE_GAP, 0, PASS),
        ("{min: 1}", 0, (), 1, UNKNOWN),
        ("{min: 1}", 1, (), 1, PASS),
        ("{max: 2}", 2, (), 0, PASS),
        ("{max: 2}", 3, (), 0, FAIL),
        ("{max: 2}", 2, ONE_GAP, 0, UNKNOWN),
        ("{max: 2}", 3, ONE_GAP, 0, FAIL),
        ("{max: 2}", 2, (), 1, UNKNOWN),
        ("{max: 2}", 0, ONE_GAP, 0, UNKNOWN),
        ("{min: 1, max: 2}", 0, (), 0, FAIL),
        ("{min: 1, max: 2}", 1, (), 0, PASS),
        ("{min: 1, max: 2}", 3, ONE_GAP, 0, FAIL),
        ("{min: 1, max: 2}", 1, ONE_GAP, 0, UNKNOWN),
        ("{max: 0, min: 0}", 1, (), 0, FAIL),
    ],
)
def test_a_count_is_judged_by_what_is_known(
    tmp_path: Path, allowed: str, bad: int, gaps: tuple[Gap, ...], hidden: int, expected: Outcome
) -> None:
    records = [key(f"bad_{i}") for i in range(bad)] + [key("good")]
    records += [key("some", name=HIDDEN) for _ in range(hidden)]
    assert judged(counting(tmp_path, allowed), *records, gaps=gaps).outcome is expected


def test_a_count_is_one_finding_of_the_whole_collection_that_names_some(tmp_path: Path) -> None:
    result = judged(counting(tmp_path, "{max: 2}"), *(key(f"bad_{i:02}") for i in range(12)))
    (verdict,) = result.verdicts
    assert (verdict.ids, verdict.matched, verdict.record) == (("*",), ("bad",), None)
    assert verdict.message.startswith("12: bad_00, bad_01, ")
    assert "bad_09" in verdict.message
    assert "bad_11" not in verdict.message


def test_a_collection_that_nobody_could_see_says_nothing_about_a_minimum(tmp_path: Path) -> None:
    assert judged(counting(tmp_path, "{min: 1}"), unseen="no event").outcome is Outcome.UNKNOWN


def test_every_shipped_policy_is_unknown_when_nothing_could_be_read() -> None:
    results = evaluate(load(["builtin:openai"], {}, {}), Snapshot("acme", 0, {}), 0)
    assert {result.outcome for result in results} == {Outcome.UNKNOWN}
    assert {len(result.verdicts) for result in results} == {1}


def test_the_table_of_the_test_is_kleenes() -> None:
    assert [conjunction(a, b) for a, b in product([True, False, None], repeat=2)] == (
        [True, False, None, False, False, False, None, False, None]
    )
