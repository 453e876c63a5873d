"""`policies explain`: which selection matches a resource or an event, each comparison with the value it met."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from policyfiles import DAY, NOW, RULE, event, gap, key, loaded, state, written

from auditor.cli import call
from auditor.inventory.model import Collection, Record, Unknown
from auditor.policy.bodies import bodies_in, chosen, record_from
from auditor.policy.explain import Explanation, Seen, explain
from auditor.store import events
from auditor.store.database import open_store
from auditor.store.events import StoredEvent
from auditor.terms import Outcome, Stream

DETECTION = """{unused: {last_used_at|older_than: 90d}, unnamed: [{name: null}, {name: '', owner.type: user}],
  condition: unused or unnamed}
applies_to: {owner.is_member: true}
message: "{{ name }} is idle"
"""


def alone(record: Record) -> Seen:
    return Seen(record, Collection(record.kind, (record,)))


def explained(folder: Path, record: Record, text: str = state(DETECTION)) -> Explanation:
    (judge,) = loaded(folder, text).states
    return explain(judge, alone(record), NOW)


def test_each_comparison_is_told_with_its_answer_and_its_value(tmp_path: Path) -> None:
    old = NOW - 91 * DAY
    found = explained(tmp_path, key("ci", owner__is_member=True, last_used_at=old, owner__type="user"))

    assert (found.outcome, found.message, found.condition) == (Outcome.FAIL, "ci is idle", "unused or unnamed")
    assert found.applies is not None
    assert found.applies.answer is True
    unused, unnamed = found.selections
    assert (unused.name, unused.answer) == ("unused", True)
    ((comparison,),) = unused.alternatives
    assert (comparison.source, comparison.answer) == ("last_used_at|older_than: 90d", True)
    assert comparison.values == {"last_used_at": old}
    assert (unnamed.answer, len(unnamed.alternatives)) == (False, 2)
    assert [each.answer for each in unnamed.alternatives[1]] == [False, True]


def test_what_is_hidden_or_does_not_apply_is_told_apart(tmp_path: Path) -> None:
    hidden = explained(tmp_path, key("ci", owner__is_member=Unknown((gap("user"),)), name=None))
    assert hidden.outcome is Outcome.UNKNOWN
    assert hidden.applies is not None
    assert hidden.applies.answer is None
    assert hidden.selections[1].answer is True
    assert explained(tmp_path, key("ci", owner__is_member=False, name=None)).outcome is None
    assert explained(tmp_path, key("ci", owner__is_member=True)).outcome is Outcome.PASS


def test_a_comparison_of_two_fields_shows_both_values(tmp_path: Path) -> None:
    found = explained(
        tmp_path, key("ci", owner__name="CI"), state("{bad: {name|fieldref: owner.name}, condition: bad}")
    )
    ((comparison,),) = found.selections[0].alternatives
    assert comparison.values == {"name": "ci", "owner.name": "CI"}


def test_a_list_with_an_element_that_is_not_allowed_is_shown_whole(tmp_path: Path) -> None:
    text = state("{bad: {owner.groups|outside: '%allowed%'}, condition: bad}\nparams: {allowed: [ops, dev]}")
    ((comparison,),) = explained(tmp_path, key("ci", owner__groups=["ops", "sales"]), text).selections[0].alternatives
    assert (comparison.source, comparison.answer) == ("owner.groups|outside: [ops, dev]", True)
    assert comparison.values == {"owner.groups": ["ops", "sales"]}


def test_an_event_is_explained_like_a_resource(tmp_path: Path) -> None:
    policies = loaded(tmp_path, RULE + "detection: {s: {type: a}, condition: s}\n", "rule.yaml")
    assert [explain(policies.rules[0], alone(event("e1", kind)), NOW).outcome for kind in ("a", "b")] == [
        "fail",
        "pass",
    ]


EVENT = {"id": "e1", "type": "login.failed", "effective_at": NOW, "actor": {"type": "session"}}
BODY = {
    "object": "organization.project.api_key",
    "id": "key_1",
    "name": "ci",
    "created_at": 1_700_000_000,
    "last_used_at": None,
    "owner": {"type": "user", "user": {"id": "user_1", "name": "Ada", "email": "ada@example.com"}},
}


def test_a_body_as_the_api_sends_it_has_the_fields_that_policies_name() -> None:
    fields = record_from("project_api_key", BODY).fields
    assert (fields["name"], fields["owner.type"], fields["owner.user.email"]) == ("ci", "user", "ada@example.com")
    assert "last_used_at" not in fields
    assert isinstance(fields["owner.groups"], Unknown)
    assert isinstance(fields["project.name"], Unknown)
    assert isinstance(fields["expires_at"], Unknown)


def test_a_body_may_say_what_is_joined_on_and_that_there_is_none() -> None:
    more = {**BODY, "owner.groups": ["ops"], "project": {"name": None}, "created_at": "2026-01-01T00:00:00Z"}
    record = record_from("project_api_key", more)
    assert (record.fields["owner.groups"], record.fields["created_at"]) == (["ops"], NOW)
    assert "project.name" not in record.fields
    with pytest.raises(ValueError, match="`created_at` is no time"):
        record_from("project_api_key", {**BODY, "created_at": "noon"})


@pytest.mark.parametrize("value", [[], {}, [1], "text", None, [{}], {"data": []}])
def test_what_holds_no_body_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="neither"):
        bodies_in(value)


def test_a_body_is_chosen_by_its_id() -> None:
    page = bodies_in({"object": "list", "data": [BODY, {**BODY, "id": "key_2"}]})
    assert chosen(page, "key_2")["id"] == "key_2"
    assert chosen([BODY], "") is BODY
    for name in ("", "key_3", "ci"):
        with pytest.raises(ValueError, match="it holds"):
            chosen(page, name)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert call(["policies", "explain", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


def saved(folder: Path, body: Mapping[str, Any] | bytes, name: str = "body.json") -> str:
    (folder / name).write_bytes(body if isinstance(body, bytes) else msgspec.json.encode(body))
    return str(folder / name)


def test_the_command_reads_a_file_and_needs_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    policy = written(tmp_path, state(DETECTION).replace("owner.is_member: true", "owner.type: user"))
    body = saved(tmp_path, {**BODY, "last_used_at": NOW - 91 * DAY, "name": "\x1b[2J<!channel>"})

    told = said(capsys, "policy", "--file", body, "--resource", "key_1", "--now", "2026-01-01", policy)
    assert told.startswith("policy: fail\nproject_api_key key_1 (")
    assert "\x1b" not in told
    assert "yes     unused\n  yes     last_used_at|older_than: 90d\n            last_used_at = 2025-10-02T" in told
    assert "at 2026-01-01T00:00:00Z" in told
    assert "no      name: null" in told

    document = json.loads(said(capsys, "policy", "--file", body, "-o", "json", "--now", "2026-01-01", policy))
    assert (document["policy"], document["outcome"]) == ("policy", "fail")
    assert document["selections"][0]["alternatives"][0][0]["values"] == {"last_used_at": NOW - 91 * DAY}

    for arguments, message in (
        (("other", "--file", body, policy), "no policy is named `other`"),
        (("policy", "--file", f"{body}.gone", policy), "cannot be read"),
        (("policy", "--file", body, "--resource", "key_2", policy), "it holds 0 of the id `key_2`"),
        (("policy", "--file", saved(tmp_path, b"[" * 100_000, "deep.json"), policy), "cannot be used"),
        (("policy", "--file", saved(tmp_path, b"\xff", "binary.json"), policy), "cannot be used"),
        (("policy", "--resource", "key_1", policy), "cannot read the configuration auditor.yaml"),
        (("policy", policy), "say which resource or event it is"),
        (
            ("policy", "--file", saved(tmp_path, {"foo": 1}, "no.json"), policy),
            "holds no project_api_key: it has `foo`",
        ),
        (
            ("policy", "--file", saved(tmp_path, EVENT, "event.json"), policy),
            "it has `type`, `effective_at`, `actor.ty",
        ),
        (("other", "--file", body), "; `auditor policies list` shows the names"),
    ):
        assert message in said(capsys, *arguments, code=2)


def test_the_command_reads_events_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "auditor.yaml").write_text(f"organizations: {{acme: {{}}}}\nstore: sqlite:///{tmp_path}/auditor.db\n")
    raw = msgspec.json.encode({"id": "e1", "type": "scim.disabled", "effective_at": NOW})
    store = open_store(f"sqlite:///{tmp_path}/auditor.db")
    with store.transaction() as tx:
        events.insert(tx, "acme", [StoredEvent("e1", "scim.disabled", NOW, NOW, Stream.ORGANIZATION, raw)])
    store.close()

    assert said(capsys, "scim-disabled", "--resource", "e1").startswith("scim-disabled: fail\n")
    assert said(capsys, "sso-changed", "--resource", "e1").startswith("sso-changed: pass\n")
    assert "no event `e2` is stored" in said(capsys, "scim-disabled", "--resource", "e2", code=2)


def test_a_key_that_means_nothing_is_told_and_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = written(tmp_path, state(DETECTION))
    body = saved(
        tmp_path,
        {**BODY, "last_usd_at": 1, "owner": {"type": "user", "groupz": "red", "object": "x"}, "foo": {"bar": 1}},
    )
    assert call(["policies", "explain", "policy", "--file", body, policy]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        "note: project_api_key has no field `owner.groupz` (did you mean `owner.groups`?)",
        "note: project_api_key has no field `last_usd_at` (did you mean `last_used_at`?)",
        "note: project_api_key has no field `foo.bar`",
    ]
    assert told.out.startswith("policy: ")


def test_where_some_are_allowed_the_message_has_the_number_and_the_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [{"id": f"user_{each}", "name": f"P{each}", "role": "owner" if each else "reader"} for each in range(7)]
    (tmp_path / "users.json").write_text(json.dumps(people))
    asked = ("--file", str(tmp_path / "users.json"), "--resource")
    told = said(capsys, "too-many-owners", *asked, "user_1")
    assert told.startswith("too-many-owners: match (6 of 7 that were seen do; at most 5 are meant to)\n")
    assert "\n6 owners, at most 5 are meant to exist: P1, P2, P3, P4, P5, P6\n" in told
    assert "\n6 able to act as owner, at least 2 are needed: P1, P2" in said(capsys, "too-few-owners", *asked, "user_1")
    assert said(capsys, "too-many-owners", *asked, "user_0").startswith("too-many-owners: pass\n")
    document = json.loads(said(capsys, "too-many-owners", *asked, "user_1", "-o", "json"))
    assert (document["outcome"], document["matching"]) == ("fail", 6)


CORRELATION = f"""{RULE.replace("name: rule", "name: base")}detection: {{s: {{type: login.failed}}, condition: s}}
---
title: Burst
id: 8cca5e73-e765-4c4a-b7ea-722e179eaa0d
name: burst
level: high
correlation: {{type: event_count, rules: [base], group-by: [actor.ip], timespan: 15m, condition: {{gte: 3}}}}
"""


def test_of_a_correlation_the_rules_that_it_counts_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = written(tmp_path, CORRELATION, "burst.yaml")
    body = saved(tmp_path, EVENT)
    told = said(capsys, "burst", "--file", body, policy)
    assert told.startswith("base: fail\naudit_event e1 ")
    assert told.endswith("burst counts them; event_count: at least 3 within 900 seconds for each actor.ip\n")
    assert said(capsys, "base", "--file", body, policy).startswith("base: fail\n")
    document = json.loads(said(capsys, "burst", "--file", body, "-o", "json", policy))
    assert (document["policy"], [each["policy"] for each in document["rules"]]) == ("burst", ["base"])
    assert said(capsys, policy, "--file", body).startswith("base: fail\n")


def test_a_policy_is_shown_and_explained_from_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = written(tmp_path, state(DETECTION))
    assert said(capsys, policy, "--file", saved(tmp_path, BODY)).startswith("policy: ")
    assert call(["policies", "show", policy]) == 0
    assert "name:     policy\n" in capsys.readouterr().out
    assert "no such file" in said(capsys, str(tmp_path / "gone.yaml"), "--file", "body.json", code=2)
    written(tmp_path, state(DETECTION).replace("name: policy", "name: other"), "other.yaml")
    (tmp_path / "body.json").unlink()
    assert call(["policies", "show", str(tmp_path)]) == 2
    assert "holds 2 policies" in capsys.readouterr().err
