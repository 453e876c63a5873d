"""The pack is held against the catalogue it was written from, and its advice against the calls that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from catalogue import BEYOND, COVERED, NOT_COVERED

from auditor.inventory.schema import AUDIT_LOG
from auditor.policy.load import load
from auditor.policy.model import EVENT, Policy
from auditor.policy.policyset import PolicySet
from auditor.terms import Outcome

ENTRIES = 141
PACK: PolicySet = load(["builtin:openai"], {}, {})
STATES = [policy for policy in PACK if policy.kind != EVENT]

every_policy = pytest.mark.parametrize("policy", PACK.policies, ids=[policy.name for policy in PACK])


def test_every_entry_of_the_catalogue_has_a_policy_or_a_reason() -> None:
    assert not COVERED.keys() & NOT_COVERED.keys()
    assert len(COVERED) + len(NOT_COVERED) == ENTRIES
    assert len(COVERED) >= 128
    assert all(COVERED.values())
    assert all(NOT_COVERED.values())


def test_every_policy_is_there_for_an_entry_and_every_entry_names_policies_that_exist() -> None:
    named = {name for names in COVERED.values() for name in names}
    assert named - PACK.by_name.keys() == set()
    assert PACK.by_name.keys() - named == BEYOND


@every_policy
def test_every_policy_has_tags(policy: Policy) -> None:
    assert policy.tags
    assert all(re.fullmatch(r"[a-z]+\.[a-z0-9.-]+", tag) for tag in policy.tags)


@pytest.mark.parametrize("policy", STATES, ids=[policy.name for policy in STATES])
def test_a_state_policy_shows_what_it_says_when_it_cannot_see(policy: Policy) -> None:
    expected = {example.expect for example in policy.examples}
    assert Outcome.UNKNOWN in expected or policy.kind == AUDIT_LOG or policy.name in _ALWAYS_SEEN


_ALWAYS_SEEN = frozenset({"attestation-lapsed", "setting-not-attested", "too-many-admin-keys"})
"""Policies over what every record shows: its identity, or, as all that the kind `audit_log` has, what was not seen."""


def calls_of(text: str) -> Iterator[tuple[str, str]]:
    """Method and path of each call that a remedy names, its parameters without names."""
    for method, path in re.findall(r"\b(GET|POST|DELETE) (/[\w/{}]+)", text):
        yield method, re.sub(r"\{\w+\}", "{}", path)


def documented() -> set[tuple[str, str]]:
    """The calls of the vendor's own package, which is made from the published description."""
    found = set()
    for file in (Path(openai.__file__).parent / "resources").rglob("*.py"):
        # A list that is asked for with POST says so after its path.
        for call in re.split(r"(?=self\._(?:post|delete|get|get_api_list)\()", file.read_text(encoding="utf-8"))[1:]:
            method, path = re.findall(r"\A\w+\._([a-z]+)|\"(/[^\"]+)\"", call)[:2]
            posted = method[0] == "post" or 'method="post"' in call
            name = "POST" if posted else method[0].upper()
            found.add((name, re.sub(r"\{\w+\}", "{}", path[1])))
    return found


def test_a_remedy_names_only_calls_that_the_vendor_documents() -> None:
    known = documented()
    assert ("POST", "/organization/users/{}") in known
    named = {(policy.name, call) for policy in PACK for call in calls_of(policy.remediation)}
    assert len(named) > 50
    assert {(name, call) for name, call in named if call not in known} == set()
    assert ("POST", "/organization/users/{}/promote") not in known


@every_policy
def test_a_remedy_says_where(policy: Policy) -> None:
    places = ("console, ", "auditor.yaml", "identity provider", "POST /", "DELETE /", "auditor events", "digest")
    assert any(place in policy.remediation for place in places) or policy.name in _NOWHERE


_NOWHERE = frozenset({"access-taken-away", "purchaser-not-approved"})
"""Policies whose remedy is not in the console."""
