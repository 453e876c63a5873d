"""Slack's rules for Block Kit, as far as the auditor's messages reach: what Slack would refuse, in its own words.

Limits: https://docs.slack.dev/reference/block-kit/blocks and .../composition-objects/text-object;
of dialogs https://docs.slack.dev/reference/views
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

BLOCKS_MAX = 50
WORDS_MAX = 13_000
"""Characters of all texts, as was found out: https://github.com/slackapi/bolt-js/issues/2509. Whether those of options
count, nobody says: here they do."""
HEADER_MAX = 150
SECTION_MAX = 3000
FIELDS_MAX = 10
FIELD_MAX = 2000
CONTEXT_ELEMENTS_MAX = 10
ACTIONS_MAX = 25
BUTTON_MAX = 75
OPTIONS_MAX = 100
PLACEHOLDER_MAX = 150
VALUE_MAX = 150
URL_MAX = 3000
ALT_MAX = 2000
ID_MAX = 255
VIEW_WORDS_MAX = 24
METADATA_MAX = 3000
LABEL_MAX = 2000
INPUT_MAX = 3000

Faults = Iterator[str]
Rule = Callable[[Mapping[str, object], str], Faults]


def faults(blocks: object) -> list[str]:
    """What is wrong with the value of `blocks`, one message a fault, empty when Slack would take it."""
    if not isinstance(blocks, list):
        return [_fault("must be an array", "/blocks")]
    if len(blocks) > BLOCKS_MAX:
        return [_fault(f"no more than {BLOCKS_MAX} items allowed", "/blocks")]
    found = [fault for index, block in enumerate(blocks) for fault in _block(block, f"/blocks/{index}")]
    names = [block["block_id"] for block in blocks if isinstance(block, dict) and "block_id" in block]
    if len(names) != len(set(map(str, names))):
        found.append(_fault("block_id must be unique", "/blocks"))
    return found


def length(item: object) -> int:
    """Characters of all texts in blocks."""
    if isinstance(item, dict):
        return sum(
            len(each) if name == "text" and isinstance(each, str) else length(each) for name, each in item.items()
        )
    return sum(map(length, item)) if isinstance(item, list) else 0


def view_faults(view: object) -> list[str]:
    """What is wrong with a modal view, as `faults` tells it of blocks."""
    if not isinstance(view, dict) or view.get("type") != "modal":
        return [_fault("must be a modal", "/view")]
    known = {"type", "callback_id", "private_metadata", "title", "submit", "close", "blocks"}
    found = list(_keys(view, known, "/view"))
    for name in ("title", "submit", "close"):
        found += _text(view.get(name), f"/view/{name}", VIEW_WORDS_MAX, ("plain_text",))
    for name, longest in (("callback_id", ID_MAX), ("private_metadata", METADATA_MAX)):
        found += _string(view.get(name, "-"), f"/view/{name}", longest)
    return found + faults(view.get("blocks"))


def _fault(what: str, where: str) -> str:
    return f"[ERROR] {what} [json-pointer:{where}]"


def _block(block: object, where: str) -> Faults:
    if not isinstance(block, dict):
        yield _fault("must be an object", where)
        return
    kind = block.get("type")
    if kind not in _BLOCKS:
        yield _fault(f"unsupported type: {kind}", f"{where}/type")
        return
    keys, rule = _BLOCKS[str(kind)]
    yield from _keys(block, {"type", "block_id", *keys}, where)
    if len(str(block.get("block_id", ""))) > ID_MAX:
        yield _fault(f"must be less than {ID_MAX + 1} characters", f"{where}/block_id")
    yield from rule(block, where)


def _keys(value: Mapping[str, object], known: set[str], where: str) -> Faults:
    for key in value.keys() - known:
        yield _fault(f"no property named {key} is allowed", f"{where}/{key}")


def _text(value: object, where: str, longest: int, kinds: Sequence[str] = ("plain_text", "mrkdwn")) -> Faults:
    if not isinstance(value, dict):
        yield _fault("missing required field: text object", where)
        return
    kind, text = value.get("type"), value.get("text")
    if kind not in kinds:
        yield _fault(f"must be of type {' or '.join(kinds)}", f"{where}/type")
    yield from _keys(value, {"type", "text", "emoji" if kind == "plain_text" else "verbatim"}, where)
    yield from _string(text, f"{where}/text", longest)


def _string(value: object, where: str, longest: int) -> Faults:
    if not isinstance(value, str):
        yield _fault("must be a string", where)
    elif not value:
        yield _fault("must be more than 0 characters", where)
    elif len(value) > longest:
        yield _fault(f"must be less than {longest + 1} characters", where)


def _header(block: Mapping[str, object], where: str) -> Faults:
    yield from _text(block.get("text"), f"{where}/text", HEADER_MAX, ("plain_text",))


def _section(block: Mapping[str, object], where: str) -> Faults:
    if "text" not in block and "fields" not in block:
        yield _fault("missing required field: text or fields", where)
    if "text" in block:
        yield from _text(block["text"], f"{where}/text", SECTION_MAX)
    if "fields" in block:
        yield from _each(block["fields"], f"{where}/fields", FIELDS_MAX, lambda item, at: _text(item, at, FIELD_MAX))


def _context(block: Mapping[str, object], where: str) -> Faults:
    yield from _each(block.get("elements"), f"{where}/elements", CONTEXT_ELEMENTS_MAX, _context_element)


def _context_element(item: object, where: str) -> Faults:
    if isinstance(item, dict) and item.get("type") == "image":
        yield from _image(item, where)
    else:
        yield from _text(item, where, SECTION_MAX)


def _image(block: Mapping[str, object], where: str) -> Faults:
    yield from _string(block.get("image_url"), f"{where}/image_url", URL_MAX)
    yield from _string(block.get("alt_text"), f"{where}/alt_text", ALT_MAX)


def _actions(block: Mapping[str, object], where: str) -> Faults:
    yield from _each(block.get("elements"), f"{where}/elements", ACTIONS_MAX, _element)


def _element(item: object, where: str) -> Faults:
    yield from (
        _menu(item, where) if isinstance(item, dict) and item.get("type") == "static_select" else _button(item, where)
    )


def _menu(item: Mapping[str, object], where: str) -> Faults:
    yield from _keys(item, {"type", "placeholder", "action_id", "options"}, where)
    yield from _text(item.get("placeholder"), f"{where}/placeholder", PLACEHOLDER_MAX, ("plain_text",))
    yield from _string(item.get("action_id"), f"{where}/action_id", ID_MAX)
    yield from _each(item.get("options"), f"{where}/options", OPTIONS_MAX, _option)


def _option(item: object, where: str) -> Faults:
    if not isinstance(item, dict):
        yield _fault("must be an object", where)
        return
    yield from _keys(item, {"text", "value", "description"}, where)
    yield from _text(item.get("text"), f"{where}/text", BUTTON_MAX, ("plain_text",))
    if "description" in item:
        yield from _text(item["description"], f"{where}/description", BUTTON_MAX, ("plain_text",))
    yield from _string(item.get("value"), f"{where}/value", VALUE_MAX)


def _button(item: object, where: str) -> Faults:
    if not isinstance(item, dict) or item.get("type") != "button":
        yield _fault("unsupported element", where)
        return
    yield from _text(item.get("text"), f"{where}/text", BUTTON_MAX, ("plain_text",))
    for key, longest in (("url", URL_MAX), ("value", 2000), ("action_id", ID_MAX)):
        if key in item:
            yield from _string(item[key], f"{where}/{key}", longest)


def _input(block: Mapping[str, object], where: str) -> Faults:
    yield from _text(block.get("label"), f"{where}/label", LABEL_MAX, ("plain_text",))
    if "hint" in block:
        yield from _text(block["hint"], f"{where}/hint", LABEL_MAX, ("plain_text",))
    element = block.get("element")
    kind = element.get("type") if isinstance(element, dict) else None
    if not isinstance(element, dict) or kind not in _INPUTS:
        yield _fault(f"unsupported type: {kind}", f"{where}/element")
        return
    yield from _keys(element, {"type", "action_id", *_INPUTS[str(kind)]}, f"{where}/element")
    yield from _string(element.get("action_id"), f"{where}/element/action_id", ID_MAX)
    longest = element.get("max_length", 1)
    if not isinstance(longest, int) or not 1 <= longest <= INPUT_MAX:
        yield _fault(f"must be 1 to {INPUT_MAX}", f"{where}/element/max_length")


def _rich_text(block: Mapping[str, object], where: str) -> Faults:
    yield from _each(block.get("elements"), f"{where}/elements", None, _rich_part)


def _rich_part(item: object, where: str) -> Faults:
    kind = item.get("type") if isinstance(item, dict) else None
    if not isinstance(item, dict) or kind not in _RICH_PARTS:
        yield _fault(f"unsupported type: {kind}", where)
        return
    yield from _keys(item, {"type", "elements", "style", "indent", "offset", "border"}, where)
    inner = _rich_part if kind == "rich_text_list" else _rich_leaf
    yield from _each(item.get("elements"), f"{where}/elements", None, inner)


def _rich_leaf(item: object, where: str) -> Faults:
    kind = item.get("type") if isinstance(item, dict) else None
    if not isinstance(item, dict) or kind not in _RICH_LEAVES:
        yield _fault(f"unsupported type: {kind}", where)
        return
    for key in _RICH_LEAVES[str(kind)]:
        yield from _string(item.get(key), f"{where}/{key}", SECTION_MAX)
    style = item.get("style", {})
    if not isinstance(style, dict) or style.keys() - {"bold", "italic", "strike", "code", "underline"}:
        yield _fault("invalid style", f"{where}/style")


def _each(
    items: object,
    where: str,
    most: int | None,
    rule: Callable[[object, str], Faults],
) -> Faults:
    if not isinstance(items, list) or not items:
        yield _fault("must have at least 1 item", where)
        return
    if most is not None and len(items) > most:
        yield _fault(f"no more than {most} items allowed", where)
    for index, item in enumerate(items):
        yield from rule(item, f"{where}/{index}")


def _nothing(_block: Mapping[str, object], _where: str) -> Faults:
    return iter(())


_BLOCKS: Mapping[str, tuple[set[str], Rule]] = {
    "header": ({"text", "level"}, _header),
    "section": ({"text", "fields", "accessory", "expand"}, _section),
    "divider": (set(), _nothing),
    "context": ({"elements"}, _context),
    "actions": ({"elements"}, _actions),
    "image": ({"image_url", "alt_text", "title", "slack_file"}, _image),
    "rich_text": ({"elements"}, _rich_text),
    "input": ({"label", "element", "hint", "optional", "dispatch_action"}, _input),
}
_INPUTS: Mapping[str, set[str]] = {
    "plain_text_input": {"multiline", "min_length", "max_length", "initial_value", "placeholder"},
    "datepicker": {"initial_date", "placeholder"},
}
_RICH_PARTS = {"rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted"}
_RICH_LEAVES: Mapping[str, tuple[str, ...]] = {
    "text": ("text",),
    "link": ("url",),
    "emoji": ("name",),
    "user": ("user_id",),
    "channel": ("channel_id",),
    "broadcast": ("range",),
}
