"""What every sink is made of: its settings, what it is told beside the alert, and what it gives back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from auditor import redaction
from auditor.alerts.message import Alert
from auditor.configfile import read_secret
from auditor.errors import ConfigError


class SinkConfig(BaseModel):
    """Settings of a sink: unknown keys refused, values never shown in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    def address(self) -> tuple[str, int] | None:
        """Host and port that messages go to, for `auditor doctor`; None where they leave no machine.

        Raises ConfigError when the secret that holds it cannot be read.
        """
        return None


@dataclass(frozen=True, slots=True)
class Context:
    """What a sink is told beside the alert."""

    attempt: int = 1
    """From 1; above 1 the other side may have the message already, under the same `alert.id`."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the other side said when it confirmed: stored with the message. Never a secret."""

    details: Mapping[str, str] = field(default_factory=dict)
    """`{"channel": "C1", "ts": "1.2"}` for Slack; whatever is needed to find the message again."""


Send = Callable[[Any, Alert, Context], Awaitable[Receipt]]


@dataclass(frozen=True, slots=True)
class Sink:
    """A named sink of auditor.yaml, ready to send."""

    name: str
    kind: str
    config: SinkConfig
    _send: Send

    async def send(self, alert: Alert, context: Context) -> Receipt:
        """Send once and return what the other side confirmed. Raises DeliveryError; never retries by itself."""
        return await self._send(self.config, alert, context)


def secret(value: SecretStr | None, file: Path | None) -> str:
    """The secret from its value or its file, read now, so that a rotated file needs no restart; known to the redaction.

    Empty when neither is set. Raises ConfigError when the file cannot be read or is empty.
    """
    text = _read(file) if file else value.get_secret_value() if value else ""
    redaction.register(text)
    return text


def _read(file: Path) -> str:
    text = read_secret(file)
    if not text:
        raise ConfigError(f"the secret file {file} is empty")
    return text
