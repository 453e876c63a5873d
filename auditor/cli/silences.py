"""`auditor silences`: which alerts are not sent for a while, who asked for it, and why."""

import getpass
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError
from rich import box
from rich.table import Table
from rich.text import Text

from auditor import clock
from auditor.alerts.protected import beyond
from auditor.assembly import names_of
from auditor.cli import options, stores
from auditor.cli.moment import iso
from auditor.cli.render import console, plain
from auditor.errors import ConfigError, did_you_mean
from auditor.policy.configured import policies_of
from auditor.routecheck import Names, unknown
from auditor.routing import Labels, Match
from auditor.store import silences
from auditor.store.silences import Phase, Silence
from auditor.validation import explained, meant

TEXT_MAX = 1000
"""Characters of a comment or a value: enough for people, not for floods."""

_WRITTEN = re.compile(r"\s*(?P<key>\w*)\s*(?P<operator>=~|!~|!=|=|$)\s*(?P<value>.*)", re.DOTALL)
"""A matcher as Alertmanager writes it."""

_STYLES = {Phase.ACTIVE: "green", Phase.PENDING: "yellow", Phase.EXPIRED: "dim"}


@click.group(name="silences")
def command() -> None:
    """Alerts that are not sent for a while. They stay in the findings, and in `auditor deliveries` as suppressed."""


@command.command(name="list")
@options.config
@options.output
@click.option("--expired", is_flag=True, help="Those that are over, too.")
def listing(config_path: Path | None, form: str, expired: bool) -> None:
    """List silences, the newest first."""
    now = clock.epoch(clock.now())
    with (
        stores.existing_or_empty(options.load_config(config_path, need_keys=False)) as store,
        store.transaction() as tx,
    ):
        found = [each for each in silences.listing(tx) if expired or each.phase(now) is not Phase.EXPIRED]
    if form == "json":
        click.echo(json.dumps([_document(each, now) for each in found], indent=2))
    else:
        _print(found, now)


@command.command(name="add")
@options.config
@options.output
@click.option(
    "--match",
    "matchers",
    multiple=True,
    required=True,
    metavar="KEY=VALUE",
    help="What is silenced: level, policy, tag, organization, project, team, owner, kind, resource, class. Another key "
    "must match, too; another value of a key may. What is KEY!=VALUE is not silenced.",
)
@click.option("--for", "lasts", metavar="DURATION", required=True, help="How long: 2h, 3d.")
@click.option("--in", "begins", metavar="DURATION", default="0s", show_default=True, help="When it begins.")
@click.option("--author", help="Who asks for it. [default: the user of this machine]")
@click.option("--comment", required=True, help="Why.")
def add(
    config_path: Path | None,
    form: str,
    matchers: Sequence[str],
    lasts: str,
    begins: str,
    author: str | None,
    comment: str,
) -> None:
    """Add a silence. What nothing may hold back is told all the same, and named here."""
    loaded = options.load_config(config_path, need_keys=False)
    match = _match(matchers)
    policies = policies_of(loaded)
    warnings = [*_look_up(match, names_of(loaded, policies))]
    now = clock.epoch(clock.now())
    starts_at = now + _seconds(begins, "--in")
    ends_at = starts_at + _length(lasts, loaded.config.silences.maximum)
    if not clock.is_time(ends_at):
        raise click.BadParameter(f"{begins} from now is after the year 9999: write 2h or 3d", param_hint="--in")
    words = _words(author or getpass.getuser(), "--author"), _words(comment, "--comment")
    with stores.existing(loaded) as store, store.transaction() as tx:
        made = silences.add(tx, match.written(), *words, now=now, starts_at=starts_at, ends_at=ends_at)
    if form == "json":
        click.echo(json.dumps(_document(made, now), indent=2))
    else:
        click.echo(f"silence {made.id} until {iso(made.ends_at)}: {plain(str(match))}")
    warnings += [
        f"it does not hold back {name}: nothing does"
        for name in beyond(match, policies.policies, loaded.config.organizations)
    ]
    for warning in warnings:
        click.echo(f"warning: {plain(warning)}", err=True)


@command.command(name="expire")
@options.config
@click.argument("name", metavar="ID")
def expire(config_path: Path | None, name: str) -> None:
    """End a silence now. What is still open and was never told is told then."""
    now = clock.epoch(clock.now())
    with stores.existing(options.load_config(config_path, need_keys=False)) as store, store.transaction() as tx:
        if not silences.expire(tx, name, now):
            lasting = [each.id for each in silences.listing(tx) if each.phase(now) is not Phase.EXPIRED]
            raise ConfigError(f"no silence that lasts is named `{name}`", hint=did_you_mean(name, lasting, "silences"))
    click.echo(f"silence {name} is over")


def _match(matchers: Iterable[str]) -> Match:
    """Raises BadParameter."""
    taken: dict[str, list[str]] = {}
    out: dict[str, list[str]] = {}
    for key, operator, value in map(_split, matchers):
        (out if operator == "!=" else taken).setdefault(key, []).append(value)
    if not taken:
        words = "says only what is not silenced, and would silence all the rest: say what is, with KEY=VALUE"
        raise click.BadParameter(words, param_hint="--match")
    try:
        return Match.model_validate(taken | ({"not": out} if out else {}))
    except ValidationError as error:
        wrong = explained(error, Match)[0]
        key = next(str(part) for part in wrong.place if part != "not")
        raise click.BadParameter(f"no such {key}: {wrong.hint}", param_hint="--match") from None


def _split(text: str) -> tuple[str, str, str]:
    """Key, operator and value. Raises BadParameter."""
    found = _WRITTEN.fullmatch(text)
    key, operator, value = found.group("key", "operator", "value") if found else (text, "", "")
    keys = [field.alias or name for name, field in Labels.model_fields.items()]
    if operator in {"=~", "!~"}:
        ours = "!=" if operator == "!~" else "="
        words = f"`{operator}` and regular expressions are not known: write {key}{ours}VALUE, with * and ? for anything"
        raise click.BadParameter(words, param_hint="--match")
    if key not in keys:
        raise click.BadParameter(f"no such key: {meant(key, keys, 'keys')}", param_hint="--match")
    if not value:
        raise click.BadParameter(f"{text!r} has no value: write {key}=VALUE", param_hint="--match")
    return key, operator, _words(value, "--match")


def _look_up(match: Match, known: Names) -> Iterator[str]:
    """Names that nothing has yet. Raises ConfigError for an organization, which no file but the configuration adds."""
    for labels, words in ((match, "it holds back nothing until there is one"), (match.excluded, "it lets nothing by")):
        for key, _, message, hint in unknown(labels, known):
            if key == "organization":
                raise ConfigError(message, hint=hint)
            yield f"{message}, so {words} ({hint})"


def _seconds(text: str, option: str) -> int:
    try:
        return clock.duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _length(text: str, maximum: int) -> int:
    seconds = _seconds(text, "--for")
    if not 0 < seconds <= maximum:
        words = f"must be more than nothing and at most {maximum // 3600}h, which `silences.maximum` sets"
        raise click.BadParameter(words, param_hint="--for")
    return seconds


def _words(text: str, option: str) -> str:
    if not text.strip() or len(text) > TEXT_MAX:
        raise click.BadParameter(f"must be 1 to {TEXT_MAX} characters", param_hint=option)
    return text.strip()


def _document(each: Silence, now: int) -> dict[str, Any]:
    return {
        "id": each.id,
        "state": each.phase(now),
        "match": each.matchers,
        "author": each.author,
        "comment": each.comment,
        "created_at": iso(each.created_at),
        "starts_at": iso(each.starts_at),
        "ends_at": iso(each.ends_at),
    }


def _print(found: Sequence[Silence], now: int) -> None:
    if not found:
        click.echo("no silences")
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("id", "state", "what", "who and why", "from", "until"):
        table.add_column(column, overflow="fold", no_wrap=column in {"id", "state"})
    for each in found:
        phase = each.phase(now)
        table.add_row(
            Text(each.id),
            Text(phase, _STYLES[phase]),
            Text(plain(str(Match.model_validate(each.matchers)))),
            Text.assemble(plain(each.author), "\n", (plain(each.comment), "dim")),
            Text(iso(each.starts_at)),
            Text(iso(each.ends_at)),
        )
    console().print(table)
