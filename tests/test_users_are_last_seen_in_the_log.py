"""When a user was last seen, as far as the audit log goes back; and which admin key is the auditor's own."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from audits import auditing, begin, opened
from organization import KEY, NOW, served, small
from policyfiles import gap
from pydantic import SecretStr

from auditor.adminapi.client import AdminClient
from auditor.inventory.activity import see
from auditor.inventory.model import Collection, Gap, Record, Snapshot, Unknown
from auditor.inventory.ownkey import mark
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.policy.evaluate import evaluate
from auditor.policy.load import load
from auditor.simulator import auditlog
from auditor.store.database import Store
from auditor.terms import Outcome

DAY = 86_400
PACK = load(["builtin:openai"], {}, {})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def session(user: str, days_ago: int, kind: str = "login.succeeded") -> bytes:
    actor = {"type": "session", "session": {"ip_address": "192.0.2.1", "user": {"id": user}}}
    return msgspec.json.encode(
        {"id": f"{user}_{days_ago}", "type": kind, "effective_at": NOW - days_ago * DAY, "actor": actor}
    )


def by_key(user: str, days_ago: int) -> bytes:
    actor = {"type": "api_key", "api_key": {"id": "key_1", "type": "user", "user": {"id": user}}}
    return msgspec.json.encode(
        {"id": "x", "type": "project.created", "effective_at": NOW - days_ago * DAY, "actor": actor}
    )


def last_seen(*raw: bytes, log_gap: Gap | None = None, **fields: object) -> object:
    user = Record("user", ("user_1",), {"name": "Robin", "role": "reader", "added_at": NOW - 900 * DAY, **fields})
    snapshot = Snapshot("acme", NOW, {"user": Collection("user", (user,))})
    return see(snapshot, raw, log_gap).collection("user").records[0].fields["last_seen_at"]


def outcome(seen: object, role: str = "reader", policy: str = "dormant-user") -> Outcome:
    """What a policy says of a user who was last seen then."""
    fields = {"name": "Robin", "role": role, "added_at": NOW - 900 * DAY, "last_seen_at": seen}
    snapshot = Snapshot("acme", NOW, {"user": Collection("user", (Record("user", ("user_1",), fields),))})
    return {each.policy: each.outcome for each in evaluate(PACK, snapshot, NOW)}[policy]


def test_the_newest_of_sign_in_event_and_key_counts() -> None:
    old = session("user_2", 90)
    assert last_seen(old, session("user_1", 5), session("user_1", 50)) == NOW - 5 * DAY
    assert last_seen(old, session("user_1", 5), by_key("user_1", 3)) == NOW - 3 * DAY
    assert last_seen(old, session("user_1", 5), api_key_last_used_at=NOW - DAY) == NOW - DAY
    assert last_seen(old, session("user_1", 5), api_key_last_used_at=NOW - 400 * DAY) == NOW - 5 * DAY


@pytest.mark.parametrize(("begins", "user", "owner"), [
    (90, Outcome.FAIL, Outcome.FAIL), (45, Outcome.UNKNOWN, Outcome.FAIL), (10, Outcome.UNKNOWN, Outcome.UNKNOWN)
])  # fmt: skip
def test_an_absence_is_proved_by_a_log_that_goes_back_far_enough(begins: int, user: Outcome, owner: Outcome) -> None:
    seen = last_seen(session("user_2", begins))
    assert isinstance(seen, Unknown)
    assert "no event shows this user since" in seen.why
    assert outcome(seen) is user
    assert outcome(seen, "owner", "dormant-owner") is owner
    assert outcome(last_seen(session("user_2", begins), session("user_1", 1))) is Outcome.PASS


def test_a_key_that_was_used_before_the_log_begins_proves_nothing_of_the_time_between() -> None:
    assert outcome(last_seen(session("user_2", 10), api_key_last_used_at=NOW - 200 * DAY)) is Outcome.UNKNOWN
    assert outcome(last_seen(session("user_2", 90), api_key_last_used_at=NOW - 200 * DAY)) is Outcome.FAIL


def test_nothing_is_said_of_anybody_without_a_log() -> None:
    assert outcome(last_seen()) is Outcome.UNKNOWN
    hidden = last_seen(session("user_1", 1), session("user_2", 90), log_gap=gap("audit_event"))
    assert isinstance(hidden, Unknown)
    assert hidden.gaps == (gap("audit_event"),)
    used = Unknown(why="the API sent something that is no time")
    assert last_seen(session("user_1", 1), api_key_last_used_at=used) is used


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b'{"effective_at": "soon"}',
        b'{"effective_at": -5}',
        b'{"effective_at": 9999999999999}',
        b'{"effective_at": 5, "actor": "robin"}',
        b'{"effective_at": 5, "actor": {"session": {"user": {"id": 7}}}}',
        b"[" * 100_000,
    ],
)
def test_an_event_of_another_shape_is_passed_over(raw: bytes) -> None:
    assert last_seen(raw, session("user_1", 5), session("user_2", 90)) == NOW - 5 * DAY


async def test_a_sign_in_ends_a_dormancy(store: Store) -> None:
    organization = small()
    owner = organization.owners[0]
    begin(store)
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            first = await take(audit, await poll(audit, NOW), NOW)
            far = NOW + 200 * DAY
            for who in organization.owners[1:]:
                organization.log.record("login.succeeded", far - DAY, auditlog.session(who, "192.0.2.1"), {})
            dormant = await take(audit, await poll(audit, far), far)
            organization.log.record("login.succeeded", far + 1, auditlog.session(owner, "192.0.2.1"), {})
            awake = await take(audit, await poll(audit, far + 2), far + 2)
    found = [
        {verdict.ids for result in taken.results if result.policy == "dormant-owner" for verdict in result.verdicts}
        for taken in (dormant, awake)
    ]
    assert first.run.resources > 0
    assert (owner.id,) in found[0]
    assert (owner.id,) not in found[1]


def shown(redacted: object, key: str = "sk-admin-abcdefghijklmnop") -> object:
    client = AdminClient(SecretStr(key), base_url="http://127.0.0.1:9/v1")
    record = Record("admin_api_key", ("key_1",), {"redacted_value": redacted})
    snapshot = mark(Snapshot("acme", NOW, {"admin_api_key": Collection("admin_api_key", (record,))}), client.holds)
    return snapshot.collection("admin_api_key").records[0].fields["is_auditors"]


def test_the_auditor_knows_its_own_key_by_the_letters_that_are_shown() -> None:
    assert shown("sk-admin-********mnop") is True
    assert shown("sk-admin-...mnop") is True
    assert shown("sk-admin-********mnox") is False
    assert shown(None) is False
    hidden = Unknown((gap("admin_api_key"),))
    assert shown(hidden) is hidden


async def test_the_end_of_the_auditors_own_key_is_a_finding(store: Store) -> None:
    organization = small()
    own = next(iter(organization.admin_api_keys.values()))
    own.redacted_value = f"sk-admin-{'*' * 8}{KEY[-4:]}"
    found = []
    with served(organization) as (address, _):
        async with auditing(address, store) as audit:
            for days in (15, 13):
                own.expires_at = NOW + days * DAY
                taken = await take(audit, await poll(audit, NOW), NOW)
                found += [each.outcome for each in taken.results if each.policy == "auditor-key-ending"]
    assert found == [Outcome.PASS, Outcome.FAIL]
