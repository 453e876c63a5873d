"""Generates the people of an organization: users, groups and their members, custom roles, invites, admin keys."""

from auditor.simulator import access, names, wire
from auditor.simulator.dice import DAY, Dice, masked
from auditor.simulator.model import Grant, Group, Organization
from auditor.simulator.plan import Plan

_HOSTILE_FROM = 9
"""Users from this number on carry hostile names."""
_OUTSIDER, _BANNED = 17, 18


def settle(organization: Organization, plan: Plan, seed: int, now: int) -> None:
    """Fill in everything that belongs to people."""
    dice = Dice(seed, "people", now)
    _add_users(organization, plan, dice)
    _add_roles(organization, dice)
    _add_groups(organization, plan, dice, now)
    _add_invites(organization, plan, dice, now)
    _add_admin_keys(organization, plan, dice)


def long_standing(organization: Organization, now: int) -> list[wire.User]:
    """People who were there before any of the keys: newcomers have nothing yet."""
    return [user for user in organization.users.values() if user.added_at < now - 400 * DAY]


def new_user(dice: Dice, *, name: str, email: str, role: str, added_at: int, banned_at: int | None = None) -> wire.User:
    """A person as the API shows them."""
    id_ = dice.ident("user-", 24)
    account = wire.Account(
        id=id_,
        email=email,
        name=name,
        enabled=banned_at is None,
        banned=banned_at is not None,
        banned_at=banned_at,
    )
    return wire.User(id=id_, name=name, email=email, role=role, added_at=added_at, created=added_at - DAY, user=account)


def new_admin_key(dice: Dice, owner: wire.User, *, name: str, created_at: int) -> wire.AdminKey:
    """An admin key of `owner`, never used, that never expires."""
    holder = wire.AdminKeyOwner(
        type="user",
        object="organization.user",
        id=owner.id,
        name=owner.name or "",
        created_at=owner.added_at,
        role=owner.role,
    )
    return wire.AdminKey(
        id=dice.ident("key_", 16),
        name=name,
        redacted_value=masked("sk-admin-", dice),
        created_at=created_at,
        last_used_at=None,
        expires_at=None,
        owner=holder,
    )


def _add_users(organization: Organization, plan: Plan, dice: Dice) -> None:
    newcomers = max(2, plan.users // 20)
    joined = sorted(dice.ago(401, 900) for _ in range(plan.users - newcomers))
    joined += sorted(dice.ago(8, 55) for _ in range(newcomers))
    for number, added_at in enumerate(joined):
        name, email = names.person(number)
        if 0 <= number - _HOSTILE_FROM < len(names.HOSTILE):
            name = names.HOSTILE[number - _HOSTILE_FROM]
        if number == _OUTSIDER:
            email = email.replace("example.com", "example.net")
        user = new_user(
            dice,
            name=name,
            email=email,
            role="owner" if number < plan.owners else "reader",
            added_at=added_at,
            banned_at=dice.ago(5, 40) if number == _BANNED else None,
        )
        user.is_default = number == 0
        organization.users[user.id] = user


def _add_roles(organization: Organization, dice: Dice) -> None:
    for name, permissions in (
        ("Key auditor", ["api.management.read", "api.organization.projects.api_keys.read"]),
        ("Group manager", ["api.groups.read", "api.groups.write"]),
    ):
        role = wire.Role(
            id=dice.ident("role_", 16),
            name=name,
            description=None if name == "Group manager" else "Reads keys for the quarterly review",
            permissions=permissions,
            predefined_role=False,
            resource_type="api.organization",
        )
        organization.custom_roles[role.id] = role


def _add_groups(organization: Organization, plan: Plan, dice: Dice, now: int) -> None:
    """The group `owners` holds all owners but the last one; the others are teams."""
    owners = organization.owners
    readers = [user for user in long_standing(organization, now) if user.role != "owner"]
    created = sorted(dice.ago(100, 399) for _ in range(plan.groups))
    custom = list(organization.custom_roles)
    for number, created_at in enumerate(created):
        team = names.TEAMS[(number - 1) % len(names.TEAMS)]
        name = "owners" if number == 0 else team if number <= len(names.TEAMS) else f"{team}-{number}"
        record = wire.Group(id=dice.ident("group_", 16), name=name, created_at=created_at)
        people = (
            owners[:-1] if number == 0 else dice.some(readers, dice.between(3, min(300, max(6, len(readers) // 10))))
        )
        joined = sorted(dice.ago(61, 99) for _ in people)
        group = Group(record, dict(zip((user.id for user in people), joined, strict=True)))
        role = access.organization_role(organization.id, "owner") if number == 0 else custom[number % len(custom)]
        if number <= 2:
            group.grants.append(Grant(role, created_at, owners[0].id))
        organization.groups[record.id] = group
    for user in dice.some(readers, 2):
        organization.user_grants[user.id] = [Grant(custom[0], dice.ago(61, 200), owners[0].id)]


def _add_invites(organization: Organization, plan: Plan, dice: Dice, now: int) -> None:
    """Pending owner first, then in turn pending, expired and accepted ones."""
    for number in range(plan.invites):
        status = "pending" if number == 0 else ("pending", "expired", "accepted")[number % 3]
        created_at = now - dice.between(2 * DAY, 6 * DAY) if status == "pending" else dice.ago(20, 55)
        invite = wire.Invite(
            id=dice.ident("invite-", 16),
            email=f"newcomer-{number}@{'example.org' if number == 3 else 'example.com'}",
            role="owner" if number == 0 else "reader",
            status=status,
            created_at=created_at,
            expires_at=created_at + 7 * DAY,
            accepted_at=created_at + DAY if status == "accepted" else None,
            projects=[],
        )
        organization.invites[invite.id] = invite


def _add_admin_keys(organization: Organization, plan: Plan, dice: Dice) -> None:
    """In turn: in daily use, unused, without expiry, and one whose holder is a service account."""
    owners = organization.owners
    for number, created_at in enumerate(sorted(dice.ago(20, 300) for _ in range(plan.admin_keys))):
        key = new_admin_key(dice, dice.pick(owners), name=f"automation-{number}", created_at=created_at)
        key.expires_at = None if number % 3 == 2 else dice.ahead(15, 90)
        key.last_used_at = None if number % 3 == 1 else dice.ago(0, 1 if number % 2 == 0 else 60)
        if key.last_used_at is not None:
            key.last_used_at = max(key.last_used_at, created_at)
        organization.admin_api_keys[key.id] = key
    last = next(reversed(organization.admin_api_keys.values()))
    last.name = names.HOSTILE[0]
    last.owner = wire.AdminKeyOwner(
        type="service_account",
        object="organization.service_account",
        id=dice.ident("user-", 24),
        name="automation",
        created_at=last.created_at,
        role="member",
    )
