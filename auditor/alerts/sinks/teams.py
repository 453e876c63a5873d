"""Microsoft Teams, by the URL of a workflow "When a Teams webhook request is received".

Formats: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook (28 kB)
and https://adaptivecards.io/explorer (what is in a TextRun is never read as Markdown).
"""

from collections.abc import Iterable
from typing import Any

from auditor.alerts.document import fitted, readable
from auditor.alerts.listing import more
from auditor.alerts.message import Alert, AlertKind
from auditor.alerts.post import Answer, post
from auditor.alerts.remote import UrlConfig
from auditor.alerts.sink import Context, Example, Receipt
from auditor.alerts.untrusted import named, one_line, paragraph
from auditor.alerts.words import SHAPES, counted, label, moment, sign, thing
from auditor.terms import Level

BODY_MAX = 24 * 1024
"""Below the 28 kB of a message, which the service counts after wrapping the card."""
FACTS_MAX = 12

_COLORS = {
    Level.CRITICAL: "attention",
    Level.HIGH: "attention",
    Level.MEDIUM: "warning",
    Level.LOW: "accent",
    Level.INFORMATIONAL: "default",
}


class Config(UrlConfig):
    """`url` or `url_file`: what the workflow shows after it was saved. It is the credential."""


EXAMPLES = {
    "teams": Example(
        {"url": "{address}/workflows/{secret}?api-version=1&sig={secret}", "timeout": "1", "allow_private": "true"},
        202,
        any_body=True,
    )
}


def render(config: Config, alert: Alert) -> str:
    """The message with its card."""
    return readable(_body(alert))


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Post the card; the workflow confirms with 202, or 2xx and nothing. Raises DeliveryError."""
    answer = await post("Teams", config.endpoint(), _body(alert), {}, config)
    if not _confirms(answer):
        raise answer.refusal("Teams", **_switched_off(answer))
    return Receipt()


def _switched_off(answer: Answer) -> dict[str, Any]:
    """A workflow that somebody switched off answers 400 as well, to every card."""
    error = answer.json().get("error")
    code = error.get("code") if isinstance(error, dict) else None
    off = answer.status == 400 and code == "WorkflowTriggerIsNotEnabled"
    return {"final": False, "word": "the workflow is switched off", "hint": "switch it on again"} if off else {}


def _confirms(answer: Answer) -> bool:
    # Their connectors answered 200 with a failure in words, and proxies answer 200 with a page.
    return answer.status == 202 or (200 <= answer.status < 300 and answer.body.strip() in (b"", b"1"))


def _body(alert: Alert) -> bytes:
    return fitted(lambda lines: _message(alert, lines), BODY_MAX)


def _message(alert: Alert, lines: int) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "fallbackText": one_line(alert.title, 200),
        "body": list(_blocks(alert, lines)),
        "actions": _actions(alert),
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


def _blocks(alert: Alert, lines: int) -> Iterable[dict[str, Any]]:
    color = "good" if alert.mended else "default" if alert.dropped else _COLORS[alert.level]
    yield _rich(_run(f"{sign(alert)} {label(alert)}: {alert.title}", 200, weight="bolder", size="large", color=color))
    if alert.text:
        yield _rich({"type": "TextRun", "text": paragraph(alert.text, 1500) or "-"})
    if alert.counts:
        yield _rich(_run(", ".join(f"{number:,} {name}" for name, number in alert.counts.items()), 300))
    yield from _lines(alert, lines)
    for name, value in _facts(alert):
        yield _rich(_run(f"{name}: ", 60, weight="bolder"), _run(value, 250))
    if alert.remediation and alert.kind is not AlertKind.RESOLVED:
        yield _rich(_run("What to do: ", 60, weight="bolder"), _run(alert.remediation, 700))
    origin = (alert.organization, alert.policy, f"finding {alert.finding}" if alert.finding else "", moment(alert.at))
    yield _rich(_run(" · ".join(part for part in origin if part), 300, isSubtle=True, size="small"))


def _facts(alert: Alert) -> Iterable[tuple[str, str]]:
    if alert.resource_id:
        yield thing(alert.resource_kind) or "Resource", named(alert.resource_name, alert.resource_id, 240)
    yield from alert.facts[:FACTS_MAX]


def _lines(alert: Alert, lines: int) -> Iterable[dict[str, Any]]:
    for line in alert.lines[:lines]:
        head = f"{SHAPES[line.level]} {line.level.value} {named(line.resource, line.resource_id, 120)}: "
        yield _rich(_run(head, 160, weight="bolder"), _run(f"{one_line(line.message, 150)} [{line.policy}]", 220))
    if len(alert.lines) > lines:
        left = counted(len(alert.lines) - lines, "more finding")
        yield _rich(_run(more(left, alert.lines, alert.link), 250))


def _actions(alert: Alert) -> list[dict[str, Any]]:
    if not alert.link.startswith(("https://", "http://")):
        return []
    return [{"type": "Action.OpenUrl", "title": "Open in the auditor", "url": alert.link}]


def _rich(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, limit: int, **style: object) -> dict[str, Any]:
    # `one_line` takes the blank at the end, which keeps a label and its value apart.
    blank = " " if text.endswith(" ") else ""
    return {"type": "TextRun", "text": (one_line(text, limit) or "-") + blank, **style}
