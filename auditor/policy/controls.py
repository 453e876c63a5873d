"""Which controls there are, and which of them the policies speak for. The lists are read when first asked for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from auditor.errors import did_you_mean
from auditor.policy.files import FRAMEWORKS, Framework
from auditor.policy.model import Policy
from auditor.yamlfile import load

_LISTS = Path(__file__).parent / "control_lists"

STRENGTHS = ("direct", "partial", "supporting")
"""How well a check speaks for a control, strongest first."""


@dataclass(frozen=True, slots=True)
class ControlList:
    """Every control of one framework, by id and in its own order."""

    framework: str
    title: str
    source: str
    ids: tuple[str, ...]
    group_of: Mapping[str, str]
    """Control to its group: `AC-2(3)` to `AC Access Control`."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One control, and the policies that speak for it."""

    control: str
    policies: tuple[tuple[str, str], ...]
    """Name and strength, strongest first; empty where no policy does."""


@cache
def control_list(framework: str) -> ControlList:
    """The list of one of FRAMEWORKS. Raises KeyError for another name."""
    if framework not in FRAMEWORKS:
        raise KeyError(framework)
    file = _LISTS / f"{framework}.yaml"
    (document,) = load(file.read_text(encoding="utf-8"), file.name)
    value: Any = document.value
    group_of = {
        control: f"{key} {group.get('title', '')}".strip()
        for key, group in value["groups"].items()
        for control in group["ids"]
    }
    return ControlList(framework, value["title"], value["source"], tuple(group_of), group_of)


def unknown(controls: Mapping[Framework, Iterable[str]]) -> Iterator[tuple[str, str, str]]:
    """Framework, id and hint of each control that its framework does not have."""
    for framework, ids in controls.items():
        known = control_list(framework).ids
        for control in ids:
            if control not in known:
                # A framework has too many controls to name them all in a hint.
                hint = did_you_mean(control, known, "controls")
                yield framework, control, hint if hint.startswith("did") else f"`{known[0]}` is one"


def spoken(framework: str, policies: Iterable[Policy]) -> tuple[Spoken, ...]:
    """Every control of the framework, whether or not a policy speaks for it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for policy in policies:
        for control, strength in policy.controls.get(framework, {}).items():
            found.setdefault(control, []).append((policy.name, strength))
    return tuple(
        Spoken(control, tuple(sorted(found.get(control, ()), key=lambda each: (STRENGTHS.index(each[1]), each[0]))))
        for control in control_list(framework).ids
    )
