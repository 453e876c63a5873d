"""Examples are the tests of a policy: they hold, or it is said which one does not and why."""

from pathlib import Path

import pytest
from policyfiles import RULE, faults, loaded

from auditor.config import Override
from auditor.policy.examples import check
from auditor.terms import Level

HEAD = """\
title: Stale
name: stale
resource: project_api_key
level: high
description: Why it matters.
remediation: What to do.
params: {after: 90d}
detection:
  unused: {last_used_at|older_than: '%after%'}
  without_end: {expires_at: null}
  condition: unused and without_end
examples:
  - {name: old, expect: fail, resource: {last_used_at: 2025-01-01T00:00:00Z, expires_at: null}}
  - {name: new, expect: pass, resource: {last_used_at: 2025-12-31T00:00:00Z, expires_at: null}}
"""
NOW = "now: 2026-01-01T00:00:00Z"
OLD = "last_used_at: 2025-01-01T00:00:00Z"


def failing(folder: Path, example: str) -> list[str]:
    return [str(failure) for failure in check(loaded(folder, f"{HEAD}  - {{name: more, {example}}}\n", "stale.yaml"))]


HOLDING = {
    "the boundary": f"{NOW}, expect: pass, resource: {{last_used_at: 2025-10-03T00:00:00Z, expires_at: null}}",
    "a second later": f"{NOW}, expect: fail, resource: {{last_used_at: 2025-10-02T23:59:59Z, expires_at: null}}",
    "another zone": f"{NOW}, expect: fail, resource: {{last_used_at: '2025-10-03T01:59:59+02:00', expires_at: null}}",
    "seconds": f"{NOW}, expect: fail, resource: {{last_used_at: 1735689600, expires_at: null}}",
    "the selection": f"{NOW}, expect: fail, because: unused, resource: {{{OLD}, expires_at: null}}",
    "a hidden field": f"{NOW}, expect: unknown, gaps: [last_used_at], resource: {{expires_at: null}}",
    "a hidden field that does not matter": f"{NOW}, expect: pass, gaps: [expires_at], resource: {{last_used_at: null}}",
    "a field that an older server does not send": f"{NOW}, expect: unknown, resource: {{{OLD}}}",
    "several": f"{NOW}, expect: fail, resources: [{{{OLD}, expires_at: null}}, {{last_used_at: null}}]",
    "none": f"{NOW}, expect: pass, resources: []",
}


@pytest.mark.parametrize("case", HOLDING)
def test_an_example_that_is_so_holds(tmp_path: Path, case: str) -> None:
    assert failing(tmp_path, HOLDING[case]) == []


WRONG = {
    "a pass that fails": (f"{NOW}, expect: pass, resource: {{{OLD}, expires_at: null}}", "expected pass, got fail"),
    "a fail that passes": (f"{NOW}, expect: fail, resource: {{last_used_at: null}}", "expected fail, got pass"),
    "an unknown that is known": (f"{NOW}, expect: unknown, resource: {{last_used_at: null}}", "expected unknown, got"),
    "a known that is unknown": (f"{NOW}, expect: fail, resource: {{{OLD}}}", "expected fail, got unknown"),
    "another reason": (
        f"{NOW}, expect: fail, because: nothing, resource: {{{OLD}, expires_at: null}}",
        "because of `nothing`, but what matched is unused, without_end",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_example_that_is_not_so_is_told_with_file_and_line(tmp_path: Path, case: str) -> None:
    example, reason = WRONG[case]
    (told,) = failing(tmp_path, example)
    assert reason in told
    assert f"stale.yaml:{len(HEAD.splitlines()) + 1}: stale, example `more`" in told


UNUSABLE = {
    "a time that is none": (f"{NOW}, expect: fail, resource: {{last_used_at: noon}}", "is no time"),
    "a truth for a time": (f"{NOW}, expect: fail, resource: {{last_used_at: true}}", "is no time"),
    "a field that is none": (f"{NOW}, expect: fail, resource: {{last_usd_at: null, nmae: x}}", "unknown field `nmae`"),
    "a hidden field that is none": (f"{NOW}, expect: fail, gaps: [nmae], resource: {{}}", "unknown field `nmae`"),
    "an event": (f"{NOW}, expect: fail, event: {{id: e, type: a}}", "exactly one of `resource:` or `resources:`"),
    "an outcome that is none": (f"{NOW}, expect: maybe, resource: {{}}", "expect"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_example_that_cannot_be_judged_is_a_fault(tmp_path: Path, case: str) -> None:
    example, message = UNUSABLE[case]
    told = faults(tmp_path, f"{HEAD}  - {{name: more, {example}}}\n", "stale.yaml")
    assert message in told[0].message
    assert told[0].line == len(HEAD.splitlines()) + 1


def test_examples_count_on_the_parameters_of_the_file_whatever_is_configured(tmp_path: Path) -> None:
    overrides = {"stale": Override(params={"after": "1000d"}, level=Level.LOW)}
    policies = loaded(tmp_path, HEAD, "stale.yaml", {"after": "2000d"}, overrides)
    assert policies.by_name["stale"].params == {"after": "1000d"}
    assert check(policies) == ()


EVENTS = f"""\
{RULE}description: Why it matters.
remediation: What to do.
detection: {{made: {{type: admin_api_key.created, payload.id: key_1}}, condition: made}}
examples:
"""
EVENT = "{id: e1, type: admin_api_key.created, effective_at: 1767225540, admin_api_key.created: {id: key_1}}"


def test_examples_of_events_are_events_as_the_log_sends_them(tmp_path: Path) -> None:
    text = EVENTS + f"  - {{name: made, expect: fail, because: made, event: {EVENT}}}\n"
    text += f"  - {{name: other, expect: pass, event: {EVENT.replace('key_1', 'key_2')}}}\n"
    assert check(loaded(tmp_path, text, "rule.yaml")) == ()
    (failure,) = check(loaded(tmp_path, text.replace("key_2", "key_1"), "rule.yaml"))
    assert "example `other`: expected pass, got fail" in str(failure)


def test_an_example_that_is_no_event_is_a_fault(tmp_path: Path) -> None:
    text = (
        EVENTS
        + f"  - {{name: made, expect: fail, event: {{type: a}}}}\n  - {{name: x, expect: pass, event: {EVENT}}}\n"
    )
    (fault,) = faults(tmp_path, text, "rule.yaml")
    assert "cannot be read" in fault.message
