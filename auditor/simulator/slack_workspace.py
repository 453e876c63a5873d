"""The state of a fake Slack workspace: its channels and people, what was posted, and what goes wrong next."""

import json
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor import clock
from auditor.simulator.slack_calls import CHANGED_TEXT_MAX, Body, Refusal, checked, metadata

if TYPE_CHECKING:
    from auditor.simulator.slack_interactive import Interactive

TOKEN = "xoxb-simulated-token"
APP_TOKEN = "xapp-simulated-token"
TEAM = "T00000000"
POST = "chat.postMessage"


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
    """The message in whose thread it is."""
    broadcast: bool = False
    """Whether the channel sees it, too."""
    versions: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    """Text and blocks as they were first, and after each change."""
    options: dict[str, Any] = field(default_factory=dict)
    """`parse`, `unfurl_links` and the like, as sent."""


class FakeSlack:
    """One workspace: its channels and people, what was posted, and what goes wrong next.

    `journal` gets one JSON line per accepted message, and per change of one (`edited`), flushed. `pace` is the least
    time in seconds between two messages to one channel (Slack's own is about 1); sooner ones are answered 429.
    `edit_window` is how many seconds a message can be changed.
    """

    def __init__(
        self,
        *,
        token: str = TOKEN,
        channels: Sequence[str] = ("security", "platform"),
        people: Mapping[str, str] | None = None,
        journal: Path | None = None,
        pace: float = 0,
        edit_window: float = float("inf"),
        now: clock.Clock = clock.now,
    ) -> None:
        self.token = token
        self.channels = [Channel(f"C{index:08d}", name) for index, name in enumerate(channels, 1)]
        self.people = dict(people or {})
        """E-mail address to user id."""
        self.journal = journal
        self.pace = pace
        self.edit_window = edit_window
        self.scopes = {"chat:write", "users:read.email", "im:write"}
        """What the bot may do."""
        self.messages: list[Posted] = []
        self.calls: list[str] = []
        """Every call by method, refused ones too."""
        self.interactive: Interactive | None = None
        """What makes its buttons work; without it Socket Mode is switched off."""
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._now = now
        self._last: dict[str, float] = {}
        self._number = 0

    def fail_next(self, fault: Fault, times: int = 1, method: str = POST) -> None:
        """Let the next `times` answers to `method` go wrong; to chat.postMessage or the webhook when none is given."""
        self._faults[method].extend([fault] * times)

    def next_fault(self, method: str = POST) -> Fault | None:
        """The fault of this answer, used up by asking."""
        faults = self._faults[POST if method == "webhook" else method]
        return faults.popleft() if faults else None

    def delete(self, ts: str) -> None:
        """A person deletes a message; its thread stays, and nobody can answer in it."""
        self.messages = [posted for posted in self.messages if posted.ts != ts]

    def find_channel(self, name: object) -> Channel:
        """By id, or by name with or without `#`."""
        wanted = str(name or "").removeprefix("#")
        for channel in self.channels:
            if wanted in (channel.id, channel.name):
                return channel
        raise Refusal("channel_not_found")

    def post(self, body: Body, channel: Channel, via: str) -> Posted:
        """Accept a message or raise what Slack would answer."""
        blocks, text = checked(body)
        told = metadata(body)
        if not channel.member:
            raise Refusal("not_in_channel")
        thread = str(body.get("thread_ts") or "")
        if thread and not any((each.channel, each.ts) == (channel.id, thread) for each in self.messages):
            raise Refusal("thread_not_found")
        self._keep_pace(channel)
        self._number += 1
        posted = Posted(
            ts=f"{clock.epoch(self._now())}.{self._number:06d}",
            channel=channel.id,
            text=text,
            blocks=blocks,
            metadata=told or {},
            via=via,
            thread_ts=thread,
            broadcast=bool(thread) and body.get("reply_broadcast") in _YES,
            versions=[(text, blocks)],
            options={key: body[key] for key in sorted(body.keys() & _OPTIONS)},
        )
        self.messages.append(posted)
        self._write(posted)
        return posted

    def update(self, body: Body) -> Posted:
        """Replace the text and blocks of a message that the bot posted, or raise what Slack would answer."""
        channel = next((each for each in self.channels if each.id == body.get("channel")), None)
        if channel is None:
            raise Refusal("channel_not_found")
        blocks, text = checked(body, CHANGED_TEXT_MAX)
        told = metadata(body)
        if body.get("reply_broadcast") in _YES:
            raise Refusal("no_dual_broadcast_content_update")
        posted = next((each for each in self.messages if (each.channel, each.ts) == (channel.id, body.get("ts"))), None)
        if posted is None:
            raise Refusal("message_not_found")
        if posted.via != POST:
            raise Refusal("cant_update_message")
        if self._now().timestamp() - float(posted.ts) > self.edit_window:
            raise Refusal("edit_window_closed")
        posted.blocks, posted.text = blocks, text
        posted.metadata = posted.metadata if told is None else told
        posted.versions.append((text, blocks))
        self._write(posted, edited=True)
        return posted

    def _keep_pace(self, channel: Channel) -> None:
        moment = self._now().timestamp()
        if self.pace and moment - self._last.get(channel.id, 0) < self.pace:
            raise Refusal("ratelimited")
        self._last[channel.id] = moment

    def _write(self, posted: Posted, *, edited: bool = False) -> None:
        if self.journal is None:
            return
        line: dict[str, Any] = {
            "ts": posted.ts,
            "channel": posted.channel,
            "text": posted.text,
            "blocks": posted.blocks,
            "metadata": posted.metadata,
        }
        if posted.thread_ts:
            line |= {"thread_ts": posted.thread_ts, "reply_broadcast": posted.broadcast}
        if edited:
            line["edited"] = True
        with self.journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


_YES = (True, "true", "1")
_OPTIONS = {"parse", "link_names", "unfurl_links", "unfurl_media", "mrkdwn"}
