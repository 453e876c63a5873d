"""How `auditor policies explain` shows its answer: as lines for people, as a document for programs."""

import json
from typing import Any

from auditor import clock
from auditor.adminapi.fields import Type
from auditor.cli.moment import iso
from auditor.cli.render import plain
from auditor.inventory.model import Unknown
from auditor.inventory.schema import fields_of
from auditor.policy.explain import Compared, Explained, Explanation
from auditor.policy.template import one_line
from auditor.terms import Outcome

_MAX_LINE = 300
_MAX_VALUE = 120
"""Characters of a value that are shown."""

_ANSWERS = {True: "yes", False: "no", None: "unknown"}


def _said(found: Explanation) -> str:
    if found.outcome is None:
        return "does not apply"
    if found.outcome is Outcome.FAIL and not found.policy.allowed.each:
        least, most = found.policy.allowed.min, found.policy.allowed.max
        meant = " and ".join([f"at least {least}"] * (least > 0) + [f"at most {most}"] * (most is not None))
        return f"match ({found.matching} of {found.seen} that were seen do; {meant} are meant to)"
    return found.outcome


def lines_of(found: Explanation) -> list[str]:
    """What people read."""
    record = found.record
    lines = [f"{found.policy.name}: {_said(found)}", plain(f"{record.kind} {record.id} ({record.name})")]
    lines += [f"at {iso(found.now)}"]
    lines += [plain(found.message)] if found.message else []
    for each in (*([found.applies] if found.applies else []), *found.selections):
        lines += ["", f"{_ANSWERS[each.answer]:<8}{each.name}"]
        for number, alternative in enumerate(each.alternatives):
            lines += ["        or"] if number else []
            lines += [line for compared in alternative for line in _compared(compared, record.kind)]
    return [*lines, "", f"condition: {found.condition}"]


def _compared(compared: Compared, kind: str) -> list[str]:
    values = [f"{name} = {_shown(kind, name, value)}" for name, value in compared.values.items()]
    head = f"  {_ANSWERS[compared.answer]:<8}{one_line(compared.source, _MAX_LINE)}"
    return [head, *(plain(f"            {value}") for value in values)]


def _shown(kind: str, name: str, value: object) -> str:
    if value is None:
        return "null, or not there"
    if isinstance(value, Unknown):
        return f"unknown: {value.why or ', '.join(gap.reason for gap in value.gaps)}"
    field = fields_of(kind).get(name)
    if field and field.type is Type.TIME and clock.is_time(value):
        return iso(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"


def document_of(found: Explanation) -> dict[str, Any]:
    """What programs read."""
    return {
        "policy": found.policy.name,
        "resource": {"type": found.record.kind, "id": found.record.id, "name": found.record.name},
        "at": iso(found.now),
        "outcome": found.outcome,
        "message": found.message,
        "matching": None if found.policy.allowed.each else found.matching,
        "applies_to": _selection(found.applies) if found.applies else None,
        "selections": [_selection(each) for each in found.selections],
        "condition": found.condition,
    }


def _selection(each: Explained) -> dict[str, Any]:
    alternatives = [[_comparison(compared) for compared in alternative] for alternative in each.alternatives]
    return {"name": each.name, "matches": each.answer, "alternatives": alternatives}


def _comparison(each: Compared) -> dict[str, Any]:
    values = {name: None if isinstance(value, Unknown) else value for name, value in each.values.items()}
    hidden = [name for name, value in each.values.items() if isinstance(value, Unknown)]
    return {"comparison": each.source, "holds": each.answer, "values": values, "unknown": hidden}
