"""What several kinds of resources have in common: fields, and the events that announce their changes."""

from auditor.adminapi.fields import ANY, BOOLEAN, INTEGER, STRING, STRINGS, TIME, Field, Type
from auditor.adminapi.resourcetypes import Announced

ROLE = {
    "id": STRING,
    "name": STRING,
    "description": STRING,
    "permissions": STRINGS,
    "predefined_role": BOOLEAN,
    "resource_type": STRING,
}
ASSIGNMENT = ROLE | {
    "created_at": TIME,
    "updated_at": TIME,
    "created_by": STRING,
    "assignment_sources": ANY,
    "assignment_sources.principal_id": STRINGS,
    "assignment_sources.principal_type": STRINGS,
}
CERTIFICATE = {
    "id": STRING,
    "name": STRING,
    "active": BOOLEAN,
    "created_at": TIME,
    "valid_at": Field(Type.TIME, "certificate_details.valid_at"),
    "expires_at": Field(Type.TIME, "certificate_details.expires_at"),
}
RETENTION = {"type": STRING}
SPEND_ALERT = {
    "id": STRING,
    "threshold_amount": INTEGER,
    "currency": STRING,
    "interval": STRING,
    "notification_channel.type": STRING,
    "notification_channel.recipients": STRINGS,
    "notification_channel.subject_prefix": STRING,
}
# Amounts are whole US cents.
SPEND_LIMIT = {
    "threshold_amount": INTEGER,
    "currency": STRING,
    "interval": STRING,
    "enforcement.status": STRING,
}
ASSIGNMENT_UNUSED = frozenset({"created_by_user_obj", "metadata"})

_ROLE_CHANGES = ("role.updated", "role.deleted", "tenant.custom_role.", "tenant.role.metadata.")
_ASSIGNMENTS = ("role.assignment.", "tenant.role_assignment.", "tenant.resource_role_assignment.")
GROUPS = ("group.", "tenant.group.")
USERS = ("user.", "tenant.user.", "tenant.membership.")
OF_USERS = Announced(_ROLE_CHANGES, (*_ASSIGNMENTS, *USERS, *GROUPS, "invite.accepted"))
OF_GROUPS = Announced(_ROLE_CHANGES, (*_ASSIGNMENTS, *GROUPS))
CERTIFICATES = Announced(("certificate.", "certificates."))
ROLES = Announced(("role.created", *_ROLE_CHANGES))
SILENT = Announced(certain=False)
