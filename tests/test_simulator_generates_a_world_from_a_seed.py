"""The object model: the same seed gives the same world, and a small one holds something for every shipped policy."""

from collections import Counter
from collections.abc import Iterable

import msgspec
import pytest
from organization import NOW, small

from auditor.simulator import names
from auditor.simulator.auditlog import Event
from auditor.simulator.history import DAYS
from auditor.simulator.model import Organization
from auditor.simulator.organization import Size, generate

DAY = 86_400
SEEDS = (1, 7, 42, 2026)


@pytest.fixture(scope="module", params=SEEDS)
def organization(request: pytest.FixtureRequest) -> Organization:
    return small(request.param)


def everything(organization: Organization) -> bytes:
    parts = (organization.users, organization.invites, organization.admin_api_keys, organization.certificates)
    projects = [[p.record, p.users, p.groups, p.api_keys, p.service_accounts] for p in organization.projects.values()]
    groups = [[group.record, group.members] for group in organization.groups.values()]
    return msgspec.json.encode([*parts, projects, groups, [event.raw for event in organization.log.events]])


def test_the_same_seed_gives_the_same_world_and_another_seed_another_one() -> None:
    assert everything(small(7)) == everything(small(7))
    assert not set(small(7).users) & set(small(8).users)


def test_ids_stay_and_times_move_with_the_clock() -> None:
    then, later = small(7), small(7, NOW + DAY)

    assert list(then.users) == list(later.users)
    assert [event.id for event in then.log.events] == [event.id for event in later.log.events]
    assert {b.added_at - a.added_at for a, b in zip(then.users.values(), later.users.values(), strict=True)} == {DAY}


def test_a_small_organization_has_the_counts_one_can_look_at(organization: Organization) -> None:
    assert len(organization.users) == 24
    assert len(organization.owners) == 4
    assert len(organization.groups) == 4
    assert len(organization.invites) == 6
    assert (len(organization.active_projects), len(organization.projects)) == (6, 8)
    assert len(list(organization.project_keys())) == 30
    assert len(organization.admin_api_keys) == 5
    assert 200 <= len(organization.log.events) <= 1000


def test_owners_are_in_the_group_owners_but_one(organization: Organization) -> None:
    group = next(group for group in organization.groups.values() if group.record.name == "owners")
    owners = {user.id for user in organization.owners}

    assert owners > group.members.keys() > set()


def test_there_are_keys_of_every_sort(organization: Organization) -> None:
    keys = [key for _, key in organization.project_keys()]

    assert any(key.last_used_at is not None and NOW - key.last_used_at > 90 * DAY for key in keys)
    assert any(key.last_used_at is None and NOW - key.created_at > 14 * DAY for key in keys)
    assert any(key.expires_at is None for key in keys)
    assert any(key.owner_project_access == "inactive" for key in keys)
    assert any(key.owner_project_access == "inactive" and key.owner.id not in organization.users for key in keys)
    assert {key.owner.type for key in keys} == {"user", "service_account"}
    assert all(key.created_at <= (key.last_used_at or NOW) <= NOW for key in keys)
    assert all(key.created_at < (key.expires_at or NOW * 2) for key in keys)


def test_admin_keys_and_certificates_and_invites_have_their_troubles(organization: Organization) -> None:
    admin = organization.admin_api_keys.values()
    ends = [one.certificate_details.expires_at for one in organization.certificates.values() if one.active]

    assert len(admin) > 3
    assert any(key.last_used_at is None for key in admin)
    assert any(key.expires_at is None for key in admin)
    assert any(end < NOW for end in ends)
    assert any(NOW < end < NOW + 14 * DAY for end in ends)
    assert any(end > NOW + 30 * DAY for end in ends)
    assert {one.status for one in organization.invites.values()} == {"pending", "expired", "accepted"}
    assert any(one.status == "pending" and one.role == "owner" for one in organization.invites.values())


def test_hostile_names_are_everywhere(organization: Organization) -> None:
    assert set(names.HOSTILE) <= {user.name for user in organization.users.values()}
    assert set(names.HOSTILE) & {key.name for _, key in organization.project_keys()}
    assert set(names.HOSTILE) & {project.record.name for project in organization.projects.values()}


def test_the_history_fits_the_organization(organization: Organization) -> None:
    events = organization.log.events
    born = [id_ for event in events if event.type == "api_key.created" for id_ in event.resource_ids]

    assert [event.effective_at for event in events] == sorted(event.effective_at for event in events)
    assert NOW - DAYS * DAY <= events[0].effective_at <= events[-1].effective_at <= NOW
    assert len({event.id for event in events}) == len(events)
    assert set(born) == {key.id for _, key in organization.project_keys() if key.created_at >= NOW - DAYS * DAY}
    assert {event.actor_email is None for event in events if event.type == "rate_limit.updated"} == {True}
    assert not any(event.type.startswith("scim.") for event in events)
    assert {event.tenant for event in events} == {True, False}


def test_one_ip_allowlist_was_made_and_is_active_no_longer(organization: Organization) -> None:
    story = [event for event in organization.log.events if event.type.startswith("ip_allowlist.")]

    assert [event.type.removeprefix("ip_allowlist.") for event in story] == [
        "created",
        "config.activated",
        "updated",
        "config.deactivated",
    ]
    assert len(frozenset[str]().union(*(event.resource_ids for event in story))) == 1


def test_api_call_logging_was_switched_on_and_off(organization: Organization) -> None:
    changes = [
        msgspec.json.decode(event.raw) for event in organization.log.events if event.type == "organization.updated"
    ]
    requested = [change["organization.updated"]["changes_requested"] for change in changes]

    assert [change["api_call_logging"] for change in requested if "api_call_logging" in change] == [
        "enabled_for_all_projects",
        "disabled",
    ]


def test_nobody_fails_to_sign_in_five_times_in_fifteen_minutes(organization: Organization) -> None:
    assert largest_burst(organization.log.events) < 5


def largest_burst(events: Iterable[Event]) -> int:
    """Most failed sign-ins of the whole organization within 15 minutes."""
    times = [event.effective_at for event in events if event.type == "login.failed"]
    return max((sum(start <= at < start + 900 for at in times) for start in times), default=0)


def test_the_medium_organization_has_its_size() -> None:
    organization = generate(7, Size.MEDIUM, NOW)

    assert len(organization.users) == len({user.email for user in organization.users.values()}) == 2000
    assert len(organization.active_projects) == 200
    assert len(list(organization.project_keys())) == 5000
    assert Counter(event.type for event in organization.log.events)["login.succeeded"] > 500
