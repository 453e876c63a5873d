"""From the body of a Sigma correlation to what is counted, or to the faults in it. Pure."""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from auditor import clock
from auditor.detection.model import Correlation
from auditor.detection.windows import TYPES
from auditor.errors import did_you_mean
from auditor.policy.files import CorrelationBody
from auditor.policy.modifiers import Complain
from auditor.yamlfile import Place


def correlation_of(body: CorrelationBody, bases: Mapping[str, str], complain: Complain) -> Correlation | None:
    """The correlation, or None after complaining; `bases` are the names of its rules, by name and by id."""
    names = _rules(body, bases, complain)
    seconds = _timespan(body.timespan, complain)
    least = _least(body, complain)
    counted = _counted(body, complain)
    if body.aliases is not None:
        complain(("correlation", "aliases"), "aliases are not supported", "give the fields one name")
        return None
    if None in (names, seconds, least, counted):
        return None
    return Correlation(body.type, names or (), tuple(body.group_by), seconds or 0, least or 0, counted or "")


def _rules(body: CorrelationBody, bases: Mapping[str, str], complain: Complain) -> tuple[str, ...] | None:
    missing = [(index, rule) for index, rule in enumerate(body.rules) if rule not in bases]
    for index, rule in missing:
        hint = did_you_mean(rule, tuple(bases), "rules in this file")
        complain(("correlation", "rules", index), f"no rule `{rule}` stands in this file", hint)
    return None if missing else tuple(bases[rule] for rule in body.rules)


def _timespan(text: str, complain: Complain) -> int | None:
    try:
        return clock.duration(text)
    except ValueError as error:
        complain(("correlation", "timespan"), f"timespan {error}")
        return None


def _least(body: CorrelationBody, complain: Complain) -> int | None:
    """The count that is enough; a correlation without a condition asks for all of its rules."""
    if body.type not in TYPES:
        hint = f"there is {', '.join(TYPES)}"
        complain(("correlation", "type"), f"correlations of type `{body.type}` are not supported", hint)
        return None
    most = len(body.rules) if body.type.startswith("temporal") else None
    if body.condition is None and most is not None:
        return most
    operator, count = _operator(body.condition or {})
    place: Place = ("correlation", "condition")
    if not _is_number(count):
        complain(place, "the condition names no count", "for example {gte: 5}")
    elif operator not in {"gte", "gt"}:
        # Fewer than so many events is true of every quiet minute: nothing would ever end such a window.
        complain(place, f"`{operator}` is not supported", "a window is told when it holds enough: gte, gt")
    elif (least := math.floor(count) + 1 if operator == "gt" else math.ceil(count)) < 1 or (
        most is not None and least > most
    ):
        complain(place, f"no window holds `{operator}: {count}`", f"at most {most}" if most else "at least 1")
    else:
        return least
    return None


def _is_number(count: object) -> TypeGuard[int | float]:
    # Of floats alone: a whole number may be too large to become one.
    return (isinstance(count, int) and not isinstance(count, bool)) or (
        isinstance(count, float) and math.isfinite(count)
    )


def _operator(condition: Mapping[str, Any]) -> tuple[str, object]:
    operators = [each for each in condition if each != "field"]
    return (operators[0], condition[operators[0]]) if len(operators) == 1 else ("", None)


def _counted(body: CorrelationBody, complain: Complain) -> str | None:
    """The field whose values are counted; empty where events or rules are."""
    if body.type != "value_count":
        return ""
    field = (body.condition or {}).get("field")
    if not isinstance(field, str) or not field:
        complain(("correlation", "condition"), "`value_count` counts the values of one field", "add `field: actor.id`")
        return None
    return field
