"""Every limit of Slack's reference, at the fake: what is as large as allowed is taken, what is larger is not."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from slack import Server
from slack_sdk.errors import SlackApiError
from slack_sdk.web import WebClient

from auditor.simulator.slack_interactive import Interactive
from auditor.simulator.slack_workspace import TOKEN, FakeSlack

pytest_plugins = ["slackserver"]

Object = dict[str, Any]


@pytest.fixture
def slack(server: Server) -> FakeSlack:
    server.slack = FakeSlack()
    return server.slack


@pytest.fixture
def client(server: Server, slack: FakeSlack) -> WebClient:
    assert server.slack is slack
    return WebClient(token=TOKEN, base_url=f"{server.address}/api/", timeout=5, retry_handlers=[])


@pytest.fixture
def people(slack: FakeSlack) -> Iterator[Interactive]:
    made = Interactive(slack)
    yield made
    made.close()


def refusal(act: Callable[[], object]) -> Object:
    with pytest.raises(SlackApiError) as caught:
        act()
    data = caught.value.response.data
    assert isinstance(data, dict)
    return data


def plain(text: str = "x") -> Object:
    return {"type": "plain_text", "text": text}


def actions(*elements: Object) -> Object:
    return {"type": "actions", "elements": list(elements)}


def button(number: int = 0, **more: object) -> Object:
    return {"type": "button", "text": plain(), "action_id": f"a{number}", **more}


def option(value: str = "v", **more: object) -> Object:
    return {"text": plain(), "value": value, **more}


def options(count: int) -> list[Object]:
    return [option(str(number)) for number in range(count)]


def menu(kind: str = "static_select", **more: object) -> Object:
    return actions({"type": kind, "action_id": "a", **more})


def asking(kind: str, **more: object) -> Object:
    return {"type": "input", "label": plain(), "element": {"type": kind, "action_id": "a", **more}}


def confirming(**more: object) -> Object:
    words = {name: plain() for name in ("title", "text", "confirm", "deny")}
    return actions(button(confirm={**words, **more}))


def rich(*parts: Object) -> Object:
    return {"type": "rich_text", "elements": list(parts)}


def written(**more: object) -> Object:
    return {"type": "rich_text_section", "elements": [{"type": "text", "text": "x", **more}]}


def listing(**more: object) -> Object:
    return rich({"type": "rich_text_list", "style": "bullet", "elements": [written()], **more})


def image(**more: object) -> Object:
    return {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "x", **more}


def video(**more: object) -> Object:
    urls = {"video_url": "https://example.com/a", "thumbnail_url": "https://example.com/b"}
    return {"type": "video", "alt_text": "x", "title": plain(), **urls, **more}


def table(rows: int, columns: int = 1, text: str = "x", **more: object) -> Object:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": text}] * columns] * rows, **more}


def rated(**more: object) -> Object:
    return {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "positive_button": {"text": plain(), "value": "v"},
                "negative_button": {"text": plain(), "value": "v", **more},
            }
        ],
    }


def icon(number: int = 0, **more: object) -> Object:
    return {"type": "icon_button", "icon": "trash", "text": plain(), "action_id": f"i{number}", **more}


LONGEST: dict[str, tuple[int, Callable[[str], Object]]] = {
    "block_id": (255, lambda x: {"type": "divider", "block_id": x}),
    "header": (150, lambda x: {"type": "header", "text": plain(x)}),
    "section": (3000, lambda x: {"type": "section", "text": plain(x)}),
    "field": (2000, lambda x: {"type": "section", "fields": [plain(x)]}),
    "context": (3000, lambda x: {"type": "context", "elements": [plain(x)]}),
    "image_url": (3000, lambda x: image(image_url=x)),
    "alt_text": (2000, lambda x: image(alt_text=x)),
    "title of an image": (2000, lambda x: image(title=plain(x))),
    "markdown": (12_000, lambda x: {"type": "markdown", "text": x}),
    "title of a video": (199, lambda x: video(title=plain(x))),
    "author of a video": (49, lambda x: video(author_name=x)),
    "label of an input": (2000, lambda x: asking("datepicker") | {"label": plain(x)}),
    "hint of an input": (2000, lambda x: asking("datepicker") | {"hint": plain(x)}),
    "button": (75, lambda x: actions(button(text=plain(x)))),
    "action_id": (255, lambda x: actions(button(action_id=x))),
    "value of a button": (2000, lambda x: actions(button(value=x))),
    "url of a button": (3000, lambda x: actions(button(url=x))),
    "accessibility_label": (75, lambda x: actions(button(accessibility_label=x))),
    "title of a confirmation": (100, lambda x: confirming(title=plain(x))),
    "text of a confirmation": (300, lambda x: confirming(text=plain(x))),
    "yes of a confirmation": (30, lambda x: confirming(confirm=plain(x))),
    "no of a confirmation": (30, lambda x: confirming(deny=plain(x))),
    "placeholder": (150, lambda x: menu(placeholder=plain(x), options=[option()])),
    "option": (75, lambda x: menu(options=[option(text=plain(x))])),
    "description of an option": (75, lambda x: menu(options=[option(description=plain(x))])),
    "value of an option": (150, lambda x: menu(options=[option(x)])),
    "url of an option": (3000, lambda x: menu("overflow", options=[option(url=x)])),
    "label of options": (75, lambda x: menu(option_groups=[{"label": plain(x), "options": [option()]}])),
    "feedback": (75, lambda x: rated(text=plain(x))),
    "value of feedback": (2000, lambda x: rated(value=x)),
    "initial value": (3000, lambda x: asking("plain_text_input", initial_value=x)),
}


@pytest.mark.parametrize("name", LONGEST)
def test_a_text_may_be_so_long_and_no_longer(name: str, client: WebClient, slack: FakeSlack) -> None:
    most, make = LONGEST[name]
    assert client.chat_postMessage(channel="#security", text="t", blocks=[make("x" * most)])["ok"]
    answer = refusal(lambda: client.chat_postMessage(channel="#security", text="t", blocks=[make("x" * (most + 1))]))
    assert answer["error"] == "invalid_blocks"
    assert f"must be less than {most + 1} characters" in answer["errors"][0]
    assert answer["response_metadata"]["messages"][0] == f"[ERROR] {answer['errors'][0]}"
    assert "[json-pointer:/blocks/0/" in answer["errors"][0]
    assert len(slack.messages) == 1


MOST: dict[str, tuple[int, Callable[[int], Object]]] = {
    "fields": (10, lambda n: {"type": "section", "fields": [plain()] * n}),
    "context elements": (10, lambda n: {"type": "context", "elements": [plain()] * n}),
    "elements": (25, lambda n: actions(*map(button, range(n)))),
    "context actions": (5, lambda n: {"type": "context_actions", "elements": [*map(icon, range(n))]}),
    "people who see an icon": (
        10,
        lambda n: {"type": "context_actions", "elements": [icon(visible_to_user_ids=["U1"] * n)]},
    ),
    "options": (100, lambda n: menu(options=options(n))),
    "options of several": (100, lambda n: menu("multi_static_select", options=options(n))),
    "groups": (100, lambda n: menu(option_groups=[{"label": plain(), "options": [each]} for each in options(n)])),
    "options of a group": (100, lambda n: menu(option_groups=[{"label": plain(), "options": options(n)}])),
    "checkboxes": (10, lambda n: menu("checkboxes", options=options(n))),
    "radio buttons": (10, lambda n: menu("radio_buttons", options=options(n))),
    "overflow": (5, lambda n: menu("overflow", options=options(n))),
    "rows": (100, table),
    "columns": (20, lambda n: table(1, n)),
    "settings of columns": (20, lambda n: table(1, column_settings=[{"align": "right"}] * n)),
}


@pytest.mark.parametrize("name", MOST)
def test_there_may_be_so_many_and_no_more(name: str, client: WebClient) -> None:
    most, make = MOST[name]
    assert client.chat_postMessage(channel="#security", text="t", blocks=[make(most)])["ok"]
    answer = refusal(lambda: client.chat_postMessage(channel="#security", text="t", blocks=[make(most + 1)]))
    assert f"no more than {most} items allowed [json-pointer:/blocks/0/" in answer["errors"][0]
    none = refusal(lambda: client.chat_postMessage(channel="#security", text="t", blocks=[make(0)]))
    assert "must have at least 1 item" in none["errors"][0]


WRONG: dict[str, tuple[list[Any], str]] = {
    "one action_id twice in a block": (
        [actions(button(), button())],
        "action_id must be unique [json-pointer:/blocks/0]",
    ),
    "one block_id twice": ([{"type": "divider", "block_id": "b"}] * 2, "block_id must be unique"),
    "a pink button": (
        [actions(button(style="pink"))],
        "must be a valid enum value [json-pointer:/blocks/0/elements/0/style]",
    ),
    "a pink confirmation": ([confirming(style="pink")], "must be a valid enum value"),
    "a confirmation without a no": (
        [actions(button(confirm={"title": plain(), "text": plain(), "confirm": plain()}))],
        "deny",
    ),
    "mark-up in a confirmation": ([confirming(text={"type": "mrkdwn", "text": "x"})], "unsupported type: mrkdwn"),
    "mark-up on a button": ([actions(button(text={"type": "mrkdwn", "text": "x"}))], "unsupported type: mrkdwn"),
    "a value that is no string": ([actions(button(value=5))], "must be a string"),
    "a button that is disabled": ([actions(button(disabled=True))], "invalid additional property: disabled"),
    "a menu without a name": (
        [actions({"type": "static_select", "options": options(1)})],
        "missing required field: action_id",
    ),
    "equal values": ([menu(options=[option(), option()])], "value must be unique"),
    "equal values in two groups": (
        [menu(option_groups=[{"label": plain(), "options": [option()]}] * 2)],
        "value must be unique",
    ),
    "options and groups": (
        [menu(options=[option()], option_groups=[{"label": plain(), "options": [option()]}])],
        "only one of options and option_groups",
    ),
    "neither options nor groups": ([menu()], "missing required field: options or option_groups"),
    "a choice that is not offered": (
        [menu(options=[option()], initial_option=option("w"))],
        "must be among the options",
    ),
    "choices that are not offered": (
        [menu("checkboxes", options=[option()], initial_options=[option("w")])],
        "must be among the options",
    ),
    "a url in a menu": ([menu(options=[option(url="https://example.com")])], "invalid additional property: url"),
    "several of none": ([menu("multi_users_select", max_selected_items=0)], "must be a number from 1"),
    "a list as accessory": ([{"type": "section", "text": plain(), "accessory": [button()]}], "must be an object"),
    "a field as accessory": (
        [{"type": "section", "text": plain(), "accessory": {"type": "plain_text_input", "action_id": "a"}}],
        "unsupported type: plain_text_input",
    ),
    "a button in the context": ([{"type": "context", "elements": [button()]}], "unsupported type: button"),
    "an image among actions": ([actions(image())], "unsupported type: image"),
    "no day": ([menu("datepicker", initial_date="31.12.2026")], "must be a valid string"),
    "no time": ([menu("timepicker", initial_time="24:00")], "must be a valid string"),
    "no moment": ([menu("datetimepicker", initial_date_time=5)], "must be a number"),
    "bounds the wrong way round": (
        [asking("plain_text_input", min_length=5, max_length=4)],
        "min_length must be no more",
    ),
    "values the wrong way round": (
        [asking("number_input", is_decimal_allowed=True, min_value="9", max_value="8.5")],
        "min_value must be no more than max_value",
    ),
    "a bound that is no number": ([asking("number_input", is_decimal_allowed=True, min_value="x")], "must be numbers"),
    "a number of unknown kind": ([asking("number_input")], "missing required field: is_decimal_allowed"),
    "eleven files": ([asking("file_input", max_files=11)], "must be a number from 1 to 10"),
    "an image from nowhere": ([{"type": "image", "alt_text": "x"}], "missing required field: image_url or slack_file"),
    "an image from two places": ([image(slack_file={"id": "F1"})], "only one of image_url and slack_file"),
    "an image nobody describes": (
        [{"type": "image", "image_url": "https://example.com"}],
        "missing required field: alt_text",
    ),
    "a list of unknown style": (
        [listing(style="stars")],
        "must be a valid enum value [json-pointer:/blocks/0/elements/0/style]",
    ),
    "a list without style": (
        [rich({"type": "rich_text_list", "elements": [written()]})],
        "missing required field: style [json-pointer:/blocks/0/elements/0]",
    ),
    "a list in a list": ([listing(elements=[listing()["elements"][0]])], "unsupported type: rich_text_list"),
    "words in a list": ([listing(elements=[{"type": "text", "text": "x"}])], "unsupported type: text"),
    "a list set in far": ([listing(indent=9)], "must be a number from 0 to 8"),
    "a list with a thick border": ([listing(border=2)], "must be a number from 0 to 1"),
    "a style that is a word": ([rich(written(style="bold"))], "invalid style"),
    "a style that is no yes": ([rich(written(style={"bold": "yes"}))], "invalid style"),
    "a broadcast to nobody": (
        [rich({"type": "rich_text_section", "elements": [{"type": "broadcast", "range": "all"}]})],
        "must be a valid enum value",
    ),
    "no colour": (
        [rich({"type": "rich_text_section", "elements": [{"type": "color", "value": "red"}]})],
        "must be a valid string",
    ),
    "two tables": ([table(1), table(1)], "only_one_table_allowed"),
    "a large table": ([table(11, 1, "x" * 1000)], "must be less than 10001 characters in all cells"),
    "much markdown": (
        [{"type": "markdown", "text": "x" * 6001}] * 2,
        "must be less than 12001 characters in all markdown",
    ),
    "two elements in focus": (
        [menu("datepicker", focus_on_load=True), menu("timepicker", focus_on_load=True)],
        "focus_on_load is allowed for one element only",
    ),
    "a file": ([{"type": "file", "source": "remote", "external_id": "x"}], "unsupported type: file"),
    "a type that is no word": ([{"type": ["divider"]}], "unsupported type"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_reference_forbids_is_refused(case: str, client: WebClient, slack: FakeSlack) -> None:
    blocks, words = WRONG[case]
    answer = refusal(lambda: client.chat_postMessage(channel="#security", text="t", blocks=blocks))
    assert answer["error"] == "invalid_blocks"
    assert words in " ".join(answer["errors"])
    assert slack.messages == []


GOOD: dict[str, Object] = {
    "options with a choice": menu(options=options(2), initial_option=option("1")),
    "ticks in mark-up": menu("checkboxes", options=[option(text={"type": "mrkdwn", "text": "*x*"})]),
    "a menu of people": menu("multi_users_select", initial_users=["U1"], max_selected_items=3),
    "a menu of conversations": menu("conversations_select", filter={"include": ["im"]}, response_url_enabled=True),
    "a menu from elsewhere": menu("external_select", min_query_length=0),
    "a pressed accessory": {"type": "section", "text": plain(), "accessory": button(style="danger")},
    "a workflow": menu("workflow_button", text=plain(), workflow={"trigger": {"url": "https://example.com"}}),
    "a number": asking("number_input", is_decimal_allowed=False, min_value="-1", max_value="1"),
    "rich text to fill in": asking("rich_text_input", initial_value=rich(written())),
    "a quote": rich({"type": "rich_text_quote", "elements": written()["elements"], "border": 1}),
    "leaves": rich(
        {
            "type": "rich_text_section",
            "elements": [
                {"type": "link", "url": "https://example.com", "style": {"bold": True}},
                {"type": "user", "user_id": "U1", "style": {"client_highlight": True}},
                {"type": "date", "timestamp": 1_767_225_600, "format": "{date}", "fallback": "2026"},
            ],
        }
    ),
    "a rich table": table(2) | {"rows": [[rich(written())], [{"type": "raw_number", "value": 7}]]},
}


@pytest.mark.parametrize("case", GOOD)
def test_what_the_reference_allows_is_taken(case: str, client: WebClient) -> None:
    assert client.chat_postMessage(channel="#security", text="t", blocks=[GOOD[case]])["ok"]


def test_the_same_action_may_be_in_two_blocks(client: WebClient) -> None:
    assert client.chat_postMessage(channel="#security", text="t", blocks=[actions(button())] * 2)["ok"]


METADATA = {"event_type": "auditor_alert", "event_payload": {"id": "a1"}}
BAD_METADATA: dict[str, tuple[object, str]] = {
    "much": ({**METADATA, "event_payload": {"a": "x" * 100_000}}, "metadata_too_large"),
    "no type": ({**METADATA, "event_type": ""}, "invalid_metadata_schema"),
    "a type with a dot": ({**METADATA, "event_type": "a.b"}, "invalid_metadata_schema"),
    "no payload": ({"event_type": "a"}, "invalid_metadata_schema"),
    "a payload that is a list": ({"event_type": "a", "event_payload": []}, "invalid_metadata_schema"),
    "a list": ([METADATA], "invalid_metadata_format"),
    "no JSON": ("{", "invalid_metadata_format"),
}


@pytest.mark.parametrize("case", BAD_METADATA)
def test_metadata_has_a_type_and_a_payload_and_an_end(case: str, client: WebClient, slack: FakeSlack) -> None:
    metadata, error = BAD_METADATA[case]
    given = {"channel": "C00000001", "text": "t", "metadata": metadata}
    assert refusal(lambda: client.api_call("chat.postMessage", json=given))["error"] == error
    ts = client.chat_postMessage(channel="#security", text="t", metadata=METADATA)["ts"]
    assert refusal(lambda: client.api_call("chat.update", json={**given, "ts": ts}))["error"] == error
    assert [posted.metadata for posted in slack.messages] == [METADATA]


def test_metadata_stays_until_other_is_given(client: WebClient, slack: FakeSlack) -> None:
    form = {"channel": "#security", "text": "t", "metadata": json.dumps(METADATA)}
    ts = str(client.api_call("chat.postMessage", params=form)["ts"])
    client.chat_update(channel="C00000001", ts=ts, text="u")
    assert slack.messages[0].metadata == METADATA
    client.chat_update(channel="C00000001", ts=ts, text="u", metadata={})
    assert slack.messages[0].metadata == {}


def test_a_text_that_is_changed_may_be_shorter_than_a_new_one(client: WebClient, slack: FakeSlack) -> None:
    ts = str(client.chat_postMessage(channel="#security", text="x" * 40_000)["ts"])
    assert client.chat_update(channel="C00000001", ts=ts, text="x" * 4000)["ok"]
    answer = refusal(lambda: client.chat_update(channel="C00000001", ts=ts, text="x" * 4001))
    assert answer["error"] == "msg_too_long"
    assert len(slack.messages[0].text) == 4000


ARGUMENTS: dict[str, tuple[str, Object, str]] = {
    "no channel": ("chat.postMessage", {"text": "t"}, "invalid_arguments"),
    "no ts": ("chat.update", {"channel": "C00000001", "text": "t"}, "invalid_arguments"),
    "nobody to whisper to": ("chat.postEphemeral", {"channel": "C00000001", "text": "t"}, "invalid_arguments"),
    "no address": ("users.lookupByEmail", {}, "invalid_arguments"),
    "markdown beside text": ("chat.postMessage", {"text": "t", "markdown_text": "m"}, "markdown_text_conflict"),
    "much markdown": ("chat.postMessage", {"markdown_text": "m" * 12_001}, "msg_too_long"),
    "many attachments": (
        "chat.postMessage",
        {"text": "t", "attachments": [{"text": "a"}] * 101},
        "too_many_attachments",
    ),
    "attachments that are none": (
        "chat.postMessage",
        {"text": "t", "attachments": {"text": "a"}},
        "invalid_attachments",
    ),
    "a broadcast of a change": (
        "chat.update",
        {"ts": "1.0", "text": "t", "reply_broadcast": True},
        "no_dual_broadcast_content_update",
    ),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments_that_do_not_fit_are_refused_by_name(case: str, client: WebClient, slack: FakeSlack) -> None:
    method, given, error = ARGUMENTS[case]
    place = {} if error == "invalid_arguments" else {"channel": "C00000001"}
    assert refusal(lambda: client.api_call(method, json={**place, **given}))["error"] == error
    assert slack.messages == []


VIEW: Object = {"type": "modal", "title": plain("T"), "blocks": [{"type": "divider"}]}
VIEWS: dict[str, tuple[int, Callable[[str], Object]]] = {
    "title": (24, lambda x: {"title": plain(x)}),
    "submit": (24, lambda x: {"submit": plain(x)}),
    "close": (24, lambda x: {"close": plain(x)}),
    "callback_id": (255, lambda x: {"callback_id": x}),
    "external_id": (255, lambda x: {"external_id": x}),
    "private_metadata": (3000, lambda x: {"private_metadata": x}),
}


def opened(client: WebClient, people: Interactive, **more: object) -> Callable[[], object]:
    people._triggers["t"] = time.monotonic()
    return lambda: client.views_open(trigger_id="t", view={**VIEW, **more})


@pytest.mark.parametrize("name", VIEWS)
def test_a_text_of_a_dialog_may_be_so_long_and_no_longer(name: str, client: WebClient, people: Interactive) -> None:
    most, make = VIEWS[name]
    opened(client, people, **make("x" * most))()
    answer = refusal(opened(client, people, **make("x" * (most + 1))))
    assert answer["error"] == "invalid_arguments"
    assert answer["errors"][0].startswith(f"must be less than {most + 1} characters [json-pointer:/view/{name}")


BAD_VIEWS: dict[str, tuple[Object, str, str]] = {
    "101 blocks": ({"blocks": [{"type": "divider"}] * 101}, "invalid_arguments", "no more than 100 items"),
    "no blocks": ({"blocks": []}, "invalid_arguments", "must have at least 1 item"),
    "an input that is never sent": (
        {"blocks": [asking("datepicker")]},
        "invalid_arguments",
        "missing required field: submit",
    ),
    "a table": ({"blocks": [table(1)]}, "invalid_arguments", "unsupported type: table"),
    "a yes that is a word": ({"clear_on_close": "yes"}, "invalid_arguments", "must be a boolean"),
    "250 kB": ({"blocks": [{"type": "section", "text": plain("x" * 3000)}] * 90}, "view_too_large", ""),
}


@pytest.mark.parametrize("case", BAD_VIEWS)
def test_a_dialog_beyond_the_limits_is_refused(case: str, client: WebClient, people: Interactive) -> None:
    more, error, words = BAD_VIEWS[case]
    answer = refusal(opened(client, people, **more))
    assert answer["error"] == error
    assert words in " ".join(answer.get("errors", [""]))
    assert people.views == []


def test_a_dialog_has_a_hundred_blocks_and_a_name_of_its_own(client: WebClient, people: Interactive) -> None:
    opened(client, people, blocks=[{"type": "divider"}] * 100, external_id="one")()
    assert refusal(opened(client, people, external_id="one"))["error"] == "duplicate_external_id"
    opened(client, people, external_id="two")()
    assert len(people.views) == 2
