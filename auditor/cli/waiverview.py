"""How waivers look: a row for people, an object for machines."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from auditor.alerts.words import counted
from auditor.cli.moment import iso, last
from auditor.cli.render import console, plain
from auditor.findings.matcher import told
from auditor.findings.waiverbook import Known, Standing
from auditor.findings.waivers import Waiver
from auditor.reporting.waiverlines import Line

_STYLES = {Standing.IN_FORCE: "green", Standing.EXPIRED: "yellow"}


def show(lines: Sequence[Line], form: str, now: int) -> None:
    """Print waivers."""
    if form == "json":
        click.echo(json.dumps([_document(line, now) for line in lines], indent=2))
        return
    if not lines:
        click.echo("no waivers")
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("waiver", "about", "reason and owner", "until", "covers"):
        table.add_column(column, overflow="fold", no_wrap=column == "until")
    for line in lines:
        table.add_row(*_cells(line, now))
    console().print(table)


def added(line: Line, form: str, now: int) -> None:
    """Print a new waiver, what it covers from now on, and what is wrong with it."""
    for fault in line.faults:
        click.echo(f"warning: {plain(fault)}", err=True)
    if form == "json":
        click.echo(json.dumps(_document(line, now), indent=2))
        return
    waiver = line.known.waiver
    when = "from the next snapshot on, which shows the pinned facts" if waiver.pinned else "from now on"
    what = "what it matches" if waiver.pinned else counted(line.known.matches, "finding")
    click.echo(f"{waiver.id} covers {what} {when}, until {last(waiver.until)}")


def ended(organization: str, waiver: Waiver, form: str, now: int) -> None:
    """Print a waiver that was ended."""
    if form == "json":
        click.echo(json.dumps(_document(Line(organization, Known(waiver, known_at=now)), now), indent=2))
        return
    click.echo(f"{plain(waiver.id)} ended; what it covered is told with the next snapshot")


def _document(line: Line, now: int) -> dict[str, Any]:
    waiver, known = line.known.waiver, line.known
    return {
        "organization": line.organization,
        "id": waiver.id,
        "origin": waiver.origin,
        "standing": known.standing(now),
        "match": {name: values for name, values in asdict(waiver.match).items() if values},
        "reason": waiver.reason,
        "owner": waiver.owner,
        "by": waiver.by or waiver.owner,
        "ticket": waiver.ticket,
        "on": iso(waiver.on),
        "until": iso(waiver.until),
        "pinned": dict(waiver.pinned) if isinstance(waiver.pinned, Mapping) else list(waiver.pinned),
        "ended_by": waiver.ended_by or None,
        "matches": known.matches,
        "matched_at": iso(known.matched_at) if known.matched_at is not None else None,
        "faults": list(line.faults),
    }


def _cells(line: Line, now: int) -> tuple[Text, ...]:
    waiver, known = line.known.waiver, line.known
    standing = known.standing(now)
    about = Text(plain(told(waiver.match)))
    if waiver.pinned:
        about.append(f"\n{plain('pins ' + ', '.join(waiver.pinned))}", "dim")
    for fault in line.faults:
        about.append(f"\n{plain(fault)}", "bold yellow")
    why = Text.assemble(plain(waiver.reason), "\n", (plain(f"{waiver.owner} {waiver.ticket}".strip()), "dim"))
    return (
        Text.assemble(plain(waiver.id), "\n", (plain(line.organization), "dim")),
        about,
        why,
        Text.assemble(last(waiver.until), "\n", (standing, _STYLES.get(standing, "dim"))),
        Text(str(known.matches)),
    )
