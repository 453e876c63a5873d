"""`auditor findings`: what the store knows, and that somebody knows it too."""

from collections import Counter
from pathlib import Path

import click

from auditor import clock
from auditor.alerts.words import counted
from auditor.cli import findingview, options, render, stores
from auditor.cli.verbs import Verbs
from auditor.configfile import Loaded
from auditor.errors import ConfigError, did_you_mean
from auditor.findings.duedates import is_overdue
from auditor.jobs import decisions
from auditor.policy.configured import policies_of
from auditor.store import findings, transitions
from auditor.store.database import Transaction
from auditor.terms import Level, State

_ACTIVE = tuple(state for state in State if state.active)


@click.group(name="findings", cls=Verbs)
def command() -> None:
    """What was found, from the store; nothing is read from the API."""


@command.command(name="list")
@options.config
@options.output
@options.level
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([*(each.value for each in State), "all"], case_sensitive=False),
    help="[default: all but resolved]",
)
@click.option("--policy", help="Only this policy.")
@click.option("--organization", help="Only this organization.")
@click.option("--overdue", is_flag=True, help="Only what should have been mended by now.")
def listing(
    config_path: Path | None,
    form: str,
    levels: tuple[str, ...],
    states: tuple[str, ...],
    policy: str | None,
    organization: str | None,
    overdue: bool,
) -> None:
    """List findings, worst first."""
    loaded = options.load_config(config_path, need_keys=False)
    wanted = tuple(State) if "all" in states else tuple(State(state) for state in states) or _ACTIVE
    with stores.existing(loaded) as store, store.transaction() as tx:
        _known(tx, loaded, organization, policy)
        found = findings.search(
            tx, organization, states=wanted, levels=[Level(level) for level in levels] or None, policy=policy
        )
        ended = transitions.ends(tx, found)
    due, now = loaded.config.findings.due.by_level, clock.epoch(clock.now())
    names = {organization} if organization else set(loaded.config.organizations)
    mine = [each for each in found if each.organization in names and (not overdue or is_overdue(each, due, now))]
    findingview.show(sorted(mine, key=lambda each: (-each.level.rank, each.policy, each.ids)), ended, due, now, form)
    for name, count in sorted(Counter(each.organization for each in found if each.organization not in names).items()):
        told = f"{counted(count, 'finding')} of {render.plain(name)}, which the configuration does not name"
        click.echo(f"also in the store: {told}; --organization lists them", err=True)


@command.command(name="show")
@options.config
@options.output
@click.argument("finding")
def show(config_path: Path | None, form: str, finding: str) -> None:
    """Show one finding: evidence, decisions, every change of its state."""
    loaded = options.load_config(config_path, need_keys=False)
    with stores.existing(loaded) as store, store.transaction() as tx:
        found = findings.by_ids(tx, [finding]).get(finding)
        ended = transitions.ends(tx, [found] if found else [])
        life = transitions.of_finding(tx, finding)
    if found is None:
        raise ConfigError(f"there is no finding {finding!r}", hint="`auditor findings list` names them")
    findingview.whole(
        found, ended.get(finding), life, loaded.config.findings.due.by_level, clock.epoch(clock.now()), form
    )


@command.command(name="ack")
@options.config
@options.output
@click.argument("finding")
@click.option("--comment", default="", help="What is done about it.")
@options.by("Who knows of it.")
def ack(config_path: Path | None, form: str, finding: str, comment: str, by: str) -> None:
    """Write down that somebody knows of a finding: it is not repeated, and is open again when it comes back."""
    loaded = options.load_config(config_path, need_keys=False)
    now = clock.epoch(clock.now())
    with stores.existing(loaded) as store:
        found = decisions.acknowledge(store, finding, by, comment, now)
    findingview.show([found], {}, loaded.config.findings.due.by_level, now, form)


def _known(tx: Transaction, loaded: Loaded, organization: str | None, policy: str | None) -> None:
    """Raises ConfigError for a name that neither the configuration nor the store holds: nothing found is no news."""
    if (
        organization
        and organization not in loaded.config.organizations
        and not findings.search(tx, organization, limit=1)
    ):
        raise stores.stranger(loaded, organization)
    if policy and not findings.search(tx, policy=policy, limit=1):
        names = policies_of(loaded).by_name
        if policy not in names:
            raise ConfigError(f"no policy is named `{policy}`", hint=did_you_mean(policy, names, "policies"))
