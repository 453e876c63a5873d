"""`auditor findings`: what the store knows."""

from pathlib import Path

import click

from auditor.cli import options, render
from auditor.store import findings
from auditor.store.database import open_store
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
            found = findings.search(
                tx, organization, states=wanted, levels=[Level(level) for level in levels] or None, policy=policy
            )
    finally:
        store.close()
    render.findings(sorted(found, key=lambda each: (-each.level.rank, each.policy, each.ids)), form)
