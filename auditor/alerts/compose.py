"""Turns what happened into the alert that tells of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from auditor.adminapi.resources import BY_NAME
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.words import counted, moment
from auditor.findings.model import Finding, Reason, Transition
from auditor.fingerprint import fingerprint
from auditor.inventory.model import Record
from auditor.inventory.schema import AUDIT_LOG
from auditor.policy.model import Policy
from auditor.redaction import redact
from auditor.store.outbox import MARK
from auditor.terms import Level, State

TEXT_MAX = 4000
"""Characters kept of any one text: more than any sink shows, less than floods the outbox."""
LINES_MAX = 1000
"""Findings told in one digest, worst first; its counts cover all of them."""

UNMUTABLE = "auditor.unmutable"
"""Tag of the policies whose findings nothing holds back."""

_ACTOR = (("Who", ("email", "name", "id")), ("From", ("ip", "ip_address")), ("With", ("kind", "type")))
"""Label of a fact, and the keys of the evidence's `actor` that may hold it, best first."""


_CAUSES = {
    "unexplained": "unexplained: an audit event should announce this change, and none does",
    "log not read": "not known: the audit log of that time could not be read",
}
"""What is told of a change without an event, by the evidence's `cause`."""


_DECIDED = {State.ACKNOWLEDGED: AlertKind.ACKNOWLEDGED, State.WAIVED: AlertKind.WAIVED}

_STATES = {
    AlertKind.ACKNOWLEDGED: "acknowledged: ",
    AlertKind.WAIVED: "risk accepted: ",
    AlertKind.RESOLVED: "resolved: ",
}
"""What stands before a finding in a digest that is no fault to mend any more."""


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
    return replace(alert, id=f"{MARK}{alert.id}", by=_bounded(transition.by))


def _of_finding(transition: Transition, kind: AlertKind, policy: Policy | None, link_base: str) -> Alert:
    finding = transition.finding
    return Alert(
        id=f"{finding.id}.{finding.state}.{transition.at}",
        kind=kind,
        organization=finding.organization,
        level=finding.level,
        title=_bounded(finding.title),
        text=_bounded(finding.message),
        at=transition.at,
        policy=finding.policy,
        finding=finding.id,
        resource_kind=finding.kind,
        resource_id=_bounded(finding.ids[-1]),
        resource_name=_bounded(finding.name),
        remediation=policy.remediation if policy else "",
        facts=tuple((name, _bounded(value)) for name, value in _facts(transition)),
        link=f"{link_base.rstrip('/')}/findings/{finding.id}" if link_base else "",
        tags=policy.tags if policy else (),
        project=_bounded(_project(finding, "id") or _parent_project(finding)),
        project_name=_bounded(_project(finding, "name")),
        owner=_bounded(_owner(finding)),
        protected=is_protected(finding.kind, policy.tags if policy else ()),
    )


def is_protected(kind: str, tags: Iterable[str]) -> bool:
    """Whether nothing may hold back what is told of such a finding: that the audit log has a gap is one of these."""
    return kind == AUDIT_LOG or UNMUTABLE in tags


def digest(
    organization: str,
    findings: Sequence[Finding],
    counts: Mapping[str, int],
    at: int,
    link_base: str = "",
    owner: str | None = None,
) -> Alert:
    """The one message of a first run: `findings` worst first, `counts` in the order of telling.

    `owner` is whose findings these are where everybody is told of their own; None where they are anybody's. The id
    holds only the organization, and the owner: however often the first run is begun, it is told once.
    """
    lines = _ranked(line(finding) for finding in findings)
    return Alert(
        id=f"baseline/{organization}" + ("" if owner is None else f"/{fingerprint(owner)}"),
        kind=AlertKind.DIGEST,
        organization=organization,
        level=lines[0].level if lines else Level.INFORMATIONAL,
        title=f"First picture of {organization}",
        text=f"{counted(len(lines), 'finding')} to begin with. From now on only changes are told.",
        at=at,
        lines=lines[:LINES_MAX],
        counts=counts,
        link=link_base,
        owner=owner or "",
    )


def event(organization: str, told: Record, raw: bytes, at: int) -> Alert:
    """An audit event, raw. `told` is the same event as policies see it."""
    actor = {name: told.fields.get(f"actor.{name}") for name in ("email", "id", "ip", "type")}
    return Alert(
        id=f"event/{organization}/{told.id}",
        kind=AlertKind.EVENT,
        organization=organization,
        level=Level.INFORMATIONAL,
        title=_bounded(str(told.fields["type"])),
        text="",
        at=at,
        resource_kind=told.kind,
        resource_id=_bounded(told.id),
        facts=tuple((name, _bounded(value)) for name, value in _actor(actor)),
        raw=raw.decode("utf-8", "replace"),
    )


def merged(alerts: Sequence[Alert], at: int) -> Alert:
    """One digest of several alerts, every one a line: what a storm is folded into."""
    if all(alert.kind is AlertKind.EVENT for alert in alerts):
        return _folded("storm", counted(len(alerts), "audit event"), "", alerts, at)
    text = "Too much at once for one message each: the worst are listed here, all of them on the page."
    return _folded("storm", f"{counted(len(alerts), 'alert')} at once", text, alerts, at)


def together(alerts: Sequence[Alert], at: int) -> Alert:
    """One digest of the alerts of one group, every one a line."""
    titles = list(dict.fromkeys(alert.title for alert in alerts))
    title = f"{len(alerts)} \N{MULTIPLICATION SIGN} {titles[0]}" if len(titles) == 1 else counted(len(alerts), "alert")
    shared = {alert.policy for alert in alerts}
    told = _folded("group", title, "What belongs together is told together.", alerts, at)
    return replace(told, policy=shared.pop()) if len(shared) == 1 else told


def _folded(kind: str, title: str, text: str, alerts: Sequence[Alert], at: int) -> Alert:
    lines = _ranked(line for alert in alerts for line in (alert.lines or (_told(alert),)))
    ids = "\n".join(sorted(alert.id for alert in alerts))
    owners = {alert.person for alert in alerts}
    counts: dict[str, int] = {}
    for alert in alerts:
        counts[alert.kind.value] = counts.get(alert.kind.value, 0) + 1
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


REPEATED = ".again."
"""In the id of an alert that was told before: what stands before it is the id of the first one."""


def again(alert: Alert, last: float) -> Alert:
    """The alert of what is still open, told again; `last` is when it was last told. The same on every call."""
    since = ("Still open since", moment(alert.at))
    return replace(
        alert,
        id=f"{alert.id}{REPEATED}{int(last)}",
        title=f"Still open: {alert.title}",
        facts=(since, *(fact for fact in alert.facts if fact[0] != "Since")),
    )


def report_ready(
    organization: str,
    period: str,
    counts: Mapping[str, int],
    at: int,
    facts: Sequence[tuple[str, str]] = (),
    link: str = "",
) -> Alert:
    """The message that the report of `period` (`2026-W05`) is written; `facts` say where and with which hash."""
    return Alert(
        id=f"report/{organization}/{period}",
        kind=AlertKind.REPORT,
        organization=organization,
        level=Level.INFORMATIONAL,
        title=f"Weekly report of {organization}, {period}",
        text="",
        at=at,
        counts=counts,
        facts=tuple(facts),
        link=link,
    )


def notice(
    key: str,
    organization: str,
    level: Level,
    title: str,
    text: str,
    at: int,
    facts: Sequence[tuple[str, str]] = (),
    *,
    protected: bool = False,
) -> Alert:
    """A message about the auditor itself; `key` makes it the same message when the same thing is told again.

    One that is `protected` nothing holds back.
    """
    return Alert(
        id=f"notice/{key}",
        kind=AlertKind.NOTICE,
        organization=organization,
        level=level,
        title=title,
        text=_bounded(text),
        at=at,
        facts=tuple((name, _bounded(value)) for name, value in facts),
        protected=protected,
    )


def overdue(finding: Finding, at: int, link_base: str = "") -> Alert:
    """The notice that a fault was not mended in time; once for the time since it stands."""
    told = f"Not mended in time: {finding.message}"
    facts = [("Standing since", moment(finding.stands_since)), *_known_by(finding)]
    key = f"overdue/{finding.id}/{finding.stands_since}"
    alert = notice(key, finding.organization, finding.level, f"Overdue: {finding.title}", told, at, facts)
    return _about(alert, finding, link_base)


def ending(finding: Finding, ends: int, stage: int, at: int, link_base: str = "") -> Alert:
    """The notice that what a finding is about ends soon; once for each `stage` (days before) of one end."""
    left = f"Expires in {counted(-((at - ends) // 86_400), 'day')}"
    facts = [("Expires", moment(ends)), *_known_by(finding)]
    key = f"ending/{finding.id}/{ends}/{stage}"
    told = f"{left}: {finding.message}"
    alert = notice(key, finding.organization, finding.level, f"{left}: {finding.title}", told, at, facts)
    return _about(alert, finding, link_base)


def flapping(finding: Finding, times: int, at: int, link_base: str = "") -> Alert:
    """The notice that a finding opened `times` times within a day, and is not told each time any more."""
    told = f"Comes and goes: opened {times} times within a day, told again once it stays for a day: {finding.message}"
    key = f"flapping/{finding.id}/{at}"
    alert = notice(key, finding.organization, finding.level, f"Flapping: {finding.title}", told, at)
    return _about(alert, finding, link_base)


def _about(alert: Alert, finding: Finding, link_base: str) -> Alert:
    """A notice about one finding: with its policy, its resource and a link to it."""
    return replace(
        alert,
        title=_bounded(alert.title),
        policy=finding.policy,
        about=finding.id,
        resource_name=_bounded(finding.name),
        resource_kind=finding.kind,
        link=f"{link_base.rstrip('/')}/findings/{finding.id}" if link_base else "",
    )


def _known_by(finding: Finding) -> Iterable[tuple[str, str]]:
    owner = finding.evidence.get("owner")
    if isinstance(owner, str) and owner:
        yield "Owner", owner
    if finding.decision:
        yield "Acknowledged by", finding.decision.by


def line(finding: Finding) -> Line:
    """A finding as one line of a digest."""
    return Line(finding.level, finding.policy, _bounded(finding.name), _bounded(finding.message))


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


def _told(alert: Alert) -> Line:
    if alert.kind is AlertKind.EVENT:
        return Line(alert.level, "event", alert.title, ", ".join(f"{name}: {value}" for name, value in alert.facts))
    state = _STATES.get(alert.kind, "")
    return Line(alert.level, alert.policy, alert.resource_name or alert.title, state + (alert.text or alert.title))


def _ranked(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: -line.level.rank))


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
        for name, keys in _ACTOR:
            value = next((actor[key] for key in keys if actor.get(key)), None)
            if value:
                yield name, str(value)


def _cause(evidence: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    """When the change behind it was made, or that no event tells who made it."""
    done_at = evidence.get("done_at")
    if isinstance(done_at, int):
        yield "Changed at", moment(done_at)
    if words := _CAUSES.get(str(evidence.get("cause"))):
        yield "Who", words


def _bounded(text: str) -> str:
    """No secret that somebody used as a name, no lone surrogate, no flood; the rest is the business of the sinks."""
    return redact(text[:TEXT_MAX].encode("utf-8", "replace").decode())
