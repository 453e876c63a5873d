"""`auditor policies new`, `docs` and `schema`: what helps a person to write policies and others to read them."""

import json
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from auditor import clock
from auditor.cli import options
from auditor.cli.bodyfile import body_in
from auditor.errors import ConfigError, FaultyFiles, did_you_mean
from auditor.inventory.schema import EVENT_KIND, KINDS, is_open
from auditor.policy.editorschema import editor_schema
from auditor.policy.examples import check
from auditor.policy.load import load
from auditor.policy.markdown import INDEX, pages
from auditor.policy.scaffold import scaffold

_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,99}")


@click.command(name="schema")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write [default: print it].")
def schema(output: Path | None) -> None:
    """Write the JSON Schema of policy files, for editors.

    The first line of a policy names it: # yaml-language-server: $schema=./policy.schema.json
    """
    text = json.dumps(editor_schema(), separators=(",", ":")) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    _write(output, text)
    click.echo(f"wrote {output}")


@click.command(name="docs")
@options.config
@click.option(
    "--output",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Directory to write to; what else it holds stays.",
)
@options.policy_paths
def docs(config_path: Path | None, directory: Path, paths: Sequence[Path]) -> None:
    """Write a page of Markdown for each policy, and one that lists them."""
    found = pages(options.load_policies(config_path, paths))
    for name, text in found.items():
        _write(directory / name, text)
    count = len(found) - 1
    lists = f"{directory / INDEX} lists {'it' if count == 1 else 'them'}"
    click.echo(f"wrote {count} page{'' if count == 1 else 's'}; {lists}")


@click.command(name="new")
@options.config
@click.argument("name")
@click.option("--resource", "kind", help="Kind of the resource, for example project_api_key.")
@click.option("--file", type=click.Path(path_type=Path), help="JSON file with the body of a resource or an event.")
@click.option("--id", "identity", default="", help="Which one: in the file, or without a file in the store.")
@click.option("--event", help="Id of an event in the store.")
@click.option("--organization", help="Only this organization of the store.")
@click.option(
    "--output", "directory", type=click.Path(path_type=Path), default=Path(), help="Where to write NAME.yaml."
)
def new(
    config_path: Path | None,
    name: str,
    kind: str | None,
    file: Path | None,
    identity: str,
    event: str | None,
    organization: str | None,
    directory: Path,
) -> None:
    """Write a first policy NAME.yaml from a resource or an event; its examples hold, and you go on from there.

    People and addresses are replaced by invented ones; look through the examples all the same.
    """
    if sum((file is not None, event is not None, file is None and bool(kind and identity))) != 1:
        raise ConfigError("a policy starts from --file, from --event, or from --resource and --id, one of them")
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"unknown kind of resource `{kind}`", hint=did_you_mean(kind, KINDS, "kinds"))
    if not _NAME.fullmatch(name):
        hint = "small letters, digits, `-` and `_`, at most 100, for example my-check; --output names the directory"
        raise ConfigError(f"`{name[:100]}` cannot be the name of a policy", hint=hint)
    target = directory / f"{name}.yaml"
    if target.exists():
        raise ConfigError(f"{target} is there already", hint="choose another name")
    body = body_in(file, identity) if file else _stored(config_path, kind, identity, event, organization)
    try:
        text = scaffold(name, kind or EVENT_KIND, body, clock.epoch(clock.now()), str(uuid.uuid4()))
    except ValueError as error:
        hint = "" if kind else "name the kind of the resource with --resource"
        raise ConfigError(f"no policy can be made of it: {error}", hint=hint) from error
    _write(target, text)
    _checked(target)
    click.echo(f"wrote {target}")
    click.echo(f"next: say in it what you mean, and run `auditor policies test {target}`")


def _stored(
    config_path: Path | None, kind: str | None, identity: str, event: str | None, organization: str | None
) -> dict[str, Any]:
    from auditor.cli.fromstore import stored_body, stored_event

    if event is None and kind is not None and not is_open(kind):
        return stored_body(config_path, kind, identity, organization)
    body: dict[str, Any] = msgspec.json.decode(stored_event(config_path, event or identity, organization))
    return body


def _checked(target: Path) -> None:
    """Raises ConfigError, and takes the file away, when it is not sound: what was seen may hold what no policy may."""
    try:
        failures = check(load([str(target)], {}, {}))
    except FaultyFiles:
        target.unlink()
        raise
    if failures:
        target.unlink()
        raise ConfigError(f"no policy can be made of it: {failures[0].reason}")


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror}", hint="--output names another place") from error


commands = (schema, docs, new)
