"""`auditor check`: one pass, printed, with an exit code that a pipeline can trust."""

from pathlib import Path

import click

from auditor.cli import options
from auditor.terms import Level


@click.command(name="check")
@options.config
@options.output
@click.option(
    "--fail-on",
    type=click.Choice([level.value for level in Level], case_sensitive=False),
    default=Level.LOW.value,
    show_default=True,
    help="Lowest level whose findings make the exit code 3.",
)
@click.option("--organization", help="Only this one of the organizations in the configuration.")
@click.option("--strict", is_flag=True, help="Treat a setting that no event has shown yet like a gap: exit 4.")
@click.option("--deliver", is_flag=True, help="Send the alerts too; without it they wait in the store for the daemon.")
def command(
    config_path: Path | None, form: str, fail_on: str, organization: str | None, strict: bool, deliver: bool
) -> int:
    """Take one picture of the organization, judge it, and print what fails.

    \b
    Exit codes: 0 all good, 1 nothing was audited, 2 usage or configuration,
    3 findings at or above --fail-on that no waiver covers, 4 something could not be read (wins over 3).
    """
    from auditor import log
    from auditor.cli import checking

    # What could not be read is printed with the result; a second telling on stderr would come before it.
    log.configure("error")
    asked = checking.Asked(Level(fail_on), strict, organization, deliver)
    return checking.check(options.load_config(config_path), asked, form)
