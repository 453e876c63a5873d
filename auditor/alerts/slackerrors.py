"""What Slack's refusals mean: what passes by itself, what somebody sets right, and what is final.

Error words: the pages of the methods at https://docs.slack.dev/reference/methods
"""

from collections.abc import Mapping
from types import MappingProxyType

from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from auditor.alerts.answers import refused
from auditor.errors import DeliveryError

_TRANSIENT = frozenset(
    {
        "fatal_error",
        "internal_error",
        "message_limit_exceeded",
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "service_unavailable",
    }
)
"""Errors in a 200 answer that pass by themselves."""

_MENDED = {
    "account_inactive": "the bot was removed from the workspace: install it again and store the new token",
    "channel_not_found": "check the channel's name; a private channel is invisible until the bot is invited",
    "invalid_auth": "check the bot token (it begins with xoxb-) and base_url",
    "missing_scope": "give the bot chat:write (for @owner users:read.email and im:write, too) and install it again",
    "not_in_channel": "invite the bot to the channel: /invite @auditor",
    "token_revoked": "store the new bot token",
}
"""Errors in a 200 answer that somebody sets right, and how; what was found meanwhile is told then."""

SCOPES = ("chat:write", "users:read.email", "im:write")
"""What a bot needs; the last two for messages to owners."""

_HINTS = {**_MENDED, "is_archived": "the channel is archived: choose another one"}


def explained(
    error: SlackApiError, what: str = "the message", hints: Mapping[str, str] = MappingProxyType(_HINTS)
) -> DeliveryError:
    """The error of an answer that refuses `what`; `hints` say by Slack's words what somebody can set right."""
    answer, word = error.response, said(error)
    if answer.status_code != 200:
        return refused("Slack", answer.status_code, answer.headers, word)
    return DeliveryError(
        f"Slack refused {what}: {word}",
        hint=_scope(error) or hints.get(word, ""),
        retryable=word in _TRANSIENT or word in _MENDED or word == _UNREADABLE,
    )


def _scope(error: SlackApiError) -> str:
    """What to do about a scope that Slack names."""
    data = error.response.data
    needed = str(data.get("needed", "")) if isinstance(data, dict) else ""
    known = [scope for scope in SCOPES if scope in needed.split(",")]
    return f"give the bot the scope {known[0]} and install it again" if known else ""


def said(error: SlackApiError) -> str:
    """Slack's error word."""
    data = error.response.data
    return harmless(str(data.get("error", "")) if isinstance(data, dict) else "")


def told(answer: SlackResponse, *path: str) -> str:
    """The text at `path` of an answer that is no refusal. Raises DeliveryError, retryable, when there is none."""
    found: object = answer.data
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    if not isinstance(found, str) or not found:
        raise DeliveryError(f"Slack's answer has no {'.'.join(path)}", hint="check base_url", retryable=True)
    return found


_UNREADABLE = "unreadable answer"


def harmless(text: str) -> str:
    """Slack's own error word; anything longer comes from somebody else, a proxy's page say, and is not repeated."""
    plain = text.replace("_", "")
    return text if text.isascii() and plain.isalnum() and len(text) <= 60 else _UNREADABLE
