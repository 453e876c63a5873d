"""Talks in Slack with a bot token: a message of its own, or one that is kept up to date and has a thread.

Methods: https://docs.slack.dev/reference/methods/chat.postMessage and https://docs.slack.dev/reference/methods/chat.update
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse, WebClient

from auditor.alerts import blockkit, board
from auditor.alerts.buttons import NONE, Buttons
from auditor.alerts.conversation import Conversation, Place, Turn
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.sink import Receipt
from auditor.alerts.slackerrors import explained, said, told
from auditor.log import get
from auditor.terms import Level

log = get(__name__)

_LOUD = frozenset({AlertKind.OPENED, AlertKind.REOPENED, AlertKind.OCCURRED})
"""What the channel hears of, too, when it is high or critical."""
_LOST = frozenset(
    {"channel_not_found", "is_archived", "is_inactive", "restricted_action_thread_locked", "thread_locked"}
)
"""Slack's words for a place where nothing is said any more; elsewhere the bot may be heard still."""
_LITERAL: Mapping[str, Any] = {"parse": "none", "link_names": False}


@dataclass(frozen=True, slots=True)
class Found:
    """A channel to write to."""

    channel: str
    instead: str = ""
    """For whom it was meant, and why it goes here; empty when this is where it was meant to go."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where new messages go."""

    asked: str
    """As the settings say it: a conversation that was begun by other words is not carried on."""
    find: Callable[[], Found] | None = None
    """Finds the channel when it is needed; None where the settings name it."""

    def found(self) -> Found:
        """The channel. Raises SlackApiError, or DeliveryError where there is none."""
        return self.find() if self.find else Found(self.asked)


def body_of(alert: Alert, buttons: Buttons = NONE, *, threaded: bool = True) -> dict[str, Any]:
    """The message that tells of the alert; `threaded` where what it has no room for follows in a thread."""
    blocks = blockkit.blocks(alert, buttons=buttons.under(alert), threaded=threaded)
    return _body(alert.id, blockkit.fallback(alert), blocks)


def part_of(alert: Alert, start: int) -> tuple[dict[str, Any], int]:
    """The message with the lines of a digest from `start` on, as many as fit, and where the next one starts.

    Its id is the same on every try.
    """
    blocks, end = blockkit.part(alert, start)
    return _body(f"{alert.id}/{start}", blockkit.literal(blockkit.part_head(alert, start, end)), blocks), end


def standing_of(alert: Alert, buttons: Buttons = NONE) -> dict[str, Any]:
    """The message of a finding as it stands after the alert; of other alerts, the message that tells of them."""
    told = (replace(alert, kind=AlertKind.OPENED), alert) if alert.marks else (alert,)
    one = Conversation(alert.at).after(told)
    return kept(alert.id, one, buttons) if one.standings else body_of(alert)


def kept(id_: str, one: Conversation, buttons: Buttons = NONE) -> dict[str, Any]:
    """The message that is kept up to date, as the conversation stands after the alert `id_`."""
    return _body(id_, board.fallback(one), board.blocks(one, buttons))


@dataclass(frozen=True, slots=True)
class Talk:
    """What is said to `target`, with `buttons` on what somebody may decide."""

    client: WebClient
    target: Target
    buttons: Buttons = NONE

    def tell(self, alert: Alert, turn: Turn | None) -> Receipt:
        """Post the alert, or show `turn`, to which it belongs, and tell of it in the thread.

        The message is changed before the thread is told: cut off in between, both are done again, and nobody sees that
        the change was made twice. Raises SlackApiError.
        """
        if turn is None:
            return self._post(self.target.found(), body_of(alert, self.buttons))
        if turn.ended:
            self._end(turn.ended, turn.ended_at)
        if not turn.place:
            return self._begin(alert, turn.standing)
        if turn.place.get("asked") == self.target.asked:
            try:
                return self._carry_on(alert, turn)
            except SlackApiError as error:
                if not gone(error):
                    raise
                log.info("conversation.ended", channel=turn.place["channel"], ts=turn.place["ts"], error=said(error))
        if turn.news:
            self._end(turn.standing, turn.place)
        return self._anew(alert, turn)

    def told(self, alert: Alert, turn: Turn | None, receipt: Receipt) -> int:
        """How many lines of a digest are told by what `tell` did; all where there is nothing to be told in a thread.

        Of what begins a conversation none is, unless the message shows all: it names them in another order.
        """
        if not receipt.details:
            return len(alert.lines)
        if turn and receipt.place and receipt.place.get("ts") == receipt.details["ts"]:
            shown = turn.fresh if turn.place else turn.standing
            return len(alert.lines) if board.shows_all(shown, self.buttons) else 0
        return blockkit.told(alert)

    def _anew(self, alert: Alert, turn: Turn) -> Receipt:
        """Tell it in a new message, with all that is not resolved, where the one that there was cannot be carried on.

        What tells of no change begins none: the next change does, with all that was remembered until then.
        """
        if not turn.news:
            return Receipt(place=turn.place)
        if not any(each.finding for each in turn.told):
            return replace(self._post(self.target.found(), body_of(alert, self.buttons)), place=turn.place)
        try:
            return self._begin(alert, turn.fresh)
        except SlackApiError as error:
            if not gone(error):
                raise
            # All of it may be what Slack refuses; what is new must be told in any case.
            return self._post(self.target.found(), body_of(alert, self.buttons))

    def _begin(self, alert: Alert, standing: Conversation) -> Receipt:
        found = self.target.found()
        if not standing.standings:
            return self._post(found, body_of(alert, self.buttons))
        body = _body(alert.id, board.fallback(standing), board.blocks(standing, self.buttons))
        receipt = self._post(found, body)
        place = {**receipt.details, "asked": self.target.asked, "instead": found.instead}
        return Receipt(receipt.details, {name: value for name, value in place.items() if value})

    def _post(self, found: Found, body: dict[str, Any]) -> Receipt:
        blocks = [*body["blocks"], *blockkit.aside(found.instead)]
        return _receipt(self.client.chat_postMessage(channel=found.channel, **{**body, "blocks": blocks}))

    def _carry_on(self, alert: Alert, turn: Turn) -> Receipt:
        self._update(turn.place, turn.standing)
        loud = any(each.kind in _LOUD and each.level.rank >= Level.HIGH.rank for each in turn.told)
        more: dict[str, Any] = {"reply_broadcast": True} if loud else {}
        place = turn.place
        # What is pressed stands in the message above, which changes when somebody decides.
        try:
            answer = self.client.chat_postMessage(
                channel=place["channel"], thread_ts=place["ts"], **more, **body_of(alert)
            )
        except SlackApiError as error:
            if not gone(error):
                raise
            if not turn.news:
                # The message shows what somebody decided, and nobody has to be told.
                return Receipt(place=place)
            raise
        return Receipt({**_receipt(answer).details, "thread_ts": place["ts"]}, place)

    def _end(self, one: Conversation, place: Place) -> None:
        """Say in the old message that it is not kept up to date any more; where nobody can, nobody needs to."""
        try:
            self._update(place, one, ended=True)
        except SlackApiError as error:
            if not gone(error):
                raise
            log.info("conversation.ended", channel=place["channel"], ts=place["ts"], error=said(error))

    def _update(self, place: Place, one: Conversation, *, ended: bool = False) -> None:
        # What is not given stays as it is: the metadata, with the id of the alert that began it.
        blocks = board.blocks(one, self.buttons, ended=ended)
        self.client.chat_update(
            channel=place["channel"],
            ts=place["ts"],
            text=board.fallback(one),
            blocks=[*blocks, *blockkit.aside(place.get("instead", ""))],
            **_LITERAL,
        )


def gone(error: SlackApiError) -> bool:
    """Whether the message can never be changed or answered: deleted, somebody else's, too old, in a lost channel."""
    return said(error) in _LOST or not explained(error).retryable


def _receipt(answer: SlackResponse) -> Receipt:
    return Receipt({"channel": told(answer, "channel"), "ts": told(answer, "ts")})


def _body(id_: str, text: str, blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "text": text,
        "blocks": blocks,
        "metadata": {"event_type": "auditor_alert", "event_payload": {"id": id_}},
        "unfurl_links": False,
        "unfurl_media": False,
        **_LITERAL,
    }
