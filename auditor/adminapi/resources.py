"""RESOURCES: every kind of resource, where it is read, how it pages, and what policies may name of it.

Nothing else in the project knows a path of the Admin API. A new kind of resource is one entry here.
Source of the facts, where an entry names none: the API reference of the administration endpoints
(platform.openai.com/docs/api-reference/administration) and the published OpenAPI description.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from auditor.adminapi.fields import (
    ANY,
    BOOLEAN,
    INTEGER,
    LAST_USE,
    STRING,
    STRINGS,
    TIME,
    Field,
    Type,
)


class Paging(StrEnum):
    """How the next page is asked for. The published description has these four, and single objects."""

    LAST_ITEM = "after = id of the last item"
    LAST_ID = "after = last_id of the body"
    NEXT = "after = next of the body"
    PAGE = "page = next_page of the body"
    SINGLE = "one object, no envelope"


class Tier(StrEnum):
    """How often a kind is read again: LIST every snapshot, FAN_OUT (a call a principal) less often."""

    LIST = "list"
    FAN_OUT = "fan-out"


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One kind of resource."""

    name: str
    """As policies and reports name it: singular, snake case."""
    path: str
    """Below the base URL; `{project}` stands for the id of the parent of that kind."""
    paging: Paging
    fields: Mapping[str, Field]
    parent: str | None = None
    """Kind whose resources this one is read for, one walk each; None for the whole organization."""
    limit: int | None = None
    """Largest page the API allows."""
    limit_is_a_guess: bool = False
    """Whether the maximum is stated nowhere, so that a refusal of `limit` means: ask without it."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Query parameters that must be sent, or the list is silently shorter."""
    identity: str = "id"
    """Field of the body that identifies an item within its parents."""
    turned: str = ""
    """Value of `order` that turns the list around, where it has no cursor that can be made up; empty for none."""
    several: bool = False
    """Whether an identity may come several times with other contents: a role that is assigned from several sources."""
    tier: Tier = Tier.LIST
    never_empty: bool = False
    """Whether every organization has at least one, so that an empty list is a lie and no news."""
    unset_on_404: bool = False
    """Whether 404 on this singleton means that nothing is configured, so that there is no such resource."""
    skip_parents: Mapping[str, object] = field(default_factory=dict)
    """Parents (by field and value) that have no such collection: archived projects have no sub-resources."""


_ARCHIVED = {"status": "archived"}

_ROLE = {
    "id": STRING,
    "name": STRING,
    "description": STRING,
    "permissions": STRINGS,
    "predefined_role": BOOLEAN,
    "resource_type": STRING,
}
_ASSIGNMENT = _ROLE | {
    "created_at": TIME,
    "updated_at": TIME,
    "created_by": STRING,
    "assignment_sources": ANY,
    "assignment_sources.principal_id": STRINGS,
    "assignment_sources.principal_type": STRINGS,
}
_CERTIFICATE = {
    "id": STRING,
    "name": STRING,
    "active": BOOLEAN,
    "created_at": TIME,
    "valid_at": Field(Type.TIME, "certificate_details.valid_at"),
    "expires_at": Field(Type.TIME, "certificate_details.expires_at"),
}
_RETENTION = {"type": STRING}
_SPEND_ALERT = {
    "id": STRING,
    "threshold_amount": INTEGER,
    "currency": STRING,
    "interval": STRING,
    "notification_channel.type": STRING,
    "notification_channel.recipients": STRINGS,
    "notification_channel.subject_prefix": STRING,
}
# Amounts are whole US cents.
_SPEND_LIMIT = {
    "threshold_amount": INTEGER,
    "currency": STRING,
    "interval": STRING,
    "enforcement.status": STRING,
}

RESOURCES: tuple[ResourceType, ...] = (
    ResourceType(
        name="user",
        path="/organization/users",
        paging=Paging.LAST_ID,
        limit=100,
        never_empty=True,
        fields={
            "id": STRING,
            "name": STRING,
            "email": STRING,
            "role": STRING,
            "added_at": TIME,
            "created": TIME,
            "is_default": BOOLEAN,
            "is_service_account": BOOLEAN,
            "is_scim_managed": BOOLEAN,
            "is_scale_tier_authorized_purchaser": BOOLEAN,
            "api_key_last_used_at": LAST_USE,
            "user.enabled": BOOLEAN,
            "user.banned": BOOLEAN,
            "user.banned_at": TIME,
        },
    ),
    ResourceType(
        name="invite",
        path="/organization/invites",
        paging=Paging.LAST_ID,
        limit=100,
        fields={
            "id": STRING,
            "email": STRING,
            "role": STRING,
            "status": STRING,
            "created_at": TIME,
            "expires_at": TIME,
            "accepted_at": TIME,
            "projects.id": STRINGS,
            "projects.role": STRINGS,
        },
    ),
    ResourceType(
        name="admin_api_key",
        path="/organization/admin_api_keys",
        paging=Paging.LAST_ITEM,
        limit=100,
        limit_is_a_guess=True,
        fields={
            "id": STRING,
            "name": STRING,
            "redacted_value": STRING,
            "created_at": TIME,
            "expires_at": Field(Type.TIME, absent_is_unknown=True),
            "last_used_at": LAST_USE,
            "owner.id": STRING,
            "owner.name": STRING,
            "owner.type": STRING,
            "owner.role": STRING,
            "owner.created_at": TIME,
        },
    ),
    ResourceType(
        name="group",
        path="/organization/groups",
        paging=Paging.NEXT,
        turned="desc",
        limit=1000,
        fields={
            "id": STRING,
            "name": STRING,
            "created_at": TIME,
            "is_scim_managed": BOOLEAN,
            "group_type": STRING,
        },
    ),
    ResourceType(
        name="group_member",
        path="/organization/groups/{group}/users",
        paging=Paging.NEXT,
        turned="asc",
        limit=1000,
        parent="group",
        fields={"id": STRING, "name": STRING, "email": STRING},
    ),
    ResourceType(
        name="group_role",
        path="/organization/groups/{group}/roles",
        paging=Paging.NEXT,
        turned="desc",
        several=True,
        limit=1000,
        parent="group",
        tier=Tier.FAN_OUT,
        fields=_ASSIGNMENT,
    ),
    ResourceType(
        name="role",
        path="/organization/roles",
        paging=Paging.NEXT,
        turned="desc",
        limit=1000,
        fields=_ROLE,
    ),
    ResourceType(
        name="user_role",
        path="/organization/users/{user}/roles",
        paging=Paging.NEXT,
        turned="desc",
        several=True,
        limit=1000,
        parent="user",
        tier=Tier.FAN_OUT,
        fields=_ASSIGNMENT,
    ),
    ResourceType(
        name="certificate",
        path="/organization/certificates",
        paging=Paging.LAST_ID,
        limit=100,
        fields=_CERTIFICATE,
    ),
    ResourceType(
        name="data_retention",
        path="/organization/data_retention",
        paging=Paging.SINGLE,
        unset_on_404=True,
        fields=_RETENTION,
    ),
    ResourceType(
        name="spend_limit",
        path="/organization/spend_limit",
        paging=Paging.SINGLE,
        unset_on_404=True,
        fields=_SPEND_LIMIT,
    ),
    ResourceType(
        name="spend_alert",
        path="/organization/spend_alerts",
        paging=Paging.LAST_ID,
        limit=100,
        fields=_SPEND_ALERT,
    ),
    ResourceType(
        name="external_key",
        path="/organization/external_keys",
        paging=Paging.LAST_ITEM,
        limit=100,
        fields={
            "id": STRING,
            "type": STRING,
            "name": STRING,
            "created_at": TIME,
            "workspace_id": STRING,
            "api_project_ids": STRINGS,
            "purpose": STRING,
            "kms_arn": STRING,
            "role_arn": STRING,
            "external_id": STRING,
            "kms_project_id": STRING,
            "kms_key_location": STRING,
            "kms_key_ring_name": STRING,
            "kms_key_name": STRING,
            "kms_key_version": STRING,
            "audience": STRING,
            "workload_identity_pool_id": STRING,
            "workload_identity_project_number": STRING,
            "workload_identity_provider_id": STRING,
            "tenant_id": STRING,
            "vault_uri": STRING,
            "key_name": STRING,
            "key_version": STRING,
            "region": STRING,
            "vault_ocid": STRING,
            "key_ocid": STRING,
            "key_version_ocid": STRING,
        },
    ),
    ResourceType(
        name="external_storage",
        path="/organization/external_storage",
        paging=Paging.LAST_ITEM,
        limit=100,
        fields={
            "id": STRING,
            "project_id": STRING,
            "geography": STRING,
            "created_at": TIME,
            "status": STRING,
            "provider.type": STRING,
            "provider.bucket": STRING,
            "provider.region": STRING,
            "provider.account_id": STRING,
            "provider.role_arn": STRING,
            "provider.account_name": STRING,
            "provider.container": STRING,
            "provider.tenant_id": STRING,
        },
    ),
    ResourceType(
        name="workload_identity_provider",
        path="/organization/workload_identity_providers",
        paging=Paging.LAST_ITEM,
        limit=100,
        fields={
            "id": STRING,
            "name": STRING,
            "type": STRING,
            "issuer": STRING,
            "audience": STRING,
            "enabled": BOOLEAN,
            "description": STRING,
            "created_at": TIME,
            "updated_at": TIME,
            "attribute_transformations.attribute": STRINGS,
            "attribute_transformations.expression": STRINGS,
            "verification.type": STRING,
            "verification.discovery_url": STRING,
        },
    ),
    ResourceType(
        name="federation_rule",
        path="/organization/workload_identity_providers/{workload_identity_provider}/federation_rules",
        paging=Paging.LAST_ITEM,
        limit=100,
        parent="workload_identity_provider",
        fields={
            "id": STRING,
            "name": STRING,
            "description": STRING,
            "workload_identity_provider_id": STRING,
            "project_id": STRING,
            "service_account_id": STRING,
            "enabled": BOOLEAN,
            "attribute_matchers": ANY,
            "permissions.type": STRING,
            "permissions.scopes": STRINGS,
            "created_at": TIME,
            "updated_at": TIME,
        },
    ),
    ResourceType(
        name="project",
        path="/organization/projects",
        paging=Paging.LAST_ID,
        limit=100,
        params={"include_archived": "true"},
        never_empty=True,
        fields={
            "id": STRING,
            "name": STRING,
            "status": STRING,
            "created_at": TIME,
            "archived_at": TIME,
            "external_key_id": STRING,
            "residency": STRING,
        },
    ),
    ResourceType(
        name="project_user",
        path="/organization/projects/{project}/users",
        paging=Paging.LAST_ID,
        limit=100,
        parent="project",
        skip_parents=_ARCHIVED,
        fields={"id": STRING, "name": STRING, "email": STRING, "role": STRING, "added_at": TIME},
    ),
    ResourceType(
        name="project_group",
        path="/organization/projects/{project}/groups",
        paging=Paging.NEXT,
        turned="desc",
        limit=100,
        parent="project",
        identity="group_id",
        skip_parents=_ARCHIVED,
        fields={"group_id": STRING, "group_name": STRING, "group_type": STRING, "created_at": TIME},
    ),
    ResourceType(
        name="service_account",
        path="/organization/projects/{project}/service_accounts",
        paging=Paging.LAST_ID,
        limit=100,
        parent="project",
        skip_parents=_ARCHIVED,
        fields={"id": STRING, "name": STRING, "role": STRING, "created_at": TIME},
    ),
    ResourceType(
        name="project_api_key",
        path="/organization/projects/{project}/api_keys",
        paging=Paging.LAST_ID,
        limit=100,
        # Without it an older membership rule applies and enabled keys can be missing from the list.
        params={"owner_project_access": "any"},
        parent="project",
        skip_parents=_ARCHIVED,
        fields={
            "id": STRING,
            "name": STRING,
            "redacted_value": STRING,
            "created_at": TIME,
            "last_used_at": LAST_USE,
            "expires_at": Field(Type.TIME, absent_is_unknown=True),
            "owner_project_access": STRING,
            "owner.type": STRING,
            "owner.user.id": STRING,
            "owner.user.email": STRING,
            "owner.user.name": STRING,
            "owner.user.role": STRING,
            "owner.service_account.id": STRING,
            "owner.service_account.name": STRING,
            "owner.service_account.role": STRING,
        },
    ),
    ResourceType(
        name="rate_limit",
        path="/organization/projects/{project}/rate_limits",
        paging=Paging.LAST_ID,
        limit=100,
        limit_is_a_guess=True,
        parent="project",
        skip_parents=_ARCHIVED,
        fields={
            "id": STRING,
            "model": STRING,
            "max_requests_per_1_minute": INTEGER,
            "max_tokens_per_1_minute": INTEGER,
            "max_images_per_1_minute": INTEGER,
            "max_audio_megabytes_per_1_minute": INTEGER,
            "max_requests_per_1_day": INTEGER,
            "batch_1_day_max_input_tokens": INTEGER,
        },
    ),
    ResourceType(
        name="project_certificate",
        path="/organization/projects/{project}/certificates",
        paging=Paging.LAST_ID,
        limit=100,
        parent="project",
        skip_parents=_ARCHIVED,
        fields=_CERTIFICATE,
    ),
    ResourceType(
        name="project_data_retention",
        path="/organization/projects/{project}/data_retention",
        paging=Paging.SINGLE,
        parent="project",
        unset_on_404=True,
        skip_parents=_ARCHIVED,
        fields=_RETENTION,
    ),
    ResourceType(
        name="project_spend_limit",
        path="/organization/projects/{project}/spend_limit",
        paging=Paging.SINGLE,
        parent="project",
        unset_on_404=True,
        skip_parents=_ARCHIVED,
        fields=_SPEND_LIMIT,
    ),
    ResourceType(
        name="project_spend_alert",
        path="/organization/projects/{project}/spend_alerts",
        paging=Paging.LAST_ID,
        limit=100,
        parent="project",
        skip_parents=_ARCHIVED,
        fields=_SPEND_ALERT,
    ),
    ResourceType(
        name="project_model_permissions",
        path="/organization/projects/{project}/model_permissions",
        paging=Paging.SINGLE,
        parent="project",
        unset_on_404=True,
        skip_parents=_ARCHIVED,
        fields={"mode": STRING, "model_ids": STRINGS},
    ),
    ResourceType(
        name="project_hosted_tool_permissions",
        path="/organization/projects/{project}/hosted_tool_permissions",
        paging=Paging.SINGLE,
        parent="project",
        unset_on_404=True,
        skip_parents=_ARCHIVED,
        fields={
            "code_interpreter.enabled": BOOLEAN,
            "file_search.enabled": BOOLEAN,
            "image_generation.enabled": BOOLEAN,
            "mcp.enabled": BOOLEAN,
            "web_search.enabled": BOOLEAN,
        },
    ),
    ResourceType(
        name="project_service_tier_settings",
        path="/organization/projects/{project}/service_tier_settings",
        paging=Paging.SINGLE,
        parent="project",
        unset_on_404=True,
        skip_parents=_ARCHIVED,
        # `enabled_tiers` is the word `all` or a list of tiers.
        fields={"default": STRING, "enabled_tiers": ANY},
    ),
    ResourceType(
        name="project_role",
        path="/projects/{project}/roles",
        paging=Paging.NEXT,
        turned="desc",
        limit=1000,
        parent="project",
        skip_parents=_ARCHIVED,
        fields=_ROLE,
    ),
    ResourceType(
        name="project_user_role",
        path="/projects/{project}/users/{project_user}/roles",
        paging=Paging.NEXT,
        turned="desc",
        several=True,
        limit=1000,
        parent="project_user",
        tier=Tier.FAN_OUT,
        fields=_ASSIGNMENT,
    ),
    ResourceType(
        name="project_group_role",
        path="/projects/{project}/groups/{project_group}/roles",
        paging=Paging.NEXT,
        turned="desc",
        several=True,
        limit=1000,
        parent="project_group",
        tier=Tier.FAN_OUT,
        fields=_ASSIGNMENT,
    ),
)

BY_NAME: Mapping[str, ResourceType] = {kind.name: kind for kind in RESOURCES}

AUDIT_LOG_PATH = "/organization/audit_logs"
