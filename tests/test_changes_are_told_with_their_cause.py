"""`auditor changes`: what differs between two times, field by field, with the events that explain it or without."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from audits import opened, owner, passed, stood
from commands import auditor, configured
from organization import NOW, small

from auditor.adminapi.announcements import families_of, is_of
from auditor.adminapi.eventtypes import KNOWN
from auditor.adminapi.resources import BY_NAME
from auditor.inventory.changes import Cause, Explained, FieldChange, What, differences
from auditor.jobs.changes import between
from auditor.simulator import takeover
from auditor.simulator.model import Grant, Organization
from auditor.store.database import Store

SOON, LATER, LAST = NOW + 900, NOW + 1800, NOW + 2700


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


@pytest.fixture
def organization() -> Organization:
    return small()


def told(store: Store, until: int = LAST, since: int = NOW) -> list[Explained]:
    return between(store, "acme", since, until, list(BY_NAME))


def facts(found: list[Explained]) -> list[tuple[str, str, str, Cause, list[object]]]:
    return [
        (each.change.what, each.change.kind, each.change.ids[-1], each.cause, [e.fields["type"] for e in each.events])
        for each in found
    ]


async def test_a_key_that_is_made_renamed_and_deleted_is_told_each_time(
    store: Store, organization: Organization
) -> None:
    project, old = next(iter(organization.project_keys()))
    await passed(organization, store, NOW)
    old.name = "renamed"
    payload = {"id": old.id, "changes_requested": {}}
    organization.log.record("api_key.updated", NOW + 60, owner(organization), payload, project=project.record)
    takeover.make_admin_key(organization, NOW + 70)
    made = next(reversed(organization.admin_api_keys))
    await passed(organization, store, SOON)
    del project.api_keys[old.id]
    await passed(organization, store, LATER)

    assert facts(told(store)) == [
        (What.ADDED, "admin_api_key", made, Cause.EXPLAINED, ["api_key.created", "tenant.admin_api_key.created"]),
        (What.CHANGED, "project_api_key", old.id, Cause.EXPLAINED, ["api_key.updated"]),
        (What.REMOVED, "project_api_key", old.id, Cause.UNEXPLAINED, []),
    ]
    _, changed, removed = told(store)
    assert [(each.field, each.after) for each in changed.change.fields] == [("name", "renamed")]
    assert (changed.change.after, changed.change.at) == (NOW, SOON)
    assert (removed.change.after, removed.change.at) == (SOON, LATER)
    assert removed.change.name == "renamed"


async def test_last_use_is_no_change(store: Store, organization: Organization) -> None:
    await stood(store)
    for _, key in organization.project_keys():
        key.last_used_at = NOW + 5
    await passed(organization, store, SOON)

    assert told(store) == []


async def test_a_role_is_explained_by_the_assignment_that_names_its_principal(
    store: Store, organization: Organization
) -> None:
    await stood(store)
    person, stranger = [user for user in organization.users.values() if user.id not in organization.user_grants][5:7]
    role = next(reversed(organization.custom_roles))
    for user in (person, stranger):
        organization.user_grants[user.id] = [Grant(role, NOW + 60, organization.owners[0].id)]
    payload = {"id": "assignment_1", "principal_id": person.id, "principal_type": "user"}
    organization.log.record("role.assignment.created", NOW + 60, owner(organization), payload)
    # The one that no event names is read in its turn.
    await passed(organization, store, NOW + 6 * 3600)

    causes = {each.change.ids: each.cause for each in told(store, NOW + 6 * 3600) if each.change.kind == "user_role"}
    assert causes == {(person.id, role): Cause.EXPLAINED, (stranger.id, role): Cause.UNEXPLAINED}


async def test_a_role_that_comes_through_a_group_is_explained_by_the_assignment_of_the_group(
    store: Store, organization: Organization
) -> None:
    await stood(store)
    group = list(organization.groups.values())[-1]
    role = next(iter(organization.custom_roles))
    group.grants.append(Grant(role, NOW + 60, organization.owners[0].id))
    payload = {"id": "assignment_1", "principal_id": group.record.id, "principal_type": "group"}
    organization.log.record("role.assignment.created", NOW + 60, owner(organization), payload)
    await passed(organization, store, SOON)

    found = {(each.change.kind, each.change.ids[0]): each.cause for each in told(store)}
    members = {user for user in group.members if user not in organization.user_grants}
    assert {user for kind, user in found if kind == "user_role"} >= members
    assert ("group_role", group.record.id) in found
    assert set(found.values()) == {Cause.EXPLAINED}


async def test_what_no_event_announces_says_so(store: Store, organization: Organization) -> None:
    project = organization.active_projects[0]
    await passed(organization, store, NOW)
    assert organization.data_retention.type != "none"
    organization.data_retention.type = "none"
    project.hosted_tools.web_search.enabled = not project.hosted_tools.web_search.enabled
    await passed(organization, store, SOON)

    assert {(each.change.kind, each.cause) for each in told(store)} == {
        ("data_retention", Cause.UNANNOUNCED),
        ("project_hosted_tool_permissions", Cause.UNANNOUNCED),
    }


async def test_what_was_undone_between_two_snapshots_is_not_there_and_later_it_is_marked(
    store: Store, organization: Organization
) -> None:
    user = list(organization.users.values())[6]
    role, name = user.role, user.name
    await passed(organization, store, NOW)
    user.role, user.role = "owner", role
    await passed(organization, store, SOON)
    assert told(store) == []

    user.name = "for a while"
    await passed(organization, store, LATER)
    user.name = name
    await passed(organization, store, LAST)
    mine = [each.change for each in told(store) if each.change.kind == "user"]
    assert [(each.what, each.undone) for each in mine] == [(What.CHANGED, True)] * 2
    mine = [each.change for each in told(store, LATER) if each.change.kind == "user"]
    assert [(each.what, each.undone) for each in mine] == [(What.CHANGED, False)]


async def test_a_refusal_in_between_removes_nothing_and_what_comes_behind_it_is_added(
    store: Store, organization: Organization
) -> None:
    await stood(store)
    await passed(organization, store, SOON, refuse=["project", "user", "project_api_key"])
    assert told(store) == []
    takeover.add_owner(organization, SOON + 60)
    await passed(organization, store, LATER)

    (added,) = [each for each in told(store) if each.change.kind == "user"]
    assert (added.change.what, added.change.after, added.cause) == (What.ADDED, NOW, Cause.EXPLAINED)


async def test_what_could_never_be_seen_before_is_newly_visible(store: Store, organization: Organization) -> None:
    await passed(organization, store, NOW, refuse=["certificate"])
    await passed(organization, store, SOON)

    found = [each for each in told(store) if each.change.kind == "certificate"]
    assert {each.change.what for each in found} == {What.VISIBLE}
    assert {each.cause for each in found} == {Cause.UNDATED}
    assert len(found) == len(organization.certificates)


async def test_without_the_log_nothing_is_called_unexplained(store: Store, organization: Organization) -> None:
    await stood(store)
    organization.users.popitem()
    await passed(organization, store, SOON, refuse=["audit_event"])

    assert {each.cause for each in told(store) if each.change.kind == "user"} == {Cause.UNREAD}


async def test_what_goes_with_its_project_is_explained_by_it(store: Store, organization: Organization) -> None:
    project = organization.active_projects[-1]
    await passed(organization, store, NOW)
    project.record.status, project.record.archived_at = "archived", NOW + 60
    organization.log.record(
        "project.archived", NOW + 60, owner(organization), {"id": project.id}, project=project.record
    )
    await passed(organization, store, SOON)

    keys = [each for each in told(store) if each.change.kind == "project_api_key"]
    assert {each.change.ids[-1] for each in keys} == set(project.api_keys)
    assert {(each.change.what, each.cause) for each in keys} == {(What.REMOVED, Cause.EXPLAINED)}


def test_differences_are_told_field_by_field() -> None:
    before = {"name": "a", "owner": {"id": 1, "more": {"x": 1}}, "list": [1, 2], "gone": True, "same": 0}
    after = {"name": "b", "owner": {"id": 1, "more": {"x": 2}}, "list": [2], "new": None, "same": 0}
    assert list(differences(before, after)) == [
        FieldChange("gone", True, None),
        FieldChange("list", [1, 2], [2]),
        FieldChange("name", "a", "b"),
        FieldChange("owner.more.x", 1, 2),
    ]


def test_changes_are_announced_by_types_of_events_that_exist() -> None:
    strange = {family for family in families_of(BY_NAME) if not any(is_of(each, [family]) for each in KNOWN)}
    assert strange == set()


async def test_the_command_shows_changes_and_no_name_drives_the_terminal(
    tmp_path: Path, store: Store, organization: Organization
) -> None:
    await stood(store)
    hostile = list(organization.users.values())[:3]
    for user, name in zip(hostile, ("\x1b[31mred", "[bold]<script>\u202e", "a\nb"), strict=True):
        user.name = name
    await passed(organization, store, SOON)
    store.close()
    configured(tmp_path, "http://127.0.0.1:9/v1")

    table = auditor("changes", "--since", "2025-12-01", "--kind", "user", cwd=tmp_path)
    assert table.code == 0, table.err
    assert "\x1b" not in table.out
    assert "\u202e" not in table.out
    assert "[bold]<script>" in table.out
    assert "acme: 3 changed; 3 unexplained" in table.out

    asked = ("changes", "--since", "2025-12-01", "-o", "json", "--kind", "user", "--organization", "acme")
    document: list[dict[str, Any]] = auditor(*asked, cwd=tmp_path).document
    assert [each["resource"]["id"] for each in document] == sorted(user.id for user in hostile)
    (first,) = [each for each in document if each["resource"]["id"] == hostile[0].id]
    assert first["change"] == "changed"
    assert first["cause"] == "unexplained"
    assert {"field": "name", "before": first["fields"][0]["before"], "after": "\x1b[31mred"} in first["fields"]
    assert (first["after"], first["seen_at"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z")

    quiet = auditor("changes", "--since", "2025-12-01", "--kind", "role", cwd=tmp_path)
    assert quiet.out.strip() == "acme: no changes"
    wrong = auditor("changes", "--organization", "acne", cwd=tmp_path)
    assert wrong.code == 2
