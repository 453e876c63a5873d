"""`auditor deliveries`: which messages are owed, which were given up and why, and another try for those."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from auditor.alerts.message import decode
from auditor.alerts.sink import REFUSED, events_queue
from auditor.alerts.words import counted
from auditor.cli import options, stores
from auditor.cli.moment import iso
from auditor.cli.render import console, plain
from auditor.cli.verbs import Verbs
from auditor.configfile import Loaded
from auditor.errors import ConfigError, did_you_mean
from auditor.redaction import redact
from auditor.store import dead, outbox
from auditor.store.database import Transaction
from auditor.store.outbox import Entry, Progress

_STYLES = {
    Progress.PENDING: "yellow",
    Progress.DELIVERED: "green",
    Progress.DEAD: "bold red",
    Progress.SUPPRESSED: "dim",
}


@click.group(name="deliveries", cls=Verbs)
def command() -> None:
    """Messages that are owed, and those that were given up."""


@command.command(name="list")
@options.config
@options.output
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([*(each.value for each in Progress), "all"]),
    help="May be repeated. [default: pending and dead]",
)
@click.option("--sink", "sinks", multiple=True, help="Only messages to this sink; may be repeated.")
@click.option("--organization", help="Only messages about this organization.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
def listing(
    config_path: Path | None,
    form: str,
    states: tuple[str, ...],
    sinks: tuple[str, ...],
    organization: str | None,
    limit: int,
) -> None:
    """List messages, newest first: those that are owed, and those that were given up."""
    loaded = options.load_config(config_path, need_keys=False)
    wanted = tuple(Progress) if "all" in states else tuple(map(Progress, states)) or (Progress.PENDING, Progress.DEAD)
    with stores.existing(loaded) as store, store.transaction() as tx:
        _refuse_strangers(tx, loaded, sinks, organization)
        found = [
            entry
            for state in wanted
            for entry in outbox.listing(tx, state, limit, organization=organization, sinks=sinks or None)
        ]
    found.sort(key=lambda entry: entry.message.created_at, reverse=True)
    _print(found[:limit], form)


def _refuse_strangers(tx: Transaction, loaded: Loaded, sinks: Sequence[str], organization: str | None) -> None:
    """Raises ConfigError for what is neither of the configuration nor, removed from it, of any message."""
    for name in sinks:
        if name not in _queues(loaded) and not outbox.listing(tx, limit=1, sinks=[name]):
            raise _no_sink(loaded, name)
    known = loaded.config.organizations
    if organization is None or organization in known or outbox.listing(tx, limit=1, organization=organization):
        return
    raise stores.stranger(loaded, organization)


def _queues(loaded: Loaded) -> list[str]:
    return [queue for name in loaded.config.sinks for queue in (name, events_queue(name))]


def _no_sink(loaded: Loaded, name: str) -> ConfigError:
    return ConfigError(f"no sink is named `{name}`", hint=did_you_mean(name, loaded.config.sinks, "sinks"))


@command.command(name="retry")
@options.config
@options.output
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--sink", "sinks", multiple=True, help="Those to this sink; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="Those to all sinks.")
def retry(config_path: Path | None, form: str, ids: tuple[str, ...], sinks: tuple[str, ...], everything: bool) -> int:
    """Put messages that were given up back, as if they were new.

    What was overtaken stays given up: the sink knows something newer of the same finding. Ends with 1 when that is one
    that was named.
    """
    if not ids and everything == bool(sinks):
        raise click.UsageError("name messages, or say --sink NAME or --all")
    loaded = options.load_config(config_path, need_keys=False)
    known = _queues(loaded)
    for name in sinks:
        if name not in known:
            raise _no_sink(loaded, name)
    with stores.existing(loaded) as store, store.transaction() as tx:
        back, overtaken = dead.revive(tx, sinks or known, ids or None)
        for name in set(ids) - {each.message.id for each in (*back, *overtaken)}:
            raise ConfigError(f"no message that was given up is named `{name}`", hint="`auditor deliveries` names them")
    _told(back, overtaken, form)
    return 1 if ids and overtaken else 0


def _told(back: Sequence[Entry], overtaken: Sequence[Entry], form: str) -> None:
    if form == "json":
        late = {id(each) for each in overtaken}
        found = [{**_entry(each), "overtaken": id(each) in late} for each in (*back, *overtaken)]
        click.echo(json.dumps(found, indent=2))
        return
    _print([*back, *overtaken], form)
    if overtaken:
        click.echo(f"{counted(len(overtaken), 'message')} overtaken: something newer was told, so it stays given up")


def _print(found: Sequence[Entry], form: str) -> None:
    if form == "json":
        click.echo(json.dumps([_entry(each) for each in found], indent=2))
        return
    if not found:
        click.echo("no messages")
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("state", "sink", "message", "tries", "queued", "what happened"):
        table.add_column(column, overflow="fold", no_wrap=column in {"state", "tries"})
    for each in found:
        table.add_row(
            Text(each.state, _STYLES[each.state]),
            Text(plain(each.message.sink)),
            Text.assemble(_title(each), "\n", (plain(each.message.id), "dim")),
            Text(str(each.attempts)),
            Text(iso(each.message.created_at)),
            Text(_outcome(each)),
        )
    console().print(table)


def _outcome(entry: Entry) -> str:
    if entry.state is Progress.DELIVERED:
        told = f"confirmed {iso(entry.settled_at or 0)}"
        receipt = entry.receipt or {}
        folded = f", in {plain(str(receipt[outbox.DIGEST]))}" if outbox.DIGEST in receipt else ""
        return told + folded + (f", but refused for {plain(str(receipt[REFUSED]))}" if REFUSED in receipt else "")
    error = plain(redact(entry.error))
    if entry.state is Progress.DEAD:
        return f"given up {iso(entry.settled_at or 0)}: {error}"
    if entry.state is Progress.SUPPRESSED:
        return f"held back{' for good' if entry.settled_at else ''}: {error}"
    return f"{error}; again {iso(int(entry.message.due_at))}" if error else f"due {iso(int(entry.message.due_at))}"


def _title(entry: Entry) -> str:
    try:
        return plain(redact(decode(entry.message.alert).title))
    except msgspec.DecodeError:
        return "(unreadable)"


def _entry(entry: Entry) -> dict[str, Any]:
    message = entry.message
    return {
        "id": message.id,
        "organization": message.organization,
        "sink": message.sink,
        "state": entry.state,
        "title": _title(entry),
        "attempts": entry.attempts,
        "queued_at": iso(message.created_at),
        "due_at": iso(int(message.due_at)),
        "settled_at": iso(entry.settled_at) if entry.settled_at is not None else None,
        "error": redact(entry.error),
        "receipt": entry.receipt,
    }
