"""Prometheus Alertmanager, by its API v2. Format: https://prometheus.io/docs/alerting/latest/clients/

A finding is one alert there, by its labels: it stays until it is resolved or accepted here, what only happened stays
for `hold`. What is folded for others is told of each finding by itself, all in one request.

Alertmanager keeps alerts in memory; after its restart it knows the open ones again when something is told anew.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from auditor import clock
from auditor.alerts.document import compact, moment, readable
from auditor.alerts.message import DECIDED, Alert, AlertKind, key
from auditor.alerts.post import post
from auditor.alerts.remote import RemoteConfig, checked_url, credential, host_and_port, password
from auditor.alerts.sink import Context, Example, Receipt, require_one
from auditor.alerts.untrusted import named, one_line, paragraph
from auditor.alerts.words import counted, label

_DAY = 24 * 3600
_STAYS = 3650 * _DAY
"""A finding has no end that is known; without one, Alertmanager would take it for resolved after five minutes."""
LINES_MAX = 50

_ENDS = frozenset({AlertKind.RESOLVED, AlertKind.WAIVED})


class Config(RemoteConfig):
    """`url` of the server; `username` with `password` or `password_file`, or `token` or `token_file`, if it asks."""

    url: str
    username: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    token: SecretStr | None = None
    token_file: Path | None = None
    hold: Annotated[int, BeforeValidator(clock.duration)] = Field(default=_DAY, ge=60)
    """How long an event, a digest or a report stays, as `24h`."""

    @model_validator(mode="after")
    def _one_way_in(self) -> "Config":
        checked_url(self.url, self, "url")
        if self.username:
            require_one(self, "password", "password_file")
        if any((self.username, self.password, self.password_file, self.token, self.token_file)):
            require_one(self, "password", "password_file", "token", "token_file")
        return self

    def headers(self) -> dict[str, str]:
        """What lets the sink in. Raises ConfigError."""
        if self.token or self.token_file:
            return {"Authorization": f"Bearer {credential('token', self.token, self.token_file)}"}
        if self.username:
            login = f"{self.username}:{password(self.password, self.password_file)}"
            return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
        return {}

    def address(self) -> tuple[str, int] | None:
        """Host and port of the server."""
        return host_and_port(self.url)

    def ready(self) -> None:
        """Raise ConfigError when a secret cannot be used."""
        super().ready()
        self.headers()


EXAMPLES = {
    "alertmanager": Example(
        {"url": "{address}", "token": "{secret}", "timeout": "1", "allow_private": "true"}, 200, b""
    )
}


def render(config: Config, alert: Alert) -> str:
    """The alert as the API takes it."""
    return readable(_body(config, [alert]))


def render_parts(config: Config, alert: Alert, parts: tuple[Alert, ...]) -> str:
    """The same for each alert of a digest."""
    return readable(_body(config, parts))


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Post an alert for each finding that it was folded from; 200 without a body confirms. Raises DeliveryError."""
    url = f"{config.url.rstrip('/')}/api/v2/alerts"
    answer = await post("Alertmanager", url, _body(config, context.parts), config.headers(), config)
    if answer.status != 200 or answer.body.strip():
        raise answer.refusal("Alertmanager")
    named = {_identity(part) for part in context.parts}
    return Receipt({"finding": named.pop()} if len(named) == 1 else {"alerts": str(len(named))})


def _body(config: Config, parts: Sequence[Alert]) -> bytes:
    """The last that happened to each finding."""
    last = {_identity(part): part for part in parts}
    return compact([_told(config, part) for part in last.values()])


def _told(config: Config, alert: Alert) -> dict[str, Any]:
    told: dict[str, Any] = {
        "labels": _filled(_labels(alert)),
        "annotations": _filled(_annotations(alert)),
        "startsAt": moment(alert.at),
        "endsAt": moment(alert.at + _stays(config, alert)),
    }
    if alert.link.startswith(("https://", "http://")):
        told["generatorURL"] = alert.link
    return told


def _stays(config: Config, alert: Alert) -> int:
    """For how many seconds. An occurrence that somebody knows of has nothing left to mend: it must not begin again."""
    if alert.kind in _ENDS or (alert.kind is AlertKind.ACKNOWLEDGED and alert.once):
        return 0
    return _STAYS if alert.finding and not alert.once else config.hold


def _identity(alert: Alert) -> str:
    return alert.finding or key(alert)


def _labels(alert: Alert) -> dict[str, str]:
    """Only what never changes in the life of a finding: other labels are another alert, and nothing ends the first.

    So the level is none: a policy that is changed changes it. To keep the first one would need a memory that outlives
    the messages that are kept.
    """
    return {
        "alertname": alert.policy or f"auditor-{alert.kind.value}",
        "organization": one_line(alert.organization, 100),
        "finding": _identity(alert),
        "resource_kind": alert.resource_kind,
        "resource_id": one_line(alert.resource_id, 200),
    }


def _annotations(alert: Alert) -> dict[str, str]:
    shown = alert.lines[:LINES_MAX]
    listed = [
        f"{line.level.value} {named(line.resource, line.resource_id, 120)}: {one_line(line.message, 150)}"
        for line in shown
    ]
    if len(alert.lines) > LINES_MAX:
        listed.append(f"... and {counted(len(alert.lines) - LINES_MAX, 'more finding')}")
    return {
        "severity": alert.level.value,
        "state": label(alert) if alert.kind in DECIDED or alert.dropped else "",
        "decided_by": one_line(alert.by, 200),
        "summary": one_line(alert.title, 300),
        "description": paragraph(alert.text, 2000),
        "resource": one_line(alert.resource_name, 200),
        "remediation": paragraph(alert.remediation, 2000),
        "facts": ", ".join(f"{one_line(name, 40)}: {one_line(value, 200)}" for name, value in alert.facts[:12]),
        "findings": "\n".join(listed),
    }


def _filled(texts: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}
