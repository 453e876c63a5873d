"""A list that comes back empty: no finding is mended by it, one notice says so, and after a day it is believed."""

from audits import QUIET, SQLITE_ONLY, auditing, stood
from organization import NOW, served, small

from auditor.alerts.message import Alert, decode
from auditor.findings.absence import COLLAPSE_HOLD
from auditor.findings.model import Finding
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import Taken, take
from auditor.simulator.model import Organization
from auditor.store import findings, outbox
from auditor.store.database import Store
from auditor.terms import State

pytest_plugins = ["databases"]

KIND = "project_api_key"
STEP = 900


async def passed(organization: Organization, store: Store, now: int) -> Taken:
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            return await take(audit, await poll(audit, now), now)


def standing(store: Store) -> list[Finding]:
    with store.transaction() as tx:
        return [each for each in findings.search(tx, "acme") if each.kind == KIND and each.state is not State.RESOLVED]


def notices(store: Store) -> list[Alert]:
    """What one sink is told of it."""
    with store.transaction() as tx:
        told = {entry.message.id: decode(entry.message.alert) for entry in outbox.listing(tx, limit=1000)}
    return [each for each in told.values() if each.title == "Many findings vanished at once"]


@SQLITE_ONLY
async def test_all_keys_gone_at_once_are_held_although_no_policy_has_ten_of_them(store: Store) -> None:
    await stood(store, QUIET)
    organization = small()
    before = standing(store)
    of_one = {policy: sum(each.policy == policy for each in before) for policy in {each.policy for each in before}}
    assert len(of_one) > 1
    assert max(of_one.values()) < 10 <= len({each.ids for each in before})

    for project in organization.projects.values():
        project.api_keys.clear()
    for step in (1, 2, 3):
        await passed(organization, store, NOW + step * STEP)
    assert len(standing(store)) == len(before)
    (notice,) = notices(store)
    assert notice.protected
    assert notice.text == (
        "Most resources of kind project_api_key with a finding are gone. They stay open for a day: a list may be cut."
    )

    await passed(organization, store, NOW + STEP + COLLAPSE_HOLD)
    assert standing(store) == []
    assert len(notices(store)) == 1


@SQLITE_ONLY
async def test_a_list_that_is_whole_again_leaves_no_trace(store: Store) -> None:
    await stood(store, QUIET)
    organization, cut = small(), small()
    before = {each.id for each in standing(store)}
    for project in cut.projects.values():
        project.api_keys.clear()
    for step in (1, 2):
        await passed(cut, store, NOW + step * STEP)
    await passed(organization, store, NOW + 3 * STEP)
    after = standing(store)
    assert {each.id for each in after} == before
    assert {each.absent_since for each in after} == {None}
