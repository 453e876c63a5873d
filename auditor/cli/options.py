"""Options that several commands share, and how they find their configuration."""

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from auditor.errors import ConfigError
from auditor.terms import Level

if TYPE_CHECKING:
    from auditor.configfile import Loaded
    from auditor.policy.policyset import PolicySet

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
    type=click.Choice([each.value for each in Level], case_sensitive=False),
    help="Only this level; may be repeated.",
)


def by(what: str) -> Decorator:
    """Who decides something, `what` in words."""
    return click.option("--by", default=getpass.getuser, show_default="the name of the user", help=what)


policy_paths: Decorator = click.argument("paths", nargs=-1, type=click.Path(path_type=Path))


def find_config(path: Path | None) -> Path:
    """The file that was named, else the first that exists, else the one a person would make."""
    return path or next((place for place in PLACES if place.is_file()), PLACES[0])


def load_config(path: Path | None, *, need_keys: bool = True) -> "Loaded":
    """The configuration of a command. Raises ConfigError or FaultyFiles."""
    from auditor.configfile import read

    return read(find_config(path), need_keys=need_keys)


def load_policies(path: Path | None, paths: Sequence[Path]) -> "PolicySet":
    """The policies in `paths`, else those of the configuration, else the shipped ones.

    Raises ConfigError or FaultyFiles.
    """
    from auditor.policy.configured import policies_of
    from auditor.policy.load import load

    if paths:
        _must_exist(paths)
        return load([str(each) for each in paths], {}, {})
    if path or find_config(None).is_file():
        return policies_of(load_config(path, need_keys=False))
    return load(["builtin:openai"], {}, {})


def _must_exist(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.exists() and not str(path).startswith("builtin:"):
            hint = f"it is looked for in {Path.cwd()}" if not path.is_absolute() else ""
            raise ConfigError(f"no policies at {path}: there is no such file or directory", hint=hint)


def on_a_terminal() -> bool:
    """Whether a person watches stderr, and wants progress bars."""
    return sys.stderr.isatty() and not os.environ.get("CI")
