"""How changes of the organization look: a row for people, an object for machines."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from auditor.cli.moment import iso
from auditor.cli.render import console, plain
from auditor.inventory.changes import Cause, Change, Explained, FieldChange, What
from auditor.inventory.model import Record

WIDEST = 120
"""Letters of a value that a person is shown; a program gets all of it."""

_STYLES = {What.ADDED: "green", What.REMOVED: "red", What.CHANGED: "yellow", What.VISIBLE: "cyan"}


def show(found: Mapping[str, Sequence[Explained]], form: str) -> None:
    """Print the changes of each organization."""
    if form == "json":
        documents = [document(name, each) for name, some in found.items() for each in some]
        click.echo(json.dumps(documents, indent=2))
        return
    out = console()
    for name, some in found.items():
        if some:
            out.print(_table(some))
        out.print(Text(plain(_summary(name, some))))


def document(organization: str, each: Explained) -> dict[str, Any]:
    """The change for programs."""
    change = each.change
    return {
        "organization": organization,
        "change": change.what,
        "resource": {
            "type": change.kind,
            "id": change.ids[-1],
            "name": change.name,
            "parents": list(change.ids[:-1]),
        },
        "after": iso(change.after) if change.after is not None else None,
        "seen_at": iso(change.at),
        "fields": [{"field": each.field, "before": each.before, "after": each.after} for each in change.fields],
        "undone": change.undone,
        "cause": each.cause,
        "events": [_event(event) for event in each.events],
    }


def _event(event: Record) -> dict[str, Any]:
    at = event.fields.get("effective_at")
    return {
        "id": event.id,
        "type": event.fields.get("type"),
        "effective_at": iso(at) if isinstance(at, int) else None,
        "actor": _actor(event),
        "ip": event.fields.get("actor.ip"),
    }


def _actor(event: Record) -> str:
    who = (event.fields.get(name) for name in ("actor.email", "actor.id"))
    return next((each for each in who if isinstance(each, str) and each), "")


def _table(some: Sequence[Explained]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("seen", "change", "resource", "what", "cause"):
        table.add_column(column, overflow="fold", no_wrap=column in {"seen", "change"})
    for each in some:
        change = each.change
        words = Text(change.what, _STYLES[change.what])
        if change.undone:
            words.append("\nand undone", "dim")
        resource = Text.assemble(plain(f"{change.kind} {change.name}"), "\n", (plain("/".join(change.ids)), "dim"))
        table.add_row(iso(change.at), words, resource, Text(_fields(change)), _cause(each))
    return table


def _fields(change: Change) -> str:
    return "\n".join(_field(each) for each in change.fields)


def _field(each: FieldChange) -> str:
    return plain(f"{each.field}: {_value(each.before)} -> {_value(each.after)}")


def _value(value: object) -> str:
    words = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return words if len(words) <= WIDEST else f"{words[:WIDEST]}…"


def _cause(each: Explained) -> Text:
    if not each.events:
        return Text(each.cause, "bold red" if each.cause is Cause.UNEXPLAINED else "dim")
    lines = (f"{event.fields.get('type')} by {_actor(event) or 'nobody named'}" for event in each.events)
    return Text("\n".join(plain(line) for line in lines))


def _summary(name: str, some: Sequence[Explained]) -> str:
    if not some:
        return f"{name}: no changes"
    whats = Counter(each.change.what for each in some)
    causes = Counter(each.cause for each in some)
    told = ", ".join(f"{whats[what]} {what}" for what in What if whats[what])
    return f"{name}: {told}; " + ", ".join(f"{causes[cause]} {cause}" for cause in Cause if causes[cause])
