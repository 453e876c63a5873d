"""The alert that `auditor routes test` asks about: made of what was said of it, and of the policy that was named."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from auditor import clock
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.route import Routing
from auditor.assembly import names_of
from auditor.configfile import Loaded
from auditor.errors import ConfigError
from auditor.findings.protected import is_protected
from auditor.policy.model import EVENT, Policy
from auditor.policy.policyset import PolicySet
from auditor.routecheck import Names, unknown
from auditor.routing import AlertClass, Match
from auditor.terms import Level

_KINDS = {
    AlertClass.FINDING: AlertKind.OPENED,
    AlertClass.OCCURRENCE: AlertKind.OCCURRED,
    AlertClass.DIGEST: AlertKind.DIGEST,
    AlertClass.REPORT: AlertKind.REPORT,
    AlertClass.NOTICE: AlertKind.NOTICE,
}


def alert(loaded: Loaded, routing: Routing, policies: PolicySet, moment: datetime, labels: Mapping[str, Any]) -> Alert:
    """An alert with the `labels` of the command line. Raises ConfigError for a name that nothing has."""
    _refuse_strangers(names_of(loaded, policies), labels)
    policy = policies.by_name.get(labels["policy"] or "")
    organization = labels["organization"] or next(iter(loaded.config.organizations))
    level = Level(labels["level"]) if labels["level"] else policy.level if policy else Level.HIGH
    made = Alert("test", _kind(policy, labels), organization, level, "A test", "", clock.epoch(moment))
    teams = (*routing.teams(labels["project"], "", labels["owner"]), *labels["teams"])
    return replace(
        made,
        policy=policy.name if policy else "",
        tags=(*(policy.tags if policy else ()), *labels["tags"]),
        project=labels["project"],
        owner=labels["owner"],
        teams=tuple(dict.fromkeys(teams)),
        resource_kind=labels["kind"] or (policy.kind if policy else ""),
        resource_id=labels["resource"],
        protected=policy is not None and is_protected(policy.kind, policy.tags),
    )


def _kind(policy: Policy | None, labels: Mapping[str, Any]) -> AlertKind:
    """Of the class that was asked for; what a policy about events finds has happened, and does not stand."""
    happens = policy is not None and policy.kind == EVENT
    return _KINDS[AlertClass(labels["about"] or (AlertClass.OCCURRENCE if happens else AlertClass.FINDING))]


def _refuse_strangers(known: Names, labels: Mapping[str, Any]) -> None:
    """Raises ConfigError for a name that nothing has: the answer would be one to another question."""
    asked = {key: [labels[key]] if labels[key] else [] for key in ("policy", "kind", "organization")}
    asked["team"] = list(labels["teams"])
    match = Match.model_validate({key: values for key, values in asked.items() if values})
    for _, _, message, hint in unknown(match, known):
        raise ConfigError(message, hint=hint)
