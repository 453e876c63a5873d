"""How a conversation stands, as Slack blocks: what its message shows, while the thread below tells what happened.

What members of the organization wrote stands only where Slack reads it literally, as in auditor/alerts/blockkit.py.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from slack_sdk.models.blocks import (
    Block,
    ContextBlock,
    HeaderBlock,
    RichTextBlock,
    RichTextElement,
    RichTextSectionElement,
)

from auditor.alerts import blockkit
from auditor.alerts import richtext as rich
from auditor.alerts.buttons import NONE, Buttons
from auditor.alerts.conversation import Conversation, Standing
from auditor.alerts.message import AlertKind
from auditor.alerts.untrusted import named, one_line
from auditor.alerts.words import DROPPED, DROPPED_SIGN, SHAPES, SIGNS, counted, moment

ENDED = "Not kept up to date any more: what changes from now on is told in newer messages."

_COUNTED = {
    AlertKind.OPENED: "open",
    AlertKind.REOPENED: "open",
    AlertKind.OCCURRED: "happened",
    AlertKind.ACKNOWLEDGED: "acknowledged",
    AlertKind.WAIVED: "accepted",
    AlertKind.RESOLVED: "resolved",
}
"""The word for each state, in the order of telling."""
_DONE = {
    AlertKind.ACKNOWLEDGED: "Acknowledged",
    AlertKind.WAIVED: "Risk accepted",
    AlertKind.RESOLVED: "Resolved",
}
"""What nobody has to look at, and the head of its list."""
_HEADS = (*_DONE.values(), DROPPED)


def blocks(one: Conversation, buttons: Buttons = NONE, *, ended: bool = False) -> list[dict[str, Any]]:
    """The blocks of the message, at most a dozen and a half; `ended` when it will not be changed any more."""
    pressed = NONE if ended else buttons
    if one.alone:
        shown = blockkit.blocks(one.alone, *_state(one.standings[0]), buttons=pressed.under(one.alone))
    else:
        shown = [block.to_dict() for block in _of_many(one, pressed)]
    return [*shown, *blockkit.aside(ENDED if ended else "")]


def fallback(one: Conversation) -> str:
    """The text of notifications and screen readers."""
    return blockkit.fallback(one.alone) if one.alone else blockkit.literal(_head(one))


def _state(standing: Standing) -> Iterator[str]:
    if done := _done(standing):
        by = f" by {one_line(standing.by, 80)}" if standing.by else ""
        yield f"{done}{by} at {moment(standing.at)}"


def _of_many(one: Conversation, buttons: Buttons) -> Iterator[Block]:
    ranked = sorted(one.standings, key=_rank)
    head, below = _frame(one, ranked, buttons)
    shown = blockkit.fitting(map(_line, ranked), blockkit.room_beside(head, *below))
    yield head
    for words, same in groupby(zip(ranked, shown, strict=False), key=lambda pair: _list_of(pair[0])):
        lines = rich.bullets([line for _, line in same])
        yield RichTextBlock(elements=[rich.section(rich.bold(words)), lines])
    yield from _left(one, ranked[len(shown) :])
    yield from below


def shows_all(one: Conversation, buttons: Buttons = NONE) -> bool:
    """Whether the message has a line for every finding that is not forgotten."""
    ranked = sorted(one.standings, key=_rank)
    head, below = _frame(one, ranked, buttons)
    return len(blockkit.fitting(map(_line, ranked), blockkit.room_beside(head, *below))) == len(ranked)


def _frame(one: Conversation, ranked: Sequence[Standing], buttons: Buttons) -> tuple[Block, Sequence[Block]]:
    """What stands above the lines of several findings, and what stands below."""
    head = HeaderBlock(text=rich.plain(_head(one), blockkit.HEADER_MAX))
    origin = ContextBlock(elements=[rich.plain(" · ".join(_origin(one)), blockkit.VALUE_MAX * 2)])
    return head, [*blockkit.link(one.link), *buttons.among(ranked), origin]


def _left(one: Conversation, unlisted: Sequence[Standing]) -> Iterator[Block]:
    """How many have no line, and where all of them are."""
    left = len(unlisted) + one.forgotten
    if left:
        numbers = _numbers(unlisted, one)
        listed = (standing.line for standing in one.standings)
        yield blockkit.more(f"{counted(left, 'more finding')}: {numbers}", listed, one.link)


def _head(one: Conversation) -> str:
    """`🔺 2 open, 1 resolved: Project API key unused for 90 days`."""
    worst = min(one.standings, key=_rank)
    return f"{_sign(worst)} {_numbers(one.standings, one)}: {one.head or one.title}"


def _numbers(some: Sequence[Standing], one: Conversation) -> str:
    """How many of `some` and of what was forgotten are in each state."""
    counts = dict.fromkeys([*_COUNTED.values(), DROPPED.lower()], 0)
    for standing in some:
        counts[DROPPED.lower() if standing.dropped else _COUNTED[standing.kind]] += 1
    counts[_COUNTED[AlertKind.RESOLVED]] += one.forgotten - one.forgotten_dropped
    counts[DROPPED.lower()] += one.forgotten_dropped
    return ", ".join(f"{number:,} {word}" for word, number in counts.items() if number)


def _rank(standing: Standing) -> tuple[int, int]:
    """What somebody must look at first, the worst of it above; then what is taken care of; then what is over."""
    done = _done(standing)
    return (_HEADS.index(done) + 1 if done else 0, -standing.line.level.rank)


def _done(standing: Standing) -> str:
    return DROPPED if standing.dropped else _DONE.get(standing.kind, "")


def _sign(standing: Standing) -> str:
    return DROPPED_SIGN if standing.dropped else SIGNS.get(standing.kind, SHAPES[standing.line.level])


def _list_of(standing: Standing) -> str:
    return f"{_sign(standing)} {_done(standing) or standing.line.level.value.capitalize()}"


def _line(standing: Standing) -> RichTextSectionElement:
    line = standing.line
    message = one_line(line.message, 200)
    parts: Iterable[RichTextElement] = (*rich.name_and_id(line.resource, line.resource_id), rich.text(f" {message} "))
    if standing.resolved:
        name = named(line.resource, line.resource_id, 160) or "-"
        parts = (rich.struck(f"{name} {message}"), rich.text(" "))
    ids = (rich.code(line.policy), rich.text(" finding "), rich.code(standing.finding))
    return rich.section(*parts, *_since(standing), *ids)


def _since(standing: Standing) -> Iterator[RichTextElement]:
    """When it came into its state and by whom, where that is no news any more."""
    if standing.kind is AlertKind.REOPENED:
        yield rich.text("again ")
    for words in _state(standing):
        yield rich.text(f"· {words[0].lower()}{words[1:]} ")


def _origin(one: Conversation) -> Iterator[str]:
    yield one_line(one.organization, 80)
    yield f"since {moment(one.began_at)}"
    yield f"as of {moment(max(standing.at for standing in one.standings))}"
