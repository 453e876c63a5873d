"""`auditor policies backtest`: what a policy would have found in the stored past."""

from pathlib import Path

import click

from auditor.cli import options
from auditor.cli.moment import METAVAR, moment


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
    from auditor.cli import backtesting, backtestview

    loaded = options.load_config(config_path, need_keys=False)
    backtestview.show(backtesting.tested(loaded, which, since, organization), form)


commands = (tested,)
