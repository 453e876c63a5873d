"""Slack's rules for what elements are made of: options, questions before something is done, files.

https://docs.slack.dev/reference/block-kit/composition-objects
"""

from collections.abc import Iterator, Mapping

from auditor.simulator.slack_rules import (
    Faults,
    Rule,
    both,
    distinct,
    fault,
    fields,
    flag,
    items,
    listed,
    one_of,
    plain,
    shape,
    string,
    text,
    word,
)

ID = string(255)
URL = string(3000)
LABEL_MAX = 75
OPTIONS_MAX = 100
STYLE = word("primary", "danger")

CONFIRM = shape(
    {"title": plain(100), "text": plain(300), "confirm": plain(30), "deny": plain(30)},
    {"style": STYLE},
)
FILTER = shape(
    {},
    {
        "include": items(word("im", "mpim", "private", "public")),
        "exclude_external_shared_channels": flag,
        "exclude_bot_users": flag,
    },
)
DISPATCH = shape({}, {"trigger_actions_on": items(word("on_enter_pressed", "on_character_entered"), 2)})
FILE = both(shape({}, {"id": ID, "url": URL}), one_of("id", "url"))
WORKFLOW = shape(
    {"trigger": shape({"url": URL}, {"customizable_input_parameters": items(shape({"name": ID, "value": ID}))})}
)


def option(words: Rule, more: Mapping[str, Rule] | None = None) -> Rule:
    return shape({"text": words, "value": string(150)}, {"description": plain(LABEL_MAX), **(more or {})})


CHOICE = option(plain(LABEL_MAX))
TICK = option(text(LABEL_MAX))
GROUP = shape({"label": plain(LABEL_MAX), "options": items(CHOICE, OPTIONS_MAX)})


def _offered(value: object) -> Iterator[object]:
    menu = fields(value)
    yield from listed(menu.get("options"))
    for group in listed(menu.get("option_groups")):
        yield from listed(fields(group).get("options"))


def chosen(value: object, where: str) -> Faults:
    """Values tell options apart, and what is chosen at first is one of them."""
    offered, menu = list(_offered(value)), fields(value)
    yield from distinct("value", [fields(each).get("value") for each in offered], f"{where}/options")
    first = [menu[name] for name in ("initial_option",) if name in menu]
    if any(each not in offered for each in (*first, *listed(menu.get("initial_options")))):
        yield fault("initial options must be among the options", where)
