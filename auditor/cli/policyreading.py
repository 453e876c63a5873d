"""`auditor policies show`: one policy ready to read; and how a policy is named on the command line."""

from collections.abc import Sequence
from pathlib import Path

import click

from auditor.cli import options
from auditor.errors import ConfigError, did_you_mean
from auditor.policy.describe import describe
from auditor.policy.load import SUFFIXES
from auditor.policy.model import Policy
from auditor.policy.policyset import PolicySet


@click.command(name="show")
@options.config
@click.argument("name")
@options.policy_paths
def show(config_path: Path | None, name: str, paths: Sequence[Path]) -> None:
    """Show one policy, ready to read: by its name, or from its file."""
    policies, wanted = sought(config_path, name, paths)
    click.echo(describe(policies, named(policies, wanted)), nl=False)


def is_a_file(which: str) -> bool:
    """Whether a policy is meant by its file, not by its name."""
    path = Path(which)
    return path.suffix in SUFFIXES or path.exists()


def sought(config_path: Path | None, which: str, paths: Sequence[Path]) -> tuple[PolicySet, str]:
    """The policies among which one is looked for, and its name. Raises ConfigError or FaultyFiles."""
    if not is_a_file(which):
        return options.load_policies(config_path, paths), which
    path = Path(which)
    policies = options.load_policies(None, [path])
    names = [path.stem] if path.stem in policies.by_name else sorted(policies.by_name)
    if len(names) != 1:
        hint = f"name one of them, then the path: {', '.join(names[:10])}"
        raise ConfigError(f"{path} holds {len(names)} policies", hint=hint)
    return policies, names[0]


def named(policies: PolicySet, name: str) -> Policy:
    """The policy of this name. Raises ConfigError when there is none."""
    if name not in policies.by_name:
        raise ConfigError(f"no policy is named `{name}`", hint=unnamed(name, policies))
    return policies.by_name[name]


def unnamed(name: str, policies: PolicySet) -> str:
    """What to do about a name that no policy has."""
    return f"{did_you_mean(name, policies.by_name, 'policies')}; `auditor policies list` shows the names"


commands = (show,)
