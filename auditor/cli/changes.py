"""`auditor changes`: what changed in the organization, and which audit events explain it."""

from pathlib import Path

import click

from auditor import clock
from auditor.adminapi.resources import BY_NAME
from auditor.cli import changeview, options, stores
from auditor.cli.moment import METAVAR, moment
from auditor.jobs.changes import between


@click.command(name="changes")
@options.config
@options.output
@click.option("--organization", help="Only this organization.")
@click.option(
    "--since", callback=moment, metavar=METAVAR, default="7d", show_default=True, help="What was seen since then."
)
@click.option("--until", callback=moment, metavar=METAVAR, help="What was seen up to then [default: now].")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(BY_NAME)), help="Only this kind; repeatable.")
def command(
    config_path: Path | None,
    form: str,
    organization: str | None,
    since: int,
    until: int | None,
    kinds: tuple[str, ...],
) -> None:
    """Show what was added, removed and changed, from the store; nothing is read from the API.

    Each change comes with the audit events that explain it. One that an event should have announced, and that none
    did, is unexplained. What could not be seen before is newly visible, and may be old.
    """
    loaded = options.load_config(config_path, need_keys=False)
    until = clock.epoch(clock.now()) if until is None else until
    with stores.existing(loaded) as store:
        names = stores.asked_for(loaded, organization)
        found = {name: between(store, name, since, until, kinds or tuple(BY_NAME)) for name in names}
    changeview.show(found, form)
