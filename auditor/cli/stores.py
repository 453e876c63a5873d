"""The store of a configuration as commands open it, and the organizations that they are asked about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from auditor.cli.render import plain
from auditor.configfile import Loaded
from auditor.errors import ConfigError, did_you_mean
from auditor.store.database import Store, open_store
from auditor.store.mode import file_of


@contextmanager
def existing(loaded: Loaded) -> Iterator[Store]:
    """The store, closed at the end. Raises ConfigError for a file that is missing: it would answer that all is well."""
    with _closing(open_store(loaded.config.store, make=False)) as store:
        yield store


@contextmanager
def existing_or_empty(loaded: Loaded) -> Iterator[Store]:
    """The store, or for a file that is missing an empty one in memory, which is said: for what files answer, too."""
    missing = _missing(loaded)
    if missing:
        click.echo(plain(f"note: there is no store yet ({missing}): this is what the files say"), err=True)
    with _closing(open_store("sqlite://" if missing else loaded.config.store)) as store:
        yield store


def asked_for(loaded: Loaded, organization: str | None) -> list[str]:
    """The organization that was asked for, else all. Raises ConfigError for one that is not configured."""
    known = list(loaded.config.organizations)
    if organization is None:
        return known
    if organization not in known:
        raise stranger(loaded, organization)
    return [organization]


def only(loaded: Loaded, organization: str | None) -> str:
    """The organization that was asked for, or the only one. Raises ConfigError where there are several."""
    names = asked_for(loaded, organization)
    if len(names) > 1:
        raise ConfigError("of which organization?", hint=f"name it with --organization: {', '.join(names)}")
    return names[0]


def stranger(loaded: Loaded, organization: str) -> ConfigError:
    """What to raise for an organization that nobody knows."""
    hint = did_you_mean(organization, loaded.config.organizations, "organizations")
    return ConfigError(f"no organization is named `{organization}`", hint=hint)


@contextmanager
def _closing(store: Store) -> Iterator[Store]:
    try:
        yield store
    finally:
        store.close()


def _missing(loaded: Loaded) -> Path | None:
    file = file_of(loaded.config.store)
    return None if file is None or file.exists() else file.absolute()
