"""What every sink is made of: its settings, what it is told beside the alert, and what it gives back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr

from auditor import redaction
from auditor.alerts import digests
from auditor.alerts.bugs import as_failure
from auditor.alerts.conversation import Conversation, Place, Turn, turn
from auditor.alerts.message import Alert
from auditor.alerts.wording import Templates, worded
from auditor.configfile import read_secret
from auditor.configtypes import Seconds, Section
from auditor.errors import ConfigError, DeliveryError


class Storm(Section):
    """How much a sink is told at most: the last message of a window tells all that is due, as a digest."""

    messages: int = Field(default=20, ge=1, le=10_000)
    window: Seconds = Field(default=600, ge=1)


class SinkConfig(Section):
    """Settings of a sink: unknown keys refused, values never shown in errors."""

    storm: Storm | None = None
    """None for what holds where nothing is said."""

    templates: Templates = Templates()
    """Other words for title and text."""

    def address(self) -> tuple[str, int] | None:
        """Host and port that messages go to, for `auditor doctor`; None where they leave no machine.

        Raises ConfigError when the secret that holds it cannot be read.
        """
        return None

    def place(self) -> str:
        """The same for people, also where nothing can be tried beforehand; empty where messages leave no machine.

        Never a secret. Raises ConfigError as `address` does.
        """
        address = self.address()
        return f"{address[0]}:{address[1]}" if address else ""

    @property
    def converses(self) -> bool:
        """Whether a message can be changed later and has a thread: what belongs together is one message then."""
        return False

    @property
    def personal(self) -> bool:
        """Whether each message goes to who owns what it tells of, and to nobody else."""
        return False

    @property
    def owned(self) -> bool:
        """Whether what no person owns can be told to nobody there."""
        return False

    def ready(self) -> None:
        """Raise ConfigError when something that the settings name cannot be used. Called once, at the start."""


Keep = Callable[[Mapping[str, Any]], Awaitable[None]]


async def _forget(_kept: Mapping[str, Any]) -> None:
    """Where nothing is stored."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a sink is told beside the alert."""

    attempt: int = 1
    """From 1; above 1 the other side may have the message already, under the same `alert.id`."""
    turn: Turn | None = None
    """For a sink that converses: the conversation that the alert belongs to; None for a message of its own."""
    parts: tuple[Alert, ...] = ()
    """What the alert was folded from, oldest first; `Sink.send` puts the alert itself here where it is no digest."""
    kept: Mapping[str, Any] = field(default_factory=dict)
    """What an earlier try confirmed of the message, as its error or `keep` said: that is not to be sent again."""
    keep: Keep = _forget
    """Stores what is confirmed so far (JSON values), so that not even the death of the process has it sent again."""


REFUSED = "refused"
"""In what is stored of a receipt: who is left out, and why."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the other side said when it confirmed: stored with the message. Never a secret."""

    details: Mapping[str, str] = field(default_factory=dict)
    """`{"channel": "C1", "ts": "1.2"}` for Slack; whatever is needed to find the message again."""
    place: Place | None = None
    """Where the conversation is from now on; None without one, and for one that cannot be carried on."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Who of several is not told, and what was answered for each: somebody must hear of it."""

    @property
    def refusals(self) -> str:
        """`b@example.com: 550 5.1.1`; empty when nobody was refused."""
        return ", ".join(f"{who}: {why}" for who, why in self.refused.items())

    @property
    def recorded(self) -> Mapping[str, str]:
        """What is stored with the message."""
        return {**self.details, REFUSED: self.refusals} if self.refused else self.details


@dataclass(frozen=True, slots=True)
class Example:
    """How a sink is set up, and what its service answers: the suite that every sink must pass runs over these.

    In a setting, `{address}` stands for the URL of a service, `{host}` and `{port}` for its parts, `{folder}` for a
    directory and `{secret}` for what nobody may see.
    """

    settings: Mapping[str, str]
    status: int = 0
    """The HTTP status that confirms; 0 for a sink that does not speak HTTP."""
    body: bytes = b""
    """The body that confirms; `{key}` in it stands for the key of the alert."""
    any_body: bool = False
    """The service promises no particular body: its status says all."""


Send = Callable[[Any, Alert, Context], Awaitable[Receipt]]
Render = Callable[[Any, Alert], str]
RenderKept = Callable[[Any, Alert, Conversation], str]
RenderParts = Callable[[Any, Alert, tuple[Alert, ...]], str]


@dataclass(frozen=True, slots=True)
class Sink:
    """A named sink of auditor.yaml, ready to send."""

    name: str
    kind: str
    config: SinkConfig
    _send: Send
    _render: Render = lambda _config, alert: alert.title
    takes_events: bool = False
    """Whether it takes audit events one by one, as fast as they come; others get a digest of them."""
    alerts: bool = True
    """False for the queue of audit events, which the same sink has beside that of its alerts."""
    _render_kept: RenderKept | None = None
    """Of a sink that keeps messages up to date."""
    _render_parts: RenderParts | None = None
    """Of a sink on whose other side each finding has a state: it is told of each by itself, whatever was folded."""

    @property
    def keeps_state(self) -> bool:
        """Whether the other side knows each finding as one that is open or is not, and must hear when that changes."""
        return self.alerts and self._render_parts is not None

    @property
    def takes_marks(self) -> bool:
        """Whether it hears of what people decided about a finding that it was told of."""
        return self.converses or self.keeps_state

    @property
    def converses(self) -> bool:
        """Whether what belongs together is one message, which is kept up to date."""
        return self.alerts and self.config.converses

    async def send(self, alert: Alert, context: Context) -> Receipt:
        """Send once and return what the other side confirmed; never retries by itself.

        Raises DeliveryError and nothing else, whatever breaks.
        """
        with as_failure(f"the sink ({self.kind})", self.name, alert.id):
            try:
                return await self._sent(alert, context)
            except ConfigError as error:
                # A secret file that is missing or wrong now may be right when the message is tried again.
                raise DeliveryError(error.message, hint=error.hint, retryable=True) from None

    async def _sent(self, alert: Alert, context: Context) -> Receipt:
        # A digest of audit events is one message: none of them has a state.
        parts = (context.parts if self.alerts else ()) or (alert,)
        turn = context.turn.worded(self._worded) if context.turn else None
        context = replace(context, turn=turn, parts=tuple(map(self._worded, parts)))
        return await self._send(self.config, self._worded(alert), context)

    def of_events(self) -> "Sink":
        """The same sink as the end of a queue of its own, for audit events, which must not hold its alerts up."""
        return replace(self, name=events_queue(self.name), alerts=False)

    def preview(self, alert: Alert) -> str:
        """What would go out, as text, without any secret; nothing is sent."""
        return self._render(self.config, self._worded(alert))

    def preview_group(self, alerts: Sequence[Alert]) -> str:
        """The same for alerts of one group, oldest first: the message that is kept up to date, or their digest.

        Of a sink that keeps the state of each finding, all that it is told.
        """
        shown = turn(None, {}, alerts, alerts[0].at)
        if self.converses and self._render_kept and shown:
            return self._render_kept(self.config, alerts[-1], shown.worded(self._worded).standing)
        digest = digests.together(alerts, alerts[-1].at)
        if self._render_parts:
            return self._render_parts(self.config, self._worded(digest), tuple(map(self._worded, alerts)))
        return self.preview(digest)

    def _worded(self, alert: Alert) -> Alert:
        return worded(alert, self.config.templates)


def events_queue(sink: str) -> str:
    """The name under which the outbox holds audit events for `sink`."""
    return f"{sink}/events"


def secret(value: SecretStr | None, file: Path | None) -> str:
    """The secret from its value or its file, read now, so that a rotated file needs no restart; known to the redaction.

    Empty when neither is set. Raises ConfigError when the file cannot be read or is empty.
    """
    text = _read(file) if file else value.get_secret_value() if value else ""
    redaction.register(text)
    return text


def require_one(config: SinkConfig, *names: str) -> None:
    """Raise ValueError unless exactly one of the settings `names` is set."""
    if sum(getattr(config, name) is not None for name in names) != 1:
        raise ValueError(f"set exactly one of {', '.join(names[:-1])} and {names[-1]}")


def _read(file: Path) -> str:
    text = read_secret(file)
    if not text:
        raise ConfigError(f"the secret file {file} is empty")
    return text
