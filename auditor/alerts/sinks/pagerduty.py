"""PagerDuty, by the Events API v2. Format: https://developer.pagerduty.com/docs/events-api-v2-overview

A finding is one alert there, by its dedup_key: opened it triggers, acknowledged, accepted and resolved it follows. So
what is folded for others is told of each finding by itself, and telling it twice changes nothing.
"""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator

from auditor.alerts.document import compact, document, facts, fitted, moment, readable
from auditor.alerts.message import Alert, AlertKind, key
from auditor.alerts.post import Answer, post
from auditor.alerts.remote import RemoteConfig, checked_url, credential, host_and_port
from auditor.alerts.sink import Context, Example, Receipt, require_one
from auditor.alerts.untrusted import named, one_line
from auditor.alerts.words import label
from auditor.errors import ConfigError, DeliveryError
from auditor.fingerprint import fingerprint
from auditor.terms import Level

BODY_MAX = 400 * 1024
"""Below the 512 kB of the service."""
SUMMARY_MAX = 1024
KEY_MAX = 255
ROUTING_KEY = 32
PAGES_MAX = 20
"""Incidents that one message opens; more at once are one incident, whose findings are listed in it."""
AT_ONCE = 25
"""Events on their way at a time: the many of one message must get there within the time that it has, slow as they are.
Two rounds take all of them."""

_SEVERITY = {
    Level.CRITICAL: "critical",
    Level.HIGH: "error",
    Level.MEDIUM: "warning",
    Level.LOW: "info",
    Level.INFORMATIONAL: "info",
}

_ACTION = {AlertKind.ACKNOWLEDGED: "acknowledge", AlertKind.RESOLVED: "resolve", AlertKind.WAIVED: "resolve"}
"""Everything else triggers."""

_ROUTING_KEY = re.compile("routing.?key", re.IGNORECASE)

_Event = tuple[str, bytes]
"""A dedup_key and its event, without the routing key."""


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
    return readable(_event(config, alert)[1])


def render_parts(config: Config, alert: Alert, parts: tuple[Alert, ...]) -> str:
    """The same for each event of a digest."""
    bodies = [body for _, body in _events(config, alert, parts)]
    return readable(b"[" + b",".join(bodies) + b"]")


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Send an event for each finding that the alert was folded from; 202 with its own dedup_key confirms each.

    Raises DeliveryError when one is not confirmed, retryable if one of those is: all are sent again then, which changes
    nothing of the others. The rest is not tried while nothing at all gets through.
    """
    events = _events(config, alert, context.parts)
    lost: list[DeliveryError] = []
    for first in range(0, len(events), AT_ONCE):
        some = events[first : first + AT_ONCE]
        failed = [error for error in await asyncio.gather(*(_tried(config, each) for each in some)) if error]
        lost += failed
        if len(failed) == len(some) and all(error.retryable for error in failed):
            break
    if lost:
        raise max(lost, key=lambda error: (error.retryable, error.retry_after or 0))
    return Receipt({"dedup_key": events[0][0]} if len(events) == 1 else {"events": str(len(events))})


async def _tried(config: Config, event: _Event) -> DeliveryError | None:
    """Why the event is not confirmed; None when it is."""
    key, body = event
    # The routing key goes in last: an event is made and shown without it.
    keyed = body[:-1] + f',"routing_key":"{config.key()}"}}'.encode()
    try:
        answer = await post("PagerDuty", config.url, keyed, {}, config)
    except DeliveryError as error:
        return error
    told = answer.json()
    confirmed = answer.status == 202 and told.get("status") == "success" and told.get("dedup_key") == key
    return None if confirmed else _refusal(answer)


def _refusal(answer: Answer) -> DeliveryError:
    """A 400 is about the event, unless what is wrong with it is the routing key: that is no part of ours."""
    told = answer.json().get("errors")
    faults = told if isinstance(told, list) else []
    if answer.status == 400 and faults and all(_ROUTING_KEY.search(str(each)) for each in faults):
        hint = "take the integration key of an Events API v2 integration"
        return answer.refusal("PagerDuty", "the routing key is not known", final=False, hint=hint)
    return answer.refusal("PagerDuty")


def _events(config: Config, alert: Alert, parts: Sequence[Alert]) -> list[_Event]:
    """The last that happened to each finding. What opens too many incidents at once opens one, for all of them."""
    last = {_dedup_key(part): part for part in parts}
    opening = [part for part in last.values() if part.kind not in _ACTION]
    if len(opening) <= PAGES_MAX:
        return [_event(config, part) for part in last.values()]
    following = [_event(config, part) for part in last.values() if part.kind in _ACTION]
    return [_event(config, alert, _storm_key(opening)), *following]


def _dedup_key(alert: Alert) -> str:
    return alert.finding if 0 < len(alert.finding) <= KEY_MAX else key(alert)


def _storm_key(opening: Sequence[Alert]) -> str:
    """One an hour and organization: a storm that takes several messages pages once. The same on every try."""
    organizations = sorted({part.organization for part in opening})
    return fingerprint("\n".join(["storm", str(max(part.at for part in opening) // 3600), *organizations]), 32)


def _event(config: Config, alert: Alert, dedup_key: str = "") -> _Event:
    """The event of `alert`, under its own key unless another one is given."""
    dedup_key = dedup_key or _dedup_key(alert)
    action = _ACTION.get(alert.kind, "trigger")
    event: dict[str, Any] = {"event_action": action, "dedup_key": dedup_key, "client": "auditor"}
    if action != "trigger":
        return dedup_key, compact(event)
    if alert.link.startswith(("https://", "http://")):
        event["links"] = [{"href": alert.link, "text": "Open in the auditor"}]
    return dedup_key, fitted(lambda lines: {**event, "payload": _payload(config, alert, lines)}, BODY_MAX)


def _payload(config: Config, alert: Alert, lines: int) -> dict[str, Any]:
    told = f"{label(alert)}: {alert.title}" + (f" - {alert.text}" if alert.text else "")
    return {
        "summary": one_line(told, SUMMARY_MAX),
        "source": f"{config.source}/{one_line(alert.organization, 100)}",
        "severity": _SEVERITY[alert.level],
        "timestamp": moment(alert.at),
        "component": named(alert.resource_name, alert.resource_id, 200) or "auditor",
        "group": one_line(alert.organization, 100),
        "class": alert.policy or alert.kind.value,
        "custom_details": {**facts(alert), "alert": document(alert, lines)},
    }
