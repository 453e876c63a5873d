"""Whether an alert is what a matcher takes, and why not. Pure."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from auditor.alerts.message import Alert, AlertKind, Line
from auditor.globs import fits, fits_address
from auditor.routing import AlertClass, Match

_CLASSES = {
    AlertKind.OCCURRED: AlertClass.OCCURRENCE,
    AlertKind.DIGEST: AlertClass.DIGEST,
    AlertKind.REPORT: AlertClass.REPORT,
    AlertKind.NOTICE: AlertClass.NOTICE,
}

_NAMED = frozenset({"project", "resource"})
"""The labels that are an id and a name, in this order."""


def class_of(alert: Alert) -> AlertClass:
    """What the alert is about; all that tells of a finding's life is of the class `finding`, notices about it too."""
    return _class(alert.kind, alert.policy)


def labels(alert: Alert) -> dict[str, tuple[str, ...]]:
    """The values of the alert for each key of a matcher; any one of them may match.

    A digest is of the class of each of its lines, too.
    """
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
        "class": tuple(dict.fromkeys((class_of(alert), *(_class(_kind(line), line.policy) for line in alert.lines)))),
    }


def identity(alert: Alert) -> dict[str, tuple[str, ...]]:
    """The same for those who ask whether two alerts are of one value: a name, which members change, is none of an id.

    It stands only for what has no id.
    """
    return {key: values[:1] if key in _NAMED else values for key, values in labels(alert).items()}


def matches(match: Match, alert: Alert) -> bool:
    """Whether every key that the matcher gives has a value that the alert has, and none of what it takes out does."""
    return not any(mismatches(match, alert))


def admits(match: Match, classes: Collection[AlertClass]) -> bool:
    """Whether the matcher takes some alert that is of `classes`, whatever else it asks for."""
    wanted, unwanted = match.class_, match.excluded.class_ or ()
    return (wanted is None or any(each in wanted for each in classes)) and not any(each in unwanted for each in classes)


def mismatches(match: Match, alert: Alert) -> Iterator[str]:
    """What the alert lacks of the matcher, or has of what that takes out: `level is low, not high or critical`."""
    given = labels(alert)
    for key, wanted in match.given():
        if not _any(key, wanted, given[key]):
            yield f"{key} is {', '.join(given[key]) or 'not known'}, not {' or '.join(wanted) or 'any'}"
    for key, unwanted in match.excluded.given():
        if _any(key, unwanted, given[key]):
            yield f"{key} is {', '.join(given[key])}, and must not be {' or '.join(unwanted)}"


def parts(alert: Alert) -> Iterator[Alert]:
    """What is judged apart: the alert itself, or for each line of a digest one of that line alone, with its labels."""
    if alert.kind is not AlertKind.DIGEST or not alert.lines:
        yield alert
        return
    for line in dict.fromkeys(replace(line, message="") for line in alert.lines):
        yield replace(
            alert,
            level=line.level,
            policy=line.policy,
            finding=line.finding,
            resource_kind=line.resource_kind,
            resource_id=line.resource_id,
            # What is of no resource has its title there.
            resource_name=line.resource if line.resource_kind else "",
            tags=line.tags,
            project=line.project,
            project_name=line.project_name,
            owner=line.owner or alert.owner,
            teams=line.teams,
            lines=(line,),
            counts={},
        )


def alone(part: Alert) -> Alert:
    """One of the `parts` of an alert as if it were told in a message of its own."""
    return replace(part, kind=_kind(part.lines[0]), lines=()) if part.lines else part


def _kind(line: Line) -> AlertKind:
    """Lines of older versions do not tell it."""
    return AlertKind(line.kind or AlertKind.OPENED)


def _class(kind: AlertKind, policy: str) -> AlertClass:
    if kind is AlertKind.NOTICE and policy:
        return AlertClass.FINDING
    return _CLASSES.get(kind, AlertClass.FINDING)


def _any(key: str, wanted: Iterable[str], given: Iterable[str]) -> bool:
    compare = fits_address if key == "owner" else fits
    return any(compare(value, pattern) for value in given for pattern in wanted)
