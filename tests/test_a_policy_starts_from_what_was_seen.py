"""`policies new`: from a resource or an event a policy that loads, whose examples hold, and that names nobody."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policyfiles import NOW

from auditor.adminapi.fields import Type
from auditor.cli import call
from auditor.errors import FaultyFiles
from auditor.inventory.schema import EVENT_KIND, KINDS, fields_of, is_open
from auditor.policy.examples import check
from auditor.policy.load import PolicySet, load
from auditor.policy.scaffold import scaffold
from auditor.store import events
from auditor.store.database import open_store
from auditor.store.events import StoredEvent
from auditor.terms import Outcome, Stream

UUID = "0aff2549-c559-4701-829d-281960e8cda8"
SAMPLES: Mapping[Type, object] = {
    Type.STRING: "some text",
    Type.INTEGER: 7,
    Type.NUMBER: 1.5,
    Type.BOOLEAN: True,
    Type.TIME: NOW,
    Type.STRINGS: ["a", "b"],
    Type.ANY: {"deep": [1]},
}


def made(folder: Path, kind: str, body: Mapping[str, object], name: str = "mine") -> PolicySet:
    """The policies of the scaffold for a body."""
    file = folder / f"{name}.yaml"
    file.write_text(scaffold(name, kind, body, NOW, UUID), encoding="utf-8")
    return load([str(file)], {}, {})


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not is_open(kind)])
def test_from_a_resource_of_any_kind(tmp_path: Path, kind: str) -> None:
    body = {name: SAMPLES[field.type] for name, field in fields_of(kind).items()}
    policies = made(tmp_path, kind, body)
    assert check(policies) == ()
    (policy,) = policies
    assert [example.expect for example in policy.examples] == [Outcome.FAIL, Outcome.PASS]


def test_it_compares_what_policies_are_mostly_about(tmp_path: Path) -> None:
    body = {"id": "user_1", "name": "Robin", "email": "robin@corp.example", "role": "owner", "added_at": NOW}
    text = scaffold("mine", "user", body, NOW, UUID)
    assert "\n  found: {role: owner}\n" in text
    assert "corp.example" not in text
    assert "email: person@example.com" in text


EVENT = {
    "id": "audit_log_1",
    "type": "api_key.created",
    "effective_at": NOW,
    "actor": {"type": "session", "session": {"ip_address": "198.51.100.77", "user": {"email": "robin@corp.example"}}},
    "api_key.created": {"id": "key_1", "data": {"scopes": ["*"]}, "no": "no", "12:30": "0o17"},
}


PEOPLE: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "a user": ("user", {"id": "user_5", "name": "Grace Hopper", "email": "grace@corp.example", "role": "owner"}),
    "a user with nothing else": ("user", {"id": "user_5", "name": "Grace Hopper"}),
    "an address in words": ("user", {"id": "user_5", "name": "Grace Hopper <grace@corp.example>", "role": "owner"}),
    "an owner": ("project_api_key", {"id": "key_1", "owner": {"type": "user", "user": {"name": "Grace Hopper"}}}),
    "members": ("group", {"id": "group_1", "name": "pilots", "members": ["Grace Hopper", "grace@corp.example"]}),
    "who granted it": ("user_role", {"id": "role_1", "created_by": "Grace Hopper"}),
    "an actor": (EVENT_KIND, {**EVENT, "actor": {"session": {"user": {"id": "user_5", "name": "Grace Hopper"}}}}),
    "a payload": (EVENT_KIND, {**EVENT, "api_key.created": {"user": {"full_name": "Grace Hopper"}}}),
}


@pytest.mark.parametrize("case", PEOPLE)
def test_nobody_who_was_seen_is_named(tmp_path: Path, case: str) -> None:
    kind, body = PEOPLE[case]
    assert check(made(tmp_path, kind, body)) == ()
    text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    assert "grace" not in text.lower()
    assert "hopper" not in text.lower()
    assert "Robin" in text or "person@example.com" in text


def test_what_is_no_person_keeps_its_name() -> None:
    text = scaffold("mine", "group", {"id": "group_1", "name": "pilots"}, NOW, UUID)
    assert "name: pilots" in text
    account = {"id": "key_1", "owner": {"type": "service_account", "service_account": {"name": "ci"}}}
    assert "ci" in scaffold("mine", "project_api_key", account, NOW, UUID)


def test_from_an_event_comes_a_rule_that_finds_it_and_names_nobody(tmp_path: Path) -> None:
    policies = made(tmp_path, EVENT_KIND, EVENT)
    assert check(policies) == ()
    (policy,) = policies
    assert policy.examples[0].records[0].fields["api_key.created.12:30"] == "0o17"
    text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    assert "corp.example" not in text
    assert "198.51.100.77" not in text
    assert f"id: {UUID}" in text


@pytest.mark.parametrize(
    ("kind", "body"), [("user", {"id": [1]}), ("user", {"added_at": "noon"}), (EVENT_KIND, {"a": 1})]
)
def test_from_nothing_comes_nothing(kind: str, body: Mapping[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no field of user|no time|has the texts"):
        scaffold("mine", kind, body, NOW, UUID)


words = st.text(max_size=12) | st.sampled_from(
    ["null", "no", "1e3", "0x1F", "%x%", "a: b", "#", "*", "<<", "- ", "'", '"']
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(kind=words.filter(bool), payload=st.dictionaries(words, values, max_size=4), at=values)
def test_from_any_event_comes_a_sound_rule_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, kind: str, payload: dict[str, object], at: object
) -> None:
    body = {"id": "e1", "type": kind, "effective_at": at, kind: payload}
    try:
        policies = made(tmp_path_factory.mktemp("made"), EVENT_KIND, body)
    except (FaultyFiles, ValueError):
        return
    assert check(policies) == ()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = call(["policies", "new", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_writes_a_file_that_passes_validate_and_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    user: dict[str, Any] = {"object": "organization.user", "id": "user_1", "name": "Robin", "role": "owner"}
    Path("users.json").write_text(json.dumps({"object": "list", "data": [user, {**user, "id": "user_2"}]}))
    Path("event.json").write_text(json.dumps(EVENT))

    code, out, _ = run(capsys, "mine", "--resource", "user", "--file", "users.json", "--id", "user_2")
    assert (code, out.splitlines()[0]) == (0, "wrote mine.yaml")
    assert run(capsys, "events/seen", "--file", "event.json")[0] == 2, "the name of a policy is no path"
    code, _, err = run(capsys, "My_Check", "--file", "event.json")
    assert (code, err.splitlines()[0]) == (2, "error: `My_Check` cannot be the name of a policy")
    assert not Path("My_Check.yaml").exists()
    assert run(capsys, "seen", "--file", "event.json", "--output", "events")[0] == 0
    for command in ("validate", "test"):
        assert call(["policies", command, "mine.yaml", "events"]) == 0
    assert "4 of 4 examples of 2 policies hold" in capsys.readouterr().out

    for arguments, message in (
        (("mine", "--resource", "user", "--file", "users.json", "--id", "user_1"), "is there already"),
        (("other", "--resource", "user", "--file", "users.json"), "it holds 2 bodies"),
        (("other", "--resource", "usr", "--file", "users.json"), "did you mean `user`?"),
        (("other", "--file", "users.json", "--id", "user_1"), "name the kind of the resource with --resource"),
        (("other",), "one of them"),
        (("other", "--file", "gone.json"), "cannot be read"),
    ):
        code, _, err = run(capsys, *arguments)
        assert code == 2
        assert message in err
    assert not Path("other.yaml").exists()


def test_the_command_starts_from_a_stored_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("auditor.yaml").write_text(f"organizations: {{acme: {{}}}}\nstore: sqlite:///{tmp_path}/auditor.db\n")
    raw = msgspec.json.encode(EVENT)
    store = open_store(f"sqlite:///{tmp_path}/auditor.db")
    with store.transaction() as tx:
        events.insert(tx, "acme", [StoredEvent("audit_log_1", "api_key.created", NOW, NOW, Stream.ORGANIZATION, raw)])
    store.close()

    assert run(capsys, "seen", "--event", "audit_log_1")[0] == 0
    assert check(load(["seen.yaml"], {}, {})) == ()
    assert "no event `audit_log_2` is stored" in run(capsys, "unseen", "--event", "audit_log_2")[2]


def test_what_no_policy_file_may_hold_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("event.json").write_text(json.dumps({**EVENT, "api_key.created": {"<<": {"a": 1}}}))
    code, _, err = run(capsys, "seen", "--file", "event.json")
    assert (code, "merge keys" in err) == (2, True)
    assert not Path("seen.yaml").exists()
