"""The objects of the Admin API as they go over the wire: people, access, keys and projects.

Field names are the API's own. A field whose default is UNSET is left out of the JSON; None is sent as null.
"""

from msgspec import UNSET, Struct, UnsetType


class Account(Struct, kw_only=True, tag_field="object", tag="user"):
    """The nested account record of a user: the only place that says whether somebody is banned."""

    id: str
    email: str | None
    name: str | None
    picture: str | None = None
    enabled: bool = True
    banned: bool = False
    banned_at: int | None = None


class User(Struct, kw_only=True, tag_field="object", tag="organization.user"):
    """A person of the organization. `role` is the legacy role, `owner` or `reader`."""

    id: str
    name: str | None
    email: str | None
    role: str
    added_at: int
    created: int
    user: Account
    is_default: bool = False
    is_service_account: bool = False
    is_scim_managed: bool = False
    api_key_last_used_at: int | None = None


class InviteProject(Struct):
    """A membership that an invite grants when it is accepted."""

    id: str
    role: str


class Invite(Struct, kw_only=True, tag_field="object", tag="organization.invite"):
    """An invitation: pending, expired or accepted."""

    id: str
    email: str
    role: str
    status: str
    created_at: int
    expires_at: int | None = None
    accepted_at: int | None = None
    projects: list[InviteProject]


class AdminKeyOwner(Struct, kw_only=True):
    """Who holds an admin key; every field may be missing in the real API."""

    type: str
    object: str
    id: str
    name: str
    created_at: int
    role: str


class AdminKey(Struct, kw_only=True, tag_field="object", tag="organization.admin_api_key"):
    """An admin key, masked. It has no field for its permissions."""

    id: str
    name: str | None
    redacted_value: str
    created_at: int
    last_used_at: int | None
    expires_at: int | None
    owner: AdminKeyOwner


class Group(Struct, kw_only=True, tag_field="object", tag="group"):
    """A group of people."""

    id: str
    name: str
    created_at: int
    is_scim_managed: bool = False
    group_type: str = "group"


class GroupMember(Struct, kw_only=True):
    """A member as the list of a group shows it."""

    id: str
    name: str
    email: str | None


class GroupMemberDetails(Struct, kw_only=True):
    """A member as the read by id shows it."""

    id: str
    name: str
    email: str | None
    picture: str | None
    is_service_account: bool | None
    user_type: str = "user"


class Role(Struct, kw_only=True, tag_field="object", tag="role"):
    """A role of the organization or of a project."""

    id: str
    name: str
    description: str | None
    permissions: list[str]
    predefined_role: bool
    resource_type: str


class Source(Struct):
    """The principal that an assigned role is inherited from."""

    principal_id: str
    principal_type: str


class AssignedRole(Struct, kw_only=True):
    """A role as a principal has it. `id` is the role's; assignments have no id of their own here."""

    id: str
    name: str
    description: str | None
    permissions: list[str]
    predefined_role: bool
    resource_type: str
    created_at: int | None = None
    updated_at: int | None = None
    created_by: str | None = None
    created_by_user_obj: dict[str, str] | None = None
    metadata: dict[str, str] | None = None
    assignment_sources: list[Source] | None = None


class Project(Struct, kw_only=True, tag_field="object", tag="organization.project"):
    """A project, active or archived."""

    id: str
    name: str | None
    created_at: int
    archived_at: int | None = None
    status: str = "active"
    external_key_id: str | None = None
    residency: str = "GLOBAL"


class ProjectUser(Struct, kw_only=True, tag_field="object", tag="organization.project.user"):
    """A person as a direct member of a project."""

    id: str
    name: str | None
    email: str | None
    role: str
    added_at: int


class ProjectGroup(Struct, kw_only=True, tag_field="object", tag="project.group"):
    """A group that has access to a project. It has no `id`."""

    project_id: str
    group_id: str
    group_name: str
    group_type: str
    created_at: int


class ServiceAccount(Struct, kw_only=True, tag_field="object", tag="organization.project.service_account"):
    """A machine's account in a project: role `owner`, `member` or `none`."""

    id: str
    name: str
    role: str
    created_at: int


class KeyUser(Struct, kw_only=True):
    """The person behind a project key; `role` is the role in the project."""

    id: str
    email: str
    name: str
    role: str
    created_at: int


class KeyServiceAccount(Struct, kw_only=True):
    """The service account behind a project key."""

    id: str
    name: str
    role: str
    created_at: int


class KeyOwner(Struct, kw_only=True):
    """Who holds a project key: exactly one of the two."""

    type: str
    user: KeyUser | UnsetType = UNSET
    service_account: KeyServiceAccount | UnsetType = UNSET

    @property
    def id(self) -> str:
        """Id of the person or service account."""
        holder = self.user or self.service_account
        return holder.id if holder else ""


class ProjectKey(Struct, kw_only=True, tag_field="object", tag="organization.project.api_key"):
    """A key of a project, masked. It has no field for its scopes and none for its project."""

    id: str
    name: str
    redacted_value: str
    created_at: int
    last_used_at: int | None
    expires_at: int | None
    owner_project_access: str
    owner: KeyOwner
