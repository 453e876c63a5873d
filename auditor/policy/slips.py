"""What looks like a slip in a rule over events: told, and refused nowhere, for events are open. Pure."""

import difflib
from collections.abc import Collection, Iterator

from auditor.detection.model import Correlation
from auditor.errors import did_you_mean
from auditor.policy.eventnames import strange
from auditor.policy.files import CorrelationFile, RuleFile
from auditor.policy.policyset import Judge
from auditor.policy.template import IN_EVERY_MESSAGE, Message
from auditor.yamlfile import Document, Place

Slip = tuple[Place, str, str]
"""Place, message and hint."""


def of_rule(file: RuleFile, judge: Judge, document: Document) -> Iterator[Slip]:
    """Keys that are nearly ours, and fields that no event is known to have."""
    known = tuple(RuleFile.model_fields)
    for key in file.model_extra or ():
        if difflib.get_close_matches(key, known, n=1, cutoff=0.8):
            yield (key,), f"unknown key `{key}`", did_you_mean(key, known, "keys")
    for name, hint in strange(judge.matcher.detection.fields, (judge,)):
        place = next((each for each in document.places if _compares(each, name)), ("detection",))
        yield place, f"no event has the field `{name}`", hint
    for name, hint in strange(judge.message.names - IN_EVERY_MESSAGE - file.params.keys(), (judge,)):
        yield ("message",), f"the message names `{name}`, which no event has", hint


def of_correlation(
    file: CorrelationFile, correlation: Correlation, message: Message, judges: Collection[Judge]
) -> Iterator[Slip]:
    """Fields to group by, or to count, that no event is known to have: nothing would ever come of them."""
    groups, counted = correlation.group_by, correlation.counted
    for name, hint in strange(groups, judges):
        place: Place = ("correlation", "group-by", groups.index(name))
        yield place, f"no event of these rules has the field `{name}`", hint
    for name, hint in strange((counted,) if counted else (), judges):
        yield ("correlation", "condition", "field"), f"no event of these rules has the field `{name}`", hint
    known = IN_EVERY_MESSAGE | file.params.keys() | set(groups)
    for name in sorted(message.names - known):
        hint = did_you_mean(name, known, "fields")
        yield ("message",), f"the message names `{name}`, by which nothing is grouped", hint


def _compares(place: Place, field: str) -> bool:
    return place[:1] == ("detection",) and str(place[-1]).partition("|")[0] == field
