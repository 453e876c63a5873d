"""What people see who press a button: the dialog in which a risk is accepted, and what they are told. Pure.

Limits: https://docs.slack.dev/reference/views
"""

from datetime import date
from typing import Any

import msgspec
from slack_sdk.models.blocks import (
    DatePickerElement,
    InputBlock,
    InputInteractiveElement,
    PlainTextInputElement,
    PlainTextObject,
    SectionBlock,
)
from slack_sdk.models.views import View

from auditor.alerts.blockkit import TEXT_MAX, escaped
from auditor.alerts.buttons import WAIVE
from auditor.alerts.slackpress import Note
from auditor.alerts.untrusted import named, one_line, paragraph
from auditor.alerts.words import thing
from auditor.findings.model import Finding
from auditor.findings.waiverfile import REASON_MAX, TICKET_MAX

TITLE_SHOWN = 300
NAME_SHOWN = 300
MESSAGE_SHOWN = 1000


def about(found: Finding) -> str:
    """Which finding, in one line that fits no other: what members named stands beside ids."""
    resource = named(found.name, "/".join(found.ids), NAME_SHOWN)
    head = one_line(f"{found.title}: ", TITLE_SHOWN)
    return f"{head} {thing(found.kind)} {resource}, finding {found.id} of {found.policy}"


def waiver(found: Finding, note: Note, latest: date) -> dict[str, Any]:
    """The view in which the risk of a finding is accepted."""
    view = View(
        type="modal",
        callback_id=WAIVE,
        private_metadata=msgspec.json.encode(note).decode(),
        title=_plain("Accept a risk"),
        submit=_plain("Waive"),
        close=_plain("Cancel"),
        blocks=[
            SectionBlock(text=_plain(about(found))),
            SectionBlock(text=_plain(paragraph(found.message, MESSAGE_SHOWN) or "-")),
            _input(
                "reason", "Reason", PlainTextInputElement(action_id="reason", multiline=True, max_length=REASON_MAX)
            ),
            _input(
                "until",
                "Last day",
                DatePickerElement(action_id="until"),
                f"UTC, {latest.isoformat()} at the latest. The finding is told again when it is over.",
            ),
            _input("ticket", "Ticket", PlainTextInputElement(action_id="ticket", max_length=TICKET_MAX), optional=True),
        ],
    )
    made: dict[str, Any] = view.to_dict()
    return made


def told(text: str) -> dict[str, Any]:
    """The words of a message that only one person sees, read literally."""
    shown = paragraph(text, TEXT_MAX)
    return {
        "text": escaped(one_line(text, TEXT_MAX)),
        "blocks": [SectionBlock(text=_plain(shown)).to_dict()],
        "parse": "none",
        "link_names": False,
    }


def _input(
    name: str, label: str, element: InputInteractiveElement, hint: str = "", *, optional: bool = False
) -> InputBlock:
    return InputBlock(
        block_id=name, label=_plain(label), element=element, hint=_plain(hint) if hint else None, optional=optional
    )


def _plain(text: str) -> PlainTextObject:
    return PlainTextObject(text=text, emoji=False)
