"""`auditor settings`: what no endpoint shows, as the last snapshot found it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from auditor.cli import options, stores
from auditor.cli.moment import iso, last
from auditor.cli.render import console, plain
from auditor.store import settings
from auditor.store.settings import SettingLine, Settings


@click.command(name="settings")
@options.config
@options.output
@click.option("--organization", help="Only this organization.")
def command(config_path: Path | None, form: str, organization: str | None) -> None:
    """Show the settings that no endpoint shows: value, where it comes from, since when, who attests it until when.

    It reads the store, not the API.
    """
    loaded = options.load_config(config_path, need_keys=False)
    with stores.existing(loaded) as store, store.transaction() as tx:
        found = {name: settings.read(tx, name) for name in stores.asked_for(loaded, organization)}
    if form == "json":
        click.echo(json.dumps([_document(*each) for each in found.items()], indent=2))
        return
    for name, each in found.items():
        _print(name, each)


def _document(name: str, found: Settings) -> dict[str, Any]:
    taken = iso(found.taken_at) if found.lines else None
    return {"organization": name, "taken_at": taken, "settings": [_dated(line) for line in found.lines]}


def _dated(line: SettingLine) -> dict[str, Any]:
    times = {"since": line.since, "until": line.until}
    return {**asdict(line), **{key: None if at is None else iso(at) for key, at in times.items()}}


def _print(name: str, found: Settings) -> None:
    out = console()
    if not found.lines:
        out.print(Text(plain(f"{name}: no snapshot was taken yet; `auditor check` takes one")))
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("setting", "value", "known from", "since", "attested"):
        table.add_column(column, overflow="fold", no_wrap=column in {"since"})
    for line in found.lines:
        table.add_row(*_cells(line))
    out.print(table)
    known = sum(line.value is not None for line in found.lines)
    out.print(Text(plain(f"{name}: {known} of {len(found.lines)} are known, as of {iso(found.taken_at)}")))


def _cells(line: SettingLine) -> tuple[Text, ...]:
    value = Text(plain(line.why), "dim") if line.value is None else Text(plain(line.value))
    word = f"{line.attestation}: {line.by}, until {last(line.until)}" if line.until is not None else ""
    return (
        Text(plain(line.name)),
        value,
        Text(plain(line.source), "yellow" if line.value is None else ""),
        Text(iso(line.since)[:10] if line.since is not None else ""),
        Text(plain(word)),
    )
