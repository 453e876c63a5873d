"""What an operator makes of the words of an alert: a template for its title, and one for its text. Pure.

They name the fields of the alert and nothing else, in the language of the messages of policies. What a member wrote
is only ever a value.
"""

from dataclasses import replace
from functools import cache
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from auditor.alerts.message import Alert
from auditor.alerts.untrusted import TEXT_MAX
from auditor.alerts.words import label
from auditor.errors import did_you_mean
from auditor.policy.template import Message

FIELDS = (
    "at",
    "finding",
    "findings",
    "kind",
    "label",
    "level",
    "link",
    "organization",
    "owner",
    "policy",
    "project",
    "reason",
    "remediation",
    "resource.id",
    "resource.kind",
    "resource.name",
    "tags",
    "teams",
    "text",
    "title",
)
"""What a template may name, besides `facts.who` and whatever else the facts are called, and `now`."""


@cache
def _compiled(text: str) -> Message:
    return Message(text)


def _template(text: str) -> str:
    for name in sorted(_compiled(text).names):
        if name not in FIELDS and name != "now" and not name.startswith("facts."):
            raise ValueError(f"no field is named `{name}`; {did_you_mean(name, (*FIELDS, 'facts.who'), 'fields')}")
    return text


Template = Annotated[str, AfterValidator(_template)]


class Templates(BaseModel):
    """Templates of a sink; an empty one leaves the words as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Template = ""
    text: Template = ""


def worded(alert: Alert, templates: Templates) -> Alert:
    """The alert in the operator's words. What a template cannot say stays as it was."""
    if templates == Templates():
        return alert
    fields = _fields(alert)
    title, text = (
        _compiled(template).render(fields, alert.at, plain, limit=TEXT_MAX, each=TEXT_MAX) if template else plain
        for template, plain in ((templates.title, alert.title), (templates.text, alert.text))
    )
    return replace(alert, title=title, text=text)


def _fields(alert: Alert) -> dict[str, object]:
    facts = {f"facts.{name.lower().replace(' ', '_').replace('.', '_')}": value for name, value in alert.facts}
    return {
        **facts,
        "at": alert.at,
        "finding": alert.finding,
        "findings": len(alert.lines),
        "kind": alert.kind.value,
        "label": label(alert),
        "level": alert.level.value,
        "link": alert.link,
        "organization": alert.organization,
        "owner": alert.owner,
        "policy": alert.policy,
        "project": alert.project_name or alert.project,
        "reason": alert.reason,
        "remediation": alert.remediation,
        "resource.id": alert.resource_id,
        "resource.kind": alert.resource_kind,
        "resource.name": alert.resource_name,
        "tags": list(alert.tags),
        "teams": list(alert.teams),
        "text": alert.text,
        "title": alert.title,
    }
