"""An alert as a letter: plain text and HTML with the same words, headers that no name can break."""

from collections.abc import Iterable, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from html import escape

from auditor import clock
from auditor.alerts import digests
from auditor.alerts.listing import more
from auditor.alerts.mailheaders import LETTER
from auditor.alerts.message import Alert, AlertKind, key
from auditor.alerts.untrusted import named, one_line, paragraph
from auditor.alerts.words import SHAPES, counted, label, moment, sign, thing
from auditor.terms import Level

SUBJECT_MAX = 150
TEXT_MAX = 4000
VALUE_MAX = 300
FACTS_MAX = 20

_COLORS = {
    Level.CRITICAL: "#b3261e",
    Level.HIGH: "#c2410c",
    Level.MEDIUM: "#a16207",
    Level.LOW: "#1d4ed8",
    Level.INFORMATIONAL: "#52525b",
}


def letter(alert: Alert, sender: str, to: Sequence[str]) -> EmailMessage:
    """The whole message. Its Message-ID is the alert's key: the same on every try.

    All letters about a finding refer to one id, so that mail programs show them as one thread.
    """
    domain = sender.rpartition("@")[2]
    made = EmailMessage(policy=LETTER)
    made["From"] = Address("auditor", addr_spec=sender)
    made["To"] = [Address(addr_spec=address) for address in to]
    made["Subject"] = one_line(f"[{alert.organization}] {sign(alert)} {label(alert)}: {alert.title}", SUBJECT_MAX)
    made["Date"] = clock.from_epoch(alert.at)
    made["Message-ID"] = f"<{key(alert)}@{domain}>"
    if alert.finding:
        made["References"] = f"<finding.{one_line(alert.finding, 64)}@{domain}>"
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auditor-Level"] = alert.level.value
    made.set_content(text(alert), cte="quoted-printable")
    made.add_alternative(page(alert), subtype="html", cte="quoted-printable")
    return made


def text(alert: Alert) -> str:
    """The plain part."""
    parts = [f"{sign(alert)} {label(alert)}: {one_line(alert.title, VALUE_MAX)}", paragraph(alert.text, TEXT_MAX)]
    parts.append("\n".join(f"{name}: {value}" for name, value in _facts(alert)))
    parts.append("\n".join(_lines(alert)))
    if _remedy(alert):
        parts.append(f"What to do: {_remedy(alert)}")
    parts += [alert.link, " · ".join(_origin(alert))]
    return "\n\n".join(part for part in parts if part) + "\n"


def page(alert: Alert) -> str:
    """The HTML part: inline styles only, because mail programs drop the others."""
    color = "#15803d" if alert.mended else "#52525b" if alert.dropped else _COLORS[alert.level]
    head = f"{sign(alert)} {label(alert)}: {one_line(alert.title, VALUE_MAX)}"
    parts = [f'<h2 style="margin:0 0 8px;color:{color};font-size:18px">{escape(head)}</h2>']
    parts += [f"<p>{escape(each)}</p>" for each in paragraph(alert.text, TEXT_MAX).splitlines() if each]
    parts.append(_table(_facts(alert)))
    parts.append("".join(f"<li>{escape(each)}</li>" for each in _lines(alert)))
    if parts[-1]:
        parts[-1] = f'<ul style="padding-left:18px">{parts[-1]}</ul>'
    if _remedy(alert):
        parts.append(f"<p><b>What to do:</b> {escape(_remedy(alert))}</p>")
    if alert.link.startswith(("https://", "http://")):
        parts.append(f'<p><a href="{escape(alert.link)}">Open in the auditor</a></p>')
    parts.append(f'<p style="color:#71717a;font-size:12px">{escape(" · ".join(_origin(alert)))}</p>')
    body = "\n".join(part for part in parts if part)
    return f'<!doctype html><html><body style="font-family:sans-serif;font-size:14px">\n{body}\n</body></html>\n'


def _table(facts: Iterable[tuple[str, str]]) -> str:
    head = '<th align="left" valign="top" style="padding:2px 12px 2px 0">'
    rows = "".join(f"<tr>{head}{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts)
    return f"<table>{rows}</table>" if rows else ""


def _facts(alert: Alert) -> Iterable[tuple[str, str]]:
    if alert.resource_id:
        yield thing(alert.resource_kind) or "Resource", named(alert.resource_name, alert.resource_id, VALUE_MAX)
    yield from ((one_line(name, 40), one_line(value, VALUE_MAX)) for name, value in alert.facts[:FACTS_MAX])
    if alert.counts:
        yield "Numbers", ", ".join(f"{number:,} {name}" for name, number in alert.counts.items())


def _lines(alert: Alert) -> Iterable[str]:
    for line in alert.lines[: digests.LINES_MAX]:
        told = f"{named(line.resource, line.resource_id, 120)}: {one_line(line.message, 200)} [{line.policy}]"
        yield f"{SHAPES[line.level]} {line.level.value} {told}"
    if left := alert.lines[digests.LINES_MAX :]:
        yield more(counted(len(left), "more finding"), alert.lines, alert.link)


def _remedy(alert: Alert) -> str:
    return "" if alert.kind is AlertKind.RESOLVED else paragraph(alert.remediation, TEXT_MAX)


def _origin(alert: Alert) -> Iterable[str]:
    finding = f"finding {alert.finding}" if alert.finding else ""
    parts = (alert.organization, alert.policy, finding, moment(alert.at))
    return (one_line(part, 100) for part in parts if part)
