"""What arrives in Slack: by the real slack-sdk, at the fake Slack, over HTTP."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from alerts import ALERT
from slack import Server, by_token, by_webhook

from auditor.alerts import digests, notices
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.registry import build
from auditor.alerts.sink import Context
from auditor.simulator.slack_workspace import FakeSlack, Posted
from auditor.terms import Level

pytest_plugins = ["slackserver"]

HOSTILE = {
    "a mention of everybody": "<!channel> <!here> @here @channel @everyone <@U00000001> <#C00000001>",
    "a link under another name": "<http://evil.example.com|https://platform.example.com>",
    "a bare address": "https://evil.example.com/login",
    "markup": "*bold* _italic_ ~strike~ `code` ```block``` > quote &amp; &lt;!channel&gt;",
    "emoji names": ":rotating_light: :white_check_mark: resolved",
    "ten kilobytes": "A" * 10_240,
    "terminal escapes": "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example.com\x07link\x1b]8;;\x07 \x9b2J",
    "right to left override": "\u202egnp.exe \u2066isolate\u2069 \u200b\ufeff",
    "lines": "one\n\n\n\n\ntwo\r\n*Level:* critical\u2028three",
    "nul and lone surrogate": "a\x00b\ud800c",
    "markup of pages": "<script>alert(1)</script>",
    "nothing to see": "\u200b",
    "blanks": "   ",
    "astral": "\U000e0041\U0001f4a9\U0010ffff",
}


@pytest.fixture
def address(server: Server, slack: FakeSlack) -> str:
    assert server.slack is slack
    return server.address


async def posted(slack: FakeSlack, settings: dict[str, object], alert: Alert) -> Posted:
    await build("security", settings).send(alert, Context())
    return slack.messages[-1]


def texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string that is shown, with the type of the object it stands in."""
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["type"], value["text"]
        for inner in value.values():
            yield from texts(inner)


async def test_a_finding_is_told_whole(slack: FakeSlack, address: str) -> None:
    message = await posted(slack, by_token(address), ALERT)
    assert message.channel == "C00000001"
    assert message.text == (
        "🔺 High: Project API key unused for 90 days - "
        "ci-bot of Ada in payments: last used 91 days ago - ci-bot (key_1)"
    )
    assert message.blocks == [
        {
            "type": "header",
            "text": {"type": "plain_text", "emoji": False, "text": "🔺 High: Project API key unused for 90 days"},
        },
        {
            "type": "section",
            "text": {
                "type": "plain_text",
                "emoji": False,
                "text": "ci-bot of Ada in payments: last used 91 days ago",
            },
        },
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_list",
                    "style": "bullet",
                    "elements": [
                        {
                            "type": "rich_text_section",
                            "elements": [
                                {"type": "text", "text": "Project API key: ", "style": {"bold": True}},
                                {"type": "text", "text": "ci-bot "},
                                {"type": "text", "text": "key_1", "style": {"code": True}},
                            ],
                        },
                        {
                            "type": "rich_text_section",
                            "elements": [
                                {"type": "text", "text": "Who: ", "style": {"bold": True}},
                                {"type": "text", "text": "ada@example.com"},
                            ],
                        },
                        {
                            "type": "rich_text_section",
                            "elements": [
                                {"type": "text", "text": "From: ", "style": {"bold": True}},
                                {"type": "text", "text": "192.0.2.7"},
                            ],
                        },
                    ],
                }
            ],
        },
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_section",
                    "elements": [
                        {"type": "text", "text": "What to do: ", "style": {"bold": True}},
                        {
                            "type": "text",
                            "text": "Delete the key, or have its owner record a waiver with an end date.",
                        },
                    ],
                }
            ],
        },
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_section",
                    "elements": [
                        {"type": "link", "url": "http://127.0.0.1:9847/findings/00ff", "text": "Open in the auditor"}
                    ],
                }
            ],
        },
        {
            "type": "context",
            "elements": [
                {
                    "type": "plain_text",
                    "emoji": False,
                    "text": "acme · project-key-stale · finding 00ff · 2026-01-01 00:00:00 UTC",
                }
            ],
        },
    ]


async def test_the_alert_id_travels_with_the_message(slack: FakeSlack, address: str) -> None:
    for settings in (by_token(address), by_webhook(address)):
        message = await posted(slack, settings, ALERT)
        assert message.metadata == {"event_type": "auditor_alert", "event_payload": {"id": ALERT.id}}


async def test_nothing_is_unfurled_or_linked(slack: FakeSlack, address: str) -> None:
    message = await posted(slack, by_token(address), ALERT)
    assert message.options == {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}


async def test_a_resolved_finding_says_so_and_asks_for_nothing(slack: FakeSlack, address: str) -> None:
    message = await posted(slack, by_token(address), replace(ALERT, kind=AlertKind.RESOLVED))
    shown = [text for _, text in texts(message.blocks)]
    assert shown[0] == "✅ Resolved: Project API key unused for 90 days"
    assert "What to do: " not in shown


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_name_arrives_as_harmless_text(slack: FakeSlack, address: str, case: str) -> None:
    text = HOSTILE[case]
    line = Line(Level.HIGH, "project-key-stale", text, text)
    alert = replace(
        ALERT, title=text, text=text, resource_name=text, resource_id=text, facts=((text, text),), lines=(line,)
    )
    message = await posted(slack, by_token(address), alert)
    kinds = {kind for kind, _ in texts(message.blocks)}
    assert kinds == {"plain_text", "text", "link"}, "Slack reads these literally; mrkdwn it would interpret"
    links = [part["url"] for part in walk(message.blocks) if part.get("type") == "link"]
    assert links == [ALERT.link]
    assert not {"user", "channel", "broadcast", "emoji"} & {part.get("type") for part in walk(message.blocks)}
    everything = message.text + "".join(shown for _, shown in texts(message.blocks))
    assert not [letter for letter in everything.replace("\n", "") if is_hidden(letter)]
    assert all(part.get("emoji") is False for part in walk(message.blocks) if part.get("type") == "plain_text")
    for mark in ("<", ">", "://", "@here", "@channel", "@everyone"):
        assert mark not in message.text
    assert len(json.dumps(message.blocks)) < 30_000


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from walk(item)
    elif isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)


def is_hidden(letter: str) -> bool:
    code = ord(letter)
    ranges = ((0, 0x1F), (0x7F, 0x9F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x2069), (0xD800, 0xDFFF))
    return any(low <= code <= high for low, high in ranges) or letter == "\ufeff" or code >= 0xE0000


async def test_a_digest_shows_the_worst_and_counts_the_rest(slack: FakeSlack, address: str) -> None:
    levels = [Level.LOW] * 4900 + [Level.CRITICAL] * 3 + [Level.HIGH] * 97
    lines = tuple(Line(level, "some-policy", f"key {index}", "m" * 500) for index, level in enumerate(levels))
    ranked = tuple(sorted(lines, key=lambda line: -line.level.rank))
    alert = replace(
        ALERT,
        kind=AlertKind.DIGEST,
        lines=ranked,
        counts={"critical": 3, "high": 97, "low": 4900},
        level=Level.CRITICAL,
    )
    message = await posted(slack, by_webhook(address), alert)
    assert len(message.blocks) <= 50
    shown = [text for _, text in texts(message.blocks)]
    assert "🛑 3 critical 🔺 97 high 🔹 4,900 low" in shown
    assert shown.index("🛑 Critical") < shown.index("🔺 High")
    listed = sum(text.startswith("key ") for text in shown)
    assert 30 < listed < 60
    assert f"... and {5000 - listed:,} more findings" in shown


@pytest.mark.parametrize("name", ["k", "\u540d" * 40, "\U0001f4a9" * 40])
async def test_a_storm_has_as_many_lines_as_slack_takes(slack: FakeSlack, address: str, name: str) -> None:
    told = [replace(ALERT, id=f"{n:04}", resource_name=f"{name}-{n:04}", resource_id=f"key_{n:04}") for n in range(999)]
    message = await posted(slack, by_webhook(address), digests.merged(told, 1))
    size = sum(len(text.encode("utf-16-le")) // 2 for _, text in texts(message.blocks))
    assert 9500 < size < 10_500 or len(name) < 4
    listed = {text for _, text in texts(message.blocks)} & {f"key_{n:04}" for n in range(999)}
    assert listed == {f"key_{n:04}" for n in range(len(listed))}
    assert len(listed) > 50
    assert any(
        f"... and {999 - len(listed)} more findings (on the page and" in text for _, text in texts(message.blocks)
    )


async def test_a_report_is_told_with_its_numbers(slack: FakeSlack, address: str) -> None:
    alert = notices.report_ready(
        "acme", "2026-W01", {"pass": 10, "fail": 3}, 1_767_225_600, facts=(("File", "report.html"),)
    )
    message = await posted(slack, by_webhook(address), alert)
    shown = [text for _, text in texts(message.blocks)]
    assert shown[0] == "📄 Report: Weekly report of acme, 2026-W01"
    assert "10 pass 3 fail" in shown
    assert "report.html" in shown
