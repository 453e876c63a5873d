"""The state of a fake Slack workspace: its channels and people, what was posted, and what goes wrong next."""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from auditor import clock
from auditor.simulator import slack_blocks

TOKEN = "xoxb-simulated-token"
TEXT_MAX = 40_000

Body = Mapping[str, Any]


class FaultKind(StrEnum):
    """How an answer goes wrong."""

    RATE_LIMITED = "rate limited"
    """429 with Retry-After."""
    SERVER_ERROR = "server error"
    """503, nothing accepted."""
    SLOW = "slow"
    """Accepted, and answered only after `seconds`."""
    CUT = "cut"
    """Accepted, and the connection cut in the middle of the answer."""
    REDIRECT = "redirect"
    """302 to another path, as a login page of a proxy does."""
    REFUSED = "refused"
    """200 with `ok: false` and the `error`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One answer gone wrong."""

    kind: FaultKind
    seconds: float = 1
    """Retry-After, or how long the answer waits."""
    error: str = "internal_error"


@dataclass(slots=True)
class Channel:
    """A place to post to."""

    id: str
    name: str
    member: bool = True
    """Whether the bot is in it."""


@dataclass(slots=True)
class Posted:
    """A message that was accepted."""

    ts: str
    channel: str
    text: str
    blocks: list[dict[str, Any]]
    metadata: dict[str, Any]
    via: str
    """`chat.postMessage` or `webhook`."""
    thread_ts: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    """`parse`, `unfurl_links` and the like, as sent."""


class Refusal(Exception):
    """What Slack answers with `ok: false`: its error word, and for blocks what is wrong with them."""

    def __init__(self, error: str, messages: Sequence[str] = ()) -> None:
        super().__init__(error)
        self.error = error
        self.messages = list(messages)


class FakeSlack:
    """One workspace: its channels and people, what was posted, and what goes wrong next.

    `journal` gets one JSON line per accepted message, flushed. `pace` is the least time in seconds between two
    messages to one channel (Slack's own is about 1); sooner ones are answered 429.
    """

    def __init__(
        self,
        *,
        token: str = TOKEN,
        channels: Sequence[str] = ("security", "platform"),
        people: Mapping[str, str] | None = None,
        journal: Path | None = None,
        pace: float = 0,
        now: clock.Clock = clock.now,
    ) -> None:
        self.token = token
        self.channels = [Channel(f"C{index:08d}", name) for index, name in enumerate(channels, 1)]
        self.people = dict(people or {})
        """E-mail address to user id."""
        self.journal = journal
        self.pace = pace
        self.messages: list[Posted] = []
        self.calls: list[str] = []
        """Every call by method, refused ones too."""
        self._faults: deque[Fault] = deque()
        self._now = now
        self._last: dict[str, float] = {}

    def fail_next(self, fault: Fault, times: int = 1) -> None:
        """Let the next `times` answers to chat.postMessage or the webhook go wrong."""
        self._faults.extend([fault] * times)

    def next_fault(self) -> Fault | None:
        """The fault of this answer, used up by asking."""
        return self._faults.popleft() if self._faults else None

    def find_channel(self, name: object) -> Channel:
        """By id, or by name with or without `#`."""
        wanted = str(name or "").removeprefix("#")
        for channel in self.channels:
            if wanted in (channel.id, channel.name):
                return channel
        raise Refusal("channel_not_found")

    def post(self, body: Body, channel: Channel, via: str) -> Posted:
        """Accept a message or raise what Slack would answer."""
        blocks, text = _checked(body)
        if not channel.member:
            raise Refusal("not_in_channel")
        self._keep_pace(channel)
        posted = Posted(
            ts=f"{clock.epoch(self._now())}.{len(self.messages) + 1:06d}",
            channel=channel.id,
            text=text,
            blocks=blocks,
            metadata=dict(body.get("metadata") or {}),
            via=via,
            thread_ts=str(body.get("thread_ts") or ""),
            options={key: body[key] for key in sorted(body.keys() & _OPTIONS)},
        )
        self.messages.append(posted)
        self._write(posted)
        return posted

    def update(self, body: Body) -> Posted:
        """Replace the text and blocks of a message that was posted."""
        channel = self.find_channel(body.get("channel"))
        blocks, text = _checked(body)
        for posted in self.messages:
            if (posted.channel, posted.ts) == (channel.id, str(body.get("ts"))):
                posted.blocks, posted.text = blocks, text
                return posted
        raise Refusal("message_not_found")

    def _keep_pace(self, channel: Channel) -> None:
        moment = self._now().timestamp()
        if self.pace and moment - self._last.get(channel.id, 0) < self.pace:
            raise Refusal("ratelimited")
        self._last[channel.id] = moment

    def _write(self, posted: Posted) -> None:
        if self.journal is None:
            return
        line = {
            "ts": posted.ts,
            "channel": posted.channel,
            "text": posted.text,
            "blocks": posted.blocks,
            "metadata": posted.metadata,
        }
        with self.journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


_OPTIONS = {"parse", "link_names", "unfurl_links", "unfurl_media", "mrkdwn"}


def _checked(body: Body) -> tuple[list[dict[str, Any]], str]:
    blocks, text = _parsed(body.get("blocks")), body.get("text") or ""
    if not isinstance(text, str) or (not text and not blocks):
        raise Refusal("no_text")
    if len(text) > TEXT_MAX:
        raise Refusal("msg_too_long")
    if blocks is None:
        return [], text
    faults = slack_blocks.faults(blocks)
    if faults:
        raise Refusal("invalid_blocks", faults)
    return blocks, text


def _parsed(value: Any) -> Any:
    """Form-encoded bodies carry JSON inside a string."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise Refusal("invalid_blocks_format") from None
