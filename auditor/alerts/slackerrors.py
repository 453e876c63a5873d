"""What Slack's refusals mean: what is final, and what somebody sets right.

Error words: the pages of the methods at https://docs.slack.dev/reference/methods
"""

from collections.abc import Mapping
from types import MappingProxyType

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from auditor import clock
from auditor.alerts.answers import refused, retry_after, unreachable
from auditor.errors import DeliveryError

_FINAL = frozenset(
    {
        "attachment_payload_limit_exceeded",
        "cannot_reply_to_message",
        "cant_broadcast_message",
        "cant_update_message",
        "edit_window_closed",
        "invalid_attachments",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "invalid_payload",
        "markdown_text_conflict",
        "message_not_found",
        "metadata_too_large",
        "missing_text_or_fallback_or_attachments",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "thread_not_found",
        "too_many_attachments",
    }
)
"""What is wrong with the one message, or with the one that it changes or answers. All else passes or is set right."""

_REPLACED = "store the new bot token"
_ADMINISTRATORS = "ask an administrator of the workspace: a rule there keeps the bot from posting"
_NEW_WEBHOOK = "make another incoming webhook and store its address"

_HINTS = {
    "access_denied": _ADMINISTRATORS,
    "account_inactive": "the bot was removed from the workspace: install it again and store the new token",
    "action_prohibited": _ADMINISTRATORS,
    "channel_is_archived": "the channel is archived: choose another one",
    "channel_not_found": "check the channel's name; a private channel is invisible until the bot is invited",
    "ekm_access_denied": _ADMINISTRATORS,
    "invalid_auth": "check the bot token (it begins with xoxb-) and base_url",
    "invalid_token": _NEW_WEBHOOK,
    "is_archived": "the channel is archived: choose another one",
    "is_inactive": "the channel is frozen: choose another one",
    "missing_scope": "give the bot chat:write (for @owner users:read.email and im:write, too) and install it again",
    "no_service": _NEW_WEBHOOK,
    "no_service_id": _NEW_WEBHOOK,
    "no_team": _NEW_WEBHOOK,
    "not_authed": "check the bot token (it begins with xoxb-) and base_url",
    "not_in_channel": "invite the bot to the channel: /invite @auditor",
    "restricted_action": _ADMINISTRATORS,
    "team_access_not_granted": "install the bot in the workspace of the channel, too",
    "token_expired": _REPLACED,
    "token_revoked": _REPLACED,
}
"""What somebody can set right, by Slack's words; what was found meanwhile is told then."""

SCOPES = ("chat:write", "users:read.email", "im:write")
"""What a bot needs; the last two for messages to owners."""


def explained(
    error: SlackApiError, what: str = "the message", hints: Mapping[str, str] = MappingProxyType(_HINTS)
) -> DeliveryError:
    """The error of an answer that refuses `what`; `hints` say by Slack's words what somebody can set right."""
    answer, word = error.response, said(error)
    final = is_final(answer.status_code, word)
    hint = _scope(error) or hints.get(word, "")
    if answer.status_code != 200:
        return refused("Slack", answer.status_code, answer.headers, word, final=final, hint=hint)
    return DeliveryError(
        f"Slack refused {what}: {word}",
        hint=hint,
        retryable=not final,
        retry_after=None if final else retry_after(answer.headers, clock.now()),
    )


def failure(error: SlackClientError) -> DeliveryError:
    """The error of an answer that refuses a message, or of none."""
    return explained(error) if isinstance(error, SlackApiError) else unreachable("Slack", error)


def is_final(status: int, word: str) -> bool:
    """Whether an answer refuses the one message, and would refuse it always."""
    return status == 413 or word in _FINAL


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
