"""The objects of the Admin API as they go over the wire: settings, limits, certificates, external trust.

Field names are the API's own. A field whose default is UNSET is left out of the JSON; None is sent as null.
"""

from msgspec import UNSET, Struct, UnsetType


class Validity(Struct, kw_only=True):
    """When a certificate is valid; its text only in the read by id, on request."""

    valid_at: int
    expires_at: int
    content: str | UnsetType = UNSET


class Certificate(Struct, kw_only=True):
    """A certificate for mutual TLS. `object` differs by where it is read; the read by id lacks `active`."""

    id: str
    object: str
    name: str | None
    created_at: int
    certificate_details: Validity
    active: bool | UnsetType = UNSET


class RateLimit(Struct, kw_only=True, tag_field="object", tag="project.rate_limit"):
    """Limits of one model in one project; limits that do not concern the model are left out."""

    id: str
    model: str
    max_requests_per_1_minute: int
    max_tokens_per_1_minute: int
    max_images_per_1_minute: int | UnsetType = UNSET
    max_audio_megabytes_per_1_minute: int | UnsetType = UNSET
    max_requests_per_1_day: int | UnsetType = UNSET
    batch_1_day_max_input_tokens: int | UnsetType = UNSET


class DataRetention(Struct, kw_only=True):
    """How long what was sent is kept. `object` says whether of the organization or of a project."""

    object: str
    type: str


class Enforcement(Struct):
    """Whether a spend limit is biting right now: `inactive` or `enforcing`."""

    status: str


class SpendLimit(Struct, kw_only=True):
    """A hard limit; `threshold_amount` in cents."""

    object: str
    threshold_amount: int
    enforcement: Enforcement
    currency: str = "USD"
    interval: str = "month"


class Channel(Struct, kw_only=True):
    """Where a spend alert goes."""

    recipients: list[str]
    type: str = "email"
    subject_prefix: str | None = None


class SpendAlert(Struct, kw_only=True):
    """A soft limit; `threshold_amount` in cents."""

    id: str
    object: str
    threshold_amount: int
    notification_channel: Channel
    currency: str = "USD"
    interval: str = "month"


class ModelPermissions(Struct, kw_only=True, tag_field="object", tag="project.model_permissions"):
    """Which models a project may use: `allow_list` or `deny_list`."""

    mode: str
    model_ids: list[str]


class Tool(Struct):
    """One hosted tool's switch."""

    enabled: bool


class HostedTools(Struct, kw_only=True):
    """Which hosted tools a project may use. This object has no `object` field."""

    code_interpreter: Tool
    file_search: Tool
    image_generation: Tool
    mcp: Tool
    web_search: Tool


class ServiceTiers(Struct, kw_only=True, tag_field="object", tag="project.service_tier_settings"):
    """Which service tiers a project may use: `all`, or a list."""

    default: str
    enabled_tiers: str | list[str]


class ExternalKey(Struct, kw_only=True, tag_field="object", tag="external_key"):
    """A key of the customer's own key management; this simulator has AWS ones."""

    id: str
    name: str
    created_at: int
    workspace_id: str
    api_project_ids: list[str]
    kms_arn: str
    role_arn: str
    external_id: str
    type: str = "aws"
    purpose: str = "ekm"


class Bucket(Struct, kw_only=True, tag_field="type", tag="aws"):
    """An AWS bucket as external storage."""

    account_id: str
    bucket: str
    external_id: str
    region: str
    role_arn: str


class ExternalStorage(Struct, kw_only=True, tag_field="object", tag="organization.external_storage"):
    """Storage of the customer's own for one project."""

    id: str
    project_id: str
    geography: str
    created_at: int
    status: str
    provider: Bucket


class Discovery(Struct, kw_only=True, tag_field="type", tag="discovery"):
    """Tokens are verified with keys found at the issuer."""

    discovery_url: str | None = None


class UploadedKeys(Struct, kw_only=True, tag_field="type", tag="uploaded_jwks"):
    """Tokens are verified with keys uploaded once."""

    jwks: dict[str, list[dict[str, str]]]


class Transformation(Struct):
    """How an attribute is made from a token's claims."""

    attribute: str
    expression: str


class IdentityProvider(Struct, kw_only=True, tag_field="object", tag="organization.workload_identity_provider"):
    """An issuer of tokens that may stand in for keys."""

    id: str
    name: str
    description: str | None
    issuer: str
    audience: str
    enabled: bool
    attribute_transformations: list[Transformation]
    verification: Discovery | UploadedKeys
    created_at: int
    updated_at: int
    type: str = "oidc"


class RulePermissions(Struct, kw_only=True):
    """What a federation rule grants: `service_account_default`, or `restricted` to `scopes`."""

    type: str
    scopes: list[str] | UnsetType = UNSET


class FederationRule(Struct, kw_only=True, tag_field="object", tag="organization.workload_identity_federation_rule"):
    """Which tokens may act as which service account."""

    id: str
    workload_identity_provider_id: str
    project_id: str
    service_account_id: str
    name: str | None
    description: str | None
    enabled: bool
    attribute_matchers: dict[str, str | bool | int | float]
    permissions: RulePermissions
    created_at: int
    updated_at: int
