"""Which audit events announce a change of which kind of resource, and which changes no event announces.

Source: the event types of `GET /organization/audit_logs` and their payloads
(platform.openai.com/docs/api-reference/audit-logs).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from auditor.adminapi.resources import BY_NAME


@dataclass(frozen=True, slots=True)
class Announced:
    """How a change of one kind is announced."""

    families: tuple[str, ...] = ()
    """Types of events, or what they begin with when it ends with a dot. The event names the resource by its id."""
    principal: tuple[str, ...] = ()
    """Families that name the parent instead: a role assignment names the principal, and never the role."""
    certain: bool = True
    """Whether each change is announced, so that one without an event is strange."""
    silent: frozenset[str] = frozenset()
    """Fields whose changes no event announces, though those of others are announced."""

    @property
    def all(self) -> tuple[str, ...]:
        """Every family."""
        return self.families + self.principal


_ROLE_CHANGES = ("role.updated", "role.deleted", "tenant.custom_role.", "tenant.role.metadata.")
_ASSIGNMENTS = ("role.assignment.", "tenant.role_assignment.", "tenant.resource_role_assignment.")
_GROUPS = ("group.", "tenant.group.")
_USERS = ("user.", "tenant.user.", "tenant.membership.")
_OF_USERS = Announced(_ROLE_CHANGES, (*_ASSIGNMENTS, *_USERS, *_GROUPS, "invite.accepted"))
_OF_GROUPS = Announced(_ROLE_CHANGES, (*_ASSIGNMENTS, *_GROUPS))
_CERTIFICATES = Announced(("certificate.", "certificates."))
_ROLES = Announced(("role.created", *_ROLE_CHANGES))
_SILENT = Announced(certain=False)

ANNOUNCEMENTS: Mapping[str, Announced] = {
    "user": Announced((*_USERS, "invite.accepted", "scim.")),
    "invite": Announced(("invite.", "tenant.api_organization_invite.", "tenant.user.invited")),
    "admin_api_key": Announced(("api_key.", "tenant.admin_api_key.")),
    "group": Announced(_GROUPS),
    "group_member": Announced(("tenant.group.member.",), certain=False),
    "group_role": _OF_GROUPS,
    "role": _ROLES,
    "user_role": _OF_USERS,
    "certificate": _CERTIFICATES,
    "data_retention": _SILENT,
    "spend_limit": _SILENT,
    "spend_alert": _SILENT,
    "external_key": Announced(("external_key.",)),
    "external_storage": Announced(("external_storage.",)),
    "workload_identity_provider": Announced(("workload_identity_provider.", "tenant.workload_identity.provider.")),
    "federation_rule": Announced(
        ("workload_identity_provider_mapping.", "tenant.workload_identity.mapping."), certain=False
    ),
    "project": Announced(("project.",), silent=frozenset({"residency", "external_key_id"})),
    "project_user": Announced((*_USERS, "invite.accepted")),
    "project_group": Announced(("group.deleted", "tenant.group.deleted", "tenant.resource_access."), certain=False),
    "service_account": Announced(("service_account.", "tenant.service_account.")),
    "project_api_key": Announced(("api_key.", "tenant.project_api_key.")),
    "rate_limit": Announced(("rate_limit.",)),
    "project_certificate": _CERTIFICATES,
    "project_data_retention": _SILENT,
    "project_spend_limit": _SILENT,
    "project_spend_alert": _SILENT,
    "project_model_permissions": _SILENT,
    "project_hosted_tool_permissions": _SILENT,
    "project_service_tier_settings": _SILENT,
    "project_role": _ROLES,
    "project_user_role": _OF_USERS,
    "project_group_role": _OF_GROUPS,
}
"""By kind of resource."""

_WHOLE = (".created", ".added", ".archived", ".deleted", ".removed", ".registered")
"""What happens to a parent, and takes what is in it along."""

ACTORS = ("invite.accepted", "user.added", "tenant.membership.accepted")
"""Types whose actor is, or may be, what they are about."""


def of_kind(kind: str) -> Announced:
    """How changes of `kind` are announced; a kind that the table does not know is not."""
    return ANNOUNCEMENTS.get(kind, _SILENT)


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
