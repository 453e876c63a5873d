"""Progress bars for the collection, on stderr, and only for a person at a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from auditor.cli.options import on_a_terminal
from auditor.inventory.collect import Progress as Told
from auditor.inventory.collect import no_progress


@contextmanager
def bars() -> Iterator[Told]:
    """A callback that draws one bar over all walks of a snapshot; draws nothing without a terminal."""
    if not on_a_terminal():
        yield no_progress
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=None)

        def told(kind: str, done: int, known: int) -> None:
            progress.update(task, description=f"reading {kind.replace('_', ' ')}", completed=done, total=known)

        yield told
