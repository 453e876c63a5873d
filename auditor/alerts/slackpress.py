"""What people ask for by pressing buttons in Slack. Pure data."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import msgspec

from auditor.alerts.buttons import ACKNOWLEDGE, WAIVE
from auditor.fingerprint import fingerprint

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,255}$")]
"""One of Slack's."""
FindingId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{1,64}$")]


class Note(msgspec.Struct, frozen=True):
    """What the dialog keeps while it is open: about which finding it is, and where whoever opened it is told."""

    finding: FindingId
    channel: Id


@dataclass(frozen=True, slots=True)
class Presser:
    """Who pressed, by Slack's word."""

    id: str
    team: str
    """The workspace of the account."""
    workspace: str
    """The workspace in which the button stands."""
    enterprise: str = ""
    """The organization that the workspace belongs to, if any."""


class Button(StrEnum):
    """Which button."""

    ACKNOWLEDGE = ACKNOWLEDGE
    WAIVE = WAIVE


@dataclass(frozen=True, slots=True)
class Click:
    """Somebody pressed a button under an alert."""

    button: Button
    finding: str
    by: Presser
    channel: str
    trigger: str
    """What opens a dialog, once, within three seconds."""

    @property
    def key(self) -> str:
        """The same however often Slack sends it."""
        return self.trigger


@dataclass(frozen=True, slots=True)
class Submission:
    """Somebody sent the dialog off. What was left out is empty."""

    view: str
    finding: str
    by: Presser
    channel: str
    reason: str
    until: str
    ticket: str

    @property
    def key(self) -> str:
        """The same however often Slack sends it."""
        return fingerprint(f"{self.by.workspace}/{self.view}")
