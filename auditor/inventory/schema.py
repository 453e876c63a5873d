"""Which fields policies may name, by kind of resource: the API's own, those joined on, and settings from events."""

from collections.abc import Mapping

from auditor.adminapi.fields import BOOLEAN, INTEGER, LAST_USE, NUMBER, STRING, STRINGS, TIME, Field, Type
from auditor.adminapi.resources import BY_NAME, RESOURCES
from auditor.inventory.settingtypes import SETTING_TYPES

EVENT_KIND = "audit_event"
IP_ALLOWLIST = "ip_allowlist"
SETTINGS = "organization_settings"
ORGANIZATION_USAGE = "organization_usage"
MODEL_USE = "model_use"
SETTING = "setting"
ROLE_BINDING = "role_binding"
AUDIT_LOG = "audit_log"

_PROJECT: Mapping[str, Field] = {"project.id": STRING, "project.name": STRING, "project.status": STRING}
_PERSON: Mapping[str, Field] = {"groups": STRINGS, "roles": STRINGS, "permissions": STRINGS}
_SOURCES: Mapping[str, Field] = {"direct_roles": STRINGS, "role_groups": STRINGS}
_OWNER: Mapping[str, Field] = {
    "owner.id": STRING,
    "owner.name": STRING,
    "owner.email": STRING,
    "owner.org_role": STRING,
    "owner.groups": STRINGS,
    "owner.is_member": BOOLEAN,
}
# Only audit events show what a key may do; an empty list is written there for all permissions.
_SCOPES: Mapping[str, Field] = {
    "scopes": STRINGS,
    "has_all_scopes": BOOLEAN,
    "scopes_since": TIME,
    "scopes_event": STRING,
    "requested_expires_at": TIME,
}

RELATIONS: Mapping[str, Mapping[str, Field]] = {
    # `direct_roles` do not come through a group; `role_groups` are the groups through which the others come.
    "user": {
        **_PERSON,
        **_SOURCES,
        "projects": STRINGS,
        "owned_projects": STRINGS,
        "keys": INTEGER,
        "admin_keys": INTEGER,
    },
    "group": {"members": STRINGS, "projects": STRINGS, "roles": STRINGS, "permissions": STRINGS},
    # `owners` are direct ones; `effective_owners` are also those who own it through a group.
    "project": {
        "owners": STRINGS,
        "effective_owners": STRINGS,
        "members": STRINGS,
        "groups": STRINGS,
        "keys": INTEGER,
        "is_default": BOOLEAN,
    },
    "admin_api_key": {**_OWNER, **_SCOPES},
    "project_api_key": {**_OWNER, "owner.role": STRING, **_SCOPES},
    # `roles` and `permissions` are those in the project, through groups, too.
    "project_user": {"org_role": STRING, "is_member": BOOLEAN, **_PERSON, **_SOURCES},
    "project_group": {"members": STRINGS, "roles": STRINGS, "permissions": STRINGS},
    "federation_rule": {
        "project.name": STRING,
        "project.status": STRING,
        "service_account.exists": BOOLEAN,
        "service_account.name": STRING,
        "provider.name": STRING,
        "provider.enabled": BOOLEAN,
    },
    "invite": {"projects.name": STRINGS},
    "external_key": {"projects": STRINGS},
    "external_storage": {"project.name": STRING, "project.status": STRING},
    # `outsiders` are recipients that are no member of the organization.
    "spend_alert": {"outsiders": STRINGS},
    "project_spend_alert": {"outsiders": STRINGS},
}
"""Fields joined on by `relations.join`: kind to field. Kinds below a project get the project's too."""

_AMOUNT = Field(Type.NUMBER, volatile=True)
_MODELS = Field(Type.STRINGS, volatile=True)

SPENDING: Mapping[str, Field] = {
    "cost_1d": _AMOUNT,
    "cost_7d": _AMOUNT,
    "cost_30d": _AMOUNT,
    "cost_prev_30d": _AMOUNT,
    "cost_90d": _AMOUNT,
    "cost_daily_median_30d": _AMOUNT,
    "cost_deviation_1d": _AMOUNT,
    "requests_30d": _AMOUNT,
    "tokens_30d": _AMOUNT,
    "models_30d": _MODELS,
}
"""What was used and what it cost, joined on by `spending.spend` to the kinds of SPENDERS."""

SPENDERS: frozenset[str] = frozenset({"project", "project_api_key", "service_account"})

SUMMED: Mapping[str, Mapping[str, Field]] = {
    ORGANIZATION_USAGE: {
        "id": STRING,
        "currency": STRING,
        **SPENDING,
        "cost_unattributed_30d": _AMOUNT,
        "unlisted_keys": _MODELS,
        "costs_read_at": TIME,
        "usage_read_at": TIME,
    },
    MODEL_USE: {"model": STRING, **_PROJECT, "requests_30d": _AMOUNT, "tokens_30d": _AMOUNT},
}
"""Kinds that are no resources: sums of the usage and cost reports."""

DERIVED: Mapping[str, Mapping[str, Field]] = {
    "user": {"scim_in_use": BOOLEAN, "groups_in_use": BOOLEAN, "last_seen_at": LAST_USE},
    "admin_api_key": {"is_auditors": BOOLEAN},
    "group": {"member_count": INTEGER},
    # `holders` are the people and groups that have it.
    "role": {"holders": STRINGS},
    "project_role": {"holders": STRINGS},
    "project": {
        "owner_count": INTEGER,
        "spend_limit": INTEGER,
        "model_mode": STRING,
        "active_certificates": STRINGS,
        "highest_requests_per_1_minute": INTEGER,
    },
    "project_api_key": {"owner.newer_keys": INTEGER, "owner.next_key_at": TIME},
    # Keys that are past their end are left out.
    "service_account": {"key_count": INTEGER, "key_last_used_at": LAST_USE, "federated": BOOLEAN},
    # Whole days from its beginning to its end.
    "certificate": {"lifetime_days": INTEGER},
    "spend_limit": {"alerts_below": INTEGER},
    "project_spend_limit": {"alerts_below": INTEGER},
    "federation_rule": {"matchers": STRINGS, "matcher_count": INTEGER},
}
"""Fields that `derived`, `activity` and `ownkey` work out from all resources and events together: kind to field."""

_LEAVER: Mapping[str, Field] = {"leaver_since": TIME}
_REGISTERED_PROJECT: Mapping[str, Field] = {
    "registered": BOOLEAN,
    "registered.owner": STRING,
    "registered.environment": STRING,
    "registered.data_class": STRING,
    "registered.groups": STRINGS,
    "registered.tools": STRINGS,
    "registered.residencies": STRINGS,
    "registered.group_managed": BOOLEAN,
    "registered.certificate_required": BOOLEAN,
    "registered.external_key_required": BOOLEAN,
}

REGISTERED: Mapping[str, Mapping[str, Field]] = {
    **dict.fromkeys(("user", "invite", "group_member", "project_user"), _LEAVER),
    "admin_api_key": {"owner.leaver_since": TIME},
    "project_api_key": {"owner.leaver_since": TIME, "owner.in_registered_group": BOOLEAN},
    "spend_alert": {"recipients_left": STRINGS},
    "project_spend_alert": {"recipients_left": STRINGS},
    "service_account": {
        "registered": BOOLEAN,
        "registered.owner": STRING,
        "registered.purpose": STRING,
        "registered.review_by": TIME,
        "registered.owner_leaver_since": TIME,
    },
    "project": {**_REGISTERED_PROJECT, "residency_allowed": BOOLEAN},
    "project_hosted_tool_permissions": {"unregistered_tools": STRINGS},
}
"""Fields that `registers.register` joins on from the operator's files: kind to field.

Kinds below a project get the project's too, as `project.registered` and so on.
"""

EVENT_FIELDS: Mapping[str, Field] = {
    "id": STRING,
    "type": STRING,
    "effective_at": TIME,
    "actor.type": STRING,
    "actor.id": STRING,
    "actor.kind": STRING,
    "actor.email": STRING,
    "actor.ip": STRING,
    "actor.is_beneficiary": BOOLEAN,
    "project.id": STRING,
    "project.name": STRING,
    "planned": BOOLEAN,
    "frozen": BOOLEAN,
    "change.ticket": STRING,
    "local.hour": INTEGER,
    "local.weekday": STRING,
}
"""The fields every event may have; payload fields are open, because the list of event types grows."""

FOLDED: Mapping[str, Mapping[str, Field]] = {
    IP_ALLOWLIST: {
        "id": STRING,
        "name": STRING,
        "allowed_ips": STRINGS,
        "active": BOOLEAN,
        # `organization` or `project`.
        "scope": STRING,
        "project_id": STRING,
        "seen_at": TIME,
        "switched_at": TIME,
        "event": STRING,
    },
    SETTINGS: {"id": STRING, **{name: each.field for name, each in SETTING_TYPES.items()}},
    # One record a setting: its value as text, and where that comes from.
    SETTING: {
        "id": STRING,
        "name": STRING,
        "value": STRING,
        "source": STRING,
        "since": TIME,
        "event": STRING,
        "attestation": STRING,
        "by": STRING,
        "until": TIME,
        "evidence": STRING,
        "why": STRING,
    },
    ROLE_BINDING: {
        "id": STRING,
        "role_id": STRING,
        "role_name": STRING,
        "resource_id": STRING,
        "resource_type": STRING,
        "permissions": STRINGS,
        "enabled": BOOLEAN,
        "connector_id": STRING,
        "connector_name": STRING,
        "workspace_id": STRING,
        "source": STRING,
        "seen_at": TIME,
        "event": STRING,
    },
    # One record a stream. Durations are seconds; what is usual is absent while too little was seen.
    AUDIT_LOG: {
        "id": STRING,
        "stream": STRING,
        "status": STRING,
        "reason": STRING,
        "ever_seen": BOOLEAN,
        "newest_at": TIME,
        "oldest_at": TIME,
        "first_read_at": TIME,
        "read_at": TIME,
        "events_30d": INTEGER,
        "quiet_for": INTEGER,
        # The 99th percentile and the longest of the times between the events of 30 days.
        "usual_gap": INTEGER,
        "longest_gap": INTEGER,
        # `quiet_for` in longest gaps: 1 is the quietest that it ever was.
        "quiet_ratio": NUMBER,
        "proven_since": TIME,
        "proven_until": TIME,
        "holes": INTEGER,
        "hole_seconds": INTEGER,
        "unknown_types": STRINGS,
        "unknown_type_count": INTEGER,
    },
}
"""Kinds folded from audit events and attestations: what no endpoint shows."""

KINDS: tuple[str, ...] = (*(kind.name for kind in RESOURCES), *FOLDED, *SUMMED, EVENT_KIND)


def is_open(kind: str) -> bool:
    """Whether fields outside the schema may occur: only events, whose payloads are not all documented."""
    return kind == EVENT_KIND


def fields_of(kind: str) -> Mapping[str, Field]:
    """Every field that a policy for `kind` may name. Raises KeyError for an unknown kind."""
    if kind == EVENT_KIND:
        return EVENT_FIELDS
    if kind in FOLDED or kind in SUMMED:
        return FOLDED.get(kind) or SUMMED[kind]
    resource = BY_NAME[kind]
    parents = {f"{parent}.id": STRING for parent in ancestors(kind)}
    project = {**_PROJECT, **_prefixed(_REGISTERED_PROJECT)} if "project" in ancestors(kind) else {}
    spending = SPENDING if kind in SPENDERS else {}
    joined = {**RELATIONS.get(kind, {}), **DERIVED.get(kind, {}), **REGISTERED.get(kind, {})}
    return {**resource.fields, **parents, **project, **joined, **spending}


def _prefixed(fields: Mapping[str, Field]) -> Mapping[str, Field]:
    return {f"project.{name}": field for name, field in fields.items()}


def ancestors(kind: str) -> tuple[str, ...]:
    """Kinds of the parents of `kind`, outermost first: `("project", "project_user")`."""
    parent = BY_NAME[kind].parent if kind in BY_NAME else None
    return (*ancestors(parent), parent) if parent else ()
