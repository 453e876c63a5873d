"""The audit log's own health: refused, broken, never enabled, silent, and no false alarm in quiet weeks."""

import bisect
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from audits import POLICIES, auditing, opened
from folding import folded, proven
from organization import NOW, served, small

from auditor.inventory.auditlog import RECENT, record
from auditor.inventory.model import Collection, Snapshot
from auditor.inventory.streams import Log
from auditor.jobs.poll import poll
from auditor.jobs.settings import logs_of
from auditor.jobs.snapshot import take
from auditor.policy.evaluate import evaluate
from auditor.simulator.auditlog import AuditLog
from auditor.simulator.model import Organization
from auditor.simulator.organization import Size, generate
from auditor.store import findings
from auditor.store.database import Store
from auditor.terms import Outcome, Status, Stream

DAY, HOUR = 86_400, 3600


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


def outcomes(log: Log, now: int) -> dict[str, Outcome]:
    """What the policies about the log say of one stream."""
    snapshot = Snapshot("acme", now, {"audit_log": Collection("audit_log", (record(log, now),))})
    return {each.policy: each.outcome for each in evaluate(POLICIES, snapshot, now) if "audit-log" in each.policy}


def traffic(times: list[int], now: int) -> Log:
    """An organization's stream in which events came at these times, oldest first."""
    seen = times[: bisect.bisect_right(times, now)]
    recent = [at for at in seen if at > seen[-1] - RECENT]
    return Log(
        Stream.ORGANIZATION,
        Status.COMPLETE,
        "",
        proven=((seen[0], now),),
        read_at=now,
        newest_at=seen[-1],
        oldest_at=seen[0],
        first_read_at=seen[0],
        recent=len(recent),
        gaps=tuple(sorted(later - earlier for earlier, later in pairwise(recent))),
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [Size.SMALL, Size.MEDIUM])
def test_seven_quiet_days_of_an_organization_give_no_alarm(size: Size, seed: int) -> None:
    organization = generate(seed, size, NOW)
    times = [event.effective_at for event in organization.log.events if not event.tenant]
    hours = range(NOW - 14 * DAY, NOW, HOUR)
    alarms = [at for at in hours if Outcome.FAIL in outcomes(traffic(times, at), at).values()]
    assert len(hours) == 14 * 24
    assert alarms == []


@pytest.mark.parametrize("seed", range(5))
def test_a_log_that_falls_silent_for_good_is_noticed(seed: int) -> None:
    times = [event.effective_at for event in small(seed).log.events if not event.tenant]
    later = [at for at in range(NOW, NOW + 21 * DAY, HOUR) if
             outcomes(traffic(times, at), at)["audit-log-silent"] is Outcome.FAIL]  # fmt: skip
    assert later
    assert later[0] < NOW + 14 * DAY


def test_a_busy_log_is_noticed_after_a_day_and_one_of_few_events_never() -> None:
    busy = list(range(NOW - 20 * DAY, NOW, 600))
    assert outcomes(traffic(busy, NOW + DAY - HOUR), NOW + DAY - HOUR)["audit-log-silent"] is Outcome.PASS
    assert outcomes(traffic(busy, NOW + DAY + HOUR), NOW + DAY + HOUR)["audit-log-silent"] is Outcome.FAIL
    few = [NOW - DAY, NOW]
    assert outcomes(traffic(few, NOW + 300 * DAY), NOW + 300 * DAY)["audit-log-silent"] is Outcome.PASS
    assert "quiet_ratio" not in record(traffic(few, NOW), NOW).fields


def test_what_is_usual_is_measured() -> None:
    log = traffic([*range(NOW - 9000, NOW - 4000, 100), NOW - 3000, NOW - 2900], NOW)
    fields = record(log, NOW).fields
    assert (fields["longest_gap"], fields["usual_gap"], fields["quiet_for"]) == (1100, 100, 2900)
    assert fields["quiet_ratio"] == round(2900 / 1100, 2)
    assert (fields["events_30d"], fields["ever_seen"]) == (52, True)


def test_refused_broken_and_stuck_are_told_and_a_hole_too() -> None:
    good = traffic(list(range(NOW - 9 * DAY, NOW, HOUR)), NOW)
    assert set(outcomes(good, NOW).values()) == {Outcome.PASS}
    for status in (Status.REFUSED, Status.FAILED, Status.PARTIAL):
        broken = replace(good, status=status, reason="HTTP 403")
        assert outcomes(broken, NOW)["audit-log-unreadable"] is Outcome.FAIL
    assert outcomes(good, NOW + HOUR)["audit-log-unreadable"] is Outcome.FAIL
    torn = replace(good, proven=((1, 5), (9, NOW)))
    assert outcomes(torn, NOW)["audit-log-hole"] is Outcome.FAIL
    assert record(torn, NOW).fields["hole_seconds"] == 4


def test_a_stream_that_was_never_read_is_not_called_empty() -> None:
    (organization, tenant) = folded(logs={}).collection("audit_log").records
    assert organization.fields["status"] == tenant.fields["status"] == "failed"
    assert outcomes(Log(Stream.ORGANIZATION), NOW)["audit-log-never-enabled"] is Outcome.PASS
    assert outcomes(Log(Stream.ORGANIZATION), NOW)["audit-log-unreadable"] is Outcome.FAIL
    assert proven()[Stream.TENANT].doubt(5) is None


async def seen(organization: Organization, store: Store, now: int, refuse: tuple[str, ...] = ()) -> set[str]:
    """Policies about the log that have a finding after a pass."""
    with served(organization, refuse=refuse) as (address, _):
        async with auditing(address, store) as audit:
            await take(audit, await poll(audit, now), now)
    with store.transaction() as tx:
        found = findings.active(tx, "acme").values()
    return {finding.policy for finding in found if finding.policy.startswith("audit-log")}


async def test_an_organization_that_logs_has_no_finding_about_its_log(store: Store) -> None:
    organization = small()
    assert await seen(organization, store, NOW) == set()
    with store.transaction() as tx:
        log = logs_of(tx, "acme", NOW)[Stream.ORGANIZATION]
    times = [event.effective_at for event in organization.log.events if not event.tenant]
    assert (log.newest_at, log.oldest_at, log.first_read_at) == (max(times), min(times), NOW)
    assert log.recent == sum(at > max(times) - RECENT for at in times)
    assert log.gaps == traffic(times, NOW).gaps


async def test_a_log_without_any_event_was_never_switched_on(store: Store) -> None:
    organization = small()
    organization.log = AuditLog(7, NOW)
    assert await seen(organization, store, NOW) == {"audit-log-never-enabled"}


async def test_a_log_that_is_refused_is_a_finding_and_is_not_called_empty(store: Store) -> None:
    assert await seen(small(), store, NOW, refuse=("audit_event",)) == {"audit-log-unreadable"}
