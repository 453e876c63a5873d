"""`auditor policies`: what there is, what it says, whether it is sound."""

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich import box
from rich.table import Table
from rich.text import Text

from auditor.assembly import policies_of
from auditor.cli import controlview, options
from auditor.cli.render import STYLES, console
from auditor.errors import ConfigError
from auditor.policy.describe import describe
from auditor.policy.examples import check
from auditor.policy.files import FRAMEWORKS
from auditor.policy.load import PolicySet, load

paths_argument = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))


@click.group(name="policies")
def command() -> None:
    """List, show, validate and test policies. Without PATHS: those of auditor.yaml, else the shipped ones."""


@command.command(name="list")
@options.config
@options.output
@paths_argument
def listing(config_path: Path | None, form: str, paths: Sequence[Path]) -> None:
    """List policies: name, level, what they judge."""
    policies = sorted(_load(config_path, paths).policies, key=lambda each: (-each.level.rank, each.name))
    if form == "json":
        rows = [
            {"name": p.name, "level": p.level, "resource": p.kind, "title": p.title, "path": p.path} for p in policies
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("level", "name", "resource", "title"):
        table.add_column(column, overflow="fold")
    for policy in policies:
        table.add_row(
            Text(policy.level, STYLES[policy.level]), Text(policy.name), Text(policy.kind), Text(policy.title)
        )
    out = console()
    out.print(table)
    out.print(f"{len(policies)} policies")


@command.command(name="show")
@options.config
@click.argument("name")
def show(config_path: Path | None, name: str) -> None:
    """Show one policy, ready to read."""
    policies = _load(config_path, ())
    policy = policies.by_name.get(name)
    if policy is None:
        raise ConfigError(f"no policy is named `{name}`", hint="`auditor policies list` shows the names")
    click.echo(describe(policy), nl=False)


@command.command(name="controls")
@options.config
@options.output
@click.option("--framework", type=click.Choice(FRAMEWORKS), help="Only this one, with all of its controls.")
def controls(config_path: Path | None, form: str, framework: str | None) -> None:
    """Show which controls of each framework the policies speak for, how strongly, and which they do not."""
    policies = _load(config_path, ())
    frameworks = [framework] if framework else FRAMEWORKS
    if form == "json":
        click.echo(json.dumps(controlview.document(policies, frameworks), indent=2))
    else:
        controlview.show(policies, frameworks, whole=framework is not None)


@command.command(name="validate")
@options.config
@paths_argument
def validate(config_path: Path | None, paths: Sequence[Path]) -> None:
    """Check policies without running them; all faults at once, exit 2 when there are any."""
    policies = _load(config_path, paths)
    _warn(policies)
    count = len(policies.policies)
    click.echo(f"{count} polic{'y is' if count == 1 else 'ies are'} sound")


@command.command(name="test")
@options.config
@paths_argument
def test(config_path: Path | None, paths: Sequence[Path]) -> int:
    """Run the examples inside the policies; exit 2 when one does not hold."""
    policies = _load(config_path, paths)
    _warn(policies)
    failures = check(policies)
    for failure in failures:
        click.echo(f"FAIL {failure}", err=True)
    count = sum(len(policy.examples) for policy in policies.policies)
    click.echo(f"{count - len(failures)} of {count} examples of {len(policies.policies)} policies hold")
    return 2 if failures else 0


def _warn(policies: PolicySet) -> None:
    for warning in policies.warnings:
        click.echo(f"warning: {warning}", err=True)


def _load(config_path: Path | None, paths: Sequence[Path]) -> PolicySet:
    if paths:
        return load([str(path) for path in paths], {}, {})
    if config_path or options.find_config(None).is_file():
        return policies_of(options.load_config(config_path, need_keys=False))
    return load(["builtin:openai"], {}, {})
