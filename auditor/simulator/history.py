"""Generates about sixty days of audit log that fit the organization: what was made, who signed in, what was set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from auditor.simulator import auditlog, names, wire
from auditor.simulator.auditlog import Actor
from auditor.simulator.dice import DAY, Dice
from auditor.simulator.model import Organization
from auditor.simulator.plan import Plan

DAYS = 60
"""How far back the log goes: logging was switched on then."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An event to be, before it is known which of them the log keeps."""

    kind: str
    at: int
    actor: Actor | None
    payload: Mapping[str, object]
    project: wire.Project | None = None


def write(organization: Organization, plan: Plan, seed: int, now: int) -> None:
    """Record the history. No SCIM event, no burst of failed logins, and no IP allowlist active at its end."""
    dice = Dice(seed, "history", now)
    parts = (_births(organization, dice), _settings(organization, dice, now), _tenant(organization, dice, now))
    since = now - DAYS * DAY
    for entry in (entry for part in parts for entry in part):
        if since <= entry.at <= now:
            organization.log.record(entry.kind, entry.at, entry.actor, entry.payload, project=entry.project)
    for entry in _sign_ins(organization, plan, dice, now):
        organization.log.record(entry.kind, entry.at, entry.actor, entry.payload)


def office(dice: Dice, user: wire.User) -> Actor:
    """A person at a desk of the company."""
    return auditlog.session(user, dice.pick(names.OFFICE))


def _births(organization: Organization, dice: Dice) -> Iterator[_Entry]:
    owners = organization.owners
    for user in organization.users.values():
        yield _Entry(
            "user.added", user.added_at, office(dice, dice.pick(owners)), {"id": user.id, "data": {"role": "member"}}
        )
    for invite in organization.invites.values():
        data = {"email": invite.email, "role": "owner" if invite.role == "owner" else "member"}
        yield _Entry("invite.sent", invite.created_at, office(dice, dice.pick(owners)), {"id": invite.id, "data": data})
        if invite.accepted_at:
            yield _Entry("invite.accepted", invite.accepted_at, None, {"id": invite.id})
    for key in organization.admin_api_keys.values():
        actor = office(dice, dice.pick(owners))
        yield _Entry("tenant.admin_api_key.created", key.created_at, actor, {"id": key.id, "name": key.name})
    yield from _project_births(organization, dice)
    for certificate in organization.certificates.values():
        part = {"id": certificate.id, "name": certificate.name}
        actor = office(dice, owners[0])
        yield _Entry("certificate.created", certificate.created_at, actor, part)
        if certificate.active:
            yield _Entry("certificates.activated", certificate.created_at + 600, actor, {"certificates": [part]})


def _project_births(organization: Organization, dice: Dice) -> Iterator[_Entry]:
    """Keys are made by people; service accounts by a program, whose events all carry the default project."""
    owners = organization.owners
    by_key = _automation(organization, 0)
    for project, key in organization.project_keys():
        maker = organization.users.get(key.owner.id, owners[0])
        scopes = [] if dice.happens(0.2) else ["api.model.request", "api.model.read"]
        payload: dict[str, object] = {"id": key.id, "data": {"scopes": scopes}}
        yield _Entry("api_key.created", key.created_at, office(dice, maker), payload, project.record)
    for project in organization.projects.values():
        for account in project.service_accounts.values():
            payload = {"id": account.id, "data": {"role": "member" if account.role == "none" else account.role}}
            yield _Entry(
                "service_account.created", account.created_at, by_key, payload, organization.default_project.record
            )
        if project.record.archived_at:
            actor = office(dice, dice.pick(owners))
            yield _Entry("project.archived", project.record.archived_at, actor, {"id": project.id})
        for user, grants in project.user_grants.items():
            for grant in grants:
                payload = assignment(dice, user, project.id, "api.project")
                yield _Entry(
                    "role.assignment.created", grant.granted_at, office(dice, owners[0]), payload, project.record
                )


def assignment(dice: Dice, user: str, resource: str, resource_type: str) -> dict[str, object]:
    """Payload of `role.assignment.created`; it does not say which role."""
    return {
        "id": dice.ident("role_assignment_", 16),
        "principal_id": user,
        "principal_type": "user",
        "resource_id": resource,
        "resource_type": resource_type,
    }


def _settings(organization: Organization, dice: Dice, now: int) -> Iterator[_Entry]:
    """Days before now: logging on (55) and off (12), an IP allowlist made (45), widened (30) and switched off (9)."""
    owner, project = office(dice, organization.owners[0]), organization.active_projects[1]
    config = {"id": dice.ident("ip_allowlist_", 12), "name": "headquarters"}
    ranges = ["198.51.100.0/24", "2001:db8:10::/48"]
    for days, kind, payload in (
        (55, "organization.updated", _changes(organization, api_call_logging="enabled_for_all_projects")),
        (54, "organization.updated", _changes(organization, threads_ui_visibility="OWNERS")),
        (54, "organization.updated", _changes(organization, usage_dashboard_visibility="ANY_ROLE")),
        (45, "ip_allowlist.created", {**config, "allowed_ips": ranges[:1]}),
        (44, "ip_allowlist.config.activated", {"configs": [config]}),
        (30, "ip_allowlist.updated", {"id": config["id"], "allowed_ips": ranges}),
        (12, "organization.updated", _changes(organization, api_call_logging="disabled")),
        (9, "ip_allowlist.config.deactivated", {"configs": [config]}),
        (21, "project.updated", {"id": project.id, "changes_requested": {"title": project.record.name}}),
        (17, "api_key.deleted", {"id": dice.ident("key_", 16)}),
        (16, "user.deleted", {"id": dice.ident("user-", 24)}),
    ):
        yield _Entry(kind, now - days * DAY + dice.between(0, DAY // 2), owner, payload)
    raised = {"id": next(iter(project.rate_limits)), "changes_requested": {"max_requests_per_1_minute": 1500}}
    machine, home = _automation(organization, -1), organization.default_project.record
    yield _Entry("rate_limit.updated", now - 26 * DAY, machine, raised, home)


def _automation(organization: Organization, place: int) -> Actor:
    """The admin key at `place`: the first is a person's, the last a service account's."""
    key = list(organization.admin_api_keys.values())[place]
    holder = organization.users.get(key.owner.id)
    return auditlog.admin_key(key, holder.email if holder else None)


def _changes(organization: Organization, **changes: str) -> dict[str, object]:
    return {"id": organization.id, "changes_requested": changes}


def _tenant(organization: Organization, dice: Dice, now: int) -> Iterator[_Entry]:
    """The tenant stream; payloads of these types are not documented."""
    owners = organization.owners
    for group in list(organization.groups.values())[1:]:
        for user in dice.some(list(group.members), 3):
            payload = {"group_id": group.record.id, "user_id": user}
            yield _Entry("tenant.group.member.added", dice.ago(1, 58), office(dice, dice.pick(owners)), payload)
    for days, kind, payload in (
        (50, "tenant.session_policy.updated", {"id": dice.ident("policy_", 12)}),
        (33, "tenant.user.looked_up", {"id": owners[0].id}),
        (14, "tenant.third_party_app_policy.updated", {"id": dice.ident("policy_", 12)}),
    ):
        yield _Entry(kind, now - days * DAY, office(dice, owners[-1]), payload)
    role, permissions = next((id_, role.permissions) for id_, role in organization.custom_roles.items())
    bound = {
        "id": dice.ident("binding_", 12),
        "resource_id": "workspace-1__calendar",
        "resource_type": "connector",
        "role_id": role,
        "permissions": permissions,
        "enabled": True,
        "connector_id": "calendar",
        "connector_name": "Calendar",
        "workspace_id": "workspace-1",
        "source": "role_toggle",
    }
    yield _Entry("role.bound_to_resource", now - 20 * DAY, office(dice, owners[0]), bound)


def _sign_ins(organization: Organization, plan: Plan, dice: Dice, now: int) -> Iterator[_Entry]:
    """Each working day some people sign in; at most one of them mistypes a password, at most twice."""
    people = [user for user in organization.users.values() if not user.user.banned]
    for day in range(DAYS, 0, -1):
        if day % 7 in {5, 6}:
            continue
        morning = now - day * DAY
        there = [user for user in people if user.added_at < morning]
        today = dice.some(there, dice.between(plan.active_people // 2, plan.active_people))
        for place, user in enumerate(today):
            at = morning + dice.between(1200, 20_000)
            actor = office(dice, user)
            if place == 0 and dice.happens(0.4):
                for again in range(dice.between(1, 2)):
                    failure = {"error_code": "invalid_credentials", "error_message": "Wrong e-mail or password"}
                    yield _Entry("login.failed", at - 60 * (again + 1), actor, failure)
            yield _Entry("login.succeeded", at, actor, {})
            if dice.happens(0.2):
                yield _Entry("logout.succeeded", at + dice.between(3600, 30_000), actor, {})
