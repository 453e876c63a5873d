"""A state finding names who brought it about, from the audit log, or says that nobody is named who should be."""

from collections.abc import Collection
from dataclasses import replace

import pytest
from audits import QUIET, SQLITE_ONLY, auditing, owner, stood
from organization import NOW, served, small

from auditor.alerts.message import Alert, decode
from auditor.findings.model import Finding
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.simulator import takeover
from auditor.simulator.dice import Dice
from auditor.simulator.model import Organization
from auditor.simulator.people import new_user
from auditor.simulator.wire import User
from auditor.store import findings, outbox
from auditor.store.database import Store
from auditor.terms import State

pytest_plugins = ["databases"]

SOON, LATER = NOW + 900, NOW + 1800
POLICY = "owner-outside-groups"


@pytest.fixture
def organization() -> Organization:
    return small()


async def passed(organization: Organization, store: Store, now: int, refuse: Collection[str] = ()) -> None:
    with served(organization, keys=None, refuse=refuse) as (address, _):
        async with auditing(address, store) as audit:
            quiet = replace(audit, routing=QUIET)
            await take(quiet, await poll(quiet, now), now)


def add_owner(organization: Organization) -> User:
    dice = Dice(organization.seed, "stranger", 0)
    user = new_user(dice, name="Stranger", email="stranger@example.net", role="owner", added_at=NOW + 60)
    organization.users[user.id] = user
    return user


def announce(organization: Organization, user: User) -> str:
    event = organization.log.record("user.added", NOW + 60, owner(organization), {"id": user.id, "data": {}})
    return event.id


def found(store: Store, kind: str, id_: str) -> list[Finding]:
    with store.transaction() as tx:
        return [each for each in findings.active(tx, "acme").values() if each.kind == kind and each.ids[-1] == id_]


def alerts(store: Store, finding: Finding) -> list[Alert]:
    with store.transaction() as tx:
        told = [decode(each.message.alert) for each in outbox.listing(tx, limit=1000) if each.message.sink == "here"]
    return [alert for alert in told if alert.finding == finding.id]


def who(alert: Alert) -> list[str]:
    return [value for name, value in alert.facts if name == "Who"]


@SQLITE_ONLY
async def test_a_change_that_an_event_announces_names_its_actor_in_the_evidence_and_in_the_alert(
    organization: Organization, store: Store
) -> None:
    await stood(store, QUIET)
    user = add_owner(organization)
    event = announce(organization, user)
    await passed(organization, store, SOON)
    first = found(store, "user", user.id)
    await passed(organization, store, LATER)

    assert first
    for each in (*first, *found(store, "user", user.id)):
        email = organization.owners[0].email
        assert each.evidence["cause"] == "explained"
        assert each.evidence["events"] == [event]
        assert each.evidence["done_at"] == NOW + 60
        assert each.evidence["actor"] == {"email": email, "ip": "192.0.2.1", "type": "session", "kind": "user"} | {
            "id": organization.owners[0].id
        }
        (alert,) = alerts(store, each)
        assert who(alert) == [email]
        assert ("From", "192.0.2.1") in alert.facts
        assert ("Changed at", "2026-01-01 00:01:00 UTC") in alert.facts


@SQLITE_ONLY
async def test_a_change_that_an_event_should_announce_and_none_does_is_called_unexplained(
    organization: Organization, store: Store
) -> None:
    await stood(store, QUIET)
    user = add_owner(organization)
    await passed(organization, store, SOON)

    for each in found(store, "user", user.id):
        assert each.evidence["cause"] == "unexplained"
        (alert,) = alerts(store, each)
        assert who(alert) == ["unexplained: an audit event should announce this change, and none does"]


@SQLITE_ONLY
async def test_an_event_that_arrives_after_the_finding_still_explains_it(
    organization: Organization, store: Store
) -> None:
    await stood(store, QUIET)
    user = add_owner(organization)
    await passed(organization, store, SOON)
    event = announce(organization, user)
    await passed(organization, store, LATER)

    for each in found(store, "user", user.id):
        assert (each.evidence["cause"], each.evidence["events"]) == ("explained", [event])


@SQLITE_ONLY
async def test_where_the_log_cannot_be_read_nobody_is_accused_and_nothing_called_unexplained(
    organization: Organization, store: Store
) -> None:
    await stood(store, QUIET)
    user = add_owner(organization)
    announce(organization, user)
    await passed(organization, store, SOON, refuse=["audit_event"])

    for each in found(store, "user", user.id):
        assert each.evidence["cause"] == "log not read"
        (alert,) = alerts(store, each)
        assert who(alert) == ["not known: the audit log of that time could not be read"]


@SQLITE_ONLY
async def test_what_stood_before_anybody_watched_and_what_time_brings_about_have_no_cause(
    organization: Organization, store: Store
) -> None:
    await stood(store, QUIET)
    await passed(organization, store, NOW + 120 * 86_400)

    with store.transaction() as tx:
        standing = [each for each in findings.active(tx, "acme").values() if not each.occurrence]
    assert [each for each in standing if each.opened_at > NOW]
    assert not [each for each in standing if each.kind == "project_api_key" and "cause" in each.evidence]


async def test_what_comes_back_is_explained_by_what_happened_now(organization: Organization, store: Store) -> None:
    await stood(store, QUIET)
    user = add_owner(organization)
    announce(organization, user)
    await passed(organization, store, SOON)
    del organization.users[user.id]
    for now in (LATER, LATER + 900):
        await passed(organization, store, now)
    organization.users[user.id] = user
    await passed(organization, store, LATER + 10_000)

    for each in found(store, "user", user.id):
        assert each.state is State.REOPENED
        assert each.evidence["cause"] == "unexplained"
        assert "actor" not in each.evidence


@SQLITE_ONLY
async def test_a_setting_without_an_endpoint_names_who_changed_it(organization: Organization, store: Store) -> None:
    takeover.prepare(organization, NOW)
    await passed(organization, store, NOW)
    assert not found(store, "ip_allowlist", "*")
    takeover.switch_allowlist_off(organization, NOW + 60)
    await passed(organization, store, SOON)

    (one,) = found(store, "ip_allowlist", "*")
    assert (one.evidence["cause"], one.evidence["done_at"]) == ("explained", NOW + 60)
    (alert,) = alerts(store, one)
    assert who(alert) == [organization.owners[0].email]


@SQLITE_ONLY
async def test_a_key_that_was_made_names_who_made_it(organization: Organization, store: Store) -> None:
    await stood(store, QUIET)
    takeover.make_admin_key(organization, NOW + 70)
    made = next(reversed(organization.admin_api_keys))
    await passed(organization, store, SOON)

    opened = found(store, "admin_api_key", made)
    assert opened
    assert {each.evidence["cause"] for each in opened} == {"explained"}
