"""Slack, by bot token and channel or by incoming webhook.

Formats: https://docs.slack.dev/reference/methods/chat.postMessage and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import asyncio
import json
import logging
import re
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, SecretStr, field_validator, model_validator
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse

from auditor.alerts.answers import refused, unreachable
from auditor.alerts.aside import aside
from auditor.alerts.buttons import Buttons
from auditor.alerts.conversation import Conversation
from auditor.alerts.message import Alert
from auditor.alerts.post import Answer, post
from auditor.alerts.remote import RemoteConfig, checked_url, credential, host_and_port
from auditor.alerts.sink import Context, Example, Receipt, require_one, secret
from auditor.alerts.slackerrors import failure, harmless, is_final
from auditor.alerts.slackpeople import People
from auditor.alerts.slacktalk import Found, Talk, Target, body_of, kept, standing_of
from auditor.alerts.slackthread import Begun, Thread
from auditor.config import sane_url
from auditor.configtypes import Names
from auditor.errors import ConfigError, DeliveryError
from auditor.routing import OWNER

# The SDK logs answers that it cannot read, and at DEBUG the webhook's address; the outbox logs each failure itself.
_quiet = logging.getLogger("auditor.slack_sdk")
_quiet.setLevel(logging.CRITICAL)

APP_TOKENS = "api.slack.com > your app > Basic Information > App-Level Tokens, scope connections:write"
"""What to say of an app-level token that is none, or does not work."""

_DECIDER = re.compile(r"[UW][A-Z0-9]{2,30}|[^@\s]+@[^@\s]+")


class Config(RemoteConfig):
    """`token` or `token_file` with `channel`; or `webhook_url` or `webhook_url_file`, bound to a channel by Slack.

    With `app_token` or `app_token_file` beside the bot token, messages have buttons.
    """

    token: SecretStr | None = None
    token_file: Path | None = None
    channel: str = ""
    """`#name` or the channel's id; the bot must be a member. `@owner` for direct messages to owners."""
    otherwise: str = ""
    """With `@owner`: the channel for what no person owns, or one whom Slack does not know."""
    webhook_url: SecretStr | None = None
    webhook_url_file: Path | None = None
    base_url: str = "https://slack.com/api/"
    app_token: SecretStr | None = None
    app_token_file: Path | None = None
    """App-level token of the same app (`xapp-`): what people press comes over a connection that is opened with it."""
    deciders: Names = ()
    """Who may accept risks by button: e-mail addresses or Slack user ids. Without any, there is no button for it."""
    _people: People = PrivateAttr(default_factory=People)

    @property
    def interactive(self) -> bool:
        """Whether messages have buttons, and somebody listens to what is pressed."""
        return self.app_token is not None or self.app_token_file is not None

    @field_validator("deciders")
    @classmethod
    def _people_or_ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(_DECIDER.fullmatch, value)):
            raise ValueError("each of them must be an e-mail address or a Slack user id such as U012AB3CD")
        return tuple(each.casefold() if "@" in each else each for each in value)

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str) -> str:
        return sane_url(value) + "/"

    @model_validator(mode="after")
    def _one_way(self) -> "Config":
        require_one(self, "token", "token_file", "webhook_url", "webhook_url_file")
        if (self.token or self.token_file) and not self.channel:
            raise ValueError("a bot token needs the channel to post to, for example '#security'")
        if self.channel.startswith("@") and self.channel != OWNER:
            raise ValueError(f"no single person is a channel: `{OWNER}`, or '#name'")
        if self.channel == OWNER and not self.converses:
            raise ValueError(f"a webhook is bound to one channel: `{OWNER}` needs a bot token")
        if self.otherwise and (self.channel != OWNER or self.otherwise.startswith("@")):
            raise ValueError(f"`otherwise` is the channel beside `channel: '{OWNER}'`, for example '#security'")
        if self.webhook_url:
            checked_url(self.webhook_url.get_secret_value(), self, "webhook_url")
        return self

    @model_validator(mode="after")
    def _buttons(self) -> "Config":
        if self.app_token is not None and self.app_token_file is not None:
            raise ValueError("set app_token or app_token_file, not both")
        if self.interactive and not (self.token or self.token_file):
            raise ValueError("buttons need the bot token, too: a webhook cannot open a dialog")
        if self.deciders and not self.interactive:
            raise ValueError("deciders decide by button, and buttons need app_token or app_token_file")
        return self

    def ready(self) -> None:
        """Raise ConfigError when a secret cannot be what it is named for."""
        super().ready()
        if self.interactive:
            self.app_credential()

    def app_credential(self) -> str:
        """The app-level token, read now. Raises ConfigError."""
        token = credential("app token", self.app_token, self.app_token_file)
        if not token.startswith("xapp-"):
            raise ConfigError("the app token is none", hint=f"it begins with xapp-: {APP_TOKENS}")
        return token

    @property
    def buttons(self) -> Buttons:
        """What is pressed under its messages."""
        return Buttons(self.interactive, self.interactive and bool(self.deciders))

    @property
    def converses(self) -> bool:
        """With a bot token; a webhook can change nothing that it sent."""
        return self.token is not None or self.token_file is not None

    @property
    def personal(self) -> bool:
        """Whether it writes to owners."""
        return self.channel == OWNER

    @property
    def owned(self) -> bool:
        """Whether there is nobody else to write to."""
        return self.personal and not self.otherwise

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
    """The body of the message, as it stands after the alert where it is kept up to date."""
    body = standing_of(alert, config.buttons) if config.converses else body_of(alert, threaded=False)
    return json.dumps(body, indent=2, ensure_ascii=False)


def render_kept(config: Config, alert: Alert, standing: Conversation) -> str:
    """The body of the message that is kept up to date, as it stands after `alert`."""
    return json.dumps(kept(alert.id, standing, config.buttons), indent=2, ensure_ascii=False)


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Post the alert and return `channel` and `ts`; for a webhook the channel is unknown and the receipt empty.

    What belongs to a conversation is shown in its message, and told in the thread of that. The lines of a digest that
    one message has no room for follow in the thread. The alert's id travels in the metadata, so that a repeat after a
    lost answer can be recognised.
    Raises DeliveryError: final where Slack refuses this one message as too large or ill-formed, retryable for all else.
    """
    try:
        if not config.converses:
            return await aside(lambda: _by_webhook(config, alert))
        known = Begun.read(context.kept, alert)
        begun = known if known else await aside(lambda: _by_token(config, alert, context))
    except SlackClientError as error:
        raise failure(error) from None
    return await Thread(partial(web, config), alert, context.keep).follow(begun, fresh=known is None)


def web(config: Config, token: str = "") -> WebClient:
    """Slack's methods, called as this sink may: with the bot token, read now, where no other is given.

    All calls together have the time of the sink. They block, and raise SlackClientError and DeliveryError. Raises
    ConfigError when the token cannot be read.
    """
    return _Web(
        config,
        token=token or credential("bot token", config.token, config.token_file),
        base_url=config.base_url,
        timeout=config.timeout,
        logger=_quiet,
        retry_handlers=[],
    )


def _by_token(config: Config, alert: Alert, context: Context) -> Begun:
    client = web(config)
    target = Target(config.channel)
    if config.personal:
        target = Target(f"{OWNER} {config.otherwise}", partial(_owner, client, config, alert))
    talk = Talk(client, target, config.buttons)
    try:
        receipt = talk.tell(alert, context.turn)
    except SlackApiError:
        if config.personal:
            config._people.forget(alert.person)
        raise
    thread = receipt.details.get("thread_ts") or receipt.details.get("ts", "")
    return Begun(alert.id, receipt, talk.told(alert, context.turn, receipt), thread)


def _owner(client: WebClient, config: Config, alert: Alert) -> Found:
    """Where the person is written to who owns what the alert is about, or who else is told."""
    channel = config._people.direct(client, alert.person) if alert.person else ""
    if channel:
        return Found(channel)
    if config.otherwise:
        whom = f"for {alert.owner}, " if alert.owner else "for its owner, "
        why = (
            "whom Slack does not know." if alert.person else "who is no person." if alert.owner else "which is nobody."
        )
        return Found(config.otherwise, f"Meant {whom}{why}")
    raise DeliveryError(
        "Slack knows nobody with the address of the owner" if alert.person else "no person owns what it is about",
        hint=f"set `otherwise: '#channel'` beside `channel: '{OWNER}'`, or route only what people own to this sink",
        retryable=False,
    )


def _by_webhook(config: Config, alert: Alert) -> Receipt:
    url = credential("webhook address", config.webhook_url, config.webhook_url_file)
    client = _Webhook(config, url=url, timeout=config.timeout, logger=_quiet, retry_handlers=[])
    answer = client.send_dict(body_of(alert, threaded=False))
    if answer.status_code != 200 or answer.body != "ok":
        word = harmless(answer.body)
        raise refused("Slack", answer.status_code, answer.headers, word, final=is_final(answer.status_code, word))
    return Receipt()


def _ask(request: urllib.request.Request, config: Config, until: float) -> Answer:
    # The SDK is made of blocking calls, and runs aside, on a thread that has no event loop.
    return asyncio.run(_asked(request, config, until))


async def _asked(request: urllib.request.Request, config: Config, until: float) -> Answer:
    body = request.data if isinstance(request.data, bytes) else b""
    # `Content-type` of urllib is `Content-Type` of ours, and a call that is no JSON says so in it.
    headers = {name.title(): value for name, value in request.header_items()}
    try:
        async with asyncio.timeout(until - time.monotonic()):
            return await post("Slack", request.full_url, body, headers, config)
    except TimeoutError as error:
        raise unreachable("Slack", error) from None


class _Web(WebClient):
    """For one message, or one press: all calls that it takes together have the time of the sink."""

    def __init__(self, config: Config, **settings: Any) -> None:
        super().__init__(**settings)
        self._config = config
        self._until = time.monotonic() + config.timeout

    def _perform_urllib_http_request_internal(self, url: str, req: urllib.request.Request) -> dict[str, Any]:
        answer = _ask(req, self._config, self._until)
        # The SDK takes any JSON for an object, and any value for a yes.
        said = answer.json()
        body = json.dumps({**said, "ok": said.get("ok") is True})
        return {"status": answer.status, "headers": answer.headers, "body": body}


class _Webhook(WebhookClient):
    def __init__(self, config: Config, **settings: Any) -> None:
        super().__init__(**settings)
        self._config = config
        self._until = time.monotonic() + config.timeout

    def _perform_http_request_internal(self, url: str, req: urllib.request.Request) -> WebhookResponse:
        answer = _ask(req, self._config, self._until)
        body = answer.body.decode("utf-8", "replace")
        return WebhookResponse(url=url, status_code=answer.status, body=body, headers=dict(answer.headers))
