"""`auditor policies`: what there is, what it says, whether it is sound."""

import json
from collections.abc import Sequence
from pathlib import Path

import click
from rich import box
from rich.table import Table
from rich.text import Text

from auditor.cli import backtest, controlview, explaining, options, policyreading, policywriting
from auditor.cli.render import STYLES, console
from auditor.policy.coverage import Tried, tried
from auditor.policy.examples import check
from auditor.policy.files import FRAMEWORKS
from auditor.policy.policyset import PolicySet


@click.group(name="policies")
def command() -> None:
    """List, show, validate, test and write policies. Without PATHS: those of auditor.yaml, else the shipped ones."""


@command.command(name="list")
@options.config
@options.output
@options.policy_paths
def listing(config_path: Path | None, form: str, paths: Sequence[Path]) -> None:
    """List policies: name, level, what they judge."""
    policies = sorted(
        options.load_policies(config_path, paths).policies, key=lambda each: (-each.level.rank, each.name)
    )
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


@command.command(name="controls")
@options.config
@options.output
@click.option("--framework", type=click.Choice(FRAMEWORKS), help="Only this one, with all of its controls.")
def controls(config_path: Path | None, form: str, framework: str | None) -> None:
    """Show which controls of each framework the policies speak for, how strongly, and which they do not."""
    policies = options.load_policies(config_path, ())
    frameworks = [framework] if framework else FRAMEWORKS
    if form == "json":
        click.echo(json.dumps(controlview.document(policies, frameworks), indent=2))
    else:
        controlview.show(policies, frameworks, whole=framework is not None)


@command.command(name="validate")
@options.config
@options.policy_paths
def validate(config_path: Path | None, paths: Sequence[Path]) -> None:
    """Check policies without running them; all faults at once, exit 2 when there are any."""
    policies = options.load_policies(config_path, paths)
    _warn(policies)
    count = len(policies.policies)
    click.echo(f"{_policies(count)} {'is' if count == 1 else 'are'} sound")


@command.command(name="test")
@options.config
@click.option("--quiet", "-q", is_flag=True, help="Say nothing of what examples leave untried.")
@options.policy_paths
def test(config_path: Path | None, quiet: bool, paths: Sequence[Path]) -> int:
    """Run the examples inside the policies; exit 2 when one does not hold, or when there are too few.

    Each policy shows at least one pass and one fail; rules that were written elsewhere may show nothing. Selections
    that no example matches, boundaries beside which none stands, and an `unknown` that none expects are told as notes.
    """
    policies = options.load_policies(config_path, paths)
    _warn(policies)
    failures = check(policies)
    for failure in failures:
        click.echo(f"FAIL {failure}", err=True)
    found = tried(policies)
    poor = [each for each in found if each.missing and each.policy.ours]
    for each in poor:
        missing = " and none that expects ".join(f"`{outcome}`" for outcome in each.missing)
        click.echo(f"FAIL {each.policy.path}: {each.policy.name} has no example that expects {missing}", err=True)
    if not quiet:
        _note(found)
    count = sum(len(policy.examples) for policy in policies.policies)
    selections, unmatched = sum(each.selections for each in found), sum(len(each.unmatched) for each in found)
    click.echo(f"{count - len(failures)} of {count} examples of {_policies(len(policies.policies))} hold")
    click.echo(f"{selections - unmatched} of {selections} selections match in an example")
    return 2 if failures or poor else 0


def _policies(count: int) -> str:
    return f"{count} polic{'y' if count == 1 else 'ies'}"


def _note(found: Sequence[Tried]) -> None:
    for each in found:
        notes = [f"no example matches the selection `{name}`" for name in each.unmatched]
        if not each.policy.examples:
            notes = ["it has no examples"]
        for note in (*notes, *(each.asks if each.policy.examples else ())):
            click.echo(f"note: {each.policy.name}: {note}")


def _warn(policies: PolicySet) -> None:
    for warning in policies.warnings:
        click.echo(f"warning: {warning}", err=True)


for each in (*policyreading.commands, *explaining.commands, *policywriting.commands, *backtest.commands):
    command.add_command(each)
