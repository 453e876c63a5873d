"""Splunk, by its HTTP Event Collector.

Format: https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/format-events-for-http-event-collector
"""

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator

from auditor.alerts.document import document, fitted, readable
from auditor.alerts.message import Alert
from auditor.alerts.post import Answer, post
from auditor.alerts.remote import RemoteConfig, checked_url, credential, host_and_port
from auditor.alerts.sink import Context, Example, Receipt, require_one

BODY_MAX = 512 * 1024
"""Below the 1 MB at which Splunk Cloud refuses."""

_WORDS = {
    1: "the token is disabled",
    2: "a token is required",
    3: "invalid authorization",
    4: "the token is not known",
    5: "no data",
    6: "invalid data format",
    7: "the index is not one of the token's",
    8: "internal error",
    9: "the server is busy",
    10: "the token asks for acknowledgement, which needs a channel: switch it off for this token",
    12: "the event is missing",
    13: "the event is blank",
    14: "acknowledgement is disabled",
    15: "invalid indexed fields",
    23: "the server is shutting down",
    24: "its queue is full",
    26: "its queue is at capacity",
    27: "the event is too large",
}
"""By the code in the answer: our words, its own are not repeated."""

_ABOUT_THE_EVENT = frozenset({5, 6, 12, 13, 15})
"""The other codes are about the token, its index and the server: those are set right, and the event goes out then."""


class Config(RemoteConfig):
    """`url` of the collector, as `https://splunk.example.com:8088`, and `token` or `token_file`."""

    url: str
    token: SecretStr | None = None
    token_file: Path | None = None
    index: str = Field(default="", max_length=100)
    """The token's own one when empty."""
    source: str = Field(default="auditor", max_length=100)
    sourcetype: str = Field(default="openai:auditor", max_length=100)

    @model_validator(mode="after")
    def _one_token(self) -> "Config":
        checked_url(self.url, self, "url")
        require_one(self, "token", "token_file")
        return self

    def headers(self) -> dict[str, str]:
        """What lets the sink in. Raises ConfigError."""
        return {"Authorization": f"Splunk {credential('token', self.token, self.token_file)}"}

    def address(self) -> tuple[str, int] | None:
        """Host and port of the collector."""
        return host_and_port(self.url)

    def ready(self) -> None:
        """Raise ConfigError when the token cannot be used."""
        super().ready()
        self.headers()


TAKES_EVENTS = True

EXAMPLES = {
    "splunk_hec": Example(
        {"url": "{address}", "token": "{secret}", "timeout": "1", "allow_private": "true"},
        200,
        b'{"text": "Success", "code": 0}',
    )
}


def render(config: Config, alert: Alert) -> str:
    """The event."""
    return readable(_body(config, alert))


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Post the event; 200 with code 0 confirms. Raises DeliveryError."""
    url = f"{config.url.rstrip('/')}/services/collector/event"
    answer = await post("Splunk", url, _body(config, alert), config.headers(), config)
    code = _code(answer)
    if answer.status != 200 or code != 0:
        final = answer.status == 413 or code in _ABOUT_THE_EVENT
        raise answer.refusal("Splunk", _WORDS.get(code, ""), final=final)
    return Receipt({"id": alert.id})


def _code(answer: Answer) -> int:
    code = answer.json().get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) else -1


def _body(config: Config, alert: Alert) -> bytes:
    event: dict[str, Any] = {"time": alert.at, "source": config.source, "sourcetype": config.sourcetype}
    if config.index:
        event["index"] = config.index
    return fitted(lambda lines: {**event, "event": document(alert, lines)}, BODY_MAX)
