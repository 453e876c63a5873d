"""Turns what happened to a finding, or an audit event, into the alert that tells of it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from auditor.adminapi.resources import BY_NAME
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.untrusted import bounded, named
from auditor.alerts.words import moment
from auditor.findings.model import Finding, Reason, Transition
from auditor.findings.protected import is_protected
from auditor.inventory.model import Record
from auditor.policy.model import Policy
from auditor.store.outbox import MARK
from auditor.terms import Level, State

_ACTOR = (("Who", ("email", "name", "id")), ("From", ("ip", "ip_address")), ("With", ("kind", "type")))
"""Label of a fact, and the keys of the evidence's `actor` that may hold it, best first."""

NAME_MAX = 200

_CAUSES = {
    "unexplained": "unexplained: an audit event should announce this change, and none does",
    "log not read": "not known: the audit log of that time could not be read",
}
"""What is told of a change without an event, by the evidence's `cause`."""

_DECIDED = {State.ACKNOWLEDGED: AlertKind.ACKNOWLEDGED, State.WAIVED: AlertKind.WAIVED}


def from_transition(transition: Transition, policy: Policy | None, link_base: str = "") -> Alert | None:
    """The alert of a change of state; None when it is no news.

    No news is what people did here themselves (acknowledge, waive), an occurrence that grew old or whose waiver did,
    and the end of a fault of which nobody was told. `policy` is None when it was removed. `link_base` is the address
    of the page, empty for no link. The id is the same on every call.
    """
    kind = _kind(transition)
    return None if kind is None else _of_finding(transition, kind, policy, link_base)


def mark(transition: Transition, policy: Policy | None, link_base: str = "") -> Alert | None:
    """The alert of what a person decided, for where the finding was told; None for other changes.

    It is no news, and goes nowhere else. The id is the same on every call.
    """
    kind = _DECIDED.get(transition.finding.state)
    if kind is None:
        return None
    alert = _of_finding(transition, kind, policy, link_base)
    return replace(alert, id=f"{MARK}{alert.id}", by=bounded(transition.by))


def _of_finding(transition: Transition, kind: AlertKind, policy: Policy | None, link_base: str) -> Alert:
    finding = transition.finding
    return Alert(
        id=f"{finding.id}.{finding.state}.{transition.at}",
        kind=kind,
        organization=finding.organization,
        level=finding.level,
        title=bounded(finding.title),
        text=bounded(finding.message),
        at=transition.at,
        policy=finding.policy,
        finding=finding.id,
        reason=transition.reason.value if kind is AlertKind.RESOLVED else "",
        resource_kind=finding.kind,
        resource_id=bounded(finding.ids[-1]),
        resource_name=bounded(finding.name),
        remediation=policy.remediation if policy else "",
        facts=tuple((name, bounded(value)) for name, value in _facts(transition)),
        link=f"{link_base.rstrip('/')}/findings/{finding.id}" if link_base else "",
        tags=policy.tags if policy else (),
        project=bounded(_project(finding, "id") or _parent_project(finding)),
        project_name=bounded(_project(finding, "name")),
        owner=bounded(_owner(finding)),
        protected=is_protected(finding.kind, policy.tags if policy else ()),
    )


def event(organization: str, told: Record, raw: bytes, at: int) -> Alert:
    """An audit event, raw. `told` is the same event as policies see it."""
    actor = {name: told.fields.get(f"actor.{name}") for name in ("email", "id", "ip", "type")}
    return Alert(
        id=f"event/{organization}/{told.id}",
        kind=AlertKind.EVENT,
        organization=organization,
        level=Level.INFORMATIONAL,
        title=bounded(str(told.fields["type"])),
        text="",
        at=at,
        resource_kind=told.kind,
        resource_id=bounded(told.id),
        facts=tuple((name, bounded(value)) for name, value in _actor(actor)),
        raw=raw.decode("utf-8", "replace"),
    )


REPEATED = ".again."
"""In the id of an alert that was told before: what stands before it is the id of the first one."""


def is_again(alert: Alert) -> bool:
    """Whether what it tells was told before."""
    return REPEATED in alert.id


def again(alert: Alert, last: float) -> Alert:
    """The alert of what is still open, told again; `last` is when it was last told. The same on every call."""
    return replace(
        alert,
        id=f"{alert.id}{REPEATED}{int(last * 1000)}",
        title=f"Still open: {alert.title}",
        facts=_since("Still open since", alert),
    )


def raised(alert: Alert, before: Level, at: int) -> Alert:
    """The alert of what is still open, and worse than it was `before`, as was seen `at`: others may hear of it now."""
    return replace(
        alert,
        id=f"{alert.id}{REPEATED}{alert.level}.{at}",
        title=f"Now {alert.level}: {alert.title}",
        at=at,
        facts=(("Level before", before.value), *_since("Open since", alert)),
    )


def _since(words: str, alert: Alert) -> tuple[tuple[str, str], ...]:
    """The facts of what was told before, with since when it is open in place of any other such time."""
    return (words, moment(alert.at)), *(fact for fact in alert.facts if fact[0] != "Since")


def _project(finding: Finding, key: str) -> str:
    project = finding.evidence.get("project")
    value = project.get(key) if isinstance(project, Mapping) else None
    return value if isinstance(value, str) else ""


def _parent_project(finding: Finding) -> str:
    """The outermost id of what lies below a project; evidence of earlier versions names none."""
    kind = BY_NAME.get(finding.kind)
    while kind and kind.parent:
        kind = BY_NAME[kind.parent]
    return finding.ids[0] if kind and kind.name == "project" else ""


def _owner(finding: Finding) -> str:
    owner = finding.evidence.get("owner")
    return owner if isinstance(owner, str) else ""


def _kind(transition: Transition) -> AlertKind | None:
    finding = transition.finding
    match finding.state:
        case State.OPEN:
            return AlertKind.OCCURRED if finding.occurrence else AlertKind.OPENED
        case State.REOPENED if not (finding.occurrence and transition.reason is Reason.WAIVER_EXPIRED):
            return AlertKind.REOPENED
        case State.RESOLVED if transition.reason is not Reason.EXPIRED and not _never_told(transition):
            return AlertKind.RESOLVED
        case _:
            return None


def _never_told(resolved: Transition) -> bool:
    """Whether the fault was waived as long as it stood."""
    finding = resolved.finding
    decision = finding.decision if resolved.before is State.WAIVED else None
    return decision is not None and decision.at <= finding.stands_since


def _facts(transition: Transition) -> Iterable[tuple[str, str]]:
    finding = transition.finding
    yield from _actor(finding.evidence.get("actor"))
    yield from _cause(finding.evidence)
    if finding.state in _DECIDED:
        yield from _decided(transition)
    if finding.occurrence:
        yield "When", moment(finding.opened_at)
    elif finding.state in _DECIDED:
        yield "Since", moment(finding.stands_since)
    elif finding.state is State.RESOLVED:
        yield "Why", str(transition.reason.value)
        yield "Open since", moment(finding.opened_at)
    else:
        yield from _ended(transition)
        yield "Since", moment(finding.changed_at)
    matched = finding.evidence.get("matched")
    if isinstance(matched, list | tuple) and matched and not finding.occurrence:
        yield "Matched", ", ".join(map(str, matched))


def _decided(transition: Transition) -> Iterable[tuple[str, str]]:
    """What a person had to say, and until when it holds."""
    if transition.comment:
        yield "Comment", transition.comment
    if transition.until is not None:
        yield "Until", moment(transition.until)
    if transition.waiver:
        yield "Waiver", transition.waiver


def _ended(transition: Transition) -> Iterable[tuple[str, str]]:
    """Which waiver ended, and why."""
    if transition.waiver:
        told = (transition.reason.value, transition.comment, f"by {transition.by}" if transition.by else "")
        yield "Why", ", ".join(each for each in told if each)
        yield "Waiver", transition.waiver


def _actor(actor: object) -> Iterable[tuple[str, str]]:
    if isinstance(actor, str) and actor:
        yield "Who", actor
    if isinstance(actor, Mapping):
        for label, keys in _ACTOR:
            value = next((str(actor[key]) for key in keys if actor.get(key)), "")
            if value and value == actor.get("name"):
                value = named(value, str(actor.get("id") or ""), NAME_MAX)
            if value:
                yield label, value


def _cause(evidence: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    """When the change behind it was made, or that no event tells who made it."""
    done_at = evidence.get("done_at")
    if isinstance(done_at, int):
        yield "Changed at", moment(done_at)
    if words := _CAUSES.get(str(evidence.get("cause"))):
        yield "Who", words
