"""Options that several commands share, and how they find their configuration."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from auditor.configfile import Loaded, read
from auditor.terms import Level

PLACES = (Path("auditor.yaml"), Path("/etc/auditor/auditor.yaml"))

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

config: Decorator = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    envvar="AUDITOR_CONFIG",
    help="Configuration file [default: ./auditor.yaml, then /etc/auditor/auditor.yaml].",
)

output: Decorator = click.option(
    "-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Format."
)

level: Decorator = click.option(
    "--level",
    "levels",
    multiple=True,
    type=click.Choice([each.value for each in Level]),
    help="Only this level; may be repeated.",
)


def find_config(path: Path | None) -> Path:
    """The file that was named, else the first that exists, else the one a person would make."""
    return path or next((place for place in PLACES if place.is_file()), PLACES[0])


def load_config(path: Path | None, *, need_keys: bool = True) -> Loaded:
    """The configuration of a command. Raises ConfigError or FaultyFiles."""
    return read(find_config(path), need_keys=need_keys)


def on_a_terminal() -> bool:
    """Whether a person watches stderr, and wants progress bars."""
    return sys.stderr.isatty() and not os.environ.get("CI")
