"""Many alerts as one message: the first picture, a group, a storm. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.words import counted
from auditor.fingerprint import fingerprint
from auditor.terms import Level

LINES_MAX = 1000
"""Findings told in one digest, worst first; its counts cover all of them."""

_STATES = {
    AlertKind.ACKNOWLEDGED: "acknowledged: ",
    AlertKind.WAIVED: "risk accepted: ",
    AlertKind.RESOLVED: "resolved: ",
}
"""What stands before a finding in a digest that is no fault to mend any more."""


def digest(
    organization: str,
    alerts: Sequence[Alert],
    counts: Mapping[str, int],
    at: int,
    link_base: str = "",
    owner: str | None = None,
    unrouted: int = 0,
) -> Alert:
    """The one message of a first run: `alerts` of what was found, worst first; `counts` in the order of telling.

    `unrouted` is how many more there are, which no route brings there.

    `owner` is whose findings these are where everybody is told of their own; None where they are anybody's. The id
    holds only the organization, and the owner: however often the first run is begun, it is told once.
    """
    lines = _ranked(map(_told, alerts))
    others = f", and {unrouted} more that no route brings here" if unrouted else ""
    return Alert(
        id=f"baseline/{organization}" + ("" if owner is None else f"/{fingerprint(owner)}"),
        kind=AlertKind.DIGEST,
        organization=organization,
        level=lines[0].level if lines else Level.INFORMATIONAL,
        title=f"First picture of {organization}",
        text=f"{counted(len(lines), 'finding')} to begin with{others}. From now on only changes are told.",
        at=at,
        lines=lines[:LINES_MAX],
        counts=counts,
        link=link_base,
        owner=owner or "",
        protected=any(alert.protected for alert in alerts),
    )


def merged(alerts: Sequence[Alert], at: int) -> Alert:
    """One digest of several alerts, every one a line: what a storm is folded into."""
    if all(alert.kind is AlertKind.EVENT for alert in alerts):
        return _folded("storm", counted(len(alerts), "audit event"), "", alerts, at)
    text = "Too much at once for one message each: told together, the worst first."
    return _folded("storm", f"{counted(len(alerts), 'alert')} at once", text, alerts, at)


def introduced(alerts: Sequence[Alert], at: int) -> Alert:
    """One digest of what policies find that judge from now on, every finding a line."""
    number = len({alert.policy for alert in alerts})
    policies = "1 new or changed policy" if number == 1 else f"{number:,} new or changed policies"
    text = "What is found by policies that judge from now on may have stood for long."
    return _folded("introduced", f"{counted(len(alerts), 'finding')} of {policies}", text, alerts, at)


def together(alerts: Sequence[Alert], at: int) -> Alert:
    """One digest of the alerts of one group, every one a line."""
    titles = list(dict.fromkeys(alert.title for alert in alerts))
    title = f"{len(alerts)} \N{MULTIPLICATION SIGN} {titles[0]}" if len(titles) == 1 else counted(len(alerts), "alert")
    shared = {alert.policy for alert in alerts}
    told = _folded("group", title, "What belongs together is told together.", alerts, at)
    return replace(told, policy=shared.pop()) if len(shared) == 1 else told


def _folded(kind: str, title: str, text: str, alerts: Sequence[Alert], at: int) -> Alert:
    # In one order on every try: a sink may tell them bit by bit.
    ordered = sorted(alerts, key=lambda alert: (alert.at, alert.policy, alert.id))
    lines = _ranked(line for alert in ordered for line in (alert.lines or (_told(alert),)))
    ids = "\n".join(sorted(alert.id for alert in alerts))
    owners = {alert.person for alert in alerts}
    counts: dict[str, int] = {}
    for alert in alerts:
        word = alert.reason if alert.dropped else alert.kind.value
        counts[word] = counts.get(word, 0) + 1
    return Alert(
        id=f"{kind}/{fingerprint(ids)}",
        kind=AlertKind.DIGEST,
        organization=", ".join(sorted({alert.organization for alert in alerts})),
        level=max((alert.level for alert in alerts), key=lambda level: level.rank),
        title=title,
        text=text,
        at=at,
        lines=lines,
        counts=counts,
        link=next((alert.link.rpartition("/findings/")[0] for alert in alerts if "/findings/" in alert.link), ""),
        owner=owners.pop() if len(owners) == 1 else "",
        protected=any(alert.protected for alert in alerts),
    )


def _told(alert: Alert) -> Line:
    if alert.kind is AlertKind.EVENT:
        return Line(alert.level, "event", alert.title, ", ".join(f"{name}: {value}" for name, value in alert.facts))
    return Line(
        level=alert.level,
        policy=alert.policy,
        resource=alert.resource_name or alert.title,
        message=_state(alert) + (alert.text or alert.title),
        kind=alert.kind.value,
        finding=alert.finding or alert.about,
        resource_kind=alert.resource_kind,
        resource_id=alert.resource_id,
        reason=alert.reason,
        tags=alert.tags,
        project=alert.project,
        project_name=alert.project_name,
        owner=alert.owner,
        teams=alert.teams,
    )


def _state(alert: Alert) -> str:
    return f"{alert.reason}: " if alert.dropped else _STATES.get(alert.kind, "")


def _ranked(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: -line.level.rank))
