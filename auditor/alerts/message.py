"""What goes to people: one alert, whatever the sink. Pure data, stored in the outbox as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

import msgspec

from auditor.alerts.mailaddress import is_address
from auditor.findings.model import Reason
from auditor.fingerprint import fingerprint
from auditor.inventory.schema import EVENT_KIND
from auditor.terms import Level


class AlertKind(StrEnum):
    """Why a message goes out."""

    OPENED = "opened"
    REOPENED = "reopened"
    ACKNOWLEDGED = "acknowledged"
    WAIVED = "waived"
    RESOLVED = "resolved"
    OCCURRED = "occurred"
    DIGEST = "digest"
    REPORT = "report"
    EVENT = "event"
    """An audit event as the API sent it, whatever it means."""
    NOTICE = "notice"
    """About the auditor itself: a gap in the audit log, a dead letter."""


T = TypeVar("T")

DECIDED = frozenset({AlertKind.ACKNOWLEDGED, AlertKind.WAIVED})
"""What people here decided themselves."""


@dataclass(frozen=True, slots=True)
class Line:
    """One finding in a digest."""

    level: Level
    policy: str
    resource: str
    message: str
    kind: str = ""
    """What is told of the finding: the value of an AlertKind. Like the rest, for programs that follow each of them."""
    finding: str = ""
    resource_kind: str = ""
    resource_id: str = ""
    reason: str = ""
    """Why the finding ended, as of an Alert."""
    tags: tuple[str, ...] = ()
    """From here on what routes and silences ask of it, as of an Alert."""
    project: str = ""
    project_name: str = ""
    owner: str = ""
    teams: tuple[str, ...] = ()

    @property
    def dropped(self) -> bool:
        """Whether the finding ended with its policy, and nothing was mended."""
        return self.reason == Reason.POLICY_REMOVED


@dataclass(frozen=True, slots=True)
class Alert:
    """One message to one or more sinks. All text in it may come from members of the organization: sinks escape it."""

    id: str
    """Idempotency key: the same on every try, different for every transition."""
    kind: AlertKind
    organization: str
    level: Level
    title: str
    text: str
    at: int
    """Unix seconds of what is told, not of the sending."""
    policy: str = ""
    finding: str = ""
    about: str = ""
    """Of a notice: the finding that it is about. It tells of no change of it, and so is not of its `finding`."""
    by: str = ""
    """Who decided what is told; empty for what was seen."""
    reason: str = ""
    """Why the finding ended: the value of a Reason. Empty of what did not, and in messages of older versions."""
    resource_kind: str = ""
    resource_id: str = ""
    resource_name: str = ""
    remediation: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    """Label and value pairs: who did it, from where, when."""
    lines: tuple[Line, ...] = ()
    """What a digest tells of, worst first."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """A digest's or report's numbers, in the order of telling: `critical` to 2."""
    link: str = ""
    raw: str = ""
    """Of an audit event: the JSON that the API sent."""
    tags: tuple[str, ...] = ()
    """Of the policy."""
    project: str = ""
    """Id of the project that the resource is in, or is."""
    project_name: str = ""
    owner: str = ""
    """Who answers for the resource: an e-mail address where there is one."""
    teams: tuple[str, ...] = ()
    """Those of the configuration that the project or the owner belongs to."""
    protected: bool = False
    """No silence, mute time or inhibition holds it back: the auditor itself cannot see, or cannot be believed."""

    @property
    def person(self) -> str:
        """The e-mail address of the person who answers for the resource; empty when no person does."""
        return self.owner.lower() if is_address(self.owner) else ""

    @property
    def dropped(self) -> bool:
        """Whether the finding ended with its policy: that is told, and counted, as no resolving."""
        return self.reason == Reason.POLICY_REMOVED

    @property
    def mended(self) -> bool:
        """Whether it tells that a fault is no more."""
        return self.kind is AlertKind.RESOLVED and not self.dropped

    @property
    def once(self) -> bool:
        """Whether it tells of what happened, rather than of how something is."""
        return self.kind is AlertKind.OCCURRED or self.resource_kind == EVENT_KIND

    @property
    def waivable(self) -> bool:
        """Whether its risk can be accepted for a time: what happened once, and what is protected, is acknowledged."""
        return not (self.once or self.protected)

    @property
    def marks(self) -> bool:
        """Whether it is no news, and only shown where the finding was told."""
        return self.kind in DECIDED


def encode(alert: Alert) -> bytes:
    """JSON for the outbox."""
    return msgspec.json.encode(alert)


def decode(data: bytes) -> Alert:
    """The alert that `encode` wrote. Raises msgspec.DecodeError."""
    return decoded(data, Alert)


def decoded(data: bytes, kind: type[T]) -> T:
    """What was stored as JSON of a `kind`. Raises msgspec.DecodeError, whatever stands there instead."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from None


def key(alert: Alert) -> str:
    """The alert's id as 32 letters and digits, which fit into every header and every service's key."""
    return fingerprint(alert.id, 32)
