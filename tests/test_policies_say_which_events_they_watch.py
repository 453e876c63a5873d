"""Which types of events a policy watches is read off the policy itself; the list of types is the vendor's own."""

import typing
from pathlib import Path

import pytest
from openai.types.admin.organization.audit_log_list_params import AuditLogListParams

from auditor.adminapi.eventtypes import KNOWN
from auditor.policy.load import PolicySet, load
from auditor.policy.watch import watched

HEAD = "title: T\nname: {name}\nlogsource: {{product: openai, service: audit}}\nlevel: low\ndetection: {detection}\n"
TYPES = ("api_key.created", "api_key.deleted", "login.failed", "login.succeeded")


def rules(folder: Path, **detections: str) -> PolicySet:
    """Event rules by name."""
    for name, detection in detections.items():
        (folder / f"{name}.yaml").write_text(HEAD.format(name=name, detection=detection))
    return load([str(folder)], {}, {})


def values(annotation: object) -> set[str]:
    """The words of a Literal, however deep it is."""
    if typing.get_origin(annotation) is typing.Literal:
        return set(typing.get_args(annotation))
    return {word for inner in typing.get_args(annotation) for word in values(inner)}


def test_the_known_types_are_those_of_the_vendor_s_package() -> None:
    assert values(typing.get_type_hints(AuditLogListParams)["event_types"]) == KNOWN
    assert len(KNOWN) == 149


@pytest.mark.parametrize(
    ("detection", "types"),
    [
        ("{s: {type: login.failed}, condition: s}", {"login.failed"}),
        ("{s: {type: [login.failed, LOGIN.succeeded]}, condition: s}", {"login.failed", "login.succeeded"}),
        ("{s: {type|startswith: api_key.}, condition: s}", {"api_key.created", "api_key.deleted"}),
        ("{s: {type: '*.deleted'}, condition: s}", {"api_key.deleted"}),
        ("{s: {type|re: '^login'}, condition: s}", {"login.failed", "login.succeeded"}),
        ("{s: {type: login.failed, actor.ip|cidr: 192.0.2.0/24}, condition: s}", {"login.failed"}),
        ("{s: {type|startswith: login}, n: {type: login.failed}, condition: s and not n}", {"login.succeeded"}),
        ("{s: {type: login.failed}, n: {actor.ip: null}, condition: s and not n}", {"login.failed"}),
        (
            "{s: [{type: login.failed}, {type: api_key.created, id: x}], condition: s}",
            {"login.failed", "api_key.created"},
        ),
        ("{s: {type: api_key.created}, k: [admin], condition: s and k}", {"api_key.created"}),
    ],
)
def test_a_rule_watches_the_types_that_it_can_match(tmp_path: Path, detection: str, types: set[str]) -> None:
    found = watched(rules(tmp_path, rule=detection), TYPES)
    assert {kind for kind, names in found.by_type.items() if names == ("rule",)} == types
    assert (found.every, found.nothing) == ((), ())


@pytest.mark.parametrize(
    "detection",
    ["{s: {actor.kind: user}, condition: s}", "{k: [admin], condition: k}", "{s: {type|exists: true}, condition: s}"],
)
def test_a_rule_that_asks_for_no_type_watches_all(tmp_path: Path, detection: str) -> None:
    found = watched(rules(tmp_path, rule=detection), TYPES)
    assert found.every == ("rule",)
    assert set(found.by_type.values()) == {()}


def test_a_rule_for_a_type_that_nobody_knows_is_told(tmp_path: Path) -> None:
    found = watched(rules(tmp_path, rule="{s: {type: api_key.creatd}, condition: s}"), TYPES)
    assert found.nothing == ("rule",)


def test_a_correlation_watches_what_its_rules_watch_and_shipped_policies_watch_known_types() -> None:
    policies = load(["builtin:openai"], {}, {})
    found = watched(policies, KNOWN)
    correlations = {each.policy.name for each in policies.correlations}
    assert found.nothing == ()
    assert correlations
    assert correlations <= {name for names in found.by_type.values() for name in names}
