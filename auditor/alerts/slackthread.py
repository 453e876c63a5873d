"""What a message in Slack has no room for: it follows in the thread, and what is told of it is written down."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import WebClient

from auditor.alerts import digests
from auditor.alerts.aside import aside
from auditor.alerts.message import Alert
from auditor.alerts.sink import Keep, Receipt
from auditor.alerts.slackerrors import failure, said, told
from auditor.alerts.slacktalk import gone, part_of
from auditor.errors import DeliveryError
from auditor.log import get

log = get(__name__)

PACE = 1.1
"""Seconds between two messages: Slack takes about one a second in a channel."""
TIME = 15
"""Seconds after which no more is begun: the next try goes on."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A digest whose first lines are told."""

    id: str
    receipt: Receipt
    """Of the message."""
    told: int
    """How many lines are."""
    thread: str
    """The `ts` of the message in whose thread the others follow."""

    @classmethod
    def read(cls, kept: Mapping[str, Any], alert: Alert) -> "Begun | None":
        """As an earlier try of this alert kept it; None when there is none.

        What was given up with others may be tried again without them: that is another digest.
        """
        if kept.get("id") != alert.id:
            return None
        return cls(alert.id, Receipt(kept["details"], kept["place"]), kept["told"], kept["thread"])

    @property
    def kept(self) -> Mapping[str, Any]:
        """What the next try needs."""
        details, place = dict(self.receipt.details), self.receipt.place
        return {
            "id": self.id,
            "details": details,
            "place": None if place is None else dict(place),
            "told": self.told,
            "thread": self.thread,
        }


@dataclass(frozen=True, slots=True)
class Thread:
    """The rest of the digest `alert`."""

    client: Callable[[], WebClient]
    """Makes one that has the time of the sink, for each message."""
    alert: Alert
    keep: Keep

    async def follow(self, begun: Begun, *, fresh: bool) -> Receipt:
        """Tell what is left and return the receipt of the message; `fresh` when that was told just now.

        Raises DeliveryError, always retryable: what was told is not to be told again. After a lost answer one message
        is, under the same id.
        """
        first, until = begun.told, time.monotonic() + TIME
        while begun.told < min(len(self.alert.lines), digests.LINES_MAX):
            if fresh or begun.told > first:
                await self.keep(begun.kept)
            try:
                begun = await self._after(begun, until)
            except DeliveryError as error:
                if _passes(error, until):
                    await asyncio.sleep(error.retry_after or 0)
                    continue
                raise _unfinished(error, begun.kept if fresh or begun.told > first else {}) from None
        return begun.receipt

    async def _after(self, begun: Begun, until: float) -> Begun:
        if time.monotonic() >= until:
            raise DeliveryError("the rest of its lines follows in the thread", retryable=True)
        await asyncio.sleep(PACE)
        try:
            return await aside(lambda: self._next(begun))
        except SlackClientError as error:
            raise failure(error) from None

    def _next(self, begun: Begun) -> Begun:
        client, channel = self.client(), begun.receipt.details["channel"]
        body, end = part_of(self.alert, begun.told)
        try:
            told(client.chat_postMessage(channel=channel, thread_ts=begun.thread, **body), "ts")
        except SlackApiError as error:
            if not gone(error):
                raise
            # Somebody deleted the message: what is left is told all the same.
            log.info("thread.ended", channel=channel, ts=begun.thread, error=said(error))
            thread = told(client.chat_postMessage(channel=channel, **body), "ts")
            return replace(begun, told=end, thread=thread)
        return replace(begun, told=end)


def _passes(error: DeliveryError, until: float) -> bool:
    """Whether the time suffices for what Slack asks to wait."""
    return error.retry_after is not None and time.monotonic() + error.retry_after < until


def _unfinished(error: DeliveryError, kept: Mapping[str, Any]) -> DeliveryError:
    """Never final: in smaller digests, all that was told would be told again."""
    return DeliveryError(error.message, hint=error.hint, retryable=True, retry_after=error.retry_after, kept=kept)
