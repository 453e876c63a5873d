"""`policies test` tells which selections no example matches, and which examples are worth writing."""

from pathlib import Path

import pytest
from policyfiles import RULE, loaded, written

from auditor.cli import call
from auditor.policy.coverage import Tried, tried
from auditor.policy.load import load

HEAD = """\
title: Stale
name: stale
resource: project_api_key
level: high
description: Why it matters.
remediation: What to do.
detection:
"""
NOW = "now: 2026-01-01T00:00:00Z"
BOUNDARY = "2025-10-03T00:00:00Z"
"""90 days before."""


def of(folder: Path, detection: str, *examples: str) -> Tried:
    listed = "".join(f"  - {{name: example {number}, {NOW}, {each}}}\n" for number, each in enumerate(examples))
    (found,) = tried(loaded(folder, f"{HEAD}{detection}examples:\n{listed}", "stale.yaml"))
    return found


UNUSED = "  unused: {last_used_at|older_than: 90d}\n  condition: unused\n"


def used(at: str, expect: str) -> str:
    return f"expect: {expect}, resource: {{last_used_at: {at}}}"


def test_a_selection_that_no_example_matches_is_named(tmp_path: Path) -> None:
    detection = "  unused: {last_used_at: null}\n  named: {name: a}\n  ours: {name: b}\n"
    detection += "  condition: unused and named and not ours\n"
    fails, passes = "expect: fail, resource: {last_used_at: null, name: a}", "expect: pass, resource: {name: c}"
    found = of(tmp_path, detection, fails, passes)
    assert (found.selections, found.unmatched) == (3, ("ours",))
    assert of(tmp_path, detection, fails, passes, "expect: pass, resource: {name: b}").unmatched == ()


def test_a_list_that_is_empty_until_somebody_fills_it_needs_no_example(tmp_path: Path) -> None:
    detection = "  unnamed: {name: ''}\n  ours: {name: '%ours%'}\n  others: {name|neq: '%ours%'}\n"
    detection += "  condition: unnamed and not ours and others\nparams: {ours: []}\n"
    examples = ("expect: fail, resource: {name: ''}", "expect: pass, resource: {name: c}")
    found = of(tmp_path, detection, *examples)
    assert (found.selections, found.unmatched) == (2, ())
    filled = of(tmp_path, detection.replace("{ours: []}", "{ours: [mine]}"), *examples)
    assert (filled.selections, filled.unmatched) == (3, ("ours",))


def test_the_examples_of_the_shipped_policies_leave_nothing_untried() -> None:
    found = tried(load(["builtin:openai"], {}, {}))
    assert len(found) > 100
    untried = {each.policy.name: (*each.missing, *each.unmatched, *each.asks) for each in found}
    assert {name: notes for name, notes in untried.items() if notes} == {}


def test_whom_a_policy_applies_to_is_a_selection_too(tmp_path: Path) -> None:
    detection = UNUSED + "applies_to: {name: a}\n"
    examples = ("expect: pass, resource: {name: b}", "expect: fail, resource: {last_used_at: 2020-01-01, name: c}")
    assert of(tmp_path, detection, *examples).unmatched == ("applies_to",)


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (BOUNDARY, False),
        ("2025-10-02T23:59:59Z", False),
        ("2025-10-02T23:59:58Z", True),
        ("2025-10-03T00:00:01Z", True),
    ],
)
def test_a_boundary_beside_which_no_example_stands_is_named(tmp_path: Path, at: str, told: bool) -> None:
    examples = (used("2020-01-01T00:00:00Z", "fail"), used("2026-01-01T00:00:00Z", "pass"))
    expect = "fail" if at < BOUNDARY else "pass"
    asks = of(tmp_path, UNUSED, *examples, used(at, expect)).asks
    assert [ask for ask in asks if "boundary of `last_used_at|older_than: 90d`" in ask] == list(asks)
    assert bool(asks) is told


LIMITS = {
    "created_at|gt: 5": ({"created_at: 5", "created_at: 6"}, {"created_at: 4", "created_at: 7", "name: a"}),
    "created_at|lte: 5": ({"created_at: 5", "created_at: 6"}, {"created_at: 4"}),
    "name|wider_than: 256": ({"name: 192.0.2.0/24", "name: 192.0.2.0/23"}, {"name: 192.0.2.0/25", "name: everybody"}),
    "created_at|hour|gte: 5": ({"created_at: 5"}, set()),
}


@pytest.mark.parametrize("comparison", LIMITS)
def test_each_kind_of_limit_has_a_boundary(tmp_path: Path, comparison: str) -> None:
    beside, far = LIMITS[comparison]
    for field in beside | far:
        found = of(
            tmp_path,
            f"  s: {{{comparison}}}\n  condition: s\n",
            *(f"expect: {e}, resource: {{{field}}}" for e in ("pass", "fail")),
        )
        assert bool(found.asks) is (field in far), field


def test_an_unknown_that_can_be_is_asked_for_with_the_field_to_hide(tmp_path: Path) -> None:
    detection = "  s: {owner.is_member: false}\n  condition: s\n"
    examples = ["expect: fail, resource: {owner.is_member: false}", "expect: pass, resource: {owner.is_member: true}"]
    assert of(tmp_path, detection, *examples).asks == (
        "no example expects `unknown`: hide a field with `gaps: [owner.is_member]`",
    )
    assert of(tmp_path, detection, *examples, "expect: unknown, gaps: [owner.is_member], resource: {}").asks == ()
    named = "  s: {name: a}\n  condition: s\n"
    assert of(tmp_path, named, "expect: fail, resource: {name: a}", "expect: pass, resource: {name: b}").asks == ()


COUNTED = (
    RULE.replace("name: rule", "name: base")
    + """detection: {s: {type: a}, never: {type: b}, condition: s or never}
---
title: Many
id: 8cca5e73-e765-4c4a-b7ea-722e179eaa0d
name: many
level: high
description: Why it matters.
remediation: What to do.
correlation: {type: event_count, rules: [base], timespan: 5m, condition: {gte: 1}}
examples:
  - {name: one, expect: fail, events: [{id: e1, type: a, effective_at: 1}]}
  - {name: none, expect: pass, events: [{id: e1, type: c, effective_at: 1}]}
"""
)


def test_the_rules_of_a_correlation_are_tried_by_its_examples(tmp_path: Path) -> None:
    (found,) = tried(loaded(tmp_path, COUNTED, "many.yaml"))
    assert (found.selections, found.unmatched, found.missing) == (2, ("never",), ())
    assert found.asks == ()


def test_a_burst_that_would_be_one_without_its_last_event_is_no_boundary(tmp_path: Path) -> None:
    more = COUNTED.replace("effective_at: 1}]", "effective_at: 1}, {id: e2, type: a, effective_at: 2}]")
    (found,) = tried(loaded(tmp_path, more, "many.yaml"))
    assert found.asks == ("no example that fails would pass without its last event: none holds just enough",)
    (found,) = tried(loaded(tmp_path, more.replace("{gte: 1}", "{gte: 2}"), "many.yaml"))
    assert found.asks == ()


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = call(["policies", "test", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_fails_under_one_pass_and_one_fail_of_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    many = str(tmp_path / "many.yaml")
    passing = "  - {name: none, expect: pass, events: [{id: e1, type: c, effective_at: 1}]}\n"
    code, _, err = said(capsys, written(tmp_path, COUNTED.replace(passing, ""), "many.yaml"))
    assert (code, "many.yaml:15:1: there is no example that expects `pass`" in err) == (2, True)
    code, out, err = said(capsys, written(tmp_path, COUNTED, "many.yaml"))
    assert (code, err) == (0, "")
    assert "note: many: no example matches the selection `never`" in out
    assert "1 of 2 selections match in an example" in out
    assert "note:" not in said(capsys, "--quiet", many)[1]


def test_the_command_asks_nothing_of_a_rule_that_was_written_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = said(capsys, written(tmp_path, RULE + "detection: {s: {type: a}, condition: s}\n", "rule.yaml"))
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "note: rule: it has no examples"
