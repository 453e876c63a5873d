"""Whether an alert is what a matcher takes, and why not. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from auditor.alerts.message import Alert, AlertKind
from auditor.globs import fits, fits_address
from auditor.routing import AlertClass, Match

_CLASSES = {
    AlertKind.OCCURRED: AlertClass.OCCURRENCE,
    AlertKind.DIGEST: AlertClass.DIGEST,
    AlertKind.REPORT: AlertClass.REPORT,
    AlertKind.NOTICE: AlertClass.NOTICE,
}


def class_of(alert: Alert) -> AlertClass:
    """What the alert is about; all that tells of a finding's life is of the class `finding`, notices about it too."""
    if alert.kind is AlertKind.NOTICE and alert.policy:
        return AlertClass.FINDING
    return _CLASSES.get(alert.kind, AlertClass.FINDING)


def labels(alert: Alert) -> dict[str, tuple[str, ...]]:
    """The values of the alert for each key of a matcher; any one of them may match."""
    return {
        "level": (alert.level,),
        "policy": tuple(filter(None, (alert.policy,))),
        "tag": alert.tags,
        "organization": (alert.organization,),
        "project": tuple(filter(None, (alert.project, alert.project_name))),
        "team": alert.teams,
        "owner": tuple(filter(None, (alert.owner,))),
        "kind": tuple(filter(None, (alert.resource_kind,))),
        "resource": tuple(filter(None, (alert.resource_id, alert.resource_name))),
        "class": (class_of(alert),),
    }


def matches(match: Match, alert: Alert) -> bool:
    """Whether every key that the matcher gives has a value that the alert has."""
    return not any(mismatches(match, alert))


def mismatches(match: Match, alert: Alert) -> Iterator[str]:
    """What of the matcher the alert does not have: `level is low, not high or critical`."""
    given = labels(alert)
    for key, wanted in match.given():
        if not _any(key, wanted, given[key]):
            yield f"{key} is {', '.join(given[key]) or 'not known'}, not {' or '.join(wanted) or 'any'}"


def covers(match: Match, alert: Alert) -> bool:
    """As `matches`; a digest is covered only when each of its lines is."""
    if alert.kind is not AlertKind.DIGEST or not alert.lines:
        return matches(match, alert)
    return all(any(matches(match, each) for each in parts) for parts in _lines(alert))


def subjects(alert: Alert) -> Iterable[Alert]:
    """What the alert is about: itself, or for each line of a digest an alert like it, once as digest and as finding."""
    if alert.kind is not AlertKind.DIGEST or not alert.lines:
        return [alert]
    return [each for parts in _lines(alert) for each in parts]


def _lines(alert: Alert) -> Iterator[tuple[Alert, Alert]]:
    bare = replace(alert, lines=(), counts={})
    for level, policy in dict.fromkeys((line.level, line.policy) for line in alert.lines):
        digest = replace(bare, level=level, policy=policy)
        yield digest, replace(digest, kind=AlertKind.OPENED)


def _any(key: str, wanted: Iterable[str], given: Iterable[str]) -> bool:
    compare = fits_address if key == "owner" else fits
    return any(compare(value, pattern) for value in given for pattern in wanted)
