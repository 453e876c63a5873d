"""Keys and certificates that end: told again 30, 14, 7 and 1 days before, once each, where they are told."""

from dataclasses import replace
from pathlib import Path

import pytest
from audits import SQLITE_ONLY, auditing, begin
from organization import NOW, served, small

from auditor.alerts import notices
from auditor.alerts.message import Alert, AlertKind, decode
from auditor.findings.expiry import newly_ending
from auditor.findings.model import Decision, Finding
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.policy.load import load
from auditor.simulator.model import Organization
from auditor.simulator.wire import ProjectKey
from auditor.store import findings, outbox
from auditor.store.database import Store
from auditor.terms import Level, State

pytest_plugins = ["databases"]

DAY = 86_400
END = NOW + 40 * DAY
POLICY = Path(__file__).parent.parent / "policies" / "openai" / "keys" / "key-expiring.yaml"
FINDING = Finding(
    "f1", "acme", "p", "project_api_key", ("proj_1", "key_1"), "ci", Level.LOW, State.OPEN, "Ends", "ci ends", 1, 1, 1
)


def stages(finding: Finding, *times: int) -> list[int]:
    """The stages that are told in passes at `times`, each by a process that knows what was stored."""
    told = []
    for now in times:
        for ending in newly_ending([finding], lambda _: END, now):
            finding = ending.finding
            told.append(ending.days)
    return told


def test_each_stage_is_told_once_when_it_is_reached() -> None:
    every = range(END - 45 * DAY, END + 2 * DAY, DAY // 4)
    assert stages(FINDING, *every) == [30, 14, 7, 1]
    assert stages(FINDING, END - 30 * DAY - 1) == []
    assert stages(FINDING, END - 30 * DAY, END - 30 * DAY, END - 30 * DAY + 1) == [30]


def test_after_an_outage_only_the_last_stage_is_told() -> None:
    assert stages(FINDING, END - 31 * DAY, END - DAY // 2, END - 60) == [1]
    assert stages(FINDING, END, END + DAY) == [], "what ended does not end soon"


def test_what_opened_within_a_stage_was_told_then() -> None:
    opened = replace(FINDING, opened_at=END - 14 * DAY)
    assert stages(opened, *range(END - 14 * DAY, END, DAY)) == [7, 1]
    back = replace(FINDING, since=END - 5 * DAY, ending_told=END - 30 * DAY)
    assert stages(back, *range(END - 5 * DAY, END, DAY)) == [1]


@pytest.mark.parametrize(
    "ahead",
    [replace(FINDING, ending_told=END + 300 * DAY), replace(FINDING, since=END + 300 * DAY)],
    ids=["told", "back"],
)
def test_a_clock_that_was_ahead_keeps_nothing_from_being_told(ahead: Finding) -> None:
    assert stages(ahead, *range(END - 31 * DAY, END, DAY)) == [30, 14, 7, 1]


def test_a_new_end_begins_anew() -> None:
    told = replace(FINDING, ending_told=END - 7 * DAY)
    later = END + 60 * DAY
    assert [each.days for each in newly_ending([told], lambda _: later, later - 30 * DAY)] == [30]


@pytest.mark.parametrize(
    "quiet",
    [
        replace(FINDING, state=State.WAIVED, decision=Decision("ada", 1, "", "w", END)),
        replace(FINDING, state=State.RESOLVED),
        replace(FINDING, occurrence=True),
    ],
    ids=["waived", "resolved", "occurred"],
)
def test_what_needs_nobody_is_not_told(quiet: Finding) -> None:
    assert stages(quiet, *range(END - 31 * DAY, END, DAY)) == []
    assert newly_ending([FINDING], lambda _: None, END) == []


def test_what_is_acknowledged_is_told_with_who_knows_of_it() -> None:
    known = replace(FINDING, state=State.ACKNOWLEDGED, decision=Decision("ada", 1), evidence={"owner": "<!channel>"})
    (ending,) = newly_ending([known], lambda _: END, END - 7 * DAY)
    alert = notices.ending(ending.finding, ending.ends, ending.days, END - 7 * DAY)
    assert alert.title == "Expires in 7 days: Ends"
    assert ("Acknowledged by", "ada") in alert.facts
    assert (alert.kind, alert.about, alert.finding, alert.level) == (AlertKind.NOTICE, "f1", "", Level.LOW)
    assert notices.ending(known, END, 7, END - 5 * DAY - 60).title == "Expires in 6 days: Ends"
    assert notices.ending(known, END, 1, END - 60).title == "Expires in 1 day: Ends"


def with_one_key_that_ends() -> tuple[Organization, ProjectKey]:
    organization = small()
    keys = [key for _, key in organization.project_keys() if key.owner.user and key.owner_project_access == "active"]
    for _, each in organization.project_keys():
        each.expires_at = None
    keys[0].expires_at = END
    return organization, keys[0]


async def passed(organization: Organization, store: Store, now: int, notice: str) -> None:
    policies = load([str(POLICY)], {"expiry_notice": notice}, {})
    with served(organization, keys=None) as (address, _):
        async with auditing(address, store) as audit:
            only = replace(audit, policies=policies)
            await take(only, await poll(only, now), now)


def told(store: Store) -> list[Alert]:
    with store.transaction() as tx:
        alerts = [decode(each.message.alert) for each in outbox.listing(tx, limit=1000) if each.message.sink == "here"]
    return [each for each in reversed(alerts) if each.id.startswith("notice/ending/")]


@SQLITE_ONLY
async def test_a_key_that_ends_is_told_at_each_stage_where_its_finding_is_told(store: Store) -> None:
    organization, key = with_one_key_that_ends()
    begin(store)
    for days in (40, 31, 30, 29, 14, 13, 7, 7, 1):
        key.last_used_at = END - days * DAY
        await passed(organization, store, END - days * DAY, "60d")
    alerts = told(store)
    assert [each.title.partition(":")[0] for each in alerts] == [
        f"Expires in {n}" for n in ("30 days", "14 days", "7 days", "1 day")
    ]
    with store.transaction() as tx:
        (found,) = findings.active(tx, "acme").values()
    assert {each.about for each in alerts} == {found.id}
    assert {each.owner for each in alerts} == {found.evidence["owner"]}
    assert "@" in str(found.evidence["owner"])
    assert {each.resource_id for each in alerts} == {key.id}
    assert found.ending_told == END - DAY


async def test_a_key_whose_end_is_moved_is_not_told_any_more(store: Store) -> None:
    organization, key = with_one_key_that_ends()
    begin(store)
    for days in (15, 14):
        key.last_used_at = END - days * DAY
        await passed(organization, store, END - days * DAY, "20d")
    key.expires_at = END + 300 * DAY
    for days in (7, 1):
        key.last_used_at = END - days * DAY
        await passed(organization, store, END - days * DAY, "20d")
    assert [each.title.partition(":")[0] for each in told(store)] == ["Expires in 14 days"]


@SQLITE_ONLY
async def test_before_the_first_picture_was_told_nothing_is_told(store: Store) -> None:
    organization, key = with_one_key_that_ends()
    key.last_used_at = END - 14 * DAY
    await passed(organization, store, END - 14 * DAY, "20d")
    assert told(store) == []
