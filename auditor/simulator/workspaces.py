"""Generates the projects of an organization: members, groups, service accounts, keys, limits and settings."""

from auditor.simulator import access, names, settings, wire
from auditor.simulator.dice import Dice
from auditor.simulator.keys import add_keys
from auditor.simulator.model import Grant, Organization, Project
from auditor.simulator.people import long_standing
from auditor.simulator.plan import Plan

_RESIDENCY = ("GLOBAL", "GLOBAL", "EU_STORAGE_PROCESSING", "US_STORAGE_PROCESSING", "JP_STORAGE")
_RETENTION = ("organization_default", "organization_default", "zero_data_retention", "none")


def build(organization: Organization, plan: Plan, seed: int, now: int) -> None:
    """Add all projects, the default project first, archived ones last."""
    dice = Dice(seed, "projects", now)
    count = plan.projects + plan.archived
    people = long_standing(organization, now)
    for number, created_at in enumerate(sorted(dice.ago(401, 900) for _ in range(count))):
        archived = number >= plan.projects
        record = wire.Project(id=dice.ident("proj_", 20), name=names.project(number), created_at=created_at)
        if number == plan.projects - 1:
            record.name = names.HOSTILE[1]
        record.residency = "GLOBAL" if number == 0 else dice.pick(_RESIDENCY)
        if archived:
            record.status, record.archived_at = "archived", dice.ago(2, 19)
        project = _empty(record, number, dice)
        organization.projects[record.id] = project
        if not archived:
            _fill(organization, project, number, plan, dice, dice.some(people, dice.between(2, plan.project_users)))


def _empty(record: wire.Project, number: int, dice: Dice) -> Project:
    """A project with its settings; every third has no spend limit, every second no model permissions."""
    on, off = settings.Tool(True), settings.Tool(False)
    project = Project(
        record,
        settings.DataRetention(object="project.data_retention", type=_RETENTION[number % len(_RETENTION)]),
        settings.HostedTools(
            code_interpreter=on,
            file_search=on,
            image_generation=off,
            mcp=on if number % 4 == 1 else off,
            web_search=on if number % 2 else off,
        ),
        settings.ServiceTiers(default="standard", enabled_tiers="all" if number % 5 == 2 else ["flex"]),
    )
    if number % 3:
        project.spend_limit = settings.SpendLimit(
            object="project.spend_limit",
            threshold_amount=50_000 * (1 + number % 4),
            enforcement=settings.Enforcement("enforcing" if number % 7 == 5 else "inactive"),
        )
        alert = settings.SpendAlert(
            id=dice.ident("alert_", 16),
            object="project.spend_alert",
            threshold_amount=40_000,
            notification_channel=settings.Channel(recipients=["platform@example.com"]),
        )
        project.spend_alerts[alert.id] = alert
    if number % 2:
        mode = "deny_list" if number % 4 == 3 else "allow_list"
        project.model_permissions = settings.ModelPermissions(mode=mode, model_ids=list(names.MODELS[:3]))
    return project


def _fill(
    organization: Organization, project: Project, number: int, plan: Plan, dice: Dice, members: list[wire.User]
) -> None:
    _add_rate_limits(project, number)
    _add_service_accounts(project, dice)
    _add_members(project, members, dice)
    _add_group(organization, project, number, dice)
    if number % 6 == 3:
        _add_custom_role(organization, project, dice)
    add_keys(organization, project, plan.keys, dice)
    if number % 2 == 0:
        _add_unused_account(project, dice)


def _add_rate_limits(project: Project, number: int) -> None:
    for place, model in enumerate(names.MODELS):
        limit = settings.RateLimit(
            id=f"rl-{model}",
            model=model,
            max_requests_per_1_minute=500 * (1 + (number + place) % 6),
            max_tokens_per_1_minute=200_000 * (1 + place),
            batch_1_day_max_input_tokens=2_000_000,
        )
        if "image" in model:
            limit.max_images_per_1_minute = 50
        if "whisper" in model or "tts" in model:
            limit.max_audio_megabytes_per_1_minute = 100
            limit.max_requests_per_1_day = 20_000
        project.rate_limits[limit.id] = limit


def _add_service_accounts(project: Project, dice: Dice) -> None:
    for place, created_at in enumerate(sorted(dice.ago(310, 400) for _ in range(dice.between(1, 2)))):
        account = wire.ServiceAccount(
            id=dice.ident("user-", 24),
            name=f"{dice.pick(names.WORK)}-{place + 1}",
            role="owner" if dice.happens(0.15) else "member",
            created_at=created_at,
        )
        project.service_accounts[account.id] = account


def _add_unused_account(project: Project, dice: Dice) -> None:
    account = wire.ServiceAccount(id=dice.ident("user-", 24), name="trial", role="none", created_at=dice.ago(8, 55))
    project.service_accounts[account.id] = account


def _add_members(project: Project, people: list[wire.User], dice: Dice) -> None:
    for place, user in enumerate(people):
        project.users[user.id] = wire.ProjectUser(
            id=user.id,
            name=user.name,
            email=user.email,
            role="owner" if place == 0 else "member",
            added_at=max(user.added_at, project.record.created_at),
        )


def _add_group(organization: Organization, project: Project, number: int, dice: Dice) -> None:
    """One group has access to most projects, as member, or in every fourth as owner."""
    if number % 5 == 4:
        return
    group = dice.pick(list(organization.groups.values())[1:])
    granted_at = max(project.record.created_at, group.record.created_at)
    project.groups[group.record.id] = wire.ProjectGroup(
        project_id=project.id,
        group_id=group.record.id,
        group_name=group.record.name,
        group_type=group.record.group_type,
        created_at=granted_at,
    )
    role = access.project_role(project.id, "owner" if number % 4 == 2 else "member")
    project.group_grants[group.record.id] = [Grant(role, granted_at, organization.owners[0].id)]


def _add_custom_role(organization: Organization, project: Project, dice: Dice) -> None:
    role = wire.Role(
        id=dice.ident("role_", 16),
        name="Key manager",
        description=None,
        permissions=["api.organization.projects.api_keys.read", "api.organization.projects.api_keys.write"],
        predefined_role=False,
        resource_type="api.project",
    )
    project.custom_roles[role.id] = role
    member = next(reversed(project.users))
    project.user_grants[member] = [Grant(role.id, dice.ago(1, 19), organization.owners[0].id)]
