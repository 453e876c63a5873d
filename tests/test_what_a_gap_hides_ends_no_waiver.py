"""Lists that the API refuses for a while: what a waiver asks of them cannot be seen, and changes nothing."""

from collections.abc import Collection
from dataclasses import replace

import msgspec
import pytest
from audits import SQLITE_ONLY, auditing, stood
from organization import NOW, served, small

from auditor.findings.matcher import Matcher
from auditor.findings.model import Finding, Reason
from auditor.findings.waivers import Waiver
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.simulator.dice import Dice
from auditor.simulator.model import Organization
from auditor.simulator.people import new_admin_key
from auditor.store import findings, outbox, transitions, waivers
from auditor.store.database import Store
from auditor.terms import State

pytest_plugins = ["databases"]

DAY = 86_400
KIND = "admin_api_key"
PASS = 900
"""Seconds from one pass to the next."""


@pytest.fixture
def organization() -> Organization:
    return small()


def address(organization: Organization) -> str:
    """The mail address of an owner of admin keys, which the keys themselves do not tell."""
    holders = {each.owner.id for each in organization.admin_api_keys.values()}
    return next(each.email for each in organization.owners if each.id in holders and each.email)


def granted(organization: Organization, **more: object) -> Waiver:
    match = Matcher(kind=(KIND,), owner=(address(organization),))
    return replace(Waiver("keys", match, "known", "ada@example.com", NOW - DAY, NOW + 30 * DAY), **more)  # type: ignore[arg-type]


async def passed(
    organization: Organization, store: Store, now: int, *written: Waiver, refuse: Collection[str] = ()
) -> None:
    with served(organization, refuse=refuse) as (url, _):
        async with auditing(url, store) as audit:
            obeying = replace(audit, waivers=written)
            await take(obeying, await poll(obeying, now), now)


def of_keys(store: Store) -> dict[str, Finding]:
    with store.transaction() as tx:
        return {each.id: each for each in findings.active(tx, "acme").values() if each.kind == KIND}


def covered(store: Store) -> set[str]:
    return {id_ for id_, each in of_keys(store).items() if each.state is State.WAIVED}


def why(store: Store, ids: Collection[str]) -> set[tuple[Reason, ...]]:
    """Why the findings changed their states, one after another."""
    with store.transaction() as tx:
        return {tuple(row.reason for row in transitions.of_finding(tx, id_)) for id_ in ids}


BEGUN = (Reason.DETECTED, Reason.WAIVED)


@SQLITE_ONLY
@pytest.mark.parametrize("pinned", [(), ("owner.email",), ("owner.org_role", "owner.groups", "name")])
async def test_a_refused_list_of_users_between_two_good_passes_changes_nothing(
    organization: Organization, store: Store, pinned: tuple[str, ...]
) -> None:
    waiver = granted(organization, pinned=pinned)
    await passed(organization, store, NOW, waiver)
    held = covered(store)
    assert held
    for number in (1, 2, 3, 4):
        await passed(organization, store, NOW + number * PASS, waiver, refuse=("user",) if number % 2 else ())
        assert covered(store) == held
        with store.transaction() as tx:
            (known,) = waivers.listing(tx, "acme")
        assert (known.matches, known.matched_at) == (len(held), NOW + number * PASS)

    assert why(store, held) == {BEGUN}
    with store.transaction() as tx:
        assert waivers.voids(tx, "acme") == {}
        told = [each.message.alert for each in outbox.listing(tx, limit=10_000)]
    assert not any(b"waiver removed" in alert or b"waiver void" in alert for alert in told)


@SQLITE_ONLY
async def test_a_waiver_ends_by_its_date_though_nobody_sees_what_it_is_about(
    organization: Organization, store: Store
) -> None:
    waiver = granted(organization, until=NOW + 2 * PASS)
    await passed(organization, store, NOW, waiver)
    held = covered(store)
    await passed(organization, store, NOW + PASS, waiver, refuse=("user",))
    assert covered(store) == held
    await passed(organization, store, NOW + 2 * PASS, waiver, refuse=("user",))

    assert covered(store) == set()
    assert why(store, held) == {(*BEGUN, Reason.WAIVER_EXPIRED)}


@SQLITE_ONLY
async def test_a_waiver_that_is_taken_away_while_a_list_is_refused_ends(
    organization: Organization, store: Store
) -> None:
    await passed(organization, store, NOW, granted(organization))
    held = covered(store)
    await passed(organization, store, NOW + PASS, refuse=("user",))
    assert why(store, held) == {(*BEGUN, Reason.WAIVER_REMOVED)}


@SQLITE_ONLY
async def test_what_was_not_waived_is_not_while_nobody_sees_whose_it_is(
    organization: Organization, store: Store
) -> None:
    await stood(store)
    waiver = granted(organization)
    holder = next(each for each in organization.owners if each.email == address(organization))
    added = new_admin_key(Dice(7, "new", 0), holder, name="new", created_at=NOW - 400 * DAY)
    organization.admin_api_keys[added.id] = added
    await passed(organization, store, NOW + PASS, waiver, refuse=("user",))
    assert of_keys(store)
    assert covered(store) == set()
    await passed(organization, store, NOW + 2 * PASS, waiver)

    mine = {id_ for id_, each in of_keys(store).items() if each.ids[-1] == added.id}
    assert mine
    assert mine <= covered(store)


@SQLITE_ONLY
async def test_a_word_that_is_renewed_in_a_gap_holds_and_its_facts_are_those_that_are_seen_next(
    organization: Organization, store: Store
) -> None:
    waiver = granted(organization, pinned=("owner.email",))
    await passed(organization, store, NOW, waiver)
    held = covered(store)
    longer = replace(waiver, until=waiver.until + DAY)
    await passed(organization, store, NOW + PASS, longer, refuse=("user",))
    assert covered(store) == held
    with store.transaction() as tx:
        assert {use.grant for use in waivers.uses(tx, "acme", ["keys"]).values()} == {waiver.grant}
    await passed(organization, store, NOW + 2 * PASS, longer)

    assert covered(store) == held
    with store.transaction() as tx:
        found = waivers.uses(tx, "acme", ["keys"]).values()
    assert {(use.grant, use.facts["owner.email"], use.at) for use in found} == {
        (longer.grant, address(organization), NOW + 2 * PASS)
    }


@SQLITE_ONLY
async def test_a_fact_that_is_seen_to_change_voids_a_waiver_though_another_is_hidden(
    organization: Organization, store: Store
) -> None:
    waiver = granted(organization, pinned=("owner.email", "name"))
    await passed(organization, store, NOW, waiver)
    held = of_keys(store)
    one = next(held[id_] for id_ in covered(store))
    key = organization.admin_api_keys[one.ids[-1]]
    organization.admin_api_keys[key.id] = msgspec.structs.replace(key, name="another")
    await passed(organization, store, NOW + PASS, waiver, refuse=("user",))
    assert of_keys(store)[one.id].state is State.REOPENED
    assert why(store, [one.id]) == {(*BEGUN, Reason.WAIVER_VOID)}
