"""PagerDuty, by the Events API v2. Format: https://developer.pagerduty.com/docs/events-api-v2-overview

A finding is one alert there, by its dedup_key: opened it triggers, acknowledged and resolved it follows.
"""

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator

from auditor.alerts.document import compact, document, facts, fitted, moment, readable
from auditor.alerts.message import Alert, AlertKind, key
from auditor.alerts.post import post
from auditor.alerts.remote import RemoteConfig, checked_url, credential, host_and_port
from auditor.alerts.sink import Context, Example, Receipt, require_one
from auditor.alerts.untrusted import one_line
from auditor.alerts.words import label
from auditor.errors import ConfigError
from auditor.terms import Level

BODY_MAX = 400 * 1024
"""Below the 512 kB of the service."""
SUMMARY_MAX = 1024
KEY_MAX = 255
ROUTING_KEY = 32

_SEVERITY = {
    Level.CRITICAL: "critical",
    Level.HIGH: "error",
    Level.MEDIUM: "warning",
    Level.LOW: "info",
    Level.INFORMATIONAL: "info",
}

_ACTION = {AlertKind.ACKNOWLEDGED: "acknowledge", AlertKind.RESOLVED: "resolve"}
"""Everything else triggers."""


class Config(RemoteConfig):
    """`routing_key` or `routing_key_file`: the integration key of a service, 32 letters and digits."""

    routing_key: SecretStr | None = None
    routing_key_file: Path | None = None
    url: str = "https://events.pagerduty.com/v2/enqueue"
    """`https://events.eu.pagerduty.com/v2/enqueue` in the EU region."""
    source: str = Field(default="openai", min_length=1, max_length=100)

    @model_validator(mode="after")
    def _one_key(self) -> "Config":
        require_one(self, "routing_key", "routing_key_file")
        checked_url(self.url, self, "url")
        return self

    def key(self) -> str:
        """The routing key. Raises ConfigError."""
        found = credential("routing key", self.routing_key, self.routing_key_file)
        if len(found) != ROUTING_KEY or not found.isalnum():
            hint = "take the integration key of an Events API v2 integration"
            raise ConfigError(f"the routing key is not {ROUTING_KEY} letters and digits", hint=hint)
        return found

    def address(self) -> tuple[str, int] | None:
        """Host and port of the service."""
        return host_and_port(self.url)

    def ready(self) -> None:
        """Raise ConfigError when the key cannot be used."""
        super().ready()
        self.key()


EXAMPLES = {
    "pagerduty": Example(
        {
            "routing_key": "{secret}{secret}",
            "url": "{address}/v2/enqueue",
            "timeout": "1",
            "allow_private": "true",
        },
        202,
        b'{"status": "success", "message": "Event processed", "dedup_key": "{key}"}',
    )
}


def render(config: Config, alert: Alert) -> str:
    """The event, without the routing key."""
    return readable(_event(config, alert))


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Send the event; 202 with its own dedup_key confirms. Raises DeliveryError."""
    # The key goes in last: an event is made and shown without it.
    body = _event(config, alert)[:-1] + f',"routing_key":"{config.key()}"}}'.encode()
    answer = await post("PagerDuty", config.url, body, {}, config)
    told = answer.json()
    if answer.status != 202 or told.get("status") != "success" or told.get("dedup_key") != _dedup_key(alert):
        raise answer.refusal("PagerDuty")
    return Receipt({"dedup_key": _dedup_key(alert)})


def _dedup_key(alert: Alert) -> str:
    return alert.finding if 0 < len(alert.finding) <= KEY_MAX else key(alert)


def _event(config: Config, alert: Alert) -> bytes:
    event: dict[str, Any] = {
        "event_action": _ACTION.get(alert.kind, "trigger"),
        "dedup_key": _dedup_key(alert),
        "client": "auditor",
    }
    if event["event_action"] != "trigger":
        return compact(event)
    if alert.link.startswith(("https://", "http://")):
        event["links"] = [{"href": alert.link, "text": "Open in the auditor"}]
    return fitted(lambda lines: {**event, "payload": _payload(config, alert, lines)}, BODY_MAX)


def _payload(config: Config, alert: Alert, lines: int) -> dict[str, Any]:
    told = f"{label(alert)}: {alert.title}" + (f" - {alert.text}" if alert.text else "")
    return {
        "summary": one_line(told, SUMMARY_MAX),
        "source": f"{config.source}/{one_line(alert.organization, 100)}",
        "severity": _SEVERITY[alert.level],
        "timestamp": moment(alert.at),
        "component": one_line(alert.resource_name or alert.resource_id, 200) or "auditor",
        "group": one_line(alert.organization, 100),
        "class": alert.policy or alert.kind.value,
        "custom_details": {**facts(alert), "alert": document(alert, lines)},
    }
