"""`auditor sinks`: where alerts go, whether they arrive, and what they look like."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from auditor import clock, log
from auditor.alerts.message import AlertKind
from auditor.alerts.route import Routing
from auditor.alerts.samples import group, samples, trial
from auditor.alerts.sink import Context, Sink
from auditor.assembly import sink_of
from auditor.cli import options
from auditor.cli.render import console, plain
from auditor.config import Config
from auditor.configfile import Loaded
from auditor.errors import AuditorError, ConfigError, FaultyFiles, did_you_mean
from auditor.jobs import surroundings
from auditor.jobs.diagnosis import Mark
from auditor.redaction import redact
from auditor.routing import Route

_GROUP = "group"
"""What `--kind` calls several alerts that are told in one message."""


@click.group(name="sinks")
def command() -> None:
    """List, test and preview the sinks of auditor.yaml."""


@dataclass(frozen=True)
class _Row:
    """A sink of the configuration, as it is listed."""

    name: str
    kind: str
    place: str
    routes: tuple[int, ...]
    """The routes that lead there, from 1."""
    rest: bool
    """Whether it gets what no route takes: everything, where no route is for alerts."""
    notices: bool
    """Whether it gets what the auditor says of itself. Without operators no sink alone does: routes decide."""
    faults: tuple[str, ...] = ()
    """Why it cannot be used."""
    personal: bool = False
    """Whether each owner is told of what is theirs."""


@command.command(name="list")
@options.config
@options.output
def listing(config_path: Path | None, form: str) -> int:
    """List sinks: type, where they lead, and which routes lead to them. Exit 2 when one cannot be used."""
    loaded = options.load_config(config_path, need_keys=False)
    rows = [_row(loaded, name, str(raw.get("type", "?"))) for name, raw in loaded.config.sinks.items()]
    if form == "json":
        click.echo(json.dumps([_entry(row) for row in rows], indent=2))
    elif rows:
        _print(rows, loaded.config)
    else:
        click.echo("there is no sink: nobody is told")
    return 2 if any(row.faults for row in rows) else 0


def _row(loaded: Loaded, name: str, kind: str) -> _Row:
    routing = Routing(loaded.config.routing)
    above = loaded.config.route.to
    routes = tuple(number for number, route in enumerate(loaded.config.routes, 1) if _leads(route, name, above))
    row = _Row(name, kind, "", routes, name in routing.root.to, name in loaded.config.operators)
    try:
        config = sink_of(loaded, name).config
        place = config.place()
    except FaultyFiles as error:
        return replace(row, faults=tuple(redact(str(fault)) for fault in error.faults))
    except ConfigError as error:
        return replace(row, faults=(redact(str(loaded.fault(("sinks", name), error.message, error.hint))),))
    return replace(row, place=place, personal=config.personal)


def _leads(route: Route, name: str, above: tuple[str, ...]) -> bool:
    """Whether the route, or one in it, has the sink `name`; `above` are the sinks of the route it stands in."""
    to = above if route.to is None else route.to
    return name in to or any(_leads(each, name, to) for each in route.routes)


def _entry(row: _Row) -> dict[str, Any]:
    told = {
        "name": row.name,
        "type": row.kind,
        "address": row.place,
        "routes": list(row.routes),
        "rest": row.rest,
        "notices": row.notices,
        "fault": "\n".join(row.faults) or None,
    }
    return {**told, "to": "owners"} if row.personal else told


def _print(rows: Iterable[_Row], config: Config) -> None:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("name", "type", "leads to", "gets"):
        table.add_column(column, overflow="fold")
    for row in rows:
        leads = (plain(row.place) or "this machine") + (", to owners" if row.personal else "")
        place = Text("\n".join(map(plain, row.faults)), "red") if row.faults else Text(leads)
        table.add_row(Text(plain(row.name)), Text(plain(row.kind)), place, Text(_gets(row, config)))
    console().print(table)


def _gets(row: _Row, config: Config) -> str:
    parts = [f"route{'' if len(row.routes) == 1 else 's'} {', '.join(map(str, row.routes))}"] if row.routes else []
    if row.rest:
        parts.append("what no route takes" if config.routes else "all findings" if config.operators else "everything")
    if row.notices:
        parts.append("notices")
    return ", ".join(parts) or ("nothing" if config.operators or row.personal else "nothing but notices")


@command.command(name="test")
@options.config
@click.argument("names", nargs=-1, required=True)
@click.option("--owner", default="", metavar="EMAIL", help="Whom a sink that writes to owners writes to.")
def test(config_path: Path | None, names: tuple[str, ...], owner: str) -> int:
    """Send a test message through sinks, at once and beside the outbox. Exit 1 when one is not confirmed."""
    log.configure("error")
    loaded = options.load_config(config_path, need_keys=False)
    chosen = [_chosen(loaded, name) for name in names]
    organization = next(iter(loaded.config.organizations))
    results = [asyncio.run(_try(sink, organization, owner)) for sink in chosen]
    return 0 if all(results) else 1


async def _try(sink: Sink, organization: str, owner: str) -> bool:
    if sink.config.owned and not owner:
        click.echo(f"{sink.name}: not tried: it writes to owners alone\n hint: name one: --owner EMAIL", err=True)
        return False
    try:
        receipt = await sink.send(trial(organization, clock.epoch(clock.now()), owner), Context())
    except AuditorError as error:
        click.echo(f"{sink.name}: not confirmed: {redact(error.message)}", err=True)
        if error.hint:
            click.echo(redact(f" hint: {error.hint}"), err=True)
        return False
    details = ", ".join(f"{name} {plain(value)}" for name, value in receipt.details.items())
    click.echo(f"{sink.name}: {sink.kind} confirmed the test message" + (f" ({redact(details)})" if details else ""))
    if receipt.refused:
        click.echo(f"{sink.name}: refused for {plain(redact(receipt.refusals))}", err=True)
    return await _heard(sink) and not receipt.refused


async def _heard(sink: Sink) -> bool:
    """Whether what is pressed under its messages would be heard, if anything can be."""
    line = await surroundings.buttons(sink)
    if line is None or line.mark is Mark.OK:
        if line:
            click.echo(f"{sink.name}: {line.text}")
        return True
    click.echo(redact(f"{sink.name}: {line.text}\n hint: {line.hint}"), err=True)
    return False


@command.command(name="preview")
@options.config
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([*(kind.value for kind in AlertKind), _GROUP]),
    default=AlertKind.OPENED.value,
    show_default=True,
    help="Which kind of alert, or several of one group.",
)
def preview(config_path: Path | None, name: str, kind: str) -> None:
    """Show what a sink would send.

    The alert is made up and told with the sink's templates; nothing is sent, and no secret is needed or shown.
    """
    loaded = options.load_config(config_path, need_keys=False)
    organization = next(iter(loaded.config.organizations))
    made_up = (organization, clock.epoch(clock.now()), loaded.config.web.external_url)
    sink = _chosen(loaded, name, ready=False)
    shown = sink.preview_group(group(*made_up)) if kind == _GROUP else sink.preview(samples(*made_up)[kind])
    click.echo(shown.rstrip("\n"))
    if kind == _GROUP and sink.converses and sink.config.templates.text:
        click.echo(
            "note: findings keep their own text where they share a message: the template is for others", err=True
        )


def _chosen(loaded: Loaded, name: str, *, ready: bool = True) -> Sink:
    if name not in loaded.config.sinks:
        hint = did_you_mean(name, loaded.config.sinks, "sinks")
        raise ConfigError(f"no sink is named `{name}`", hint=hint)
    return sink_of(loaded, name, ready=ready)
