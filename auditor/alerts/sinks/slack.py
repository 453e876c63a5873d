"""Slack, by bot token and channel or by incoming webhook.

Formats: https://docs.slack.dev/reference/methods/chat.postMessage and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import asyncio
import json
import logging
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

from pydantic import SecretStr, field_validator, model_validator
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse

from auditor.alerts import blockkit
from auditor.alerts.answers import refused, unreachable
from auditor.alerts.aside import aside
from auditor.alerts.message import Alert
from auditor.alerts.post import Answer, post
from auditor.alerts.remote import RemoteConfig, checked_url, credential, host_and_port
from auditor.alerts.sink import Context, Example, Receipt, require_one, secret
from auditor.config import sane_url
from auditor.errors import DeliveryError

# The SDK logs answers that it cannot read, and at DEBUG the webhook's address; the outbox logs each failure itself.
_quiet = logging.getLogger("auditor.slack_sdk")
_quiet.setLevel(logging.CRITICAL)


class Config(RemoteConfig):
    """`token` or `token_file` with `channel`; or `webhook_url` or `webhook_url_file`, bound to a channel by Slack."""

    token: SecretStr | None = None
    token_file: Path | None = None
    channel: str = ""
    """`#name` or the channel's id. The bot must be a member."""
    webhook_url: SecretStr | None = None
    webhook_url_file: Path | None = None
    base_url: str = "https://slack.com/api/"

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        return sane_url(value) + "/"

    @model_validator(mode="after")
    def _one_way(self) -> "Config":
        require_one(self, "token", "token_file", "webhook_url", "webhook_url_file")
        if (self.token or self.token_file) and not self.channel:
            raise ValueError("a bot token needs the channel to post to, for example '#security'")
        if self.webhook_url:
            checked_url(self.webhook_url.get_secret_value(), self, "webhook_url")
        return self

    def address(self) -> tuple[str, int] | None:
        """Slack's own host, or the one of the webhook."""
        return host_and_port(secret(self.webhook_url, self.webhook_url_file) or self.base_url)


_LOCAL = {"timeout": "1", "allow_private": "true"}

EXAMPLES = {
    "slack": Example(
        {"token": "xoxb-{secret}", "channel": "#security", "base_url": "{address}", **_LOCAL},
        200,
        b'{"ok": true, "channel": "C1", "ts": "1.0"}',
    ),
    "slack by webhook": Example({"webhook_url": "{address}/services/T0/B0/{secret}", **_LOCAL}, 200, b"ok"),
}


def render(config: Config, alert: Alert) -> str:
    """The body of the message."""
    return json.dumps(_body(alert), indent=2, ensure_ascii=False)


def _body(alert: Alert) -> dict[str, Any]:
    return {
        "text": blockkit.fallback(alert),
        "blocks": blockkit.blocks(alert),
        "metadata": {"event_type": "auditor_alert", "event_payload": {"id": alert.id}},
        "unfurl_links": False,
        "unfurl_media": False,
        "parse": "none",
        "link_names": False,
    }


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Post the alert and return `channel` and `ts`; for a webhook the channel is unknown and the receipt empty.

    The alert's id travels in the metadata, so that a repeat after a lost answer can be recognised.
    Raises DeliveryError: retryable for 429, 5xx, timeouts, Slack's own troubles and what an operator
    sets right (the token, the bot's membership), final for the rest.
    """
    body = _body(alert)
    try:
        if config.webhook_url or config.webhook_url_file:
            return await aside(lambda: _by_webhook(config, body))
        return await aside(lambda: _by_token(config, body))
    except SlackApiError as error:
        _explain(error)
    except SlackClientError as error:
        raise unreachable("Slack", error) from None


def _by_token(config: Config, body: dict[str, Any]) -> Receipt:
    token = credential("bot token", config.token, config.token_file)
    client = _Web(
        config,
        token=token,
        base_url=config.base_url,
        timeout=config.timeout,
        logger=_quiet,
        retry_handlers=[],
    )
    answer = client.chat_postMessage(channel=config.channel, **body)
    return Receipt({"channel": str(answer["channel"]), "ts": str(answer["ts"])})


def _by_webhook(config: Config, body: dict[str, Any]) -> Receipt:
    url = credential("webhook address", config.webhook_url, config.webhook_url_file)
    answer = _Webhook(config, url=url, timeout=config.timeout, logger=_quiet, retry_handlers=[]).send_dict(body)
    if answer.status_code != 200 or answer.body != "ok":
        raise refused("Slack", answer.status_code, answer.headers, _word(answer.body))
    return Receipt()


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
    "missing_scope": "give the bot the scope chat:write and install it again",
    "not_in_channel": "invite the bot to the channel: /invite @auditor",
    "token_revoked": "store the new bot token",
}
"""Errors in a 200 answer that somebody sets right, and how; what was found meanwhile is told then."""

_HINTS = {**_MENDED, "is_archived": "the channel is archived: choose another one"}


def _explain(error: SlackApiError) -> NoReturn:
    answer = error.response
    word = _word(str(answer.data.get("error", "")) if isinstance(answer.data, dict) else "")
    if answer.status_code != 200:
        raise refused("Slack", answer.status_code, answer.headers, word) from None
    raise DeliveryError(
        f"Slack refused the message: {word}",
        hint=_HINTS.get(word, ""),
        retryable=word in _TRANSIENT or word in _MENDED or word == _UNREADABLE,
    ) from None


_UNREADABLE = "unreadable answer"


def _word(text: str) -> str:
    """Slack's own error word; anything longer comes from somebody else, a proxy's page say, and is not repeated."""
    plain = text.replace("_", "")
    return text if text.isascii() and plain.isalnum() and len(text) <= 60 else _UNREADABLE


def _ask(request: urllib.request.Request, config: Config) -> Answer:
    # The SDK is made of blocking calls, and runs aside, on a thread that has no event loop.
    body = request.data if isinstance(request.data, bytes) else b""
    return asyncio.run(post("Slack", request.full_url, body, dict(request.header_items()), config))


class _Web(WebClient):
    def __init__(self, config: Config, **settings: Any) -> None:
        super().__init__(**settings)
        self._config = config

    def _perform_urllib_http_request_internal(self, url: str, req: urllib.request.Request) -> dict[str, Any]:
        answer = _ask(req, self._config)
        # The SDK takes any JSON for an object.
        return {"status": answer.status, "headers": answer.headers, "body": json.dumps(answer.json())}


class _Webhook(WebhookClient):
    def __init__(self, config: Config, **settings: Any) -> None:
        super().__init__(**settings)
        self._config = config

    def _perform_http_request_internal(self, url: str, req: urllib.request.Request) -> WebhookResponse:
        answer = _ask(req, self._config)
        body = answer.body.decode("utf-8", "replace")
        return WebhookResponse(url=url, status_code=answer.status, body=body, headers=dict(answer.headers))
