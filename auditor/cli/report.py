"""`auditor report`: the weekly report, now."""

from pathlib import Path

import click

from auditor import clock
from auditor.cli import options, stores
from auditor.errors import StoreError
from auditor.jobs.report import write
from auditor.policy.configured import policies_of
from auditor.store import runs
from auditor.store.database import Store


@click.command(name="report")
@options.config
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option("--organization", help="Which organization, where the configuration has several.")
def command(config_path: Path | None, output: Path, organization: str | None) -> None:
    """Write the report of the last seven days from the store; nothing is read from the API."""
    loaded = options.load_config(config_path, need_keys=False)
    name = stores.only(loaded, organization)
    with stores.existing(loaded) as store:
        _need_a_run(store, name)
        now, rules = clock.epoch(clock.now()), loaded.config.findings
        written = write(store, name, policies_of(loaded).by_name, rules, output, now)
    click.echo(f"wrote {written.path} (sha256 {written.sha256})")


def _need_a_run(store: Store, organization: str) -> None:
    with store.transaction() as tx:
        if runs.judgement(tx, organization, "snapshot") is None:
            raise StoreError(
                f"the store holds no snapshot of {organization}: there is nothing to report",
                hint="run `auditor check` or `auditor run` first",
            )
