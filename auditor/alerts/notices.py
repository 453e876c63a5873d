"""Messages that tell of no change of a finding: about the auditor, about time that ran out, about a report. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.untrusted import bounded
from auditor.alerts.words import counted, moment
from auditor.findings.flapping import window
from auditor.findings.model import Finding
from auditor.terms import Level

DEAD_LETTER, OUTAGE, LEFT_OUT = "dead-letter", "undelivered", "left-out"
"""How the keys of notices about sinks begin."""


def is_of_a_sink(id_: str) -> bool:
    """Whether it is the id of a notice that messages to a sink are lost or late."""
    return id_.startswith(tuple(f"notice/{each}/" for each in (DEAD_LETTER, OUTAGE, LEFT_OUT)))


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
        text=bounded(text),
        at=at,
        facts=tuple((name, bounded(value)) for name, value in facts),
        protected=protected,
    )


def overdue(finding: Finding, at: int, link_base: str = "") -> Alert:
    """The notice that a fault was not mended in time, as was seen `at`."""
    told = f"Not mended in time: {finding.message}"
    facts = [("Standing since", moment(finding.due_from)), *_known_by(finding)]
    key = f"overdue/{finding.id}/{at}"
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
    """The notice that a finding opened `times` times within a day, and is not told each time.

    It is the same one for each day of its coming and going, by when that began: `at` where it does not flap yet.
    """
    told = f"Comes and goes: opened {times} times within a day, told once a day while that lasts: {finding.message}"
    day = at if finding.flapping_since is None else window(finding.flapping_since, at)
    key = f"flapping/{finding.id}/{day}"
    alert = notice(key, finding.organization, finding.level, f"Flapping: {finding.title}", told, at)
    return _about(alert, finding, link_base)


def of_flapping(finding: str) -> str:
    """What all notices that the finding comes and goes have in common: how their ids begin, and their order key."""
    return f"notice/flapping/{finding}"


def _about(alert: Alert, finding: Finding, link_base: str) -> Alert:
    """A notice about one finding: with its policy, its resource and a link to it."""
    return replace(
        alert,
        title=bounded(alert.title),
        policy=finding.policy,
        about=finding.id,
        resource_name=bounded(finding.name),
        resource_kind=finding.kind,
        resource_id=bounded(finding.ids[-1]),
        link=f"{link_base.rstrip('/')}/findings/{finding.id}" if link_base else "",
    )


def _known_by(finding: Finding) -> Iterable[tuple[str, str]]:
    owner = finding.evidence.get("owner")
    if isinstance(owner, str) and owner:
        yield "Owner", owner
    if finding.decision:
        yield "Acknowledged by", finding.decision.by
