"""The same outcomes, told by control: which policies speak for it, how strongly, and what they say."""

import re
from collections.abc import Iterable
from collections.abc import Mapping as Dict

from auditor.policy.controls import STRENGTHS
from auditor.policy.model import Policy
from auditor.reporting.text import framework as title_of
from auditor.reporting.view import Control, Framework, Mapping, Summary
from auditor.terms import Outcome


def frameworks(policies: Iterable[Policy], outcomes: Dict[str, Outcome]) -> tuple[Framework, ...]:
    """One entry a framework that any policy names, with its controls in the framework's own order.

    `outcomes` is the last outcome by policy; policies without one (those that watch events) are listed, not judged.
    """
    table: dict[str, dict[str, list[Mapping]]] = {}
    for policy in policies:
        for name, controls in policy.controls.items():
            for control, strength in controls.items():
                mapping = Mapping(policy.name, policy.title, strength, outcomes.get(policy.name))
                table.setdefault(name, {}).setdefault(control, []).append(mapping)
    return tuple(_framework(name, controls) for name, controls in sorted(table.items()))


def _framework(name: str, controls: dict[str, list[Mapping]]) -> Framework:
    rows = tuple(_control(id_, controls[id_]) for id_ in sorted(controls, key=_natural))
    outcomes = [row.outcome for row in rows]
    summary = Summary(*(outcomes.count(each) for each in (Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN)))
    return Framework(name, title_of(name), rows, summary)


def _control(id_: str, mappings: list[Mapping]) -> Control:
    ordered = sorted(mappings, key=lambda each: (_rank(each.strength), each.policy))
    said = {each.outcome for each in ordered}
    worst = (each for each in (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS) if each in said)
    return Control(id_, next(worst, None), tuple(ordered))


def _rank(strength: str) -> int:
    return STRENGTHS.index(strength) if strength in STRENGTHS else len(STRENGTHS)


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """Numbers in order of their value: A.5.9 before A.5.16."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part)
