"""`auditor policies show` and `explain`: one policy ready to read, and why it says what it says of one resource."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from auditor import clock
from auditor.adminapi.fields import Type
from auditor.cli import options
from auditor.cli.moment import METAVAR, iso, moment
from auditor.cli.render import plain
from auditor.errors import ConfigError, did_you_mean
from auditor.inventory.model import Record, Unknown
from auditor.inventory.schema import fields_of
from auditor.policy.bodies import bodies_in, chosen, record_from
from auditor.policy.describe import describe
from auditor.policy.explain import Compared, Explained, Explanation, Source, explain
from auditor.policy.model import Policy
from auditor.policy.policyset import Judge, PolicySet
from auditor.policy.template import one_line
from auditor.terms import Outcome

_MAX_FILE = 16 << 20  # bytes
_MAX_LINE = 300
_MAX_VALUE = 120
"""Characters of a value that are shown."""


@click.command(name="show")
@options.config
@click.argument("name")
@options.policy_paths
def show(config_path: Path | None, name: str, paths: Sequence[Path]) -> None:
    """Show one policy, ready to read."""
    policies = options.load_policies(config_path, paths)
    click.echo(describe(policies, named(policies, name)), nl=False)


@click.command(name="explain")
@options.config
@options.output
@click.argument("name")
@click.option("--resource", "identity", default="", help="Id of the resource or event.")
@click.option("--file", type=click.Path(path_type=Path), help="JSON file with its body, or a list of such bodies.")
@click.option("--organization", help="Only this organization of the store.")
@click.option("--at", "at", callback=moment, metavar=METAVAR, help="As a snapshot of then saw it [default: the last].")
@click.option("--now", callback=moment, metavar=METAVAR, help="Where the clock stands [default: --at, else now].")
@options.policy_paths
def explained(
    *,
    config_path: Path | None,
    form: str,
    name: str,
    identity: str,
    file: Path | None,
    organization: str | None,
    at: int | None,
    now: int | None,
    paths: Sequence[Path],
) -> None:
    """Say why a policy matches a resource or an event, or does not: each selection, each comparison with its value.

    Both are read from the store, a resource as the last snapshot saw it with what is joined on; or from --file, as the
    API sends them or by the names of fields that policies use: then what the file does not have of other resources is
    unknown.
    """
    from auditor.cli.fromstore import from_store

    policies = options.load_policies(config_path, paths)
    judge = _judge(policies, named(policies, name))
    moments = (now, at, clock.epoch(clock.now()))
    source = from_file(file) if file else from_store(config_path, judge, organization, at)
    record = source(judge.policy.kind, identity)
    found = explain(judge, record, next(each for each in moments if each is not None))
    click.echo(json.dumps(_document(found), indent=2) if form == "json" else "\n".join(_lines(found)))


def named(policies: PolicySet, name: str) -> Policy:
    """The policy of this name. Raises ConfigError when there is none."""
    if name not in policies.by_name:
        hint = f"{did_you_mean(name, policies.by_name, 'policies')} `auditor policies list` shows the names"
        raise ConfigError(f"no policy is named `{name}`", hint=hint)
    return policies.by_name[name]


def body_in(file: Path, identity: str) -> dict[str, Any]:
    """The body with this id in a JSON file. Raises ConfigError."""
    try:
        if file.stat().st_size > _MAX_FILE:
            raise ConfigError(f"{file} is larger than {_MAX_FILE >> 20} MiB")
        return dict(chosen(bodies_in(msgspec.json.decode(file.read_bytes())), identity))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} cannot be used: {error}", hint="it holds the JSON body of one resource") from error


def from_file(file: Path) -> Source:
    """Resources and events from a JSON file."""

    def source(kind: str, identity: str) -> Record:
        body = body_in(file, identity)
        try:
            return record_from(kind, body)
        except ValueError as error:
            raise ConfigError(f"{file} cannot be used: {error}") from error

    return source


def _judge(policies: PolicySet, policy: Policy) -> Judge:
    for judge in (*policies.states, *policies.rules):
        if judge.policy.name == policy.name:
            return judge
    hint = "`auditor events replay` tells which events complete it"
    raise ConfigError(f"{policy.name} counts several events, and says nothing of one", hint=hint)


_ANSWERS = {True: "yes", False: "no", None: "unknown"}


def _said(found: Explanation) -> str:
    if found.outcome is None:
        return "does not apply"
    if found.outcome is Outcome.FAIL and not found.policy.allowed.each:
        return "match (some are allowed; what counts is how many there are)"
    return found.outcome


def _lines(found: Explanation) -> list[str]:
    record = found.record
    lines = [f"{found.policy.name}: {_said(found)}", plain(f"{record.kind} {record.id} ({record.name})")]
    lines += [f"at {iso(found.now)}"]
    lines += [plain(found.message)] if found.message else []
    for each in (*([found.applies] if found.applies else []), *found.selections):
        lines += ["", f"{_ANSWERS[each.answer]:<8}{each.name}"]
        for number, alternative in enumerate(each.alternatives):
            lines += ["        or"] if number else []
            lines += [line for compared in alternative for line in _compared(compared, record.kind)]
    return [*lines, "", f"condition: {found.condition}"]


def _compared(compared: Compared, kind: str) -> list[str]:
    values = [f"{name} = {_shown(kind, name, value)}" for name, value in compared.values.items()]
    head = f"  {_ANSWERS[compared.answer]:<8}{one_line(compared.source, _MAX_LINE)}"
    return [head, *(plain(f"            {value}") for value in values)]


def _shown(kind: str, name: str, value: object) -> str:
    if value is None:
        return "null, or not there"
    if isinstance(value, Unknown):
        return f"unknown: {value.why or ', '.join(gap.reason for gap in value.gaps)}"
    field = fields_of(kind).get(name)
    if field and field.type is Type.TIME and clock.is_time(value):
        return iso(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"


def _document(found: Explanation) -> dict[str, Any]:
    return {
        "policy": found.policy.name,
        "resource": {"type": found.record.kind, "id": found.record.id, "name": found.record.name},
        "at": iso(found.now),
        "outcome": found.outcome,
        "message": found.message,
        "applies_to": _selection(found.applies) if found.applies else None,
        "selections": [_selection(each) for each in found.selections],
        "condition": found.condition,
    }


def _selection(each: Explained) -> dict[str, Any]:
    alternatives = [[_comparison(compared) for compared in alternative] for alternative in each.alternatives]
    return {"name": each.name, "matches": each.answer, "alternatives": alternatives}


def _comparison(each: Compared) -> dict[str, Any]:
    values = {name: None if isinstance(value, Unknown) else value for name, value in each.values.items()}
    hidden = [name for name, value in each.values.items() if isinstance(value, Unknown)]
    return {"comparison": each.source, "holds": each.answer, "values": values, "unknown": hidden}


commands = (show, explained)
