"""Waivers and acknowledgements over real passes and both databases: what is told, what is not, and what is kept."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import pytest
from audits import POLICIES, SQLITE_ONLY, auditing, begin, owner, stood
from organization import NOW, served, small

from auditor.alerts.message import Alert, AlertKind, decode
from auditor.config import Findings
from auditor.errors import ConfigError
from auditor.findings.matcher import Matcher
from auditor.findings.model import Finding, Reason
from auditor.findings.waivers import Origin, Waiver
from auditor.jobs import decisions
from auditor.jobs.decisions import Rules
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.simulator.dice import Dice
from auditor.simulator.model import Organization
from auditor.simulator.people import new_user
from auditor.simulator.wire import User
from auditor.store import findings, outbox, transitions, waivers
from auditor.store.database import Store
from auditor.terms import State

pytest_plugins = ["databases"]

DAY = 86_400
POLICY = "owner-outside-groups"
RULES = Rules(["acme"], Findings().max_waiver, POLICIES.by_name)
ACCEPTED = Waiver("guest", Matcher(policy=(POLICY,)), "a guest", "ada@example.com", NOW - DAY, NOW + 30 * DAY)


@pytest.fixture
def organization() -> Organization:
    return small()


def add_owner(organization: Organization) -> User:
    dice = Dice(organization.seed, "stranger", 0)
    stranger = new_user(dice, name="<!channel> `x`", email="stranger@example.net", role="owner", added_at=NOW)
    organization.users[stranger.id] = stranger
    return stranger


async def passed(
    organization: Organization, store: Store, now: int, *written: Waiver, rules: Findings | None = None
) -> None:
    with served(organization, keys=None) as (address, _):
        async with auditing(address, store) as audit:
            obeying = replace(audit, waivers=written, rules=rules or audit.rules)
            await take(obeying, await poll(obeying, now), now)


def of(store: Store, user: User) -> Finding:
    with store.transaction() as tx:
        (found,) = [f for f in findings.search(tx, "acme", policy=POLICY) if f.ids[-1] == user.id]
    return found


def life(store: Store, finding: Finding) -> list[tuple[State, Reason, str]]:
    with store.transaction() as tx:
        return [(row.after, row.reason, row.by) for row in transitions.of_finding(tx, finding.id)]


def told(store: Store, finding: Finding | None = None) -> list[Alert]:
    """What waits for the sink that gets everything, as it was queued."""
    with store.transaction() as tx:
        waiting = [decode(each.message.alert) for each in outbox.listing(tx, limit=1000) if each.message.sink == "here"]
    return [alert for alert in reversed(waiting) if finding is None or alert.finding == finding.id]


@SQLITE_ONLY
async def test_what_is_waived_from_the_beginning_is_never_told_and_told_when_the_waiver_ends(
    organization: Organization, store: Store
) -> None:
    await stood(store)
    stranger = add_owner(organization)
    await passed(organization, store, NOW + 900, ACCEPTED)
    found = of(store, stranger)

    assert (found.state, found.decision.waiver if found.decision else "") == (State.WAIVED, "guest")
    assert told(store, found) == []
    await passed(organization, store, NOW + 30 * DAY, ACCEPTED)
    found = of(store, stranger)
    assert found.state is State.REOPENED
    assert life(store, found) == [
        (State.OPEN, Reason.DETECTED, ""),
        (State.WAIVED, Reason.WAIVED, "ada@example.com"),
        (State.REOPENED, Reason.WAIVER_EXPIRED, ""),
    ]
    (alert,) = told(store, found)
    assert alert.kind is AlertKind.REOPENED
    assert ("Why", "waiver expired") in alert.facts


@SQLITE_ONLY
async def test_a_fault_that_ends_while_it_was_waived_all_along_is_not_told_as_resolved(
    organization: Organization, store: Store
) -> None:
    await stood(store)
    stranger = add_owner(organization)
    await passed(organization, store, NOW + 900, ACCEPTED)
    del organization.users[stranger.id]
    for later in (1800, 2700):
        await passed(organization, store, NOW + later, ACCEPTED)

    found = of(store, stranger)
    assert found.state is State.RESOLVED
    assert told(store, found) == []


@SQLITE_ONLY
async def test_what_was_told_before_it_was_waived_is_told_as_resolved(organization: Organization, store: Store) -> None:
    await stood(store)
    stranger = add_owner(organization)
    await passed(organization, store, NOW + 900)
    await passed(organization, store, NOW + 1800, ACCEPTED)
    del organization.users[stranger.id]
    for later in (2700, 3600):
        await passed(organization, store, NOW + later, ACCEPTED)

    assert [alert.kind for alert in told(store, of(store, stranger))] == [AlertKind.OPENED, AlertKind.RESOLVED]


@SQLITE_ONLY
async def test_a_pinned_fact_that_changes_is_told_with_what_it_was(organization: Organization, store: Store) -> None:
    await stood(store)
    stranger = add_owner(organization)
    pinned = replace(ACCEPTED, pinned=("name", "email"))
    await passed(organization, store, NOW + 900, pinned)
    assert of(store, stranger).state is State.WAIVED
    organization.users[stranger.id] = msgspec.structs.replace(stranger, name="Somebody else")
    await passed(organization, store, NOW + 1800, pinned)

    found = of(store, stranger)
    (alert,) = told(store, found)
    assert ("Why", "waiver void, name: <!channel> `x`, then Somebody else") in alert.facts
    with store.transaction() as tx:
        assert waivers.voids(tx, "acme") == {"guest": 1}
    await passed(organization, store, NOW + 2700, pinned)
    assert of(store, stranger).state is State.REOPENED
    assert len(told(store, found)) == 1


@SQLITE_ONLY
async def test_people_are_told_once_at_each_stage_before_a_waiver_ends(
    organization: Organization, store: Store
) -> None:
    add_owner(organization)
    for now in (NOW, *(NOW + days * DAY + more for days in (15, 16, 23, 29) for more in (0, 900))):
        await passed(organization, store, now, ACCEPTED)

    notices = [alert for alert in told(store) if "waiver ends" in alert.title]
    assert [alert.title for alert in notices] == [
        *("A waiver ends within 14 days", "A waiver ends within 7 days"),
        "A waiver ends within 1 day",
    ]
    assert all(("Owner", "ada@example.com") in alert.facts for alert in notices)
    assert all(" 0 finding" not in alert.text for alert in notices)


@SQLITE_ONLY
async def test_the_first_digest_leaves_out_what_is_waived(organization: Organization, store: Store) -> None:
    everything = replace(ACCEPTED, match=Matcher(policy=("*",)))
    await passed(organization, store, NOW, everything)

    (digest,) = told(store)
    assert (digest.kind, digest.lines, dict(digest.counts)) == (AlertKind.DIGEST, (), {})
    with store.transaction() as tx:
        assert {each.state for each in findings.active(tx, "acme").values()} == {State.WAIVED}
        (known,) = waivers.listing(tx, "acme")
    assert (known.matched_at, known.known_at) == (NOW, NOW)
    assert known.matches > 20


async def test_an_event_that_a_waiver_covers_is_kept_and_not_told(organization: Organization, store: Store) -> None:
    begin(store)
    quiet = replace(ACCEPTED, match=Matcher(policy=("allowlist-*",)))
    payload = {"configs": [{"id": "ip_allowlist_1", "name": "office"}]}
    organization.log.record("ip_allowlist.config.deactivated", NOW - 60, owner(organization), payload)
    with served(organization, keys=None) as (address, _):
        async with auditing(address, store) as audit:
            await poll(replace(audit, waivers=(quiet,)), NOW)
    with store.transaction() as tx:
        waived = [each for each in findings.search(tx, "acme", states=[State.WAIVED]) if each.occurrence]
    assert len(waived) >= 1
    assert all(told(store, each) == [] for each in waived)


async def test_that_the_audit_log_cannot_be_read_is_told_whatever_is_waived(
    organization: Organization, store: Store
) -> None:
    await passed(organization, store, NOW)
    everything = replace(ACCEPTED, match=Matcher(policy=("*",)))
    with served(organization, keys=None, refuse=("audit_event",)) as (address, _):
        async with auditing(address, store) as audit:
            obeying = replace(audit, waivers=(everything,))
            await take(obeying, await poll(obeying, NOW + 900), NOW + 900)

    with store.transaction() as tx:
        blind = findings.search(tx, "acme", policy="audit-log-unreadable")
        assert findings.search(tx, "acme", states=[State.WAIVED])
    assert {each.state for each in blind} == {State.OPEN}
    assert all(told(store, each) for each in blind)


def entry(**more: object) -> dict[str, object]:
    return {
        "match": {"policy": [POLICY]},
        "reason": "a guest",
        "owner": "ada@example.com",
        "on": "2026-01-01",
        "until": "2026-02-01",
        **more,
    }


def waive(store: Store, more: Mapping[str, object], now: int = NOW) -> tuple[Waiver, int]:
    return decisions.waive(store, "acme", entry(**more), "jo@example.com", RULES, now)


async def test_a_waiver_of_the_store_covers_at_once_and_ends_when_a_person_ends_it(
    organization: Organization, store: Store
) -> None:
    await stood(store)
    stranger = add_owner(organization)
    await passed(organization, store, NOW + 900)
    match = decisions.match_of(of(store, stranger))
    waiver, covered = waive(store, {"match": match}, NOW + 1000)

    assert (waiver.origin, waiver.by, covered) == (Origin.STORE, "jo@example.com", 1)
    assert of(store, stranger).state is State.WAIVED
    await passed(organization, store, NOW + 1800)
    assert of(store, stranger).state is State.WAIVED
    decisions.end(store, "acme", waiver.id, "bo@example.com", NOW + 1900, RULES.longest)
    await passed(organization, store, NOW + 2700)
    found = of(store, stranger)
    assert life(store, found)[-2:] == [
        (State.WAIVED, Reason.WAIVED, "jo@example.com"),
        (State.REOPENED, Reason.WAIVER_EXPIRED, "bo@example.com"),
    ]
    assert [alert.kind for alert in told(store, found)] == [AlertKind.OPENED, AlertKind.REOPENED]
    with pytest.raises(ConfigError, match="is over already"):
        decisions.end(store, "acme", waiver.id, "bo@example.com", NOW + 2800, RULES.longest)


@SQLITE_ONLY
async def test_a_waiver_of_the_store_ends_when_the_longest_one_would_and_people_hear_of_it_before(
    organization: Organization, store: Store
) -> None:
    await stood(store)
    stranger = add_owner(organization)
    await passed(organization, store, NOW + 900)
    waiver, _ = waive(store, {"match": decisions.match_of(of(store, stranger)), "until": "2026-12-20"}, NOW + 1000)
    shorter = Findings(max_waiver="30d")
    ends = NOW + 31 * DAY
    for now in (NOW + 1800, NOW + 20 * DAY, ends - 1):
        await passed(organization, store, now, rules=shorter)
        assert of(store, stranger).state is State.WAIVED
    decision = of(store, stranger).decision
    assert decision
    assert decision.until == ends
    with pytest.raises(ConfigError, match="is over already"):
        decisions.end(store, "acme", waiver.id, "bo@example.com", ends, shorter.max_waiver)
    await passed(organization, store, ends, rules=shorter)

    assert life(store, of(store, stranger))[-1] == (State.REOPENED, Reason.WAIVER_EXPIRED, "")
    notices = [alert for alert in told(store) if "waiver ends" in alert.title]
    assert [alert.title for alert in notices] == ["A waiver ends within 14 days", "A waiver ends within 1 day"]
    assert all(("Ends", "2026-02-01 00:00:00 UTC") in alert.facts for alert in notices)


@SQLITE_ONLY
async def test_a_waiver_of_the_store_that_pins_facts_covers_from_the_next_snapshot_on(
    organization: Organization, store: Store
) -> None:
    stranger = add_owner(organization)
    await passed(organization, store, NOW)
    assert waive(store, {"pinned": ["role"]})[1] == 0
    await passed(organization, store, NOW + 900)
    assert of(store, stranger).state is State.WAIVED


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"until": "2027-06-01"}, "365 days at most"),
        ({"until": "soon"}, "`until`: must be a day"),
        ({"owner": " "}, "`owner`: must not be blank"),
        ({"match": {"kind": [1]}}, "`kind`: must be a text or a list of texts"),
        ({"match": {}}, "`match`: must be a mapping that names something"),
        ({"match": {"kind": ["users"]}}, "no kind is named `users`"),
        ({"pinned": ["rol"]}, "has a field `rol`"),
        ({"match": {"policy": ["audit-log-hole"]}}, "findings of audit-log-hole cannot be waived"),
    ],
)
def test_a_waiver_of_the_store_is_checked_like_one_of_the_file(
    store: Store, wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        waive(store, wrong)
    with store.transaction() as tx:
        assert waivers.listing(tx, "acme") == []


async def test_an_acknowledged_finding_says_by_whom_and_comes_back_without_it(
    organization: Organization, store: Store
) -> None:
    await stood(store)
    stranger = add_owner(organization)
    await passed(organization, store, NOW + 900)
    id_ = of(store, stranger).id
    for _ in range(2):
        decisions.acknowledge(store, id_, "jo@example.com", "I ask <!channel>", NOW + 1000)
    await passed(organization, store, NOW + 1800)

    found = of(store, stranger)
    assert found.state is State.ACKNOWLEDGED
    assert found.decision
    assert (found.decision.by, found.decision.at, found.decision.reason) == (
        *("jo@example.com", NOW + 1000),
        "I ask <!channel>",
    )
    assert len(told(store, found)) == 1
    del organization.users[stranger.id]
    for later in (2700, 3600):
        await passed(organization, store, NOW + later)
    with pytest.raises(ConfigError, match="is resolved"):
        decisions.acknowledge(store, id_, "jo@example.com", "", NOW + 3700)
    organization.users[stranger.id] = stranger
    await passed(organization, store, NOW + 4500)
    found = of(store, stranger)
    assert (found.state, found.decision) == (State.REOPENED, None)
    assert [reason for _, reason, _ in life(store, found)] == [
        *(Reason.DETECTED, Reason.ACKNOWLEDGED),
        *(Reason.GONE, Reason.DETECTED_AGAIN),
    ]


@SQLITE_ONLY
async def test_what_is_waived_or_does_not_exist_cannot_be_acknowledged(
    organization: Organization, store: Store
) -> None:
    stranger = add_owner(organization)
    await passed(organization, store, NOW, ACCEPTED)
    with pytest.raises(ConfigError, match="is waived"):
        decisions.acknowledge(store, of(store, stranger).id, "jo@example.com", "", NOW)
    with pytest.raises(ConfigError, match="there is no finding"):
        decisions.acknowledge(store, "ffff", "jo@example.com", "", NOW)
    with pytest.raises(ConfigError, match="stands in the file"):
        decisions.end(store, "acme", "guest", "jo@example.com", NOW, RULES.longest)
    with pytest.raises(ConfigError, match="there is no waiver"):
        decisions.end(store, "acme", "none", "jo@example.com", NOW, RULES.longest)
