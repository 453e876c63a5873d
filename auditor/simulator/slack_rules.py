"""What values must be like that a fake Slack takes: small rules, of which those of blocks and dialogs are made.

A rule tells each fault with its place, a JSON pointer, in Slack's own words where they are known.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

Faults = Iterator[str]
Rule = Callable[[object, str], Faults]


def fault(what: str, where: str) -> str:
    """A message as it stands in `response_metadata`."""
    return f"[ERROR] {what} [json-pointer:{where}]"


def string(longest: int, least: int = 1, form: str = "") -> Rule:
    """A string of so many characters, which `form` matches as a whole."""

    def rule(value: object, where: str) -> Faults:
        if not isinstance(value, str):
            yield fault("must be a string", where)
        elif len(value) < least:
            yield fault(f"must be more than {least - 1} characters", where)
        elif len(value) > longest:
            yield fault(f"must be less than {longest + 1} characters", where)
        elif form and not re.fullmatch(form, value):
            yield fault("must be a valid string", where)

    return rule


def number(least: int, most: int) -> Rule:
    """A whole number in these bounds."""

    def rule(value: object, where: str) -> Faults:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            yield fault(f"must be a number from {least} to {most}", where)

    return rule


def flag(value: object, where: str) -> Faults:
    """Yes or no."""
    if not isinstance(value, bool):
        yield fault("must be a boolean", where)


def word(*words: str) -> Rule:
    """One of the words."""

    def rule(value: object, where: str) -> Faults:
        if not isinstance(value, str) or value not in words:
            yield fault("must be a valid enum value", where)

    return rule


def items(each: Rule, most: int | None = None, least: int = 1) -> Rule:
    """A list of so many of them."""

    def rule(value: object, where: str) -> Faults:
        if not isinstance(value, list):
            yield fault("must be an array", where)
            return
        if len(value) < least:
            yield fault(f"must have at least {least} item", where)
        if most is not None and len(value) > most:
            yield fault(f"no more than {most} items allowed", where)
        for index, item in enumerate(value):
            yield from each(item, f"{where}/{index}")

    return rule


def shape(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    """An object with these properties and no others."""
    known = {**required, **(optional or {})}

    def rule(value: object, where: str) -> Faults:
        if not isinstance(value, dict):
            yield fault("must be an object", where)
            return
        for key in required:
            if key not in value:
                yield fault(f"missing required field: {key}", where)
        for key, item in value.items():
            if key in known:
                yield from known[key](item, f"{where}/{key}")
            else:
                yield fault(f"invalid additional property: {key}", f"{where}/{key}")

    return rule


def kinds(table: Mapping[str, Rule]) -> Rule:
    """An object that says by its `type` which of the rules holds for the rest of it."""

    def rule(value: object, where: str) -> Faults:
        if not isinstance(value, dict):
            yield fault("must be an object", where)
            return
        kind = value.get("type")
        if not isinstance(kind, str) or kind not in table:
            yield fault(f"unsupported type: {kind}", f"{where}/type")
            return
        yield from table[kind]({key: item for key, item in value.items() if key != "type"}, where)

    return rule


def both(first: Rule, second: Rule) -> Rule:
    """The second rule is asked only about what the first has no fault in."""

    def rule(value: object, where: str) -> Faults:
        found = list(first(value, where))
        yield from found or second(value, where)

    return rule


def one_of(*names: str, least: int = 1) -> Rule:
    """An object with at most one of these properties, and at least so many."""

    def rule(value: object, where: str) -> Faults:
        given = sum(name in fields(value) for name in names)
        if given < least:
            yield fault(f"missing required field: {' or '.join(names)}", where)
        elif given > 1:
            yield fault(f"only one of {' and '.join(names)} is allowed", where)

    return rule


def distinct(name: str, values: Sequence[object], where: str) -> Faults:
    """No value of `name` is there twice."""
    told = list(map(str, values))
    if len(told) != len(set(told)):
        yield fault(f"{name} must be unique", where)


def fields(value: object) -> Mapping[str, object]:
    """The properties of an object; none where it is no object."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> Sequence[object]:
    """The items of a list; none where it is no list."""
    return value if isinstance(value, list) else ()


_TEXTS: Mapping[str, str] = {"plain_text": "emoji", "mrkdwn": "verbatim"}


def texts(longest: int, types: Collection[str] = tuple(_TEXTS)) -> Mapping[str, Rule]:
    """Text objects by type: https://docs.slack.dev/reference/block-kit/composition-objects/text-object"""
    return {each: shape({"text": string(longest)}, {_TEXTS[each]: flag}) for each in types}


def text(longest: int) -> Rule:
    """A text object of either type."""
    return kinds(texts(longest))


def plain(longest: int) -> Rule:
    """A text object without mark-up."""
    return kinds(texts(longest, ["plain_text"]))


def length(value: object) -> int:
    """Characters of all texts in it."""
    if isinstance(value, list):
        return sum(map(length, value))
    named = fields(value).items()
    return sum(len(each) if name == "text" and isinstance(each, str) else length(each) for name, each in named)
