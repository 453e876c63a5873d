"""The roles of each principal take a call: they are read when due or named by an event, and else come from history."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from audits import POLICIES, auditing, opened, owner, stood
from organization import NOW, ledger_of, served, small
from starlette.applications import Starlette

from auditor.config import Schedule
from auditor.inventory.tiers import AT_ONCE, Reading, is_due, next_due
from auditor.inventory.usage import is_report
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import Taken, take
from auditor.policy.model import EVENT
from auditor.reporting.unseen import ledger as ledger_rows
from auditor.simulator.model import Grant, Organization
from auditor.store import readings, runs
from auditor.store.database import Store
from auditor.store.runs import PolicyLine
from auditor.terms import Status

HOUR = 3600
SIX = 6 * HOUR
KINDS = set(readings.KINDS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


@pytest.fixture
def organization() -> Organization:
    return small()


def asked(app: Starlette) -> list[tuple[str, ...]]:
    """Kind and principal of each role list that was read, the project before it where there is one."""
    found = []
    for exchange in ledger_of(app):
        if exchange.kind in KINDS:
            parts = exchange.path.split("/")
            found.append((exchange.kind, *((parts[3],) if parts[2] == "projects" else ()), parts[-2]))
    return found


async def passed(
    organization: Organization, store: Store, now: int, refuse: list[str] | None = None
) -> tuple[Taken, list[tuple[str, ...]]]:
    """A pass, and which role lists it asked for."""
    with served(organization, refuse=refuse or []) as (address, app):
        async with auditing(address, store) as audit:
            taken = await take(audit, await poll(audit, now), now)
        return taken, asked(app)


def principals(organization: Organization) -> list[tuple[str, ...]]:
    """Every role list that there is."""
    found: list[tuple[str, ...]] = [("user_role", user) for user in organization.users]
    found += [("group_role", group) for group in organization.groups]
    for project in organization.active_projects:
        found += [("project_user_role", project.id, user) for user in project.users]
        found += [("project_group_role", project.id, group) for group in project.groups]
    return sorted(found)


def states(taken: Taken) -> list[PolicyLine]:
    """What the policies said of what stands, without what happened."""
    return [line for line in taken.run.policies if POLICIES.by_name[line.policy].kind != EVENT]


def roles(taken: Taken) -> list[tuple[str, tuple[str, ...]]]:
    return sorted((line.kind, line.scope) for line in taken.run.coverage if line.kind in KINDS)


async def test_the_second_snapshot_reads_no_roles_and_says_since_when_they_are_known(
    store: Store, organization: Organization, tmp_path: Path
) -> None:
    first, whole = await passed(organization, store, NOW)
    second, none = await passed(organization, store, NOW + 900)

    assert sorted(whole) == principals(organization)
    assert none == []
    assert second.run.resources == first.run.resources
    assert states(second) == states(first)
    assert (second.opened, second.resolved) == (0, 0)
    assert roles(second) == roles(first)
    assert {line.read_at for line in second.run.coverage if line.kind in KINDS} == {NOW}
    assert {line.read_at for line in second.run.coverage if line.kind not in KINDS and not is_report(line.kind)} == {
        None
    }
    with store.transaction() as tx:
        stored = runs.latest(tx, "acme", "snapshot")
    assert stored == second.run
    shown = {row.kind: row.read_at for row in ledger_rows(stored.coverage)}
    assert {shown[kind] for kind in KINDS} == {NOW}
    assert shown["user"] is None
    store.close()
    with opened(tmp_path) as reopened:
        _, after_a_restart = await passed(organization, reopened, NOW + 1800)
    assert after_a_restart == []


async def test_an_assignment_makes_only_its_principal_due_and_its_difference_once_more(
    store: Store, organization: Organization
) -> None:
    await stood(store)
    person = next(user for user in organization.users if user not in organization.user_grants)
    organization.user_grants[person] = [Grant(next(reversed(organization.custom_roles)), NOW + 950, person)]
    payload = {"id": "assignment_1", "principal_id": person, "principal_type": "user"}
    organization.log.record("role.assignment.created", NOW + 950, owner(organization), payload)
    taken, read = await passed(organization, store, NOW + 1800)
    mine = [each for each in principals(organization) if each[-1] == person]

    assert sorted(read) == mine
    lines = {line.scope: line.read_at for line in taken.run.coverage if line.kind == "user_role"}
    assert lines == {(user,): None if user == person else NOW for user in organization.users}
    _, again = await passed(organization, store, NOW + 2700)
    assert again == [("user_role", person)], "what differed is looked at twice"
    _, quiet = await passed(organization, store, NOW + 3600)
    assert quiet == []


async def test_a_role_that_was_updated_makes_all_due_that_carry_it(store: Store, organization: Organization) -> None:
    first, _ = await passed(organization, store, NOW)
    role = organization.custom_roles[next(iter(organization.user_grants.values()))[0].role]
    role.permissions = [*role.permissions, "api.groups.write"]
    organization.log.record("role.updated", NOW + 950, owner(organization), {"id": role.id})
    taken, read = await passed(organization, store, NOW + 1800)

    assert set(organization.user_grants) <= {each[-1] for each in read}
    assert 0 < len(read) < len(principals(organization)) / 2
    assert first.run.resources == taken.run.resources


async def test_a_group_that_is_named_makes_it_and_its_members_due(store: Store, organization: Organization) -> None:
    await stood(store)
    group = list(organization.groups.values())[1]
    payload = {"group_id": group.record.id, "user_id": next(iter(group.members))}
    organization.log.record("tenant.group.member.added", NOW + 950, owner(organization), payload)
    _, read = await passed(organization, store, NOW + 1800)

    named = {group.record.id, *group.members}
    assert sorted(read) == [each for each in principals(organization) if each[-1] in named]


async def test_all_are_read_again_within_six_hours_and_not_all_at_once(
    store: Store, organization: Organization
) -> None:
    await stood(store)
    per_pass, seen = [], set()
    for quarter in range(1, 25):
        _, read = await passed(organization, store, NOW + quarter * 900)
        per_pass.append(len(read))
        seen |= set(read)

    everything = principals(organization)
    assert seen == set(everything)
    assert sum(per_pass) == len(everything), "each once"
    assert max(per_pass) < len(everything) / 2


async def test_after_six_hours_of_silence_all_are_read_at_once(store: Store, organization: Organization) -> None:
    await stood(store)
    _, read = await passed(organization, store, NOW + SIX)

    assert sorted(read) == principals(organization)


async def test_a_principal_that_is_gone_takes_its_roles_along_and_a_new_one_is_read(
    store: Store, organization: Organization
) -> None:
    await stood(store)
    gone, user = organization.users.popitem()
    newcomer = msgspec.structs.replace(user, id="user-newcomer")
    organization.users[newcomer.id] = newcomer
    taken, read = await passed(organization, store, NOW + 900)

    assert read == [("user_role", newcomer.id)]
    assert ("user_role", (gone,)) not in roles(taken)
    with store.transaction() as tx:
        assert (gone,) not in readings.known(tx, "acme", "user_role")


async def test_a_refused_list_is_asked_for_until_it_is_read(store: Store, organization: Organization) -> None:
    await stood(store)
    _, refused = await passed(organization, store, NOW + SIX, ["user_role"])
    _, again = await passed(organization, store, NOW + SIX + 900)
    taken, quiet = await passed(organization, store, NOW + SIX + 1800)

    assert {each for each in refused if each[0] == "user_role"} == {("user_role", user) for user in organization.users}
    assert {each[1] for each in again if each[0] == "user_role"} == set(organization.users)
    assert [each for each in quiet if each[0] == "user_role"] == []
    assert {line.status for line in taken.run.coverage if line.kind == "user_role"} == {Status.COMPLETE}


async def test_a_refusal_of_what_is_not_due_does_not_show_until_it_is(store: Store, organization: Organization) -> None:
    await stood(store)
    taken, _ = await passed(organization, store, NOW + 900, ["user_role"])

    assert not any(line.gap for line in taken.run.coverage)
    assert taken.resolved == 0


async def test_two_absences_of_a_role_are_two_readings(store: Store, organization: Organization) -> None:
    """What is gone by history alone would be gone after one reading."""
    await stood(store)
    person, grants = next(iter(organization.user_grants.items()))
    organization.user_grants[person] = []
    payload = {"id": "assignment_1", "principal_id": person, "principal_type": "user"}
    organization.log.record("role.assignment.deleted", NOW + 950, owner(organization), payload)
    await passed(organization, store, NOW + 1800)
    organization.user_grants[person] = grants
    _, read = await passed(organization, store, NOW + 2700)

    assert ("user_role", person) in read
    with store.transaction() as tx:
        known = readings.known(tx, "acme", "user_role")[(person,)]
    assert known == Reading(NOW + 2700, AT_ONCE)


def test_an_event_counts_if_it_may_be_younger_than_the_reading() -> None:
    reading = Reading(read_at=10_000, due_at=10_000 + SIX)
    assert is_due(None, None, 10_000, SIX)
    assert not is_due(reading, None, 10_000 + SIX - 1, SIX)
    assert is_due(reading, None, 10_000 + SIX, SIX)
    assert is_due(reading, None, 10_000 + HOUR, HOUR), "a shorter interval holds at once"
    assert is_due(reading, 9_800, 10_100, SIX)
    assert not is_due(reading, 9_600, 10_100, SIX)


def test_what_was_read_at_once_is_spread_and_what_was_read_in_time_keeps_its_time() -> None:
    first = [next_due("user_role", (f"user_{n}",), None, NOW, SIX) for n in range(1000)]
    assert min(first) > NOW + SIX // 4
    assert max(first) <= NOW + SIX
    busiest = Counter((due - NOW) // 900 for due in first).most_common(1)[0][1]
    assert busiest < 1000 / 18 * 1.5
    assert next_due("user_role", ("user_1",), Reading(NOW, first[1]), first[1] + 60, SIX) == first[1] + 60 + SIX
    late = {next_due("user_role", (f"user_{n}",), Reading(NOW, first[n]), NOW + 9 * SIX, SIX) for n in range(100)}
    assert len(late) > 90, "after a long silence all are due at once, and must not stay so"


def test_the_interval_is_a_duration_of_at_most_a_week() -> None:
    assert Schedule().role_assignments == SIX
    assert Schedule.model_validate({"role_assignments": "90m"}).role_assignments == 5400
    for wrong in ("0s", "8d", 900):
        with pytest.raises(ValueError, match="role_assignments"):
            Schedule.model_validate({"role_assignments": wrong})
