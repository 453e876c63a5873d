"""What each framework gets from the policies, and what it does not: as a table and as JSON."""

from collections.abc import Iterable, Mapping

from rich import box
from rich.table import Table
from rich.text import Text

from auditor.cli.render import console
from auditor.policy.controls import STRENGTHS, Spoken, control_list, spoken
from auditor.policy.load import PolicySet


def document(policies: PolicySet, frameworks: Iterable[str]) -> list[dict[str, object]]:
    """One entry a framework: the controls that policies speak for, those they do not, and how many of each."""
    return [_entry(name, spoken(name, policies)) for name in frameworks]


def show(policies: PolicySet, frameworks: Iterable[str], *, whole: bool) -> None:
    """Print one line a framework; `whole` prints its controls too."""
    out = console()
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("framework", "controls", *STRENGTHS, "untouched", "title"):
        table.add_column(column, overflow="fold", justify="left" if column in {"framework", "title"} else "right")
    for name in frameworks:
        found = spoken(name, policies)
        counts = _counts(found)
        numbers = (len(found), *(counts[each] for each in STRENGTHS), counts["untouched"])
        table.add_row(name, *map(str, numbers), control_list(name).title)
        if whole:
            out.print(_controls(found))
    out.print(table)
    out.print(
        "A control counts once, at the strongest policy that speaks for it. Most of a framework is about people, "
        "places and papers that no program can see: untouched does not mean unmet, and touched does not mean met."
    )
    if whole:
        missing = [each.control for name in frameworks for each in spoken(name, policies) if not each.policies]
        out.print(f"\nUntouched: {', '.join(missing) or 'none'}", highlight=False)


def _controls(found: Iterable[Spoken]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("control", "strength", "policy"):
        table.add_column(column, overflow="fold")
    for each in found:
        for index, (policy, strength) in enumerate(each.policies):
            table.add_row("" if index else each.control, strength, Text(policy))
    return table


def _entry(framework: str, found: tuple[Spoken, ...]) -> dict[str, object]:
    known = control_list(framework)
    return {
        "framework": framework,
        "title": known.title,
        "source": known.source,
        "controls": len(found),
        "counts": _counts(found),
        "touched": {each.control: dict(each.policies) for each in found if each.policies},
        "untouched": [each.control for each in found if not each.policies],
    }


def _counts(found: Iterable[Spoken]) -> Mapping[str, int]:
    """Each control once, at the strongest policy that speaks for it."""
    counts = dict.fromkeys((*STRENGTHS, "untouched"), 0)
    for each in found:
        counts[each.policies[0][1] if each.policies else "untouched"] += 1
    return counts
