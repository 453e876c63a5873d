"""The alert that `auditor routes test` asks about: made of what was said of it, and of the policy that was named."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import click
import msgspec

from auditor import clock
from auditor.alerts import digests
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.teller import Teller
from auditor.alerts.untrusted import bounded
from auditor.cli.render import plain
from auditor.errors import ConfigError
from auditor.findings.matcher import PROJECT
from auditor.findings.protected import is_protected
from auditor.policy.model import EVENT, Policy
from auditor.routecheck import Names, unknown
from auditor.routing import AlertClass, Match
from auditor.store import versions
from auditor.store.database import Transaction
from auditor.terms import Level

_KINDS = {
    AlertClass.FINDING: AlertKind.OPENED,
    AlertClass.OCCURRENCE: AlertKind.OCCURRED,
    AlertClass.DIGEST: AlertKind.DIGEST,
    AlertClass.REPORT: AlertKind.REPORT,
    AlertClass.NOTICE: AlertKind.NOTICE,
}


def refuse_strangers(known: Names, labels: Mapping[str, Any]) -> None:
    """Raises ConfigError for a name that nothing has: the answer would be one to another question."""
    asked = {key: [labels[key]] if labels[key] else [] for key in ("policy", "kind", "organization")}
    asked["team"] = list(labels["teams"])
    match = Match.model_validate({key: values for key, values in asked.items() if values})
    for _, _, message, hint in unknown(match, known):
        raise ConfigError(message, hint=hint)


def alert(tx: Transaction, organization: str, teller: Teller, moment: datetime, labels: Mapping[str, Any]) -> Alert:
    """An alert with the `labels` of the command line, and what the store knows of its project. Raises ConfigError."""
    policy = teller.policies.get(labels["policy"] or "")
    project, name = _project(tx, organization, labels["project"])
    kind = _KINDS[AlertClass(labels["about"] or _usual(policy))]
    usual = Level.INFORMATIONAL if kind is AlertKind.REPORT else policy.level if policy else Level.HIGH
    level = Level(labels["level"] or usual)
    made = Alert("test", kind, organization, level, "A test", "", clock.epoch(moment))
    teams = (*teller.routing.teams(project, name, labels["owner"]), *labels["teams"])
    made = replace(
        made,
        policy=policy.name if policy else "",
        tags=(*(policy.tags if policy else ()), *labels["tags"]),
        project=project,
        project_name=name,
        owner=labels["owner"],
        teams=tuple(dict.fromkeys(teams)),
        resource_kind=labels["kind"] or (policy.kind if policy else ""),
        resource_id=labels["resource"],
        protected=policy is not None and is_protected(policy.kind, policy.tags),
    )
    # It goes where what it tells of goes, too.
    lines = digests.merged([replace(made, kind=_KINDS[_usual(policy)])], made.at).lines
    return replace(made, lines=lines) if kind is AlertKind.DIGEST else made


def _usual(policy: Policy | None) -> AlertClass:
    """What a policy about events finds has happened, and does not stand."""
    return AlertClass.OCCURRENCE if policy is not None and policy.kind == EVENT else AlertClass.FINDING


def _project(tx: Transaction, organization: str, asked: str) -> tuple[str, str]:
    """Id and name of the project that has `asked` for one of them, as it was seen last.

    One that was never seen is told of, and stands for itself. Raises ConfigError for a name that several have.
    """
    if not asked:
        return "", ""
    known = {own: _name(content) for own, _, content in versions.current_bodies(tx, organization, PROJECT, [()])[()]}
    ids = [asked] if asked in known else sorted(own for own, name in known.items() if name == asked)
    if len(ids) > 1:
        raise ConfigError(f"{len(ids)} projects are named `{asked}`", hint=f"give the id of one: {', '.join(ids)}")
    if not ids:
        note = f"note: the store has no project `{asked}`: only this one word of it is known here, be it id or name"
        click.echo(plain(note), err=True)
        return bounded(asked), ""
    return bounded(ids[0]), bounded(known[ids[0]] or ids[0])


def _name(content: bytes) -> str:
    name = msgspec.json.decode(content).get("name")
    return name if isinstance(name, str) else ""
