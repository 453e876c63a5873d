"""Windows of correlations through the real poll and store: kept over restarts, and filled by events that come late."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest
from audits import auditing
from msgspec import structs
from olderstores import as_of
from organization import NOW, served, small
from policyfiles import RULE, loaded
from sqlalchemy import text

from auditor.detection.model import BaseMatch, Correlation
from auditor.detection.windows import occurrences
from auditor.jobs.poll import OVERLAP, SWEEP, poll
from auditor.policy.model import Verdict
from auditor.policy.policyset import PolicySet
from auditor.simulator import auditlog
from auditor.simulator.model import Organization
from auditor.store import matches
from auditor.store.database import open_store

pytest_plugins = ["databases"]

START = NOW + 100_000
"""Long after everything that the organization has done by itself."""
IP = "203.0.113.77"
FAILED, GOOD = "login.failed", "login.succeeded"

_COUNTED = "rules: [failed], group-by: [actor.ip], timespan: 15m"
_BOTH = "rules: [failed, good], group-by: [actor.ip], timespan: 15m"
BODIES = {
    "event_count": f"{{type: event_count, {_COUNTED}, condition: {{gte: 3}}}}",
    "value_count": f"{{type: value_count, {_COUNTED}, condition: {{gte: 3, field: actor.id}}}}",
    "temporal": f"{{type: temporal, {_BOTH}}}",
    "temporal_ordered": f"{{type: temporal_ordered, {_BOTH}}}",
}


def policies(folder: Path, kind: str) -> PolicySet:
    """One correlation of this kind over sign-ins."""
    failed = RULE.replace("name: rule", "name: failed") + f"detection: {{s: {{type: {FAILED}}}, condition: s}}\n"
    good = failed.replace("name: failed", "name: good").replace(FAILED, GOOD).replace("0aff", "1aff")
    head = "title: Burst\nid: 8cca5e73-e765-4c4a-b7ea-722e179eaa0d\nname: burst\nlevel: high\n"
    bases = failed + ("---\n" + good if "good" in BODIES[kind] else "")
    return loaded(folder, f"{bases}---\n{head}correlation: {BODIES[kind]}\n", "burst.yaml")


@dataclass(frozen=True)
class SignIn:
    """What happens: `after` seconds, of which kind, by which of the owners."""

    after: int
    kind: str = FAILED
    who: int = 0


async def lived(
    url: str, rules: PolicySet, organization: Organization, batches: Sequence[Sequence[SignIn]], overlap: int = OVERLAP
) -> list[list[Verdict]]:
    """What each poll tells; before each the process has ended and another one begun."""
    found = []
    people = [user for user in organization.users.values() if user.email][:3]
    assert len(people) == 3
    with served(organization) as (address, _):
        for number, batch in enumerate(batches):
            for each in batch:
                actor = auditlog.session(people[each.who], IP)
                organization.log.record(each.kind, START + each.after, actor, {})
            store = open_store(url)
            async with auditing(address, store) as audit:
                polled = await poll(replace(audit, policies=rules), START + 2000 + number, overlap)
            store.close()
            # The organization has signed in and out before, by itself and from other addresses.
            found.append([verdict for verdict in polled.verdicts if verdict.ids[0] == IP])
    return found


CASES: dict[str, tuple[str, list[list[SignIn]], list[int]]] = {
    "events of several polls add up": ("event_count", [[SignIn(0)], [SignIn(10)], [SignIn(20)]], [0, 0, 3]),
    "what comes after is not told again": ("event_count", [[SignIn(0), SignIn(1), SignIn(2)], [SignIn(3)]], [3, 0]),
    "a late event fills a window": ("event_count", [[SignIn(100), SignIn(200)], [SignIn(0)]], [0, 3]),
    "a late event in the middle": ("event_count", [[SignIn(0), SignIn(900)], [SignIn(450)]], [0, 3]),
    "a late event outside the span": ("event_count", [[SignIn(100), SignIn(901)], [SignIn(0)]], [0, 0]),
    "a late event before a told burst": (
        "event_count",
        [[SignIn(100), SignIn(101), SignIn(102)], [SignIn(99)]],
        [3, 0],
    ),
    "a second burst": (
        "event_count",
        [[SignIn(0), SignIn(1), SignIn(2)], [SignIn(1000), SignIn(1001)], [SignIn(1002)]],
        [3, 0, 3],
    ),
    "values add up": (
        "value_count",
        [[SignIn(0, who=0)], [SignIn(1, who=1), SignIn(2, who=1)], [SignIn(3, who=2)]],
        [0, 0, 4],
    ),
    "one value never does": ("value_count", [[SignIn(0)], [SignIn(1)], [SignIn(2)]], [0, 0, 0]),
    "rules in any order": ("temporal", [[SignIn(10, GOOD)], [SignIn(20)]], [0, 2]),
    "rules in any order, late": ("temporal", [[SignIn(20)], [SignIn(10, GOOD)]], [0, 2]),
    "rules in their order": ("temporal_ordered", [[SignIn(10)], [SignIn(20, GOOD)]], [0, 2]),
    "rules in the other order": ("temporal_ordered", [[SignIn(10, GOOD)], [SignIn(20)]], [0, 0]),
    "the first one late": ("temporal_ordered", [[SignIn(20, GOOD)], [SignIn(10)]], [0, 2]),
    "the first one too early": ("temporal_ordered", [[SignIn(1000, GOOD)], [SignIn(99)]], [0, 0]),
}


async def told(folder: Path, url: str, case: str) -> list[int]:
    """How many events each poll tells of, in at most one occurrence."""
    kind, batches, _ = CASES[case]
    polls = await lived(url, policies(folder, kind), small(), batches)
    assert all(verdict.policy == "burst" for verdicts in polls for verdict in verdicts)
    assert all(len(verdicts) <= 1 for verdicts in polls)
    return [sum(len(verdict.events) for verdict in verdicts) for verdicts in polls]


@pytest.mark.parametrize("case", CASES)
async def test_a_window_is_told_once_when_it_holds_enough(tmp_path: Path, sqlite_url: str, case: str) -> None:
    assert await told(tmp_path, sqlite_url, case) == CASES[case][2]


@pytest.mark.parametrize("case", ["a second burst", "values add up", "the first one late"])
async def test_a_window_is_the_same_in_postgresql(tmp_path: Path, postgres_url: str, case: str) -> None:
    assert await told(tmp_path, postgres_url, case) == CASES[case][2]


@pytest.mark.parametrize("kind", BODIES)
async def test_a_sweep_fills_windows_of_days_ago(tmp_path: Path, sqlite_url: str, kind: str) -> None:
    week_old = [SignIn(-6 * 86_400), SignIn(-6 * 86_400 + 1, FAILED, 1)]
    last = [SignIn(-6 * 86_400 + 2, FAILED, 2), SignIn(-6 * 86_400 + 3, GOOD)]
    polls = await lived(sqlite_url, policies(tmp_path, kind), small(), [week_old, [SignIn(0)], last], SWEEP)
    assert [len(verdicts) for verdicts in polls] == [0, 0, 1]


async def test_who_varies_the_case_from_poll_to_poll_is_one_group(tmp_path: Path, sqlite_url: str) -> None:
    rules = by_address(tmp_path)
    organization, told = small(), []
    jo = next(user for user in organization.users.values() if user.email)
    with served(organization) as (address, _):
        for number, email in enumerate(
            ("Jo.Q@example.com", "jo.q@example.com", "JO.Q@EXAMPLE.COM", "jo.Q@example.com")
        ):
            actor = auditlog.session(structs.replace(jo, email=email), IP)
            organization.log.record(FAILED, START + number, actor, {})
            store = open_store(sqlite_url)
            async with auditing(address, store) as audit:
                polled = await poll(replace(audit, policies=rules), START + 2000 + number, OVERLAP)
            store.close()
            told.append([verdict.ids[0] for verdict in polled.verdicts if verdict.at and verdict.at >= START])
    assert told == [[], [], ["Jo.Q@example.com"], []]


def by_address(folder: Path) -> PolicySet:
    """Three failures of one address."""
    rules = policies(folder, "event_count")
    (correlated,) = rules.correlations
    spec = replace(correlated.correlation, group_by=("actor.email",))
    return replace(rules, correlations=(replace(correlated, correlation=spec),))


def test_what_an_older_version_told_draws_in_what_is_written_in_another_case(database_url: str) -> None:
    """The windows as that version kept them: by the hash of the values as they were written."""
    with as_of(database_url, "0008") as tx:
        for email, occurrence in (("Éve@x.example", "e1"), ("éve@x.example", None)):
            for number in range(3):
                id_ = f"{email[0]}{number}" if occurrence is None else f"e{number + 1}"
                matches.add(tx, "acme", "burst", [BaseMatch("failed", id_, START + number, (email,), None, occurrence)])
                was = {"id": id_, "hash": sha256(json.dumps([email], ensure_ascii=False).encode()).hexdigest()}
                tx.execute(text("UPDATE matches SET group_sha256 = :hash WHERE event_id = :id"), [was])
    store = open_store(database_url)
    with store.transaction() as tx:
        kept = matches.of_group(tx, "acme", "burst", ("ÉVE@x.example",), START, START + 9)
    store.close()
    assert len(kept) == 6
    spec = Correlation("event_count", ("failed",), ("actor.email",), 900, 3)
    assert occurrences(spec, [*kept, BaseMatch("failed", "new", START + 9, ("ÉVE@x.example",), None, None)]) == []
