"""The interactive side of the fake Slack, driven by the real slack-sdk: sockets, triggers, dialogs, whispers."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from slack import Server
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web import WebClient

from auditor.simulator.slack_envelopes import PATIENCE
from auditor.simulator.slack_interactive import APP, Interactive
from auditor.simulator.slack_workspace import APP_TOKEN, TEAM, TOKEN, FakeSlack

pytest_plugins = ["slackserver"]


@pytest.fixture
def people(server: Server) -> Iterator[Interactive]:
    server.slack = FakeSlack()
    made = Interactive(server.slack)
    yield made
    made.close()


@pytest.fixture
def client(server: Server, people: Interactive) -> WebClient:
    return WebClient(token=TOKEN, base_url=f"{server.address}/api/", timeout=5, retry_handlers=[])


@pytest.fixture
def connected(client: WebClient, people: Interactive) -> Iterator[list[SocketModeRequest]]:
    """What the SDK's own client received; it confirms everything."""
    received: list[SocketModeRequest] = []

    def confirm(socket: BaseSocketModeClient, request: SocketModeRequest) -> None:
        received.append(request)
        socket.send_socket_mode_response({"envelope_id": request.envelope_id, "payload": {"text": "ok"}})

    socket = SocketModeClient(APP_TOKEN, web_client=client)
    socket.socket_mode_request_listeners.append(confirm)
    socket.connect()
    people.newest()
    yield received
    socket.close()


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(SlackApiError) as caught:
        act()
    return str(caught.value.response["error"])


def test_a_press_is_an_envelope_that_the_sdk_confirms(connected: list[SocketModeRequest], people: Interactive) -> None:
    sent = people.press("U1", "C00000001", "auditor.acknowledge", "00ff")
    assert sent.wait()
    assert sent.answer == {"text": "ok"}
    (request,) = connected
    assert (request.type, request.envelope_id) == ("interactive", sent.id)
    assert request.payload["user"] == {"id": "U1", "username": "u1", "team_id": TEAM}
    assert request.payload["actions"][0]["value"] == "00ff"
    assert request.payload["api_app_id"] == APP


def test_the_sdk_answers_a_ping_and_moves_when_it_is_asked_to(
    connected: list[SocketModeRequest], people: Interactive
) -> None:
    people.newest().ping()
    people.disconnect("refresh_requested")
    people.wait(lambda: people.opened == 2)
    # By itself the SDK reads the new connection only after it waited three seconds for the old one.
    assert people.press("U1", "C00000001", "auditor.acknowledge", "00ff").confirmed.wait(10)
    assert len(connected) == 1


def test_what_nobody_confirms_is_not_confirmed(people: Interactive, client: WebClient) -> None:
    socket = SocketModeClient(APP_TOKEN, web_client=client)
    socket.connect()
    sent = people.press("U1", "C00000001", "auditor.acknowledge", "00ff")
    assert not sent.wait(0.3)
    socket.close()


@pytest.mark.parametrize(("token", "error"), [(TOKEN, "not_allowed_token_type"), ("xapp-other", "invalid_auth")])
def test_a_socket_is_opened_with_the_app_token_only(client: WebClient, token: str, error: str) -> None:
    assert refusal(lambda: client.apps_connections_open(app_token=token)) == error


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK drops a socket without closing
def test_a_ticket_is_good_once(client: WebClient, people: Interactive) -> None:
    url = client.apps_connections_open(app_token=APP_TOKEN)["url"]
    for opened in (1, 0):
        socket = SocketModeClient(APP_TOKEN, web_client=client, auto_reconnect_enabled=False)
        socket.wss_uri = url
        socket.connect()
        assert socket.is_connected() == bool(opened)
        socket.close()
    assert people.opened == 1


VIEW: dict[str, Any] = {
    "type": "modal",
    "callback_id": "c",
    "private_metadata": "m",
    **{name: {"type": "plain_text", "text": name} for name in ("title", "submit", "close")},
    "blocks": [
        {
            "type": "input",
            "block_id": "reason",
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": "reason", "multiline": True, "max_length": 3000},
        }
    ],
}


def test_a_trigger_opens_one_dialog_and_no_second(client: WebClient, people: Interactive) -> None:
    people._triggers["t"] = time.monotonic()
    assert client.views_open(trigger_id="t", view=VIEW)["view"]["id"] == people.views[0]["id"]
    assert refusal(lambda: client.views_open(trigger_id="t", view=VIEW)) == "invalid_trigger_id"
    people._triggers["old"] = time.monotonic() - PATIENCE - 0.1
    assert refusal(lambda: client.views_open(trigger_id="old", view=VIEW)) == "expired_trigger_id"


def block(**more: object) -> dict[str, Any]:
    return {"blocks": [VIEW["blocks"][0] | more]}


BAD_VIEWS: dict[str, tuple[dict[str, Any], str]] = {
    "a long title": ({"title": {"type": "plain_text", "text": "t" * 25}}, "/view/title/text"),
    "a long word for sending": ({"submit": {"type": "plain_text", "text": "t" * 25}}, "/view/submit/text"),
    "much to remember": ({"private_metadata": "m" * 3001}, "/view/private_metadata"),
    "a long name": ({"callback_id": "c" * 256}, "/view/callback_id"),
    "no blocks": ({"blocks": None}, "/blocks"),
    "a key that is none": ({"colour": "red"}, "/view/colour"),
    "a long label": (block(label={"type": "plain_text", "text": "l" * 2001}), "/blocks/0/label/text"),
    "a long hint": (block(hint={"type": "plain_text", "text": "l" * 2001}), "/blocks/0/hint/text"),
    "an element that is none": (block(element={"type": "button", "action_id": "a"}), "/blocks/0/element"),
    "a long input": (
        block(element={"type": "plain_text_input", "action_id": "a", "max_length": 3001}),
        "/blocks/0/element/max_length",
    ),
    "an input without a name": (block(element={"type": "datepicker"}), "action_id [json-pointer:/blocks/0/element]"),
    "no dialog": ({"type": "home"}, "/view"),
}


@pytest.mark.parametrize("case", BAD_VIEWS)
def test_views_beyond_the_limits_are_refused_with_the_place(client: WebClient, people: Interactive, case: str) -> None:
    more, place = BAD_VIEWS[case]
    people._triggers["t"] = time.monotonic()
    with pytest.raises(SlackApiError) as caught:
        client.views_open(trigger_id="t", view=VIEW | more)
    assert caught.value.response["error"] == "invalid_arguments"
    assert place in str(caught.value.response["errors"])
    assert not people.views


def test_a_whisper_is_for_one_person_in_a_channel_of_the_bot(client: WebClient, people: Interactive) -> None:
    client.chat_postEphemeral(channel="#security", user="U1", text="psst")
    assert [(each.channel, each.user, each.text) for each in people.whispers] == [("C00000001", "U1", "psst")]
    assert refusal(lambda: client.chat_postEphemeral(channel="C9", user="U1", text="psst")) == "channel_not_found"


def test_accounts_are_told_by_id(client: WebClient, people: Interactive) -> None:
    people.add_person("U1", "ada@example.com", is_bot=False)
    assert client.users_info(user="U1")["user"]["profile"] == {"real_name": "Person U1", "email": "ada@example.com"}
    assert refusal(lambda: client.users_info(user="U2")) == "user_not_found"
