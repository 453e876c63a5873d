"""Sigma rules for the audit log: ours are read by other tools, and theirs run here."""

from pathlib import Path
from typing import Any

import pytest
from policyfiles import NOW, RULE, event, faults, loaded, state, written
from sigma.policy import default_policy
from sigma.policy.profiles import SafePolicy
from sigma.policy.regex_engine import RE2RegexEngine

from auditor.errors import FaultyFiles
from auditor.policy.evaluate import match
from auditor.policy.load import PolicySet, load
from auditor.terms import Level, Outcome

ELSEWHERE = """\
title: Admin key created by somebody outside
id: 5013198f-4c64-4a4b-a2cb-a43c1a72ad5c
status: experimental
description: As published by somebody else.
references: [https://example.com/rule]
author: Robin Example
date: 2026-01-01
modified: 2026/02/03
tags: [attack.persistence, attack.t1098]
logsource: {product: openai, service: audit, definition: audit logs must be collected}
detection:
  selection:
    type|endswith: _key.created
    actor.ip|cidr: [203.0.113.0/24, '2001:db8::/32']
  filter_staff:
    - actor.email|endswith: '@example.com'
    - actor.kind: service_account
  keywords: ['*scope*']
  condition: selection and keywords and not 1 of filter_*
fields: [actor.email]
falsepositives: [Unknown]
related: [{id: 0aff2549-c559-4701-829d-281960e8cda8, type: derived}]
level: medium
license: DRL 1.1
vendor_key: {anything: goes}
"""


def one(folder: Path, text: str, name: str = "created-outside.yml") -> PolicySet:
    return loaded(folder, text, name)


def test_a_rule_from_elsewhere_loads_as_it_is_and_takes_the_name_of_its_file(tmp_path: Path) -> None:
    policies = one(tmp_path, ELSEWHERE)
    (policy,) = policies
    assert (policy.name, policy.level, policy.kind) == ("created-outside", Level.MEDIUM, "audit_event")
    assert policies.warnings == ()


def test_it_matches_what_it_says(tmp_path: Path) -> None:
    policies = one(tmp_path, ELSEWHERE)
    fields: dict[str, Any] = {
        "actor__ip": "203.0.113.9",
        "actor__email": "x@example.net",
        "payload__note": "all scopes",
    }
    hit = event("e1", "admin_api_key.created", NOW - 5, **fields)
    misses = [
        event("e2", "admin_api_key.deleted", **fields),
        event("e3", "admin_api_key.created", **fields | {"actor__ip": "198.51.100.1"}),
        event("e4", "admin_api_key.created", **fields | {"actor__email": "x@EXAMPLE.com"}),
        event("e5", "admin_api_key.created", **fields | {"actor__kind": "service_account"}),
        event("e6", "admin_api_key.created", **fields | {"payload__note": "none"}),
    ]
    (verdict,) = match(policies, [*misses, hit], NOW)
    assert (verdict.outcome, verdict.ids, verdict.events) == (Outcome.FAIL, ("e1",), ("e1",))
    assert (verdict.at, verdict.kind, verdict.matched) == (NOW - 5, "audit_event", ("selection", "keywords"))
    assert verdict.message == "Admin key created by somebody outside"
    assert verdict.record is hit


def test_what_looks_like_a_slip_in_a_rule_is_a_warning(tmp_path: Path) -> None:
    text = RULE + "remedation: x\ndetection: {s: {eventType: a, payload.anything: b}, condition: s}\n"
    warnings = one(tmp_path, text, "rule.yml").warnings
    told = [str(warning) for warning in warnings]
    assert len(told) == 2
    assert "rule.yml:6:1: unknown key `remedation` (did you mean `remediation`?)" in told[0]
    assert "no event has the field `eventType`" in told[1]


OURS = (
    RULE
    + """\
description: Why it matters.
remediation: What to do.
params: {nets: [192.0.2.1]}
examples:
  - name: bad
    expect: fail
    event: {id: a, type: a, effective_at: 1, actor: {type: session, session: {ip_address: 192.0.2.1}}}
  - {name: good, expect: pass, event: {id: b, type: b, effective_at: 1}}
detection: {s: {type: a, 'actor.ip|expand': '%nets%'}, condition: s}
"""
)
NOT_OURS = {
    "no description": (OURS.replace("description: Why it matters.\n", ""), 1, "`description` is missing"),
    "no remediation": (OURS.replace("remediation: What to do.\n", ""), 1, "`remediation` is missing"),
    "no example that fails": (OURS.replace("expect: fail", "expect: pass"), 9, "no example that expects `fail`"),
    "no example that passes": (OURS.replace("expect: pass", "expect: fail"), 9, "no example that expects `pass`"),
    "another name": (OURS.replace("name: rule", "name: rle"), 3, "differs from the file's"),
    "a parameter without use": (OURS.replace("{nets:", "{nots: 1, nets:"), 8, "nothing uses the parameter `nots`"),
    "a selection without use": (OURS.replace("{s: {", "{t: {type: t}, s: {"), 14, "never asks for `t`"),
    "a parameter that is text": (OURS.replace("'actor.ip|expand'", "actor.ip"), 14, "`%nets%` is compared as text"),
    "a number allowed": (OURS + "allowed: {min: 1}\n", 15, "`allowed` is for state policies only"),
    "a choice of records": (OURS + "applies_to: {type: a}\n", 15, "`applies_to` is for state policies only"),
}


def test_a_rule_of_ours_that_has_what_it_must_loads(tmp_path: Path) -> None:
    assert [policy.ours for policy in one(tmp_path, OURS, "rule.yaml")] == [True]


@pytest.mark.parametrize("case", NOT_OURS)
def test_a_rule_of_ours_must_have_what_our_policies_have(tmp_path: Path, case: str) -> None:
    text, line, message = NOT_OURS[case]
    (fault,) = faults(tmp_path, text, "rule.yaml")
    assert message in fault.message
    assert (fault.line, bool(fault.hint)) == (line, True)


SLIPS = {
    "part of an actor": ("{actor.emial: a}", "`actor.emial`", "`actor.email`?"),
    "part of a session": ("{actor.session.usr.id: a}", "`actor.session.usr.id`", "`actor.session.user.id`?"),
    "part of a project": ("{project.nmae: a}", "`project.nmae`", "`project.name`?"),
    "the hour": ("{local.hor: 3}", "`local.hor`", "`local.hour`?"),
    "the payload itself": ("{paylod.id: a}", "`paylod.id`", ""),
    "a payload": ("{type: api_key.created, payload.data.scope: a}", "`payload.data.scope`", "`payload.data.scopes`?"),
    "another type's payload": ("{type: api_key.deleted, payload.role_name: a}", "`payload.role_name`", "payload.id"),
    "a payload by its type": ("{api_key.created.data.scope: a}", "`api_key.created.data.scope`", ".data.scopes`?"),
}


@pytest.mark.parametrize("case", SLIPS)
def test_a_field_that_no_event_is_known_to_have_is_a_warning(tmp_path: Path, case: str) -> None:
    selection, name, hint = SLIPS[case]
    (warning,) = one(tmp_path, RULE + f"detection:\n  s: {selection}\n  condition: s\n", "rule.yml").warnings
    assert f"no event has the field {name}" in warning.message
    assert hint in warning.hint
    assert (warning.line, warning.column > 5) == (7, True)


KNOWN_FIELDS = (
    "{actor.session.ip_address_details.country: a, actor.session.user.id: b, local.hour: 3, project.id: c}",
    "{type: api_key.created, payload.data.scopes: a, payload.id: b, api_key.created.id: c}",
    "{type: api_key.updated, payload.data.scopes: a, payload.changes_requested: null}",
    "{type: external_key.registered, payload.data.anything: a}",
    "{type: tenant.policy.created, payload.anything: a, tenant.policy.created.other: b}",
    "{type|startswith: api_key., payload.data.scopes: a, payload.changes_requested.scopes: b}",
    "{type: brand.new, payload.anything: a}",
    "{payload.anything: a}",
)


@pytest.mark.parametrize("selection", KNOWN_FIELDS)
def test_a_field_that_an_event_may_have_is_none(tmp_path: Path, selection: str) -> None:
    assert one(tmp_path, RULE + f"detection: {{s: {selection}, condition: s}}\n", "rule.yml").warnings == ()


def test_what_a_message_and_a_correlation_name_is_looked_at_too(tmp_path: Path) -> None:
    text = RULE + "message: '{{ actor.emial }} {{ now }}'\n" + SERVED
    (warning,) = one(tmp_path, text, "rule.yml").warnings
    assert (warning.line, warning.hint) == (6, "did you mean `actor.email`?")
    body = GOOD | {"type": "  type: value_count\n", "condition": "  condition: {gte: 5, field: actor.pi}\n"}
    text = correlation(
        "".join(body.values()) + "  group-by: [actor.ip, actr.email]\nmessage: '{{ nest }} {{ actor.ip }}'\n"
    )
    told = [(each.line, each.message) for each in one(tmp_path, text, "many.yaml").warnings]
    assert told == [
        (17, "no event of these rules has the field `actr.email`"),
        (16, "no event of these rules has the field `actor.pi`"),
        (18, "the message names `nest`, by which nothing is grouped"),
    ]


SERVED = "detection: {s: {type: a}, condition: s}\n"


def test_a_rule_for_another_log_is_refused(tmp_path: Path) -> None:
    others = (
        "{product: okta, service: okta}",
        "{product: openai, service: chat}",
        "{category: process_creation}",
        "{service: audit}",
        "{product: openai, service: audit, category: webserver}",
    )
    for source in others:
        text = RULE.replace("{product: openai, service: audit}", source) + SERVED
        assert "for other logs" in faults(tmp_path, text, "rule.yaml")[0].message, source
    assert one(tmp_path, RULE.replace(", service: audit", "") + SERVED, "rule.yaml")


NOT_SIGMA = {
    "false positives that are no list": (RULE + "falsepositives: none\n" + SERVED, 6),
    "fields that are no list": (RULE + "fields: type\n" + SERVED, 6),
    "an id that is no UUID": (RULE.replace("0aff2549-c559-4701-829d-281960e8cda8", "rule-1") + SERVED, 2),
    "no title": (RULE.replace("title: A rule\n", "") + SERVED, 1),
    "a tag without a namespace": (RULE + "tags: [admin]\n" + SERVED, 6),
    "a date that is none": (RULE + "date: yesterday\n" + SERVED, 6),
    "a modifier of ours": (RULE + "detection: {s: {effective_at|older_than: 5d}, condition: s}\n", 6),
    "a modifier we do not run": (RULE + "detection: {s: {type|windash: a}, condition: s}\n", 6),
    "a parameter that is not declared": (RULE + "detection: {s: {type|expand: '%x%'}, condition: s}\n", 6),
    "a parameter in a text": (
        RULE + "params: {x: 1}\ndetection: {s: {type|expand: 'a%x%'}, condition: s}\n",
        7,
    ),
}


OWN = {"older_than: 5d": "correlations", "wider_than: 5": "`cidr`", "outside: a": "`not`"}


@pytest.mark.parametrize("modifier", OWN)
def test_a_modifier_of_ours_in_a_rule_is_told_what_to_write_instead(tmp_path: Path, modifier: str) -> None:
    text = RULE + f"detection: {{s: {{actor.ip|{modifier}}}, condition: s}}\n"
    (fault,) = faults(tmp_path, text, "rule.yaml")
    assert "is for state policies only" in fault.message
    assert OWN[modifier] in fault.hint


@pytest.mark.parametrize("case", NOT_SIGMA)
def test_what_other_tools_would_refuse_is_refused_here_once(tmp_path: Path, case: str) -> None:
    text, line = NOT_SIGMA[case]
    (fault,) = faults(tmp_path, text, "rule.yaml")
    assert fault.line == line


def test_in_rules_parameters_are_expanded_and_other_percent_signs_are_text(tmp_path: Path) -> None:
    text = RULE + "params: {x: [a, b]}\ndetection: {s: {type|expand: '%x%', payload.path: '%windir%'}, condition: s}\n"
    policies = one(tmp_path, text, "rule.yaml")
    hit, miss = event("e1", "B", payload__path="%WinDir%"), event("e2", "c", payload__path="%windir%")
    assert [verdict.events for verdict in match(policies, [hit, miss], NOW)] == [("e1",)]


def test_state_and_event_policies_keep_to_what_they_judge(tmp_path: Path) -> None:
    written(tmp_path, state("{bad: {name: a}, condition: bad}"))
    written(tmp_path, RULE + SERVED, "rule.yml")
    policies = load([str(tmp_path)], {}, {})
    assert [policy.name for policy in policies] == ["policy", "rule"]
    assert [verdict.policy for verdict in match(policies, [event("e1", "a")], NOW)] == ["rule"]


def test_expressions_run_in_linear_time_because_of_the_engine_that_pysigma_is_told_to_use() -> None:
    assert default_policy is SafePolicy
    assert isinstance(default_policy.regex_engine, RE2RegexEngine)
    assert not default_policy.allow_external_sources
    assert not default_policy.allow_template_vars


CORRELATION = """\
---
title: Many
id: 8cca5e73-e765-4c4a-b7ea-722e179eaa0d
name: many
level: high
correlation:
"""
BASE = RULE.replace("name: rule", "name: base") + SERVED


def correlation(body: str) -> str:
    return BASE + CORRELATION + body


FAULTY = {
    "a type that is not supported": ("  type: value_sum\n", "`value_sum` are not supported"),
    "a rule of another file": ("  rules: [bsae]\n", "no rule `bsae` stands in this file"),
    "no rules": ("  rules: []\n", "correlation.rules"),
    "too few": ("  condition: {lt: 3}\n", "`lt` is not supported"),
    "two conditions": ("  condition: {gte: 3, gt: 4}\n", "names no count"),
    "no number": ("  condition: {gte: many}\n", "names no count"),
    "no end of events": ("  condition: {gte: .inf}\n", "names no count"),
    "nothing at all is enough": ("  condition: {gte: 0}\n", "no window holds"),
    "an expression": ("  condition: base and other\n", "expressions are not supported"),
    "values of no field": ("  type: value_count\n", "counts the values of one field"),
    "more rules than there are": ("  type: temporal\n", "no window holds"),
    "a span that is none": ("  timespan: 1M\n", "timespan must be a duration"),
    "no span": ("  timespan: 0s\n", "greater than zero"),
    "other names for fields": ("  aliases: {ip: {base: actor.ip}}\n", "aliases are not supported"),
    "a key that does not exist": ("  groupby: [actor.ip]\n", "unknown key `correlation.groupby`"),
}
GOOD = {"type": "  type: event_count\n", "rules": "  rules: [base]\n", "timespan": "  timespan: 15m\n"} | {
    "condition": "  condition: {gte: 5}\n"
}


def test_a_correlation_of_ours_must_have_what_our_policies_have_and_its_rules_need_not(tmp_path: Path) -> None:
    text = correlation("".join(GOOD.values()))
    assert faults(tmp_path, text, "many.yaml") == ()
    text += "remediation: What to do.\nallowed: {min: 1}\n"
    told = [fault.message for fault in faults(tmp_path, text, "many.yaml")]
    assert [word for word in ("`description`", "`fail`", "`pass`", "`allowed`") if word not in " ".join(told)] == []
    assert len(told) == 4


def test_a_fault_in_a_correlation_hides_no_other(tmp_path: Path) -> None:
    body = "  type: event_cuont\n  rules: [bas]\n  groupby: [actor.ip]\n  timespan: 5x\n  condition: {gte: 3}\n"
    told = [(each.line, each.message) for each in faults(tmp_path, correlation(body), "many.yaml")]
    assert [line for line, _ in told] == [13, 14, 15, 16], told
    body = "  rules: [bas]\n  timespan: 5\n  condition: {gte: 3}\n"
    told = [(each.line, each.message) for each in faults(tmp_path, correlation(body), "many.yaml")]
    assert [line for line, _ in told] == [12, 13, 14], told
    assert "`correlation.type` is missing" in told[0][1]


@pytest.mark.parametrize("case", FAULTY)
def test_a_correlation_that_cannot_run_is_refused_by_name(tmp_path: Path, case: str) -> None:
    line, message = FAULTY[case]
    body = "".join({**GOOD, line.strip().split(":")[0]: line}.values())
    told = faults(tmp_path, correlation(body), "many.yaml")
    assert [fault for fault in told if message in fault.message], told
    assert all(fault.line >= 8 for fault in told)


def test_base_rules_are_silent_unless_the_correlation_says_otherwise(tmp_path: Path) -> None:
    body = "".join(GOOD.values())
    assert [policy.name for policy in one(tmp_path, correlation(body), "many.yaml")] == ["many"]
    told = one(tmp_path, correlation(body + "  generate: true\n"), "many.yaml")
    assert [policy.name for policy in told] == ["base", "many"]
    assert [verdict.policy for verdict in match(told, [event("e1", "a")], NOW)] == ["base"]


def test_a_correlation_refers_to_rules_by_id_as_well(tmp_path: Path) -> None:
    body = "".join(GOOD.values()).replace("[base]", "0aff2549-c559-4701-829d-281960e8cda8")
    (correlated,) = one(tmp_path, correlation(body), "many.yaml").correlations
    assert correlated.correlation.rules == ("base",)


def test_before_a_correlation_stand_rules(tmp_path: Path) -> None:
    with pytest.raises(FaultyFiles, match="stand the rules that it counts"):
        one(tmp_path, "a: b\n" + CORRELATION + "".join(GOOD.values()), "many.yaml")
