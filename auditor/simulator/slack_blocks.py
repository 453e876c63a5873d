"""Slack's rules for Block Kit: what it would refuse, in its own words. The blocks that it has for agents are not known.

Limits: https://docs.slack.dev/reference/block-kit/blocks
"""

from collections.abc import Iterable, Mapping

from auditor.simulator.slack_elements import ACCESSORY, ACTIONS, CONTEXT_ACTIONS, IMAGE, INPUTS
from auditor.simulator.slack_objects import FILE, ID, URL
from auditor.simulator.slack_rich_text import RICH_TEXT
from auditor.simulator.slack_rules import (
    Faults,
    Rule,
    both,
    distinct,
    fault,
    fields,
    flag,
    items,
    kinds,
    length,
    listed,
    number,
    one_of,
    plain,
    shape,
    string,
    text,
    texts,
    word,
)

BLOCKS_MAX = 50
WORDS_MAX = 13_000
"""Characters of all texts, as was found out: https://github.com/slackapi/bolt-js/issues/2509. Whether those of options
count, nobody says: here they do."""
MARKDOWN_MAX = 12_000
"""Of all such blocks together."""
TABLE_MAX = 10_000
MODAL_BLOCKS_MAX = 100


def faults(blocks: object) -> list[str]:
    """What is wrong with the blocks of a message, one message a fault, empty when Slack would take them."""
    return [*_MESSAGE(blocks, "/blocks")] or [*_together(listed(blocks))]


def modal_faults(blocks: object) -> list[str]:
    """The same for those of a modal."""
    return [*_MODAL(blocks, "/blocks")] or [*_together(listed(blocks))]


def _together(blocks: Iterable[object]) -> Faults:
    """What no block does wrong alone."""
    named = [fields(block) for block in blocks]
    yield from distinct("block_id", [block["block_id"] for block in named if "block_id" in block], "/blocks")
    written = [str(block["text"]) for block in named if block["type"] == "markdown"]
    if sum(map(len, written)) > MARKDOWN_MAX:
        yield fault(f"must be less than {MARKDOWN_MAX + 1} characters in all markdown blocks", "/blocks")
    if sum(block["type"] == "table" for block in named) > 1:
        yield fault("only_one_table_allowed", "/blocks")
    if sum(_focused(block) for block in named) > 1:
        yield fault("focus_on_load is allowed for one element only", "/blocks")


def _focused(value: object) -> int:
    if isinstance(value, list):
        return sum(map(_focused, value))
    named = fields(value)
    return (named.get("focus_on_load") is True) + sum(map(_focused, named.values()))


def _actions_differ(block: object, where: str) -> Faults:
    elements = map(fields, listed(fields(block).get("elements")))
    yield from distinct("action_id", [each["action_id"] for each in elements if "action_id" in each], where)


def _says_something(block: object, where: str) -> Faults:
    if not fields(block).keys() & {"text", "fields"}:
        yield fault("missing required field: text or fields", where)


def _fits(block: object, where: str) -> Faults:
    if length(fields(block).get("rows")) > TABLE_MAX:
        yield fault(f"must be less than {TABLE_MAX + 1} characters in all cells", where)


def _block(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    return shape(required, {"block_id": ID, **(optional or {})})


_CELL = kinds(
    {
        "raw_text": shape({"text": string(TABLE_MAX)}),
        "raw_number": shape({"value": number(-(10**15), 10**15)}, {"text": string(TABLE_MAX)}),
        "rich_text": RICH_TEXT,
    }
)
_COLUMN = shape({}, {"align": word("left", "center", "right"), "is_wrapped": flag})
_EVERYWHERE: Mapping[str, Rule] = {
    "header": _block({"text": plain(150)}, {"level": number(1, 4)}),
    "section": both(
        _block({}, {"text": text(3000), "fields": items(text(2000), 10), "accessory": ACCESSORY, "expand": flag}),
        _says_something,
    ),
    "divider": _block({}),
    "context": _block({"elements": items(kinds({"image": IMAGE, **texts(3000)}), 10)}),
    "actions": both(_block({"elements": items(ACTIONS, 25)}), _actions_differ),
    "image": both(
        _block({"alt_text": string(2000)}, {"image_url": URL, "slack_file": FILE, "title": plain(2000)}),
        one_of("image_url", "slack_file"),
    ),
    "rich_text": RICH_TEXT,
    "input": _block(
        {"label": plain(2000), "element": INPUTS}, {"hint": plain(2000), "optional": flag, "dispatch_action": flag}
    ),
    "video": _block(
        {"alt_text": string(2000), "title": plain(199), "video_url": URL, "thumbnail_url": URL},
        {
            "author_name": string(49),
            "description": plain(199),
            "provider_icon_url": URL,
            "provider_name": string(3000),
            "title_url": URL,
        },
    ),
}
_MESSAGES_ONLY: Mapping[str, Rule] = {
    "context_actions": both(_block({"elements": items(CONTEXT_ACTIONS, 5)}), _actions_differ),
    "markdown": _block({"text": string(MARKDOWN_MAX)}),
    "table": both(
        _block({"rows": items(items(_CELL, 20), 100)}, {"column_settings": items(_COLUMN, 20)}),
        _fits,
    ),
}
_MESSAGE = items(kinds({**_EVERYWHERE, **_MESSAGES_ONLY}), BLOCKS_MAX, 0)
_MODAL = items(kinds(_EVERYWHERE), MODAL_BLOCKS_MAX)
