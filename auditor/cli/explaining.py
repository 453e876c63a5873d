"""`auditor policies explain`: why a policy says what it says of one resource or event."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from auditor import clock
from auditor.cli import options
from auditor.cli.bodyfile import from_file
from auditor.cli.explainview import document_of, lines_of
from auditor.cli.moment import METAVAR, moment
from auditor.cli.policyreading import sought, unnamed
from auditor.errors import ConfigError
from auditor.policy.explain import Source, explain
from auditor.policy.policyset import Judge, PolicySet
from auditor.policy.prose import counted


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

    NAME is the name of a policy, or its file; of a correlation each rule that it counts is explained, and such a rule
    may be named, too. Resource and event are read from the store, a resource as the last snapshot saw it with what is
    joined on; or from --file, as the API sends them or by the names of fields that policies use: then what the file
    does not have of other resources is unknown, and what it has of the same kind is what there is.
    """
    policies, wanted = sought(config_path, name, paths)
    judges = _judges(policies, wanted)
    if not identity and file is None:
        raise ConfigError(
            "say which resource or event it is", hint="--resource ID takes it from the store, --file from a file"
        )
    moments = (now, at, clock.epoch(clock.now()))
    source = from_file(file) if file else _stored(config_path, judges[0], organization, at)
    seen = source(judges[0].policy.kind, identity)
    found = [explain(judge, seen, next(each for each in moments if each is not None)) for judge in judges]
    counts = next((counted(each) for each in policies.correlations if each.policy.name == wanted), "")
    if form == "json":
        documents = [document_of(each) for each in found]
        whole = {"policy": wanted, "counts": counts, "rules": documents} if counts else documents[0]
        click.echo(json.dumps(whole, indent=2))
        return
    texts = ["\n".join(lines_of(each)) for each in found]
    click.echo("\n\n".join([*texts, *([f"{wanted} counts them; {counts}"] if counts else [])]))


def _stored(config_path: Path | None, judge: Judge, organization: str | None, at: int | None) -> Source:
    from auditor.cli.fromstore import from_store

    return from_store(config_path, judge, organization, at)


def _judges(policies: PolicySet, name: str) -> Sequence[Judge]:
    """Who judges one record: the policy, or of a correlation the rules that it counts. Raises ConfigError."""
    found = [each for each in (*policies.states, *policies.rules) if each.policy.name == name]
    rules = [rule for each in policies.correlations if each.policy.name == name for rule in each.correlation.rules]
    bases = [policies.bases[rule] for rule in (rules or [name]) if rule in policies.bases]
    if not found and not bases:
        raise ConfigError(f"no policy is named `{name}`", hint=unnamed(name, policies))
    return found or bases


commands = (explained,)
