"""The fake Slack, driven by the real slack-sdk over loopback HTTP."""

import json
import urllib.request
from collections.abc import Callable
from functools import partial
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest
from slack import Server
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse, WebClient
from slack_sdk.webhook import WebhookClient

from auditor.simulator.slack import WEBHOOK_PATH
from auditor.simulator.slack_workspace import TOKEN, FakeSlack, Fault, FaultKind

pytest_plugins = ["slackserver"]

Blocks = list[Any]


@pytest.fixture
def slack(server: Server, tmp_path: Path) -> FakeSlack:
    server.slack = FakeSlack(people={"owner@example.com": "U00000001"}, journal=tmp_path / "slack.jsonl")
    return server.slack


@pytest.fixture
def address(server: Server, slack: FakeSlack) -> str:
    assert server.slack is slack
    return server.address


@pytest.fixture
def client(address: str) -> WebClient:
    return WebClient(token=TOKEN, base_url=f"{address}/api/", timeout=5, retry_handlers=[])


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": plain(text)}


def rich(*leaves: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(leaves)}]}


def refusal(act: Callable[[], object]) -> dict[str, Any]:
    with pytest.raises(SlackApiError) as caught:
        act()
    data = caught.value.response.data
    assert isinstance(data, dict)
    return data


def test_an_accepted_message_is_kept_and_written_as_one_line(client: WebClient, slack: FakeSlack) -> None:
    metadata = {"event_type": "auditor_alert", "event_payload": {"id": "a1"}}
    answer = client.chat_postMessage(channel="#security", text="hello", blocks=[section("hello")], metadata=metadata)
    assert answer["ok"]
    assert [message.text for message in slack.messages] == ["hello"]
    assert slack.journal is not None
    (line,) = slack.journal.read_text().splitlines()
    assert json.loads(line) == {
        "ts": answer["ts"],
        "channel": "C00000001",
        "text": "hello",
        "blocks": [section("hello")],
        "metadata": metadata,
    }


def test_a_change_of_a_message_is_a_line_of_its_own(client: WebClient, slack: FakeSlack) -> None:
    ts = str(client.chat_postMessage(channel="#security", text="open")["ts"])
    client.chat_update(channel="C00000001", ts=ts, text="resolved")
    assert slack.journal is not None
    lines = [json.loads(line) for line in slack.journal.read_text().splitlines()]
    assert [(line["ts"], line["text"], line.get("edited")) for line in lines] == [
        (ts, "open", None),
        (ts, "resolved", True),
    ]


BAD_BLOCKS: dict[str, tuple[Blocks, str]] = {
    "51 blocks": ([{"type": "divider"}] * 51, "no more than 50 items allowed"),
    "a section of 3001 characters": ([section("x" * 3001)], "must be less than 3001 characters"),
    "an empty section": ([section("")], "must be more than 0 characters"),
    "a section without text": ([{"type": "section"}], "missing required field"),
    "a header of 151 characters": ([{"type": "header", "text": plain("x" * 151)}], "must be less than 151"),
    "a header in mrkdwn": ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "unsupported type: mrkdwn"),
    "eleven fields": ([{"type": "section", "fields": [plain("x")] * 11}], "no more than 10 items allowed"),
    "a field of 2001 characters": ([{"type": "section", "fields": [plain("x" * 2001)]}], "must be less than 2001"),
    "eleven context elements": ([{"type": "context", "elements": [plain("x")] * 11}], "no more than 10 items"),
    "an unknown type": ([{"type": "blink"}], "unsupported type: blink"),
    "an unknown key": ([{"type": "divider", "colour": "red"}], "invalid additional property: colour"),
    "emoji in mrkdwn": (
        [{"type": "section", "text": {"type": "mrkdwn", "text": "x", "emoji": True}}],
        "invalid additional property: emoji",
    ),
    "a block that is no object": (["hello"], "must be an object"),
    "an empty rich text": ([rich({"type": "text", "text": ""})], "must be more than 0 characters"),
    "an unknown rich element": ([rich({"type": "marquee"})], "unsupported type: marquee"),
    "an unknown style": ([rich({"type": "text", "text": "x", "style": {"blink": True}})], "invalid style"),
    "two blocks of one id": ([{"type": "divider", "block_id": "a"}] * 2, "block_id must be unique"),
    "a button label of 76 characters": (
        [{"type": "actions", "elements": [{"type": "button", "text": plain("x" * 76)}]}],
        "must be less than 76",
    ),
}


@pytest.mark.parametrize("case", BAD_BLOCKS)
def test_blocks_beyond_the_limits_are_refused_with_the_place(client: WebClient, slack: FakeSlack, case: str) -> None:
    blocks, message = BAD_BLOCKS[case]
    answer = refusal(lambda: client.chat_postMessage(channel="#security", text="x", blocks=blocks))
    assert answer["error"] == "invalid_blocks"
    assert message in " ".join(answer["response_metadata"]["messages"])
    assert "/blocks" in answer["response_metadata"]["messages"][0]
    assert slack.messages == []


def test_the_largest_allowed_message_is_accepted(client: WebClient) -> None:
    fields = {"type": "section", "fields": [plain("x" * 2000), *[plain("x" * 100)] * 9]}
    blocks: Blocks = [{"type": "header", "text": plain("x" * 150)}, fields, *[section("x")] * 47]
    long = [section("x" * 3000)] * 3, section("x" * 906)
    blocks = [*blocks[:46], *long[0], long[1]]

    def post(blocks: Blocks) -> SlackResponse:
        return client.chat_postMessage(channel="C00000001", text="x" * 40_000, blocks=blocks)

    assert post(blocks)["ok"]
    assert refusal(lambda: post([*blocks[:-1], section("x" * 907)]))["error"] == "msg_blocks_too_long"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "#security", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "#nowhere", "text": "x"}, "channel_not_found"),
        ({"channel": "#security", "text": "x", "blocks": "{"}, "invalid_blocks_format"),
    ],
)
def test_a_bad_message_is_refused_by_name(client: WebClient, arguments: dict[str, Any], error: str) -> None:
    assert refusal(lambda: client.chat_postMessage(**arguments))["error"] == error


def test_a_message_without_words_is_refused(client: WebClient) -> None:
    answer = refusal(lambda: client.api_call("chat.postMessage", json={"channel": "#security", "text": ""}))
    assert answer["error"] == "no_text"


def test_a_channel_must_be_joined_before_it_is_posted_to(client: WebClient, slack: FakeSlack) -> None:
    slack.channels[1].member = False
    assert refusal(lambda: client.chat_postMessage(channel="#platform", text="x"))["error"] == "not_in_channel"
    assert client.conversations_info(channel="C00000002")["channel"]["is_member"] is False
    client.conversations_join(channel="C00000002")
    assert client.chat_postMessage(channel="#platform", text="x")["ok"]


def test_a_wrong_or_missing_token_is_refused(address: str) -> None:
    stranger = WebClient(token="xoxb-other-token", base_url=f"{address}/api/", retry_handlers=[])
    assert refusal(stranger.auth_test)["error"] == "invalid_auth"
    nobody = WebClient(base_url=f"{address}/api/", retry_handlers=[])
    assert refusal(nobody.auth_test)["error"] == "not_authed"


def test_form_encoded_calls_are_understood(client: WebClient) -> None:
    assert client.auth_test()["bot_id"]
    user = client.users_lookupByEmail(email="owner@example.com")["user"]["id"]
    direct = client.conversations_open(users=user)["channel"]["id"]
    assert client.api_call("chat.postMessage", params={"channel": direct, "text": "x", "blocks": "[]"})["ok"]
    assert refusal(lambda: client.users_lookupByEmail(email="nobody@example.com"))["error"] == "users_not_found"
    assert refusal(lambda: client.conversations_open(users="U9"))["error"] == "user_not_found"
    assert refusal(lambda: client.api_call("admin.users.list"))["error"] == "unknown_method"


def test_channels_are_listed_page_by_page(client: WebClient) -> None:
    pages = [page["channels"] for page in client.conversations_list(limit=1)]
    assert [channel["name"] for page in pages for channel in page] == ["security", "platform"]


def test_a_message_is_updated_in_place(client: WebClient, slack: FakeSlack) -> None:
    ts = client.chat_postMessage(channel="#security", text="open")["ts"]
    client.chat_update(channel="C00000001", ts=ts, text="resolved")
    assert [message.text for message in slack.messages] == ["resolved"]
    assert refusal(lambda: client.chat_update(channel="C00000001", ts="1.0", text="x"))["error"] == "message_not_found"


def test_a_message_is_changed_by_its_author_in_time_and_by_the_id_of_its_channel(
    client: WebClient, slack: FakeSlack, address: str
) -> None:
    ts = client.chat_postMessage(channel="#security", text="open")["ts"]
    named = refusal(lambda: client.chat_update(channel="#security", ts=ts, text="x"))
    assert named["error"] == "channel_not_found"
    WebhookClient(address + WEBHOOK_PATH, retry_handlers=[]).send(text="by somebody else")
    other = slack.messages[-1].ts
    assert (
        refusal(lambda: client.chat_update(channel="C00000001", ts=other, text="x"))["error"] == "cant_update_message"
    )
    bad = refusal(lambda: client.chat_update(channel="C00000001", ts=ts, text="x", blocks=[{"type": "blink"}]))
    assert bad["error"] == "invalid_blocks"
    slack.edit_window = -1
    assert refusal(lambda: client.chat_update(channel="C00000001", ts=ts, text="x"))["error"] == "edit_window_closed"
    assert [text for text, _ in slack.messages[0].versions] == ["open"]


def test_a_change_may_be_limited_or_lost_like_a_message(client: WebClient, slack: FakeSlack) -> None:
    ts = client.chat_postMessage(channel="#security", text="open")["ts"]
    slack.fail_next(Fault(FaultKind.RATE_LIMITED, seconds=3), method="chat.update")
    with pytest.raises(SlackApiError) as caught:
        client.chat_update(channel="C00000001", ts=ts, text="x")
    assert caught.value.response.headers["Retry-After"] == "3"
    slack.fail_next(Fault(FaultKind.CUT), method="chat.update")
    with pytest.raises(IncompleteRead):
        client.chat_update(channel="C00000001", ts=ts, text="taken")
    assert slack.messages[0].text == "taken"


def test_an_answer_needs_a_message_in_the_channel_and_may_be_seen_there(client: WebClient, slack: FakeSlack) -> None:
    ts = client.chat_postMessage(channel="#security", text="open")["ts"]
    client.chat_postMessage(channel="#security", text="more", thread_ts=ts)
    client.chat_postMessage(channel="#security", text="loud", thread_ts=ts, reply_broadcast=True)
    assert [(posted.thread_ts, posted.broadcast) for posted in slack.messages] == [("", False), (ts, False), (ts, True)]
    for channel, thread in (("#platform", ts), ("#security", "1.0")):
        answer = refusal(partial(client.chat_postMessage, channel=channel, text="x", thread_ts=thread))
        assert answer["error"] == "thread_not_found"
    slack.delete(ts)
    gone = refusal(lambda: client.chat_postMessage(channel="#security", text="x", thread_ts=ts))
    assert gone["error"] == "thread_not_found"


def test_a_rate_limit_says_how_long_to_wait(client: WebClient, slack: FakeSlack) -> None:
    slack.fail_next(Fault(FaultKind.RATE_LIMITED, seconds=7))
    with pytest.raises(SlackApiError) as caught:
        client.chat_postMessage(channel="#security", text="x")
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "7"
    assert client.chat_postMessage(channel="#security", text="x")["ok"]


def test_a_channel_takes_messages_at_its_own_pace(client: WebClient, slack: FakeSlack) -> None:
    slack.pace = 60
    client.chat_postMessage(channel="#security", text="x")
    assert refusal(lambda: client.chat_postMessage(channel="#security", text="y"))["error"] == "ratelimited"
    assert client.chat_postMessage(channel="#platform", text="z")["ok"]


def test_the_webhook_takes_a_message_without_a_token(address: str, slack: FakeSlack) -> None:
    answer = WebhookClient(address + WEBHOOK_PATH, retry_handlers=[]).send(text="x", blocks=[section("x")])
    assert (answer.status_code, answer.body) == (200, "ok")
    assert slack.messages[0].via == "webhook"


def test_the_webhook_refuses_in_plain_words(address: str) -> None:
    bad = WebhookClient(address + WEBHOOK_PATH, retry_handlers=[]).send(text="x", blocks=[{"type": "blink"}])
    assert (bad.status_code, bad.body) == (400, "invalid_blocks")
    elsewhere = WebhookClient(f"{address}/services/T1/B1/other", retry_handlers=[]).send(text="x")
    assert (elsewhere.status_code, elsewhere.body) == (404, "no_service")
    request = urllib.request.Request(address + WEBHOOK_PATH, b"{", {"content-type": "application/json"})  # noqa: S310
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        urllib.request.urlopen(request)  # noqa: S310
    assert caught.value.read() == b"invalid_payload"
    caught.value.close()
