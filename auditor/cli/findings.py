"""`auditor findings`: what the store knows."""

from collections import Counter
from pathlib import Path

import click

from auditor.alerts.words import counted
from auditor.assembly import policies_of
from auditor.cli import options, render
from auditor.configfile import Loaded
from auditor.errors import ConfigError, did_you_mean
from auditor.store import findings
from auditor.store.database import Transaction, open_store
from auditor.terms import Level, State

_ACTIVE = tuple(state for state in State if state.active)


@click.group(name="findings")
def command() -> None:
    """What was found, from the store; nothing is read from the API."""


@command.command(name="list")
@options.config
@options.output
@options.level
@click.option(
    "--state", "states", multiple=True, type=click.Choice([*State, "all"]), help="[default: all but resolved]"
)
@click.option("--policy", help="Only this policy.")
@click.option("--organization", help="Only this organization.")
def listing(
    config_path: Path | None,
    form: str,
    levels: tuple[str, ...],
    states: tuple[str, ...],
    policy: str | None,
    organization: str | None,
) -> None:
    """List findings, worst first."""
    loaded = options.load_config(config_path, need_keys=False)
    wanted = tuple(State) if "all" in states else tuple(State(state) for state in states) or _ACTIVE
    store = open_store(loaded.config.store)
    try:
        with store.transaction() as tx:
            _known(tx, loaded, organization, policy)
            found = findings.search(
                tx, organization, states=wanted, levels=[Level(level) for level in levels] or None, policy=policy
            )
    finally:
        store.close()
    names = {organization} if organization else set(loaded.config.organizations)
    mine = [each for each in found if each.organization in names]
    render.findings(sorted(mine, key=lambda each: (-each.level.rank, each.policy, each.ids)), form)
    for name, count in sorted(Counter(each.organization for each in found if each.organization not in names).items()):
        told = f"{counted(count, 'finding')} of {render.plain(name)}, which the configuration does not name"
        click.echo(f"also in the store: {told}; --organization lists them", err=True)


def _known(tx: Transaction, loaded: Loaded, organization: str | None, policy: str | None) -> None:
    """Raises ConfigError for a name that neither the configuration nor the store holds: nothing found is no news."""
    known = loaded.config.organizations
    if organization and organization not in known and not findings.search(tx, organization, limit=1):
        raise ConfigError(
            f"no organization is named `{organization}`", hint=did_you_mean(organization, known, "organizations")
        )
    if policy and not findings.search(tx, policy=policy, limit=1):
        names = policies_of(loaded).by_name
        if policy not in names:
            raise ConfigError(f"no policy is named `{policy}`", hint=did_you_mean(policy, names, "policies"))
