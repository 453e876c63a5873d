"""The connection to Slack: what is pressed is heard again after every cut, and why it is not is said once."""

import contextlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from buttons import ADA, BO, CHANNEL, Heard, config_of, finding, keep, listening, settings, stored
from commands import eventually
from slack import Server
from sqlalchemy import text
from structlog.testing import capture_logs

from auditor.alerts import slacksocket
from auditor.alerts.buttons import ACKNOWLEDGE
from auditor.alerts.registry import build
from auditor.alerts.slacksocket import Socket
from auditor.errors import ConfigError, DeliveryError
from auditor.jobs import slacklisten
from auditor.jobs.decisions import Rules
from auditor.jobs.slackdesk import Desk
from auditor.jobs.slacklisten import Listener
from auditor.redaction import MASK, redact
from auditor.simulator.slack_interactive import Interactive
from auditor.simulator.slack_workspace import APP_TOKEN, TOKEN
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


def works(people: Interactive, store: Store, heard: Heard) -> None:
    """A press is heard and decided now."""
    assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
    eventually(lambda: "acknowledged" in heard, 10)
    assert stored(store, FINDING).state is State.ACKNOWLEDGED


def events(lines: list[Any], name: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == name]


@pytest.mark.parametrize("reason", ["refresh_requested", "warning", "too_many_websockets", "link_disabled"])
def test_when_slack_wants_another_connection_there_is_one_before_the_old_one_ends(
    server: Server, people: Interactive, store: Store, reason: str
) -> None:
    # Around all threads that log: taking the capture away is no matter of one moment.
    with capture_logs() as lines, listening(store, config_of(settings(server.address))) as heard:
        first = people.newest()
        people.disconnect(reason)
        people.wait(lambda: people.opened == 2)
        people.wait(lambda: first not in people.connections)
        works(people, store, heard)
        assert False not in heard.connected
    assert [line["reason"] for line in events(lines, "slack.socket_left")] == [reason]


@pytest.mark.parametrize("end", ["close", "cut"])
def test_after_a_cut_it_comes_back(server: Server, people: Interactive, store: Store, end: str) -> None:
    with listening(store, config_of(settings(server.address))) as heard:
        eventually(lambda: heard.connected == [True])
        getattr(people.newest(), end)()
        people.wait(lambda: people.opened == 2)
        works(people, store, heard)
        assert heard.connected[:3] == [True, False, True]


def test_an_end_without_a_word_is_noticed_at_once(server: Server, people: Interactive, store: Store) -> None:
    """The SDK by itself takes it for an empty message and spins, until its next ping fails."""
    with listening(store, config_of(settings(server.address))) as heard:
        eventually(lambda: heard.connected == [True])
        people.newest().cut()
        eventually(lambda: server.slack.calls.count("apps.connections.open") == 2, 3)


def test_a_connection_that_falls_silent_is_given_up(
    server: Server, people: Interactive, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slacksocket, "SILENCE", 1.5)
    with listening(store, config_of(settings(server.address))) as heard:
        people.newest().silent = True
        people.wait(lambda: people.opened == 2)
        works(people, store, heard)


def test_who_does_not_say_hello_is_not_slack(
    server: Server, people: Interactive, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slacklisten, "HELLO", 0.3)
    people.greets = False
    with capture_logs() as lines, listening(store, config_of(settings(server.address))) as heard:
        people.wait(lambda: people.opened >= 2)
        people.greets = True
        eventually(lambda: True in heard.connected)
    assert [line["error"] for line in events(lines, "slack.socket_refused")] == ["Slack's socket: no greeting"]


REFUSALS = {
    "invalid_auth": "make an app-level token",
    "not_allowed_token_type": "make an app-level token",
    "missing_scope": "scope connections:write",
    "token_revoked": "store the new app token",
    "forbidden_team": "switch on Socket Mode",
    "internal_error": "",
}


@pytest.mark.parametrize("word", REFUSALS)
def test_a_refusal_is_said_once_with_a_next_step_and_tried_again(
    server: Server, people: Interactive, store: Store, word: str
) -> None:
    people.refuse = word
    with capture_logs() as lines, listening(store, config_of(settings(server.address))) as heard:
        eventually(lambda: server.slack.calls.count("apps.connections.open") >= 3)
        assert heard.connected[0] is False
        people.refuse = ""
        works(people, store, heard)
    (line,) = events(lines, "slack.socket_refused")
    assert line["error"] == f"Slack refused the app token: {word}"
    assert REFUSALS[word] in line["hint"]
    assert bool(line["hint"]) == bool(REFUSALS[word])
    assert APP_TOKEN not in str(lines)
    assert TOKEN not in str(lines)
    assert "ticket" not in str(lines)


def test_the_pauses_between_tries_grow(server: Server, people: Interactive, store: Store) -> None:
    people.refuse = "invalid_auth"
    with listening(store, config_of(settings(server.address))):
        time.sleep(1.2)
    # 0.05, 0.1, 0.2, 0.4 and 0.8 seconds: a fifth try ends the second.
    assert 3 <= server.slack.calls.count("apps.connections.open") <= 6


def test_a_rate_limit_is_obeyed(server: Server, people: Interactive, store: Store) -> None:
    people.refuse = "ratelimited"
    with listening(store, config_of(settings(server.address))):
        time.sleep(0.8)
        assert server.slack.calls.count("apps.connections.open") == 1, "a second is what Slack asked for"
        people.refuse = ""
        people.newest()


NONE = "Slack gave no address of a socket"
ADDRESSES = {
    "another scheme": ("https://127.0.0.1:1/", NONE),
    "TLS on a port where the SDK speaks none": ("wss://127.0.0.1:8443/link", NONE),
    "no TLS on a port where the SDK speaks it": ("ws://127.0.0.1:443/link", NONE),
    "a public address without TLS": ("ws://198.51.100.1:8080/link", "without TLS all in between could read"),
    "a metadata service": ("wss://169.254.169.254/link", "private, local or reserved"),
    "no address": ("wss://[", NONE),
    "nothing": ("nowhere", NONE),
}


@pytest.mark.parametrize("case", ADDRESSES)
def test_a_socket_leads_to_allowed_addresses_only(server: Server, people: Interactive, case: str) -> None:
    people.address, fault = ADDRESSES[case]
    with pytest.raises(DeliveryError, match=fault) as caught:
        Socket(config_of(settings(server.address)), lambda _socket, _text: None, lambda: None)
    assert "link" not in str(caught.value), "the address is a credential"


def test_private_addresses_are_closed_unless_opened(server: Server, people: Interactive) -> None:
    config = config_of(settings(server.address)).model_copy(update={"allow_private": False})
    with pytest.raises(DeliveryError, match="https://"):
        Socket(config, lambda _socket, _text: None, lambda: None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK drops a socket without closing
def test_a_handshake_that_is_refused_is_no_connection(server: Server, people: Interactive) -> None:
    port = people._listener.getsockname()[1]
    people.address = f"ws://127.0.0.1:{port}/link/?ticket=used"
    before = threading.active_count()
    with pytest.raises(DeliveryError, match="Slack's socket: no answer"):
        Socket(config_of(settings(server.address)), lambda _socket, _text: None, lambda: None)
    eventually(lambda: threading.active_count() <= before)


def test_no_thread_is_left_and_none_keeps_the_process(server: Server, people: Interactive, store: Store) -> None:
    before = set(threading.enumerate())
    with listening(store, config_of(settings(server.address))):
        people.newest()
        ours = set(threading.enumerate()) - before
        assert ours
        assert all(thread.daemon for thread in ours)
    eventually(lambda: not {thread for thread in set(threading.enumerate()) - before if thread.name != "slack socket"})


def test_it_ends_quickly_whatever_it_is_doing(server: Server, people: Interactive, store: Store) -> None:
    with listening(store, config_of(settings(server.address))):
        people.newest()
        began = time.monotonic()
    assert time.monotonic() - began < 1
    people.refuse = "invalid_auth"
    with listening(store, config_of(settings(server.address))):
        eventually(lambda: server.slack.calls.count("apps.connections.open") >= 2)
        began = time.monotonic()
    assert time.monotonic() - began < 1


def test_the_sdk_says_nothing_and_secrets_are_masked(
    server: Server, people: Interactive, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with listening(store, config_of(settings(server.address))) as heard:
        people.newest().text("no json")
        works(people, store, heard)
        people.newest().cut()
        people.wait(lambda: people.opened == 2)
    told = caplog.text + json.dumps([record.getMessage() for record in caplog.records])
    assert "ticket-" not in told
    assert APP_TOKEN not in told
    assert redact(f"said {APP_TOKEN}") == f"said {MASK}"


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"app_token_file": "/nonexistent"}, "set app_token or app_token_file, not both"),
        ({"app_token": None, "app_token_file": "/nonexistent"}, "app_token_file"),
        ({"app_token": "xoxb-wrong-kind"}, "the app token is none"),
        ({"app_token": None}, "deciders decide by button"),
        ({"deciders": ["Ada"]}, "an e-mail address or a Slack user id"),
        ({"token": None, "webhook_url": "https://example.com/x", "channel": ""}, "buttons need the bot token"),
    ],
)
def test_settings_that_cannot_work_are_refused(more: dict[str, object], fault: str) -> None:
    raw = {key: value for key, value in (settings("http://127.0.0.1:9") | more).items() if value is not None}
    with pytest.raises(ConfigError, match=fault) as caught:
        build("security", raw)
    assert "xoxb-wrong-kind" not in f"{caught.value.message} {caught.value.hint}"


def test_sinks_of_one_app_have_the_same_deciders() -> None:
    one = build("one", settings("http://127.0.0.1:9"))
    two = build("two", settings("http://127.0.0.1:9", deciders=[ADA]))
    same = build("same", settings("http://127.0.0.1:9", channel="#platform"))
    other = build("other", settings("http://127.0.0.1:9", app_token="xapp-another-one", deciders=[ADA]))
    assert [names for names, _ in slacklisten.apps([one, same, other])] == [("one", "same"), ("other",)]
    with pytest.raises(ConfigError, match=r"sinks\.one and sinks\.two are of one Slack app") as caught:
        slacklisten.apps([one, two])
    assert APP_TOKEN not in caught.value.message


def test_a_dialog_that_slack_does_not_open_in_time_is_asked_for_again(
    server: Server, people: Interactive, store: Store
) -> None:
    with listening(store, config_of(settings(server.address))) as heard:
        people._triggers.clear()
        people.newest()
        sent = people.press(ADA, CHANNEL, "auditor.waive", FINDING.id, {"trigger_id": "1.2.gone"})
        assert sent.wait()
        heard.comes_to("failed")
        (whisper,) = people.whispers
        assert whisper.text.startswith("Nothing was decided: Slack refused the dialog: invalid_trigger_id")


def test_a_store_that_does_not_answer_is_told_and_the_next_press_works(
    server: Server, people: Interactive, store: Store, tmp_path: Path
) -> None:
    closed = open_store(f"sqlite:///{tmp_path}/other.db")
    with closed.transaction() as tx:
        tx.execute(text("DROP TABLE findings"))
    with listening(closed, config_of(settings(server.address))) as heard:
        assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
        heard.comes_to("failed")
        assert people.whispers[0].text.startswith("Nothing was decided: the store of the auditor does not answer")
        assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
        heard.comes_to("failed", "failed")
    closed.close()


def test_an_answer_that_cannot_be_shown_changes_no_decision(server: Server, people: Interactive, store: Store) -> None:
    with capture_logs() as lines, listening(store, config_of(settings(server.address))) as heard:
        assert people.press(BO, "C99999999", ACKNOWLEDGE, FINDING.id).wait()
        heard.comes_to("acknowledged")
    assert stored(store, FINDING).state is State.ACKNOWLEDGED
    assert [line["error"] for line in events(lines, "slack.answer_failed")] == [
        "Slack refused the answer: channel_not_found"
    ]


def test_a_busy_store_delays_the_decision_and_not_the_confirmation(
    server: Server, people: Interactive, store: Store, tmp_path: Path
) -> None:
    with (
        listening(store, config_of(settings(server.address))) as heard,
        contextlib.closing(
            sqlite3.connect(tmp_path / "auditor.db", isolation_level=None, check_same_thread=False)
        ) as other,
    ):
        people.newest()
        other.execute("BEGIN IMMEDIATE")
        assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait(1.5)
        assert heard == []
        other.execute("ROLLBACK")
        heard.comes_to("acknowledged")


def test_what_was_confirmed_is_decided_before_the_end(
    server: Server, people: Interactive, store: Store, tmp_path: Path
) -> None:
    with contextlib.closing(
        sqlite3.connect(tmp_path / "auditor.db", isolation_level=None, check_same_thread=False)
    ) as other:
        release = threading.Timer(1, lambda: other.execute("ROLLBACK"))
        with listening(store, config_of(settings(server.address))):
            people.newest()
            other.execute("BEGIN IMMEDIATE")
            assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait(1.5)
            release.start()
        release.join()
    assert stored(store, FINDING).state is State.ACKNOWLEDGED


def test_a_bug_is_told_to_whoever_listens(server: Server, people: Interactive, store: Store) -> None:
    heard = Heard()
    config = config_of(settings(server.address))
    desk = Desk(store, config, Rules(None, 86_400, {}))  # type: ignore[arg-type]
    listener = Listener("security", config, desk, heard.watch)
    listener.start()
    assert people.press(BO, CHANNEL, ACKNOWLEDGE, FINDING.id).wait()
    eventually(lambda: heard.bugs)
    assert isinstance(heard.bugs[0], TypeError)
    listener.stop()
    assert listener.ended(5)
