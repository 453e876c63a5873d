"""The simulated organization: what exists, and what its audit log says. Scenarios change it while it is served."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from auditor.simulator import settings, wire
from auditor.simulator.auditlog import AuditLog


@dataclass(frozen=True, slots=True)
class Grant:
    """A role given to a principal, beyond what its legacy role says."""

    role: str
    """Id of the role."""
    granted_at: int
    granted_by: str
    """Id of a user."""


@dataclass(slots=True)
class Group:
    """A group with its members (ids of users in the order they joined, with the time) and the roles it carries."""

    record: wire.Group
    members: dict[str, int] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)


@dataclass(slots=True)
class Project:
    """A project and all that is in it."""

    record: wire.Project
    data_retention: settings.DataRetention
    hosted_tools: settings.HostedTools
    service_tiers: settings.ServiceTiers
    spend_limit: settings.SpendLimit | None = None
    """None: nothing is configured, which the API answers with 404."""
    model_permissions: settings.ModelPermissions | None = None
    users: dict[str, wire.ProjectUser] = field(default_factory=dict)
    groups: dict[str, wire.ProjectGroup] = field(default_factory=dict)
    group_grants: dict[str, list[Grant]] = field(default_factory=dict)
    user_grants: dict[str, list[Grant]] = field(default_factory=dict)
    custom_roles: dict[str, wire.Role] = field(default_factory=dict)
    service_accounts: dict[str, wire.ServiceAccount] = field(default_factory=dict)
    api_keys: dict[str, wire.ProjectKey] = field(default_factory=dict)
    rate_limits: dict[str, settings.RateLimit] = field(default_factory=dict)
    certificates: dict[str, settings.Certificate] = field(default_factory=dict)
    spend_alerts: dict[str, settings.SpendAlert] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Id of the project."""
        return self.record.id


@dataclass(slots=True)
class Provider:
    """A workload identity provider and its federation rules."""

    record: settings.IdentityProvider
    rules: dict[str, settings.FederationRule] = field(default_factory=dict)


@dataclass(slots=True)
class Organization:
    """A whole organization. Every dict is keyed by id and in the order of creation."""

    id: str
    title: str
    seed: int
    log: AuditLog
    data_retention: settings.DataRetention
    spend_limit: settings.SpendLimit | None = None
    users: dict[str, wire.User] = field(default_factory=dict)
    user_grants: dict[str, list[Grant]] = field(default_factory=dict)
    invites: dict[str, wire.Invite] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    custom_roles: dict[str, wire.Role] = field(default_factory=dict)
    admin_api_keys: dict[str, wire.AdminKey] = field(default_factory=dict)
    certificates: dict[str, settings.Certificate] = field(default_factory=dict)
    spend_alerts: dict[str, settings.SpendAlert] = field(default_factory=dict)
    external_keys: dict[str, settings.ExternalKey] = field(default_factory=dict)
    external_storage: dict[str, settings.ExternalStorage] = field(default_factory=dict)
    providers: dict[str, Provider] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)

    @property
    def owners(self) -> list[wire.User]:
        """People with the legacy role `owner`."""
        return [user for user in list(self.users.values()) if user.role == "owner"]

    @property
    def active_projects(self) -> list[Project]:
        """Projects that are not archived."""
        return [project for project in list(self.projects.values()) if project.record.status == "active"]

    @property
    def default_project(self) -> Project:
        """The project that every event of an admin key carries."""
        return next(iter(self.projects.values()))

    def project_keys(self) -> Iterator[tuple[Project, wire.ProjectKey]]:
        """Every project key, with its project."""
        for project in list(self.projects.values()):
            for key in list(project.api_keys.values()):
                yield project, key
