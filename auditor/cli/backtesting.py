"""What `auditor policies backtest` tries, and on which organizations."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from auditor import clock
from auditor.assembly import calendar_of
from auditor.cli import options, stores
from auditor.cli.fromstore import surroundings
from auditor.cli.policyreading import is_a_file, named
from auditor.configfile import Loaded
from auditor.jobs.backtest import Subject, backtest
from auditor.jobs.tested import Backtest
from auditor.policy.configured import policies_of, telling
from auditor.policy.load import load
from auditor.policy.policyset import PolicySet


def tested(loaded: Loaded, which: str, since: int, organization: str | None) -> Mapping[str, Backtest]:
    """What the file or the policy would have found since then, by organization. Raises ConfigError or FaultyFiles."""
    policies = _policies(loaded, which)
    dated = calendar_of(loaded).dated
    until = clock.epoch(clock.now())
    with stores.existing(loaded) as store:
        return {
            name: backtest(Subject(store, name, policies, surroundings(loaded, name), dated), since, until)
            for name in stores.asked_for(loaded, organization)
        }


def _policies(loaded: Loaded, which: str) -> PolicySet:
    if not is_a_file(which):
        return _alone(policies_of(loaded), which)
    written = options.load_policies(None, [Path(which)])
    settings = loaded.config.policies
    declared = {name for policy in written for name in policy.params}
    params = {name: value for name, value in settings.params.items() if name in declared}
    overrides = {name: each for name, each in settings.overrides.items() if name in written.by_name}
    return load([which], params, overrides, telling(loaded))


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
