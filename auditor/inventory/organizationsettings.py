"""What audit events say of the settings of a whole organization, setting by setting. Nothing is decided here."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from auditor.inventory.claims import Claim, by_key, claim, project_of, strings, target
from auditor.inventory.model import Record

_REQUESTED = (
    "name",
    "title",
    "description",
    "api_call_logging",
    "threads_ui_visibility",
    "usage_dashboard_visibility",
)
_PROJECTS = "api_call_logging_project_ids"

EVENT_TYPES: Sequence[str] = (
    "organization.updated",
    "scim.enabled",
    "scim.disabled",
    "tenant.sso_connection.created",
    "tenant.sso_connection.updated",
    "tenant.sso_connection.deleted",
)


class OrganizationSettings:
    """Claims by setting; events may come in any order."""

    def __init__(self, admin_keys: Collection[str]) -> None:
        """`admin_keys` are the ids of those that exist: what they do carries the default project."""
        self.claims: dict[str, list[Claim]] = defaultdict(list)
        self.connections: dict[str, list[Claim]] = defaultdict(list)
        """Whether an SSO connection is there, by its id; their payloads are not documented, so it may be empty."""
        self._admin_keys = frozenset(admin_keys)

    def take(self, event: Record) -> None:
        """One event, of any type."""
        kind = event.fields.get("type")
        if kind == "organization.updated":
            self._updated(event)
        elif kind in {"scim.enabled", "scim.disabled"}:
            self._tell(event, "scim_enabled", kind == "scim.enabled")
        elif kind in EVENT_TYPES:
            there = kind != "tenant.sso_connection.deleted"
            self.connections[target(event.fields) or ""].append(claim(event, there))
            self._tell(event, "sso_connected", there)
        if by_key(event.fields) and event.fields.get("actor.api_key.id") in self._admin_keys:
            self._default_project(event)

    def _updated(self, event: Record) -> None:
        """It holds a request, as all events with `changes_requested` do: no field says that it succeeded."""
        self._tell(event, "organization_id", target(event.fields))
        for name in _REQUESTED:
            value = event.fields.get(f"payload.changes_requested.{name}")
            self._tell(event, name, value if isinstance(value, str) else None)
        projects = event.fields.get(f"payload.changes_requested.{_PROJECTS}")
        if projects is not None:
            self._tell(event, _PROJECTS, strings(projects))

    def _default_project(self, event: Record) -> None:
        project = project_of(event.fields)
        if project:
            self._tell(event, "default_project_id", project[0])
            self._tell(event, "default_project_name", project[1])

    def _tell(self, event: Record, name: str, value: object) -> None:
        if value is not None:
            self.claims[name].append(claim(event, value))
