"""Files with the JSON bodies of resources and events, as somebody saved them."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from auditor.errors import ConfigError
from auditor.inventory.model import Collection, Record, Unknown
from auditor.inventory.schema import fields_of, is_open
from auditor.policy.bodies import bodies_in, chosen, record_from, unknown_keys
from auditor.policy.explain import Seen, Source

_MAX_FILE = 16 << 20  # bytes
_MAX_NOTES = 10


def body_in(file: Path, identity: str) -> dict[str, Any]:
    """The body with this id in a JSON file. Raises ConfigError."""
    return dict(_chosen(file, _bodies(file), identity))


def from_file(file: Path) -> Source:
    """Resources and events from a JSON file; all that it holds is what was seen with each of them."""

    def source(kind: str, identity: str) -> Seen:
        bodies = _bodies(file)
        body = _chosen(file, bodies, identity)
        record = _record(file, kind, body)
        for note in _notes(file, kind, body, record):
            click.echo(f"note: {note}", err=True)
        others = (record if each is body else _record(file, kind, each) for each in bodies)
        return Seen(record, Collection(kind, tuple(others)))

    return source


def _bodies(file: Path) -> list[Mapping[str, object]]:
    try:
        if file.stat().st_size > _MAX_FILE:
            raise ConfigError(f"{file} is larger than {_MAX_FILE >> 20} MiB")
        return bodies_in(msgspec.json.decode(file.read_bytes()))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _unusable(file, error) from error


def _chosen(file: Path, bodies: Sequence[Mapping[str, object]], identity: str) -> Mapping[str, object]:
    try:
        return chosen(bodies, identity)
    except ValueError as error:
        raise _unusable(file, error) from error


def _record(file: Path, kind: str, body: Mapping[str, object]) -> Record:
    try:
        return record_from(kind, body)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} cannot be used: {error}") from error


def _unusable(file: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{file} cannot be used: {error}", hint="it holds the JSON body of one resource")


def _notes(file: Path, kind: str, body: Mapping[str, object], record: Record) -> Iterator[str]:
    """Keys that mean nothing. Raises ConfigError when there is nothing else: then it is the body of something else."""
    if is_open(kind):
        return
    known = fields_of(kind)
    strange = unknown_keys(kind, body)
    if not any(name != "id" and not isinstance(value, Unknown) for name, value in record.fields.items()):
        names = ", ".join(f"`{each}`" for each in strange[:_MAX_NOTES]) or "an id alone"
        hint = f"{kind} has {', '.join(sorted(known))}"
        raise ConfigError(f"{file} holds no {kind}: it has {names}", hint=hint)
    for key in strange[:_MAX_NOTES]:
        close = _close(key, known)
        # Within what policies know the API sends more than they may name.
        if close or not any(name.partition(".")[0] == key.partition(".")[0] for name in known):
            yield f"{kind} has no field `{key}`{close}"


def _close(key: str, known: Iterable[str]) -> str:
    parent, _, last = key.rpartition(".")
    beside = [name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == parent]
    found = difflib.get_close_matches(last, beside, n=1)
    return f" (did you mean `{f'{parent}.' * bool(parent)}{found[0]}`?)" if found else ""
