"""Generates the keys of a project: healthy, stale, never used, without expiry, and such that lost their owner."""

from collections.abc import Callable, Mapping

from auditor.simulator import names, wire
from auditor.simulator.dice import Dice, masked
from auditor.simulator.model import Organization, Project


def add_keys(organization: Organization, project: Project, count: int, dice: Dice) -> None:
    """Add `count` keys, in turn of each sort; the hostile names are spread over the first projects."""
    sorts = list(_SORTS.values())
    projects = len(organization.projects)
    for place in range(count):
        key = _key(organization, project, place, dice)
        sorts[(place + projects) % len(sorts)](key, dice)
        key.created_at = _birth(key, dice)
        if place == 0 and projects <= len(names.HOSTILE):
            key.name = names.HOSTILE[projects - 1]
        project.api_keys[key.id] = key
    _orphan(organization, project, dice)
    _note_last_use(organization, project)


def _key(organization: Organization, project: Project, place: int, dice: Dice) -> wire.ProjectKey:
    return wire.ProjectKey(
        id=dice.ident("key_", 16),
        name=f"{dice.pick(names.WORK)}-{place}",
        redacted_value=masked("sk-proj-", dice),
        created_at=0,
        last_used_at=None,
        expires_at=None,
        owner_project_access="active",
        owner=_owner(organization, project, place, dice),
    )


def _owner(organization: Organization, project: Project, place: int, dice: Dice) -> wire.KeyOwner:
    """Two in five belong to service accounts; one person in five has access through a group only."""
    if place % 5 in {1, 3}:
        account = dice.pick(list(project.service_accounts.values()))
        service = wire.KeyServiceAccount(
            id=account.id, name=account.name, role=account.role, created_at=account.created_at
        )
        return wire.KeyOwner(type="service_account", service_account=service)
    members = _through_groups(organization, project) if place % 5 == 4 else []
    if members:
        return _held_by(dice.pick(members), "member")
    member = dice.pick(list(project.users.values()))
    return _held_by(organization.users[member.id], member.role)


def _held_by(user: wire.User, role: str) -> wire.KeyOwner:
    person = wire.KeyUser(id=user.id, email=user.email or "", name=user.name or "", role=role, created_at=user.added_at)
    return wire.KeyOwner(type="user", user=person)


def _through_groups(organization: Organization, project: Project) -> list[wire.User]:
    """People who have access by a group and are no direct members."""
    ids = (user for group in project.groups for user in organization.groups[group].members)
    return [organization.users[id_] for id_ in ids if id_ not in project.users]


def _healthy(key: wire.ProjectKey, dice: Dice) -> None:
    key.last_used_at = dice.ago(0, 9)
    key.expires_at = dice.ahead(30, 180)


def _stale(key: wire.ProjectKey, dice: Dice) -> None:
    key.last_used_at = dice.ago(95, 300)
    key.expires_at = dice.ahead(30, 180)


def _never_used(key: wire.ProjectKey, dice: Dice) -> None:
    key.expires_at = dice.ahead(30, 90)


def _without_expiry(key: wire.ProjectKey, dice: Dice) -> None:
    key.last_used_at = dice.ago(0, 30)


_SORTS: Mapping[str, Callable[[wire.ProjectKey, Dice], None]] = {
    "healthy": _healthy,
    "stale": _stale,
    "in use": _healthy,
    "never used": _never_used,
    "in daily use": _healthy,
    "without expiry": _without_expiry,
    "busy": _healthy,
}


def _birth(key: wire.ProjectKey, dice: Dice) -> int:
    """Before its first use; a key that was never used is 15 to 60 days old."""
    return dice.ago(15, 60) if key.last_used_at is None else min(key.last_used_at - 3600, dice.ago(10, 305))


def _orphan(organization: Organization, project: Project, dice: Dice) -> None:
    """The newest key of every second project lost its owner: out of the project, or out of the organization."""
    number = len(organization.projects)
    if number % 2 or not project.api_keys:
        return
    key = next(reversed(project.api_keys.values()))
    outsiders = [user for user in dice.some(list(organization.users.values()), 12) if user.id not in project.users]
    through = {user.id for user in _through_groups(organization, project)}
    user = next((user for user in outsiders if user.id not in through), None)
    if user is None or number % 4 == 0:
        joined = dice.ago(400, 800)
        person = wire.KeyUser(
            id=dice.ident("user-", 24),
            email=f"former-{number}@example.com",
            name=f"Former Member {number}",
            role="member",
            created_at=joined,
        )
        key.owner = wire.KeyOwner(type="user", user=person)
    else:
        key.owner = _held_by(user, "member")
    key.owner_project_access = "inactive"


def _note_last_use(organization: Organization, project: Project) -> None:
    """Users show the last use of any of their keys."""
    for key in project.api_keys.values():
        user = organization.users.get(key.owner.id)
        if user and key.last_used_at is not None:
            user.api_key_last_used_at = max(user.api_key_last_used_at or 0, key.last_used_at)
