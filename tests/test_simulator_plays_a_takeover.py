"""The default scenario: what each step changes, what the audit log says of it, and when."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
import pytest
from organization import NOW, small

from auditor.simulator.auditlog import Event
from auditor.simulator.model import Organization
from auditor.simulator.names import STRANGER
from auditor.simulator.scenario import SCENARIOS, Step, apply, play

TAKEOVER = SCENARIOS["takeover"]


def new_events(organization: Organization, before: Iterable[Event]) -> list[Event]:
    known = {event.id for event in before}
    return [event for event in organization.log.events if event.id not in known]


def test_preparing_leaves_an_active_allowlist_before_the_baseline() -> None:
    organization = small()
    before = organization.log.events
    TAKEOVER.prepare(organization, NOW)
    new = new_events(organization, before)

    assert [event.type for event in new] == ["ip_allowlist.created", "ip_allowlist.config.activated"]
    assert all(event.effective_at < NOW for event in new)
    assert [event.effective_at for event in organization.log.events] == sorted(
        event.effective_at for event in organization.log.events
    )


def test_everything_at_once_tells_the_whole_story_up_to_now() -> None:
    organization = small()
    TAKEOVER.prepare(organization, NOW)
    before, keys, users = organization.log.events, set(organization.admin_api_keys), set(organization.users)
    apply(organization, TAKEOVER, NOW)
    new = new_events(organization, before)

    assert [event.type for event in new] == [
        *["login.failed"] * 6,
        "login.succeeded",
        "ip_allowlist.config.deactivated",
        "api_key.created",
        "tenant.admin_api_key.created",
        "user.added",
        "role.assignment.created",
        "scim.disabled",
    ]
    assert new[-1].effective_at == NOW
    assert new[5].effective_at < new[6].effective_at
    assert {msgspec.json.decode(event.raw)["actor"]["session"]["ip_address"] for event in new} == {STRANGER}
    assert len({event.actor_ids for event in new}) == 1

    (key,) = organization.admin_api_keys.keys() - keys
    (owner,) = organization.users.keys() - users
    assert {key} == new[8].resource_ids == new[9].resource_ids
    assert owner in new[10].resource_ids & new[11].resource_ids
    assert organization.users[owner].role == "owner"
    assert not any(owner in group.members for group in organization.groups.values())


def test_the_allowlist_that_is_switched_off_is_the_prepared_one() -> None:
    organization = small()
    TAKEOVER.prepare(organization, NOW)
    apply(organization, TAKEOVER, NOW)
    story = [event for event in organization.log.events if "ip_allowlist_office" in event.resource_ids]

    assert [event.type for event in story] == [
        "ip_allowlist.created",
        "ip_allowlist.config.activated",
        "ip_allowlist.config.deactivated",
    ]


def test_the_same_seed_invents_the_same_ids_whenever_it_is_played() -> None:
    early, late = small(), small(now=NOW + 1000)
    apply(early, TAKEOVER, NOW)
    apply(late, TAKEOVER, NOW + 1000)

    assert list(early.admin_api_keys) == list(late.admin_api_keys)
    assert list(early.users) == list(late.users)


def test_playing_twice_makes_a_second_key() -> None:
    organization = small()
    apply(organization, TAKEOVER, NOW)
    apply(organization, TAKEOVER, NOW + 100)

    assert len(organization.admin_api_keys) == len(small().admin_api_keys) + 2


async def test_steps_are_played_one_by_one_at_the_time_of_the_clock() -> None:
    organization = small()
    before = organization.log.events
    elapsed = 0.0
    told: list[tuple[str, int, int]] = []

    async def sleep(seconds: float) -> None:
        nonlocal elapsed
        elapsed += seconds

    def hear(step: Step, at: int) -> None:
        told.append((step.name, at, len(new_events(organization, before))))

    await play(
        organization,
        TAKEOVER,
        clock=lambda: datetime.fromtimestamp(NOW + elapsed, UTC),
        speed=5,
        on_step=hear,
        sleep=sleep,
    )

    assert [name for name, _, _ in told] == [step.name for step in TAKEOVER.steps]
    assert [count for _, _, count in told] == [6, 7, 8, 10, 12, 13]
    assert told[-1][1] == NOW + int(sum(step.delay for step in TAKEOVER.steps) / 5)
    assert new_events(organization, before)[-1].effective_at == told[-1][1]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_known_by_its_own_name(name: str) -> None:
    assert SCENARIOS[name].name == name
    assert all(step.delay > 0 for step in SCENARIOS[name].steps)
