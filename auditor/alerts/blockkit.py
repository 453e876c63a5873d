"""An alert as Slack blocks. What members of the organization wrote stands only where Slack reads it literally.

That is plain_text objects and rich_text elements: there Slack knows no mentions, links, emoji names or formatting.
Limits: https://docs.slack.dev/reference/block-kit/blocks
"""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby, islice
from typing import Any

from slack_sdk.models.blocks import (
    Block,
    ContextBlock,
    HeaderBlock,
    PlainTextObject,
    RichTextBlock,
    RichTextElementParts,
    RichTextSectionElement,
    SectionBlock,
)

from auditor.alerts import digests, listing
from auditor.alerts import richtext as rich
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.untrusted import named, one_line, paragraph
from auditor.alerts.words import SHAPES, counted, label, moment, sign, thing
from auditor.terms import Level

HEADER_MAX = 150
TEXT_MAX = 2900
"""Below the 3000 of a section: Slack counts some signs twice."""
VALUE_MAX = 300
FACTS_MAX = 12
WORDS_MAX = 10_500
"""Characters of a message. Slack refuses one with about 11,000 characters in its blocks, and says so nowhere but in
https://github.com/slackapi/bolt-js/issues/2867"""
LINES_MAX = 150
"""Findings that are listed in one message: Slack answers with all of it, some 300 bytes a line beside its words."""
MARGIN = 800
"""Characters for the heads of lists, for what is said of the rest, and for `aside`."""
FALLBACK_MAX = 3000
"""Of the text beside the blocks, entities and all: of a message that is changed Slack takes 4,000 characters."""

_MENTION = re.compile(r"@(?=(?:here|channel|everyone)\b)", re.IGNORECASE)


def fallback(alert: Alert) -> str:
    """The text of notifications and screen readers: escaped, addresses and mentions defanged."""
    about = named(alert.resource_name, alert.resource_id, VALUE_MAX)
    parts = (f"{sign(alert)} {label(alert)}: {alert.title}", alert.text, "" if about in alert.text else about)
    return literal(" - ".join(part for part in parts if part))


def literal(words: str) -> str:
    """`words` as Slack shows them in a text in which it knows mentions and links: as many as there is room for."""
    limit = FALLBACK_MAX // 2
    while len(text := escaped(one_line(words, limit))) > FALLBACK_MAX:
        limit = limit * FALLBACK_MAX // len(text)
    return text


def escaped(text: str) -> str:
    """`text` where Slack reads mark-up: no entity, no link, no mention."""
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("://", "[:]//")):
        text = text.replace(letter, entity)
    return _MENTION.sub("@ ", text)


def blocks(alert: Alert, *state: str, buttons: Sequence[Block] = (), threaded: bool = False) -> list[dict[str, Any]]:
    """The blocks of the message, at most a dozen, within every limit of Slack; `buttons` go below.

    `state` are lines on how things stand with what is told: `Resolved at 2026-01-31 08:00:00 UTC`. Of a digest it
    shows the first lines, and says where the others are: with `threaded` they follow in its thread, see `part`.
    """
    above, below = _above(alert, state), [*_below(alert), *buttons, _origin_of(alert)]
    shown = fitting(map(line_of, alert.lines), room_beside(*above, *below))
    return [block.to_dict() for block in (*above, *_lists(alert, shown), *_rest(alert, len(shown), threaded), *below)]


def told(alert: Alert) -> int:
    """How many lines of a digest `blocks` shows."""
    others = room_beside(*_above(alert, ()), *_below(alert), _origin_of(alert))
    return len(fitting(map(line_of, alert.lines), others))


def part(alert: Alert, start: int) -> tuple[list[dict[str, Any]], int]:
    """The blocks with the lines of a digest from `start` on, as many as fit, at least one; and where the next start."""
    lines = alert.lines[start : digests.LINES_MAX]
    head = RichTextBlock(elements=[rich.section(rich.bold(part_head(alert, digests.LINES_MAX, digests.LINES_MAX)))])
    shown = fitting(map(line_of, lines), room_beside(head)) or [line_of(lines[0])]
    end = start + len(shown)
    head = RichTextBlock(elements=[rich.section(rich.bold(part_head(alert, start, end)))])
    last = _rest(alert, end, threaded=False) if end == digests.LINES_MAX else []
    return [block.to_dict() for block in (head, *_lists(alert, shown, start), *last)], end


def part_head(alert: Alert, start: int, end: int) -> str:
    """`📋 130 alerts at once: 86 to 130 of 130`."""
    title = one_line(f"{sign(alert)} {alert.title}", HEADER_MAX)
    return f"{title}: {start + 1:,} to {end:,} of {len(alert.lines):,}"


def _above(alert: Alert, state: Iterable[str]) -> list[Block]:
    made: list[Block] = [HeaderBlock(text=rich.plain(f"{sign(alert)} {label(alert)}: {alert.title}", HEADER_MAX))]
    if alert.text:
        made.append(SectionBlock(text=PlainTextObject(text=paragraph(alert.text, TEXT_MAX) or "-", emoji=False)))
    made += [RichTextBlock(elements=[rich.section(rich.bold(one_line(line, TEXT_MAX)))]) for line in state]
    return made + _counts(alert)


def _below(alert: Alert) -> list[Block]:
    return _facts(alert) + _remedy(alert) + link(alert.link)


def _origin_of(alert: Alert) -> Block:
    return ContextBlock(elements=[rich.plain(" · ".join(_origin(alert)), VALUE_MAX * 2)])


def _origin(alert: Alert) -> Iterable[str]:
    yield one_line(alert.organization, 80)
    if alert.policy:
        yield alert.policy
    if alert.finding:
        yield f"finding {alert.finding}"
    yield moment(alert.at)


def _counts(alert: Alert) -> list[Block]:
    known = {level.value: SHAPES[level] for level in Level}
    parts = [f"{known.get(name, '')} {number:,} {name}".strip() for name, number in alert.counts.items()]
    return [SectionBlock(text=rich.plain("   ".join(parts), TEXT_MAX))] if parts else []


def _lists(alert: Alert, shown: Sequence[RichTextSectionElement], start: int = 0) -> Iterable[Block]:
    """The lines from `start` on as they are `shown`: one list a level."""
    for level, same in groupby(zip(alert.lines[start:], shown, strict=False), key=lambda pair: pair[0].level):
        head = rich.section(rich.bold(f"{SHAPES[level]} {level.value.capitalize()}"))
        yield RichTextBlock(elements=[head, rich.bullets([each for _, each in same])])


def _rest(alert: Alert, shown: int, threaded: bool) -> Iterable[Block]:
    """How many lines are left, and where they are."""
    left = len(alert.lines) - shown
    if left and threaded:
        yield ContextBlock(elements=[rich.plain(f"... and {left:,} more in the thread", VALUE_MAX)])
    elif left:
        yield more(counted(left, "more finding"), alert.lines, alert.link)


def room_beside(*others: Block) -> int:
    """Characters that are left for lists in a message with the blocks `others`."""
    return WORDS_MAX - MARGIN - sum(rich.length(block.to_dict()) for block in others)


def fitting(lines: Iterable[RichTextSectionElement], room: int) -> Sequence[RichTextSectionElement]:
    """The first of them, as many as have at most `room` characters, and no more than Slack takes in one message."""
    shown: list[RichTextSectionElement] = []
    for line in islice(lines, LINES_MAX):
        room -= rich.length(line.to_dict())
        if room < 0:
            break
        shown.append(line)
    return shown


def more(words: str, lines: Iterable[Line], link: str) -> Block:
    """That there are more than are listed, and where all of `lines` are."""
    return ContextBlock(elements=[rich.plain(listing.more(words, lines, link), VALUE_MAX)])


def line_of(line: Line) -> RichTextSectionElement:
    """One finding in a list."""
    return rich.section(
        *rich.name_and_id(line.resource, line.resource_id),
        rich.text(f" {one_line(line.message, 200)} "),
        rich.code(line.policy),
    )


def _facts(alert: Alert) -> list[Block]:
    items = [
        rich.section(rich.bold(f"{one_line(name, 40)}: "), rich.text(_value(value))) for name, value in alert.facts
    ]
    if alert.resource_id:
        items.insert(0, _resource(alert))
    return [RichTextBlock(elements=[rich.bullets(items[:FACTS_MAX])])] if items else []


def _resource(alert: Alert) -> RichTextSectionElement:
    name = [rich.text(f"{_value(alert.resource_name)} ")] if alert.resource_name not in ("", alert.resource_id) else []
    kind = thing(alert.resource_kind) or "Resource"
    return rich.section(rich.bold(f"{kind}: "), *name, rich.code(_value(alert.resource_id)))


def _remedy(alert: Alert) -> list[Block]:
    if not alert.remediation or alert.kind is AlertKind.RESOLVED:
        return []
    text = paragraph(alert.remediation, TEXT_MAX)
    return [RichTextBlock(elements=[rich.section(rich.bold("What to do: "), rich.text(text or "-"))])]


def link(address: str) -> list[Block]:
    """The link to the page; nothing without one."""
    if not address.startswith(("https://", "http://")):
        return []
    return [RichTextBlock(elements=[rich.section(RichTextElementParts.Link(url=address, text="Open in the auditor"))])]


def aside(words: str) -> list[dict[str, Any]]:
    """A small line at the end; nothing without words."""
    return [ContextBlock(elements=[rich.plain(words, VALUE_MAX)]).to_dict()] if words else []


def _value(text: str) -> str:
    return one_line(text, VALUE_MAX) or "-"
