"""`auditor simulate`: a simulated organization's Admin API."""

from pathlib import Path

import click

from auditor.simulator.plan import Size


@click.command(name="simulate")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 picks a free one.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same organization.")
@click.option("--size", type=click.Choice([size.value for size in Size]), default=Size.SMALL.value, show_default=True)
@click.option("--key", help="Accept this admin key only [default: any].")
@click.option("--refuse", multiple=True, metavar="RESOURCE", help="Answer 403 for this kind of resource; repeatable.")
@click.option("--scenario", help="Play changes while it runs [default: a still organization].")
@click.option("--faults", type=click.Path(path_type=Path), metavar="FILE", help="Rules of what goes wrong, in YAML.")
@click.option("--newest", is_flag=True, help="Add values that are newer than the API's published description.")
def command(
    port: int,
    seed: int,
    size: str,
    key: str | None,
    refuse: tuple[str, ...],
    scenario: str | None,
    faults: Path | None,
    newest: bool,
) -> None:
    """Serve a simulated organization on loopback, with the real paths, paging and errors, until Ctrl-C.

    The first line of the output is the base URL to put into auditor.yaml.
    """
    from auditor.simulator.serve import simulate

    simulate(port, seed, Size(size), key, refuse, scenario, faults, newest)
