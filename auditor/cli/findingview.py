"""How findings of the store look: a row for people, an object for machines, and one with all of its life."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from auditor.cli.moment import iso
from auditor.cli.render import STYLES, console, plain, stacked, table
from auditor.findings.duedates import Due, due_at, is_overdue
from auditor.findings.model import Finding, Reason, standing
from auditor.policy.model import WHOLE
from auditor.store.transitions import TransitionRow


def show(found: Sequence[Finding], ended: Mapping[str, Reason], due: Due, now: int, form: str) -> None:
    """Print findings; `ended` tells of those that are resolved why they are, by id."""
    if form == "json":
        click.echo(json.dumps([document(each, ended.get(each.id), due, now) for each in found], indent=2))
        return
    rows = table("level", "policy and resource", "message", "since")
    for each in found:
        since = stacked(iso(each.opened_at)[:10], each.id)
        if is_overdue(each, due, now):
            since.append("\noverdue", "bold red")
        rows.add_row(
            Text.assemble((each.level, STYLES[each.level]), "\n", (_standing(each, ended.get(each.id)), "dim")),
            stacked(each.policy, each.ids[-1] if each.ids != WHOLE else each.kind),
            Text(plain(each.message)),
            since,
        )
    console().print(rows if found else Text("no findings"))


def whole(each: Finding, ended: Reason | None, life: Sequence[TransitionRow], due: Due, now: int, form: str) -> None:
    """Print one finding with its evidence and its life; `ended` is why it is resolved."""
    if form == "json":
        click.echo(json.dumps(document(each, ended, due, now) | {"life": [_turn(row) for row in life]}, indent=2))
        return
    out = console()
    out.print(Text.assemble((each.level, STYLES[each.level]), " ", (plain(each.title), "bold")))
    out.print(Text(plain(each.message)))
    for name, value in _facts(each, ended, due, now):
        out.print(Text.assemble((f"{name}: ", "dim"), plain(value)))
    for row in life:
        out.print(Text(plain(_told(row))))


def _standing(each: Finding, ended: Reason | None) -> str:
    """`policy removed`, or `resolved` and below it why."""
    words = standing(each.state, ended)
    return words if ended in {None, words} else f"{words}\n{ended}"


def document(each: Finding, ended: Reason | None, due: Due, now: int) -> dict[str, Any]:
    """The finding for programs."""
    at, decision = due_at(each, due), each.decision
    return {
        "id": each.id,
        "organization": each.organization,
        "policy": each.policy,
        "level": each.level,
        "state": each.state,
        "resource": {"type": each.kind, "id": each.ids[-1], "name": each.name, "parents": list(each.ids[:-1])},
        "title": each.title,
        "message": each.message,
        "occurrence": each.occurrence,
        "opened_at": iso(each.opened_at),
        "seen_at": iso(each.seen_at),
        "resolved_at": _iso(each.resolved_at),
        "reason": ended,
        "due_at": _iso(at),
        "overdue": is_overdue(each, due, now),
        "decision": {**asdict(decision), "at": iso(decision.at), "until": _iso(decision.until)} if decision else None,
        "evidence": dict(each.evidence),
    }


def _iso(at: int | None) -> str | None:
    return None if at is None else iso(at)


def _turn(row: TransitionRow) -> dict[str, Any]:
    return {
        "at": iso(row.at),
        "before": row.before,
        "after": row.after,
        "reason": row.reason,
        "by": row.by or None,
        "comment": row.comment or None,
        "waiver": row.waiver or None,
        "until": _iso(row.until),
    }


def _facts(each: Finding, ended: Reason | None, due: Due, now: int) -> Iterator[tuple[str, str]]:
    at = due_at(each, due)
    yield "finding", f"{each.id} of {each.policy}, {standing(each.state, ended)} since {iso(each.changed_at)}"
    yield "resource", f"{each.kind} {each.name} ({'/'.join(each.ids)})"
    yield "seen", f"from {iso(each.opened_at)} to {iso(each.seen_at)}"
    if at is not None:
        yield "due", iso(at) + (", overdue" if is_overdue(each, due, now) else "")
    if each.decision:
        until = f", until {iso(each.decision.until)}" if each.decision.until is not None else ""
        yield "decision", f"{each.decision.by} at {iso(each.decision.at)}{until}: {each.decision.reason}"
    for name, value in each.evidence.items():
        yield name.replace("_", " "), value if isinstance(value, str) else json.dumps(value)


def _told(row: TransitionRow) -> str:
    who = f" by {row.by}" if row.by else ""
    which = f" ({row.waiver})" if row.waiver else ""
    why = f": {row.comment}" if row.comment else ""
    return f"{iso(row.at)} {row.after}, {row.reason}{which}{who}{why}"
