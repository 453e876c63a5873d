"""What nothing may hold back, so that whoever tries is told. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from auditor.alerts.matching import matches
from auditor.alerts.message import Alert, AlertKind
from auditor.findings.protected import is_protected
from auditor.inventory.schema import AUDIT_LOG
from auditor.policy.model import Policy
from auditor.routing import Match
from auditor.terms import Level

_NOTICES = "notices that the auditor cannot see, is not believed, or cannot deliver"


def beyond(match: Match, policies: Iterable[Policy], organizations: Iterable[str]) -> tuple[str, ...]:
    """What `match` may take and no silence holds back: names of policies, and words for the notices."""
    return tuple(dict.fromkeys(name for each in organizations for name in _beyond(match, policies, each)))


def _beyond(match: Match, policies: Iterable[Policy], organization: str) -> Iterator[str]:
    notice = Alert("", AlertKind.NOTICE, organization, Level.HIGH, "", "", 0)
    if matches(match, notice):
        yield _NOTICES
    # Whose resource a finding will be about is not known yet, and so not what may keep the silence from it.
    unknown = dict.fromkeys(("project", "team", "owner", "resource"))
    anybody = match.model_copy(update={**unknown, "not_": match.excluded.model_copy(update=unknown)})
    for policy in policies:
        if is_protected(policy.kind, policy.tags):
            alert = Alert("", AlertKind.OPENED, organization, policy.level, "", "", 0, policy.name)
            alert = replace(alert, tags=policy.tags, resource_kind=policy.kind)
            if matches(match if policy.kind == AUDIT_LOG else anybody, alert):
                yield policy.name
