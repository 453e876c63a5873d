"""Slack, by bot token and channel or by incoming webhook.

Formats: https://docs.slack.dev/reference/methods/chat.postMessage and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import logging
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse

from auditor.alerts import blockkit
from auditor.alerts.answers import refused, unreachable
from auditor.alerts.aside import aside
from auditor.alerts.message import Alert
from auditor.alerts.sink import Context, Receipt, SinkConfig, secret
from auditor.config import sane_url
from auditor.errors import ConfigError, DeliveryError

ANSWER_MAX = 1_000_000  # bytes; Slack's answers are a few kilobytes

# The SDK logs answers that it cannot read, and at DEBUG the webhook's address; the outbox logs each failure itself.
_quiet = logging.getLogger("auditor.slack_sdk")
_quiet.setLevel(logging.CRITICAL)


class Config(SinkConfig):
    """`token` or `token_file` with `channel`; or `webhook_url` or `webhook_url_file`, bound to a channel by Slack."""

    token: SecretStr | None = None
    token_file: Path | None = None
    channel: str = ""
    """`#name` or the channel's id. The bot must be a member."""
    webhook_url: SecretStr | None = None
    webhook_url_file: Path | None = None
    base_url: str = "https://slack.com/api/"
    timeout: int = Field(default=10, ge=1, le=60)  # seconds

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        return sane_url(value) + "/"

    @field_validator("webhook_url")
    @classmethod
    def _webhook_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            sane_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _one_way(self) -> "Config":
        ways = [self.token, self.token_file, self.webhook_url, self.webhook_url_file]
        if sum(way is not None for way in ways) != 1:
            raise ValueError("set exactly one of token, token_file, webhook_url and webhook_url_file")
        if (self.token or self.token_file) and not self.channel:
            raise ValueError("a bot token needs the channel to post to, for example '#security'")
        return self

    def address(self) -> tuple[str, int] | None:
        """Slack's own host, or the one of the webhook."""
        parts = urlsplit(secret(self.webhook_url, self.webhook_url_file) or self.base_url)
        return (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)) if parts.hostname else None


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Post the alert and return `channel` and `ts`; for a webhook the channel is unknown and the receipt empty.

    The alert's id travels in the metadata, so that a repeat after a lost answer can be recognised.
    Raises DeliveryError: retryable for 429, 5xx, timeouts, Slack's own troubles and what an operator
    sets right (the token, the bot's membership), final for the rest.
    """
    body: dict[str, Any] = {
        "text": blockkit.fallback(alert),
        "blocks": blockkit.blocks(alert),
        "metadata": {"event_type": "auditor_alert", "event_payload": {"id": alert.id}},
        "unfurl_links": False,
        "unfurl_media": False,
        "parse": "none",
        "link_names": False,
    }
    try:
        if config.webhook_url or config.webhook_url_file:
            return await aside(lambda: _by_webhook(config, body))
        return await aside(lambda: _by_token(config, body))
    except ConfigError as error:
        raise DeliveryError(error.message, hint=error.hint, retryable=True) from None
    except SlackApiError as error:
        _explain(error)
    except (URLError, TimeoutError, HTTPException, OSError, SlackClientError) as error:
        raise unreachable("Slack", error) from None


def _by_token(config: Config, body: dict[str, Any]) -> Receipt:
    token = secret(config.token, config.token_file)
    if not _is_credential(token):
        raise ConfigError("the bot token is empty or holds characters that no token has")
    client = _Web(
        token=token,
        base_url=config.base_url,
        timeout=config.timeout,
        logger=_quiet,
        retry_handlers=[],
    )
    answer = client.chat_postMessage(channel=config.channel, **body)
    return Receipt({"channel": str(answer["channel"]), "ts": str(answer["ts"])})


def _by_webhook(config: Config, body: dict[str, Any]) -> Receipt:
    url = secret(config.webhook_url, config.webhook_url_file)
    try:
        sane_url(url)
    except ValueError as error:
        raise ConfigError(f"the webhook address {error}") from None
    if not _is_credential(url):
        raise ConfigError("the webhook address holds characters that no address has")
    answer = _Webhook(url=url, timeout=config.timeout, logger=_quiet, retry_handlers=[]).send_dict(body)
    if answer.status_code != 200 or answer.body != "ok":
        raise refused("Slack", answer.status_code, answer.headers, _word(answer.body))
    return Receipt()


def _is_credential(text: str) -> bool:
    """Whether it can stand in a request line or header; the error of http.client would show it."""
    return text.isascii() and text.isprintable() and text != "" and " " not in text


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


class _Strict(urllib.request.HTTPRedirectHandler):
    """Follows nothing: a redirected POST becomes a GET that carries the token elsewhere and looks like success."""

    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        return None


def _open(request: urllib.request.Request, timeout: float) -> tuple[int, Any, str]:
    # Plain http is accepted for loopback only, and no proxy can reach that. Otherwise the environment's proxies serve.
    proxies: dict[str, str] | None = {} if request.type == "http" else None
    opener = urllib.request.build_opener(_Strict(), urllib.request.ProxyHandler(proxies))
    try:
        answer = opener.open(request, timeout=timeout)
    except HTTPError as refusal:
        # Returned like any other answer: the SDK would decode its body with whatever charset it claims.
        answer = refusal
    with answer:
        return answer.status, answer.headers, answer.read(ANSWER_MAX).decode("utf-8", "replace")


class _Web(WebClient):
    def _perform_urllib_http_request_internal(self, url: str, req: urllib.request.Request) -> dict[str, Any]:
        status, headers, body = _open(req, self.timeout)
        # The SDK takes any JSON for an object.
        return {"status": status, "headers": headers, "body": body if body.lstrip().startswith("{") else "{}"}


class _Webhook(WebhookClient):
    def _perform_http_request_internal(self, url: str, req: urllib.request.Request) -> WebhookResponse:
        status, headers, body = _open(req, self.timeout)
        return WebhookResponse(url=url, status_code=status, body=body, headers=headers)
