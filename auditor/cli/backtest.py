"""`auditor policies backtest`: what a policy would have found in the stored past."""

from dataclasses import replace
from pathlib import Path

import click

from auditor import clock
from auditor.assembly import calendar_of, policies_of
from auditor.cli import backtestview, options
from auditor.cli.events import names_of, opened
from auditor.cli.fromstore import surroundings
from auditor.cli.moment import METAVAR, moment
from auditor.cli.policyreading import named
from auditor.configfile import Loaded
from auditor.jobs.backtest import Subject, backtest
from auditor.policy.load import SUFFIXES, load
from auditor.policy.policyset import PolicySet


@click.command(name="backtest")
@options.config
@options.output
@click.argument("which", metavar="FILE|NAME")
@click.option(
    "--since", callback=moment, metavar=METAVAR, default="90d", show_default=True, help="What was seen since then."
)
@click.option("--organization", help="Only this organization.")
def tested(config_path: Path | None, form: str, which: str, since: int, organization: str | None) -> None:
    """Say what a policy would have found since then in the snapshots and events of the store; nothing is asked of the
    API.

    FILE is one that you are writing, NAME a policy in force. Parameters are those of auditor.yaml. Snapshots are looked
    at once a day, and where something of the kind that is judged had changed. What the store cannot tell of the past
    is unknown.
    """
    loaded = options.load_config(config_path, need_keys=False)
    policies = _policies(loaded, which)
    dated = calendar_of(loaded).dated
    until = clock.epoch(clock.now())
    with opened(loaded) as store:
        found = {
            name: backtest(Subject(store, name, policies, surroundings(loaded, name), dated), since, until)
            for name in names_of(loaded, organization)
        }
    backtestview.show(found, form)


def _policies(loaded: Loaded, which: str) -> PolicySet:
    path = Path(which)
    if path.suffix not in SUFFIXES and not path.exists():
        return _alone(policies_of(loaded), which)
    written = load([which], {}, {})
    settings = loaded.config.policies
    declared = {name for policy in written for name in policy.params}
    params = {name: value for name, value in settings.params.items() if name in declared}
    return load([which], params, {name: each for name, each in settings.overrides.items() if name in written.by_name})


def _alone(policies: PolicySet, name: str) -> PolicySet:
    """The one policy of this name. Raises ConfigError when there is none."""
    wanted = named(policies, name)
    return replace(
        policies,
        states=tuple(each for each in policies.states if each.policy is wanted),
        rules=tuple(each for each in policies.rules if each.policy is wanted),
        correlations=tuple(each for each in policies.correlations if each.policy is wanted),
        bases=policies.bases if any(each.policy is wanted for each in policies.correlations) else {},
    )


commands = (tested,)
