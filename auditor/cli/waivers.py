"""`auditor waivers`: which risks are accepted until when, of the file and of the store, and what is wrong with that."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from auditor import clock
from auditor.alerts.words import counted
from auditor.assembly import waivers_of
from auditor.cli import options, stores, waiverview
from auditor.cli.render import plain
from auditor.configfile import Loaded
from auditor.errors import ConfigError
from auditor.findings.protected import reach
from auditor.findings.waiverbook import Known, Limits
from auditor.jobs import decisions
from auditor.jobs.decisions import Rules
from auditor.policy.configured import policies_of
from auditor.reporting import waiverlines
from auditor.reporting.waiverlines import Line
from auditor.store import findings, waivers
from auditor.store.database import Store, Transaction

LINTED = 3
"""Exit code of `lint` when something is wrong with a waiver."""


@click.group(name="waivers")
def command() -> None:
    """Risks that people accepted for a limited time."""


_organization = click.option("--organization", help="Only this organization.")
_by = options.by("Who decides it.")


@command.command(name="list")
@options.config
@options.output
@_organization
def listing(config_path: Path | None, form: str, organization: str | None) -> None:
    """List every waiver that is or was known, with how many findings it covers."""
    loaded = options.load_config(config_path, need_keys=False)
    waiverview.show(_lines(loaded, organization, _now()), form, _now())


@command.command(name="lint")
@options.config
@options.output
@_organization
def lint(config_path: Path | None, form: str, organization: str | None) -> int:
    """Name the waivers that are over, unused, too broad, too long, void, or about policies that do not exist.

    Ends with 3 when there are any.
    """
    loaded = options.load_config(config_path, need_keys=False)
    lines = _lines(loaded, organization, _now())
    wrong = [line for line in lines if line.faults]
    if lines and not wrong and form == "table":
        click.echo(f"nothing is wrong with {counted(len(lines), 'waiver')}")
    else:
        waiverview.show(wrong, form, _now())
    return LINTED if wrong else 0


@command.command(name="add")
@options.config
@options.output
@click.option("--organization", help="The organization; may be left out where there is only one.")
@click.option("--finding", help="Id of a finding: the same as its policy, kind and resource.")
@click.option("--policy", multiple=True, help="Name or glob; may be repeated, as all of these.")
@click.option("--kind", multiple=True, help="Kind of resource.")
@click.option("--resource", multiple=True, help="Id of a resource, or a glob; PARENT/ID where ids repeat.")
@click.option("--project", multiple=True, help="Id of a project, or a glob.")
@click.option("--resource-owner", multiple=True, help="Address or id of whom the resource belongs to, or a glob.")
@options.level
@click.option("--reason", required=True, help="Why the risk is accepted.")
@click.option("--owner", required=True, help="Who answers for the waiver.")
@click.option("--until", required=True, help="Last day, 2027-03-31, or how long from now, 30d.")
@click.option("--ticket", default="", help="Where it was decided.")
@click.option("--pin", multiple=True, help="FIELD that must stay as it is, or FIELD=TEXT; may be repeated.")
@_by
def add(config_path: Path | None, form: str, organization: str | None, finding: str | None, **asked: Any) -> None:
    """Accept a risk until a day, in the store; for what is kept under review, waivers.yaml is the better place."""
    loaded = options.load_config(config_path, need_keys=False)
    name, now = stores.only(loaded, organization), _now()
    policies, limits = policies_of(loaded).by_name, _limits(loaded)
    rules = Rules(tuple(loaded.config.organizations), loaded.config.findings.max_waiver, policies)
    keys = ("policy", "kind", "resource", "project", "resource_owner", "levels")
    match = {_KEYS.get(key, key): list(asked[key]) for key in keys if asked[key]}
    if finding and match:
        raise click.UsageError(
            "--finding says what it is about, all of it: name no policy, resource and so on beside it"
        )
    with stores.existing(loaded) as store:
        if finding:
            match = _of_finding(store, name, finding)
        written = {
            "match": match,
            "pinned": _pinned(asked["pin"]),
            "on": clock.from_epoch(now).isoformat(),
            "until": _until(asked["until"], now),
        }
        written |= {key: asked[key] for key in ("reason", "owner", "ticket")}
        waiver, covered = decisions.waive(store, name, written, asked["by"], rules, now)
    known = Known(waiver, known_at=now, matched_at=now if covered else None, matches=covered)
    waiverview.added(waiverlines.line(name, known, 0, policies, limits, now), form, now)
    for each in reach(waiver.match, policies.values()).beyond:
        click.echo(f"warning: it does not cover what {plain(each)} finds: nobody can waive that", err=True)


@command.command(name="expire")
@options.config
@options.output
@click.argument("waiver")
@_organization
@_by
def expire(config_path: Path | None, form: str, waiver: str, organization: str | None, by: str) -> None:
    """End a waiver of the store now; what it covered is told with the next snapshot."""
    loaded = options.load_config(config_path, need_keys=False)
    now = _now()
    with stores.existing(loaded) as store:
        with store.transaction() as tx:
            names = [name for name in stores.asked_for(loaded, organization) if _has(tx, name, waiver)]
        # The store knows those of the file from the first snapshot on; `list` names them before.
        if not names and any(each.id == waiver for each in waivers_of(loaded)):
            raise decisions.of_file(waiver)
        name = names[0] if names else stores.asked_for(loaded, organization)[0]
        ended = decisions.end(store, name, waiver, by, now, loaded.config.findings.max_waiver)
    waiverview.ended(name, ended, form, now)


_KEYS = {"resource_owner": "owner", "levels": "level"}
"""Keys of a matcher that are called otherwise here, where `--owner` is that of the waiver."""


def _lines(loaded: Loaded, organization: str | None, now: int) -> list[Line]:
    policies, limits, of_file = policies_of(loaded).by_name, _limits(loaded), waivers_of(loaded)
    with stores.existing_or_empty(loaded) as store, store.transaction() as tx:
        return [
            line
            for name in stores.asked_for(loaded, organization)
            for line in waiverlines.lines(tx, name, of_file, policies, limits, now)
        ]


def _limits(loaded: Loaded) -> Limits:
    rules = loaded.config.findings
    return Limits(rules.unused_waiver, rules.broad_waiver, rules.max_waiver)


def _of_finding(store: Store, organization: str, id_: str) -> dict[str, list[str]]:
    with store.transaction() as tx:
        found = findings.by_ids(tx, [id_]).get(id_)
    if found is None or found.organization != organization:
        raise ConfigError(f"there is no finding {id_!r}", hint="`auditor findings list` names them")
    return decisions.match_of(found)


def _has(tx: Transaction, organization: str, id_: str) -> bool:
    return any(known.waiver.id == id_ for known in waivers.listing(tx, organization))


def _pinned(pins: Sequence[str]) -> object:
    """Names of fields, or a mapping of them to texts; not both, because nobody could say what holds."""
    valued = dict(pin.split("=", 1) for pin in pins if "=" in pin)
    if valued and len(valued) < len(pins):
        raise ConfigError("pin fields as they are, or with a value, not both in one waiver")
    return valued or list(pins)


def _until(text: str, now: int) -> str:
    try:
        return clock.from_epoch(now + clock.duration(text)).isoformat()
    except ValueError:
        return text


def _now() -> int:
    return clock.epoch(clock.now())
