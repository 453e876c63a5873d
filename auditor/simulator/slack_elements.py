"""Slack's rules for what stands in blocks: buttons, menus, fields to fill in.

https://docs.slack.dev/reference/block-kit/block-elements
"""

from collections.abc import Iterable, Mapping

from auditor.simulator.slack_objects import (
    CHOICE,
    CONFIRM,
    DISPATCH,
    FILE,
    FILTER,
    GROUP,
    ID,
    LABEL_MAX,
    OPTIONS_MAX,
    STYLE,
    TICK,
    URL,
    WORKFLOW,
    chosen,
    option,
)
from auditor.simulator.slack_rich_text import RICH_TEXT
from auditor.simulator.slack_rules import (
    Faults,
    Rule,
    both,
    fault,
    fields,
    flag,
    items,
    kinds,
    number,
    one_of,
    plain,
    shape,
    string,
    word,
)

INPUT_MAX = 3000
_MANY = 1_000_000
_DAY = string(10, form=r"\d{4}-\d\d-\d\d")
_SECONDS = number(1_000_000_000, 9_999_999_999)

_ACTION: Mapping[str, Rule] = {"action_id": ID}
_CONFIRMED: Mapping[str, Rule] = {**_ACTION, "confirm": CONFIRM}
_PICKED: Mapping[str, Rule] = {**_CONFIRMED, "focus_on_load": flag}
_MENU: Mapping[str, Rule] = {**_PICKED, "placeholder": plain(150)}
_FIELD: Mapping[str, Rule] = {
    **_ACTION,
    "focus_on_load": flag,
    "placeholder": plain(150),
    "dispatch_action_config": DISPATCH,
}
_BUTTON: Mapping[str, Rule] = {**_CONFIRMED, "accessibility_label": string(LABEL_MAX)}


def _options(rule: Rule, most: int, more: Mapping[str, Rule]) -> Rule:
    return both(shape({"options": items(rule, most), **_ACTION}, more), chosen)


def _menus(name: str, what: str, rule: Rule, more: Mapping[str, Rule] | None = None) -> dict[str, Rule]:
    """The menu in which one is chosen, and the one in which several are."""
    known = {**_MENU, **(more or {})}
    several = {key: each for key, each in known.items() if key != "response_url_enabled"}
    return {
        f"{name}_select": shape(_ACTION, {**known, f"initial_{what}": rule}),
        f"multi_{name}_select": shape(
            _ACTION, {**several, f"initial_{what}s": items(rule), "max_selected_items": number(1, _MANY)}
        ),
    }


def _static() -> dict[str, Rule]:
    given = {"options": items(CHOICE, OPTIONS_MAX), "option_groups": items(GROUP, OPTIONS_MAX)}
    menus = _menus("static", "option", CHOICE, given)
    return {name: both(both(rule, one_of(*given)), chosen) for name, rule in menus.items()}


def _ordered(least: str, most: str) -> Rule:
    """Bounds the right way round."""

    def rule(value: object, where: str) -> Faults:
        try:
            low, high = (float(str(fields(value).get(name, "nan"))) for name in (least, most))
        except ValueError:
            yield fault(f"{least} and {most} must be numbers", where)
            return
        if low > high:
            yield fault(f"{least} must be no more than {most}", where)

    return rule


_FEEDBACK = shape({"text": plain(LABEL_MAX), "value": string(2000)}, {"accessibility_label": string(LABEL_MAX)})

ELEMENTS: Mapping[str, Rule] = {
    "button": shape({"text": plain(LABEL_MAX)}, {**_BUTTON, "url": URL, "value": string(2000), "style": STYLE}),
    "workflow_button": shape({"text": plain(LABEL_MAX), "workflow": WORKFLOW, **_ACTION}, {**_BUTTON, "style": STYLE}),
    "icon_button": shape(
        {"icon": word("trash"), "text": plain(LABEL_MAX)},
        {**_BUTTON, "value": string(2000), "visible_to_user_ids": items(ID, 10)},
    ),
    "feedback_buttons": shape({"positive_button": _FEEDBACK, "negative_button": _FEEDBACK}, _ACTION),
    "image": both(
        shape({"alt_text": string(2000)}, {"image_url": URL, "slack_file": FILE}), one_of("image_url", "slack_file")
    ),
    "checkboxes": _options(TICK, 10, {**_PICKED, "initial_options": items(TICK, 10)}),
    "radio_buttons": _options(TICK, 10, {**_PICKED, "initial_option": TICK}),
    "overflow": _options(option(plain(LABEL_MAX), {"url": URL}), 5, _CONFIRMED),
    "datepicker": shape(_ACTION, {**_MENU, "initial_date": _DAY}),
    "datetimepicker": shape(_ACTION, {**_PICKED, "initial_date_time": _SECONDS}),
    "timepicker": shape(_ACTION, {**_MENU, "initial_time": string(5, form=r"([01]\d|2[0-3]):[0-5]\d"), "timezone": ID}),
    "plain_text_input": both(
        shape(
            _ACTION,
            {
                **_FIELD,
                "initial_value": string(INPUT_MAX, 0),
                "multiline": flag,
                "min_length": number(0, INPUT_MAX),
                "max_length": number(1, INPUT_MAX),
            },
        ),
        _ordered("min_length", "max_length"),
    ),
    "email_text_input": shape(_ACTION, {**_FIELD, "initial_value": string(INPUT_MAX, 0)}),
    "url_text_input": shape(_ACTION, {**_FIELD, "initial_value": string(INPUT_MAX, 0)}),
    "number_input": both(
        shape(
            {"is_decimal_allowed": flag, **_ACTION},
            {**_FIELD, **dict.fromkeys(("initial_value", "min_value", "max_value"), string(INPUT_MAX))},
        ),
        _ordered("min_value", "max_value"),
    ),
    "rich_text_input": shape(_ACTION, {**_FIELD, "initial_value": kinds({"rich_text": RICH_TEXT})}),
    "file_input": shape(_ACTION, {**_ACTION, "filetypes": items(ID), "max_files": number(1, 10)}),
    **_static(),
    **_menus("external", "option", CHOICE, {"min_query_length": number(0, _MANY)}),
    **_menus("users", "user", ID),
    **_menus("channels", "channel", ID, {"response_url_enabled": flag}),
    **_menus(
        "conversations",
        "conversation",
        ID,
        {"response_url_enabled": flag, "default_to_current_conversation": flag, "filter": FILTER},
    ),
}

_MENUS = frozenset(name for name in ELEMENTS if name.endswith("_select"))
_ANYWHERE = _MENUS | {"checkboxes", "datepicker", "radio_buttons", "timepicker"}
_PRESSED = _ANYWHERE | {"button", "overflow", "workflow_button"}


def _among(names: Iterable[str]) -> Rule:
    return kinds({name: ELEMENTS[name] for name in names})


ACTIONS = _among(_PRESSED | {"datetimepicker", "rich_text_input"})
ACCESSORY = _among(_PRESSED | {"image"})
CONTEXT_ACTIONS = _among({"feedback_buttons", "icon_button"})
INPUTS = _among(
    _ANYWHERE
    | {"datetimepicker", "email_text_input", "file_input", "number_input"}
    | {"plain_text_input", "rich_text_input", "url_text_input"}
)
IMAGE = ELEMENTS["image"]
