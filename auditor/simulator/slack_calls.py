"""What the fake Slack asks of the arguments of a call, and how it refuses one.

https://docs.slack.dev/reference/methods/chat.postMessage, .../chat.update and
https://docs.slack.dev/messaging/message-metadata
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from auditor.simulator.slack_blocks import WORDS_MAX, faults
from auditor.simulator.slack_rules import fault, length

TEXT_MAX = 40_000
CHANGED_TEXT_MAX = 4000
"""Of a message that is changed."""
MARKDOWN_MAX = 12_000
ATTACHMENTS_MAX = 100
METADATA_MAX = 100_000
"""Bytes; Slack says only that there is a limit."""

_EVENT_TYPE = re.compile(r"[A-Za-z0-9_-]{1,255}")
_DEMANDED: Mapping[str, Sequence[str]] = {
    "chat.postEphemeral": ("channel", "user"),
    "chat.postMessage": ("channel",),
    "chat.update": ("channel", "ts"),
    "conversations.info": ("channel",),
    "conversations.join": ("channel",),
    "users.info": ("user",),
    "users.lookupByEmail": ("email",),
    "views.open": ("view",),
}

Body = Mapping[str, Any]


class Refusal(Exception):
    """What Slack answers with `ok: false`: its error word, and for blocks what is wrong with them."""

    def __init__(self, error: str, messages: Sequence[str] = (), needed: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.messages = list(messages)
        self.needed = needed
        """The scope that is missing."""


def demand(method: str, body: Body) -> None:
    """Raise Refusal when an argument is missing without which the method cannot be called."""
    missing = [name for name in _DEMANDED.get(method, ()) if not body.get(name)]
    if missing:
        raise Refusal("invalid_arguments", [fault(f"missing required field: {name}", "") for name in missing])


def checked(body: Body, text_max: int = TEXT_MAX) -> tuple[list[dict[str, Any]], str]:
    """Blocks and text of a message. Raises Refusal."""
    blocks, text = parsed(body.get("blocks"), "invalid_blocks_format"), _text(body)
    _attachments(body)
    if not text and not blocks:
        raise Refusal("no_text")
    if len(text) > text_max:
        raise Refusal("msg_too_long")
    if blocks is None:
        return [], text
    found = faults(blocks)
    if found:
        raise Refusal("invalid_blocks", found)
    if length(blocks) > WORDS_MAX:
        raise Refusal("msg_blocks_too_long")
    return blocks, text


def _text(body: Body) -> str:
    text, markdown = body.get("text") or "", body.get("markdown_text") or ""
    if markdown and (text or body.get("blocks")):
        raise Refusal("markdown_text_conflict")
    if not isinstance(text, str) or not isinstance(markdown, str):
        raise Refusal("no_text")
    if len(markdown) > MARKDOWN_MAX:
        raise Refusal("msg_too_long")
    return text or markdown


def _attachments(body: Body) -> None:
    attachments = parsed(body.get("attachments"), "invalid_attachments") or []
    if not isinstance(attachments, list):
        raise Refusal("invalid_attachments")
    if len(attachments) > ATTACHMENTS_MAX:
        raise Refusal("too_many_attachments")


def metadata(body: Body) -> dict[str, Any] | None:
    """What programs are told beside the message; None where nothing is given. Raises Refusal."""
    told = parsed(body.get("metadata"), "invalid_metadata_format")
    if told is None:
        return None
    if not isinstance(told, dict):
        raise Refusal("invalid_metadata_format")
    if not told:
        return {}
    if len(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")) > METADATA_MAX:
        raise Refusal("metadata_too_large")
    kind = told.get("event_type")
    named = isinstance(kind, str) and _EVENT_TYPE.fullmatch(kind)
    if not named or not isinstance(told.get("event_payload"), dict):
        raise Refusal("invalid_metadata_schema")
    return told


def parsed(value: Any, error: str) -> Any:
    """Form-encoded bodies carry JSON inside a string. Raises Refusal with the `error` for what is none."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise Refusal(error) from None
