"""What comes over the socket is untrusted: nothing in it decides what it should not, and nothing stops the listener."""

import copy
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from buttons import (
    ADA,
    BO,
    CHANNEL,
    Heard,
    config_of,
    day,
    finding,
    keep,
    listening,
    settings,
    stored,
    waived,
)
from commands import eventually
from hypothesis import given, seed
from hypothesis import settings as examples
from hypothesis import strategies as some
from slack import Server

from auditor.alerts import slackpayload
from auditor.alerts.buttons import ACKNOWLEDGE, WAIVE
from auditor.alerts.slackpayload import Envelope, Hello, Leaving, Malformed
from auditor.alerts.slackpress import Click, Submission
from auditor.simulator.slack_interactive import APP, Interactive
from auditor.simulator.slack_workspace import TEAM
from auditor.store.database import Store, open_store
from auditor.terms import State

pytest_plugins = ["slackpeople", "slackserver"]

FINDING = finding()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/auditor.db")
    keep(store, FINDING)
    yield store
    store.close()


CLICK: dict[str, Any] = {
    "type": "block_actions",
    "user": {"id": BO, "username": "bo", "team_id": TEAM},
    "api_app_id": APP,
    "team": {"id": TEAM, "domain": "example"},
    "enterprise": None,
    "channel": {"id": CHANNEL, "name": "security"},
    "trigger_id": "1.2.3",
    "actions": [{"action_id": ACKNOWLEDGE, "type": "button", "value": FINDING.id, "action_ts": "1.1"}],
}
SUBMISSION: dict[str, Any] = {
    "type": "view_submission",
    "user": {"id": ADA, "team_id": TEAM},
    "api_app_id": APP,
    "team": {"id": TEAM},
    "view": {
        "id": "V1",
        "callback_id": WAIVE,
        "private_metadata": json.dumps({"finding": FINDING.id, "channel": CHANNEL}),
        "state": {
            "values": {
                "reason": {"reason": {"type": "plain_text_input", "value": "moves"}},
                "until": {"until": {"type": "datepicker", "selected_date": day(30)}},
                "ticket": {"ticket": {"type": "plain_text_input", "value": None}},
            }
        },
    },
}


def wrapped(payload: object) -> str:
    return json.dumps({"type": "interactive", "envelope_id": "e1", "payload": payload})


def read(payload: object) -> Envelope:
    found = slackpayload.read(wrapped(payload), APP)
    assert isinstance(found, Envelope)
    return found


def changed(payload: dict[str, Any], *path: str | int, to: object) -> dict[str, Any]:
    """`payload` with another value in one place."""
    made = copy.deepcopy(payload)
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return made


def test_what_slack_sends_is_understood() -> None:
    click, sent = read(CLICK).content, read(SUBMISSION).content
    assert isinstance(click, Click)
    assert (click.button, click.finding, click.by.id, click.by.workspace, click.channel, click.trigger) == (
        ACKNOWLEDGE,
        FINDING.id,
        BO,
        TEAM,
        CHANNEL,
        "1.2.3",
    )
    assert isinstance(sent, Submission)
    assert (sent.finding, sent.channel, sent.reason, sent.until, sent.ticket) == (
        FINDING.id,
        CHANNEL,
        "moves",
        day(30),
        "",
    )
    assert slackpayload.read('{"type": "hello", "connection_info": {"app_id": "A1"}}') == Hello("A1")
    assert slackpayload.read('{"type": "disconnect", "reason": "warning"}') == Leaving("warning")
    assert slackpayload.read('{"type": "disconnect", "reason": "<script>"}') == Leaving("unknown")
    assert slackpayload.read('{"type": "something new"}') is None


OTHERS = {
    "another button": changed(CLICK, "actions", 0, "action_id", to="other.approve"),
    "a button of nearly this name": changed(CLICK, "actions", 0, "action_id", to=f"{ACKNOWLEDGE} "),
    "another app": changed(CLICK, "api_app_id", to="A99999999"),
    "another dialog": changed(SUBMISSION, "view", "callback_id", to="other.dialog"),
    "the dialog of another app": changed(SUBMISSION, "api_app_id", to="A99999999"),
    "another kind": changed(CLICK, "type", to="shortcut"),
    "a list": [CLICK],
    "nothing": None,
    "a text": "block_actions",
    "an empty one": {},
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_no_concern_of_ours_is_confirmed_and_counted(people: Interactive, heard: Heard, case: str) -> None:
    assert people.envelope(OTHERS[case]).wait()
    heard.comes_to("ignored")


def test_other_kinds_of_envelopes_are_confirmed_and_counted(people: Interactive, heard: Heard) -> None:
    for kind in ("events_api", "slash_commands", "new"):
        assert people.envelope(CLICK, kind).wait()
    heard.comes_to(*["ignored"] * 3)


FAULTY = {
    "an id that is none": changed(CLICK, "actions", 0, "value", to="' OR 1=1 --"),
    "an id of another kind": changed(CLICK, "actions", 0, "value", to=7),
    "an id without end": changed(CLICK, "actions", 0, "value", to="a" * 65),
    "an empty id": changed(CLICK, "actions", 0, "value", to=""),
    "nobody": changed(CLICK, "user", to=None),
    "somebody without an id": changed(CLICK, "user", to={"name": "bo"}),
    "a name as id": changed(CLICK, "user", "id", to="<!channel>"),
    "no channel": changed(CLICK, "channel", to=None),
    "no trigger": changed(CLICK, "trigger_id", to=None),
    "no buttons": changed(CLICK, "actions", to=[]),
    "too many buttons": changed(CLICK, "actions", to=CLICK["actions"] * 26),
    "no dialog of ours": changed(SUBMISSION, "view", "private_metadata", to="{"),
    "a dialog about nothing": changed(SUBMISSION, "view", "private_metadata", to="{}"),
    "a dialog about something else": changed(
        SUBMISSION, "view", "private_metadata", to=json.dumps({"finding": "../../etc", "channel": CHANNEL})
    ),
    "a dialog without fields": changed(SUBMISSION, "view", "state", to=[]),
    "a dialog without an id": changed(SUBMISSION, "view", "id", to={}),
}


@pytest.mark.parametrize("case", FAULTY)
def test_what_is_not_as_slack_describes_it_decides_nothing(
    people: Interactive, store: Store, heard: Heard, case: str
) -> None:
    assert people.envelope(FAULTY[case]).wait()
    heard.comes_to("malformed")
    assert stored(store, FINDING) == FINDING
    assert people.whispers == []


TEXTS = {
    "no JSON": "hello",
    "nothing": "",
    "half of it": wrapped(CLICK)[:100],
    "a list": "[]",
    "a number": "7",
    "no type": "{}",
    "a type that is none": '{"type": 7}',
    "an envelope without a good id": '{"type": "interactive", "envelope_id": {"a": 1}, "payload": {}}',
    "a tower": "[" * 100_000,
    "a tower inside": '{"type": "interactive", "envelope_id": "e", "payload": ' + "[" * 100_000,
    "a number without end": '{"type": "interactive", "envelope_id": "e", "payload": ' + "9" * 5_000 + "e999}",
    "half a sign": '{"type": "\\ud800"}',
    "far too long": json.dumps({"type": "hello", "x": "x" * 1_000_001}),
}


@pytest.mark.parametrize("case", TEXTS)
def test_texts_that_are_no_messages_are_counted_and_forgotten(
    people: Interactive, store: Store, heard: Heard, case: str
) -> None:
    people.newest().text(TEXTS[case])
    assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
    eventually(lambda: "acknowledged" in heard, 10)
    assert set(heard) <= {"malformed", "ignored", "acknowledged"}
    assert people.opened == 1


FRAMES = {
    "no text": b"\x81\x02\xff\xfe",
    "a masked frame": b"\x81\x85\x01\x02\x03\x04hello",
    "a kind that is none": b"\x83\x01x",
    "a part of a message": b"\x01\x02he\x80\x02ll",
    "an end with half a reason": b"\x88\x01\x03",
    "a pong of somebody else": b"\x8a\x03a:b",
    "a pong that is no text": b"\x8a\x02\xff\xfe",
    "a length without end": b"\x81\x7f" + struct.pack("!Q", 1 << 62) + b"x" * 100_000,
    "no protocol at all": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@pytest.mark.parametrize("case", FRAMES)
def test_after_frames_that_are_none_presses_are_heard_again(
    people: Interactive, store: Store, heard: Heard, case: str
) -> None:
    people.newest().raw(FRAMES[case])
    # Slack sends again what was not confirmed, over whichever connection stands then.
    for _ in range(20):
        try:
            if people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait(1):
                break
        except OSError:
            continue
    eventually(lambda: stored(store, FINDING).state is State.ACKNOWLEDGED, 15)


def test_more_presses_than_can_be_decided_are_not_confirmed(
    server: Server, people: Interactive, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.jobs.slacklisten.WAITING", 0)
    with listening(store, config_of(settings(server.address))) as heard:
        assert not people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait(0.5)
        heard.comes_to("overrun")
    assert stored(store, FINDING) == FINDING


def test_a_hundred_presses_at_once_make_one_decision(people: Interactive, store: Store, heard: Heard) -> None:
    sent = [people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id) for _ in range(90)]
    assert all(each.wait() for each in sent), "each is confirmed in time, decided or not"
    eventually(lambda: len(heard) == 90, 20)
    assert set(heard) == {"acknowledged"}
    decision = stored(store, FINDING).decision
    assert decision is not None
    assert decision.by == "bo@example.com"


JSON = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a payload."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


MUTATIONS = [(payload, path) for payload in (CLICK, SUBMISSION) for path in places(payload)]


@seed(1)
@examples(max_examples=600, database=None)
@given(some.sampled_from(MUTATIONS), JSON)
def test_no_payload_is_misread(place: tuple[dict[str, Any], tuple[str | int, ...]], value: object) -> None:
    payload, path = place
    envelope = read(changed(payload, *path, to=value))
    what = envelope.content
    assert envelope.why in ({""} if what else {"ignored", "malformed"})
    if what is None:
        return
    assert set(what.finding) <= set("0123456789abcdef")
    assert 0 < len(what.finding) <= 64
    for id_ in (what.by.id, what.channel):
        assert id_.replace("-", "").replace("_", "").replace(".", "").isalnum() or set(id_) <= set("._-")
        assert len(id_) <= 255
    assert path in {("user", "id"), ("team", "id")} or what.by.id in {BO, ADA}


@seed(1)
@examples(max_examples=500, database=None)
@given(some.text(max_size=200) | JSON.map(json.dumps))
def test_no_text_stops_the_reader(text: str) -> None:
    try:
        found = slackpayload.read(text, APP)
    except Malformed as malformed:
        assert str(malformed) in {"too long", "no message of Slack's"}  # noqa: PT017 - nothing of what came
    else:
        assert found is None or isinstance(found, Hello | Leaving | Envelope)


def test_nothing_of_all_this_made_a_waiver(people: Interactive, store: Store, heard: Heard) -> None:
    for path in places(SUBMISSION):
        people.envelope(changed(SUBMISSION, *path, to={"a": ["b"]}))
    sent = people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id)
    assert sent.wait(10)
    eventually(lambda: {"acknowledged", "stale"} & set(heard), 10)
    assert all(waiver.by == "ada@example.com" for waiver in waived(store))
    assert len(waived(store)) <= 1
