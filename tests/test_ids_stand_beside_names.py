"""Members choose names, and two things may have the same one: whoever reads or decides sees the id beside it."""

from dataclasses import replace
from types import MappingProxyType

import pytest
from buttons import finding

from auditor.alerts import digests, notices
from auditor.alerts.compose import from_transition
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.registry import build
from auditor.alerts.untrusted import named
from auditor.findings.model import Finding, Reason, Transition
from auditor.terms import State

AT = 1_767_225_600
GOOD, EVIL = finding("key_good"), finding("key_evil")
SINKS = {
    "alertmanager": {"url": "https://alerts.example.com"},
    "apprise": {"url": "json://alerts.example.com"},
    "console": {},
    "email": {"host": "smtp.example.com", "sender": "auditor@example.com", "to": "ada@example.com"},
    "pagerduty": {"routing_key": "a" * 32},
    "slack": {"webhook_url": "https://hooks.example.com/services/x"},
    "syslog": {"host": "logs.example.com"},
    "teams": {"url": "https://flows.example.com/x"},
}


def opened(found: Finding) -> Alert:
    made = from_transition(Transition(found, None, Reason.DETECTED, AT), None)
    assert made is not None
    return made


def preview(kind: str, alert: Alert) -> str:
    return build("out", {"type": kind, **SINKS[kind]}).preview(alert)


@pytest.mark.parametrize("kind", SINKS)
def test_a_digest_tells_two_of_one_name_apart(kind: str) -> None:
    folded = digests.together([opened(GOOD), opened(EVIL)], AT)
    assert {line.resource for line in folded.lines} == {"ci-bot"}
    shown = preview(kind, folded)
    assert [id_ in shown for id_ in ("key_good", "key_evil")] == [True, True]


@pytest.mark.parametrize("kind", SINKS)
@pytest.mark.parametrize(
    "about",
    [opened(EVIL), notices.overdue(EVIL, AT), notices.flapping(EVIL, 9, AT)],
    ids=["finding", "due", "flapping"],
)
def test_an_alert_names_the_id_of_what_it_is_about(kind: str, about: Alert) -> None:
    assert "ci-bot" in about.resource_name
    assert "key_evil" in preview(kind, about)


def test_an_actor_that_has_no_address_is_named_with_its_id() -> None:
    actor = {"name": "deploy", "id": "svc_1", "kind": "service_account"}
    told = opened(replace(EVIL, evidence=MappingProxyType({"actor": actor})))
    assert dict(told.facts)["Who"] == "deploy (svc_1)"
    person = opened(replace(EVIL, evidence={"actor": {"email": "ada@example.com", "id": "user_1", "name": "Ada"}}))
    assert dict(person.facts)["Who"] == "ada@example.com"


def test_a_finding_about_a_whole_collection_has_no_id_to_show() -> None:
    whole = opened(replace(EVIL, ids=("*",), name="the whole organization", state=State.OPEN))
    folded = digests.together([whole, whole], AT)
    assert whole.kind is AlertKind.OPENED
    assert "the whole organization: " in preview("console", folded)


NAMES = {
    ("ci-bot", "key_1", 40): "ci-bot (key_1)",
    ("key_1", "key_1", 40): "key_1",
    ("", "key_1", 40): "key_1",
    ("ci-bot", "", 40): "ci-bot",
    ("all of them", "*", 40): "all of them",
    ("ci-bot (key_good)", "key_evil", 40): "ci-bot (key_good) (key_evil)",
    ("x" * 90, "key_evil", 20): "xxxxxxxx… (key_evil)",
    ("ci-bot", "k" * 90 + "_evil", 20): "c… (…kkkkkkkkk_evil)",
    ("k" * 90 + "_evil", "k" * 90 + "_evil", 20): "…kkkkkkkkkkkkkk_evil",
    ("a\nb", "key\u202e_1", 40): "a b (key[U+202E]_1)",
}


@pytest.mark.parametrize(("name", "id_", "limit"), NAMES)
def test_what_is_too_long_is_cut_from_the_name_and_the_end_of_an_id_stays(name: str, id_: str, limit: int) -> None:
    assert named(name, id_, limit) == NAMES[name, id_, limit]


@pytest.mark.parametrize(
    ("name", "id_"), [("x" * 90, "\u202e" * 9), ("\u202e" * 9, "k" * 500), ("\n", "\x00"), ("", "")]
)
@pytest.mark.parametrize("limit", [20, 30, 75])
def test_no_name_and_no_id_takes_more_room_than_there_is(name: str, id_: str, limit: int) -> None:
    assert len(named(name, id_, limit)) <= limit
