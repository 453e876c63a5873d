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
from auditor.alerts.untrusted import one_line
from auditor.alerts.words import SHAPES, SIGNS, counted, moment

LINES_MAX = 30
"""Findings that are listed, worst first; the others are counted."""

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
    if standing.kind in _DONE:
        by = f" by {one_line(standing.by, 80)}" if standing.by else ""
        yield f"{_DONE[standing.kind]}{by} at {moment(standing.at)}"


def _of_many(one: Conversation, buttons: Buttons) -> Iterator[Block]:
    ranked = sorted(one.standings, key=_rank)
    listed = ranked[:LINES_MAX]
    yield HeaderBlock(text=rich.plain(_head(one), blockkit.HEADER_MAX))
    for head, same in groupby(listed, key=_list_of):
        lines = rich.bullets([_line(standing) for standing in same])
        yield RichTextBlock(elements=[rich.section(rich.bold(head)), lines])
    left = len(ranked) - len(listed) + one.forgotten
    if left:
        words = f"... and {counted(left, 'more finding')}: {_numbers(ranked[LINES_MAX:], one.forgotten)}"
        yield ContextBlock(elements=[rich.plain(words, blockkit.VALUE_MAX)])
    yield from blockkit.link(one.link)
    yield from buttons.among(ranked)
    yield ContextBlock(elements=[rich.plain(" · ".join(_origin(one)), blockkit.VALUE_MAX * 2)])


def _head(one: Conversation) -> str:
    """`🔺 2 open, 1 resolved: Project API key unused for 90 days`."""
    titles = {standing.title for standing in one.standings}
    title = titles.pop() if len(titles) == 1 else counted(len(one.standings) + one.forgotten, "finding")
    worst = min(one.standings, key=_rank)
    return f"{_sign(worst)} {_numbers(one.standings, one.forgotten)}: {title}"


def _numbers(some: Sequence[Standing], forgotten: int) -> str:
    counts = dict.fromkeys(_COUNTED.values(), 0)
    for standing in some:
        counts[_COUNTED[standing.kind]] += 1
    counts["resolved"] += forgotten
    return ", ".join(f"{number:,} {word}" for word, number in counts.items() if number)


def _rank(standing: Standing) -> tuple[int, int]:
    """What somebody must look at first, the worst of it above; then what is taken care of; then what is over."""
    done = [kind for kind in _DONE if kind is standing.kind]
    return (list(_DONE).index(done[0]) + 1 if done else 0, -standing.line.level.rank)


def _sign(standing: Standing) -> str:
    return SIGNS.get(standing.kind, SHAPES[standing.line.level])


def _list_of(standing: Standing) -> str:
    level = standing.line.level.value.capitalize()
    return f"{_sign(standing)} {_DONE.get(standing.kind, level)}"


def _line(standing: Standing) -> RichTextSectionElement:
    line = standing.line
    name, message = one_line(line.resource, 80) or "-", one_line(line.message, 200)
    parts: Iterable[RichTextElement] = (rich.bold(name), rich.text(f" {message} "))
    if standing.resolved:
        parts = (rich.struck(f"{name} {message}"), rich.text(" "))
    return rich.section(*parts, *_since(standing), rich.code(line.policy))


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
