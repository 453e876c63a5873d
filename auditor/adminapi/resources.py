"""RESOURCES: every kind of resource, where it is read, how it pages, and what policies may name of it.

Nothing else in the project knows a path of the Admin API. A new kind of resource is one entry in one of the two
tables. Source of the facts, where an entry names none: the API reference of the administration endpoints
(platform.openai.com/docs/api-reference/administration) and the published OpenAPI description.
"""

from collections.abc import Mapping

from auditor.adminapi.organizationkinds import ORGANIZATION_KINDS
from auditor.adminapi.projectkinds import PROJECT_KINDS
from auditor.adminapi.resourcetypes import ResourceType

RESOURCES: tuple[ResourceType, ...] = (*ORGANIZATION_KINDS, *PROJECT_KINDS)
"""Parents before what is read for them."""

BY_NAME: Mapping[str, ResourceType] = {kind.name: kind for kind in RESOURCES}

AUDIT_LOG_PATH = "/organization/audit_logs"
