"""Whether an audit event announces a change of a kind of resource, by what RESOURCES say of the kind.

Source: the event types of `GET /organization/audit_logs` and their payloads
(platform.openai.com/docs/api-reference/audit-logs).
"""

from collections.abc import Iterable

from auditor.adminapi.alike import SILENT
from auditor.adminapi.resources import BY_NAME
from auditor.adminapi.resourcetypes import Announced

_WHOLE = (".created", ".added", ".archived", ".deleted", ".removed", ".registered")
"""What happens to a parent, and takes what is in it along."""

ACTORS = ("invite.accepted", "user.added", "tenant.membership.accepted")
"""Types whose actor is, or may be, what they are about."""


def of_kind(kind: str) -> Announced:
    """How changes of `kind` are announced; those of a kind that is read from no endpoint are not."""
    return BY_NAME[kind].announced if kind in BY_NAME else SILENT


def is_of(event: str, families: Iterable[str]) -> bool:
    """Whether an event of this type belongs to one of the families."""
    return any(event.startswith(family) if family.endswith(".") else event == family for family in families)


def takes_along(event: str, parent: str) -> bool:
    """Whether an event of this type makes a `parent` (a kind) come or go, with all that is in it."""
    return event.endswith(_WHOLE) and is_of(event, of_kind(parent).families)


def families_of(kinds: Iterable[str]) -> set[str]:
    """All families that may announce a change of `kinds`, those of their parents included."""
    found: set[str] = set()
    for kind in kinds:
        each: str | None = kind
        while each:
            found.update(of_kind(each).all)
            each = BY_NAME[each].parent if each in BY_NAME else None
    return found
