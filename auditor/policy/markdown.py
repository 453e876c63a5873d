"""Policies as pages of Markdown: one for each, and a list of them. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping

from auditor.policy.model import EVENT, Policy
from auditor.policy.policyset import PolicySet
from auditor.policy.prose import judged

INDEX = "index.md"


def pages(policies: PolicySet) -> Mapping[str, str]:
    """Name of each file to its text; `index.md` leads to all the others."""
    files = _files(policies)
    return {INDEX: _index(policies, files)} | {files[each.name]: _page(policies, each) for each in policies.policies}


def _files(policies: PolicySet) -> Mapping[str, str]:
    """The file of each policy: rules that were written elsewhere may have any name."""
    files: dict[str, str] = {}
    taken = {INDEX}
    for name in policies.by_name:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)
        free = (f"{plain}{number}.md" for number in ("", *(f"-{each}" for each in range(2, len(policies) + 3))))
        files[name] = next(each for each in free if each.lower() not in taken)
        taken.add(files[name].lower())
    return files


def _index(policies: PolicySet, files: Mapping[str, str]) -> str:
    lines = ["# Policies", ""]
    for kind in sorted({policy.kind for policy in policies}, key=lambda kind: (kind == EVENT, kind)):
        ours = sorted((p for p in policies if p.kind == kind), key=lambda p: (-p.level.rank, p.name))
        rows = ((p.level, f"[{_text(p.name)}]({files[p.name]})", _text(p.title)) for p in ours)
        lines += [f"## {_judges(kind)}", "", *_table(("Level", "Name", "Title"), rows), ""]
    return "\n".join(lines)


def _page(policies: PolicySet, policy: Policy) -> str:
    return "\n".join(_lines(policies, policy)) + "\n"


def _lines(policies: PolicySet, policy: Policy) -> Iterator[str]:
    yield f"# {_text(policy.title)}"
    yield ""
    facts = {
        "Name": f"`{policy.name}`",
        "Level": policy.level,
        "Judges": _judges(policy.kind),
        "Status": policy.status,
        "Tags": _text(", ".join(policy.tags)),
    }
    yield from _table(("", ""), ((name, value) for name, value in facts.items() if value))
    yield from _section("Why it matters", [_text(policy.description)] if policy.description else [])
    yield from _section("What to do", [_text(policy.remediation)] if policy.remediation else [])
    yield from _section("What it looks for", _code(judged(policies, policy)))
    params = ((f"`{name}`", f"`{_cell(value)}`") for name, value in policy.params.items())
    yield from _section("Parameters", _table(("Name", "Value"), params))
    yield from _section("Controls", _table(("Framework", "Control", "Strength"), _controls(policy)))
    examples = ((example.expect, _text(example.name)) for example in policy.examples)
    yield from _section("Examples", _table(("Expected", "Situation"), examples))
    yield from _section("References", [f"- {_link(each)}" for each in policy.references])


def _judges(kind: str) -> str:
    return "Audit events" if kind == EVENT else f"`{kind}`"


def _controls(policy: Policy) -> Iterator[tuple[str, str, str]]:
    for framework, ids in policy.controls.items():
        for control, strength in ids.items():
            yield framework, _text(control), strength


def _section(heading: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"## {heading}", "", *lines)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    found = list(rows)
    lines = (f"| {' | '.join(row)} |" for row in (heads, ("---",) * len(heads), *found))
    return list(lines) if found else []


def _code(lines: list[str]) -> list[str]:
    """Indented, because no text can end such a block as it can end a fence."""
    return [f"    {line}" for line in lines]


def _text(text: str) -> str:
    """Words of whoever wrote the policy as Markdown that shows them and does nothing else."""
    return re.sub(r"([\\`*_\[\]<>|#&~])", r"\\\1", " ".join(text.split()))


def _cell(value: object) -> str:
    shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return " ".join(shown.split()).replace("`", "'").replace("|", "\\|")


def _link(reference: str) -> str:
    return f"<{reference}>" if re.fullmatch(r"https?://[^\s<>]+", reference) else _text(reference)
