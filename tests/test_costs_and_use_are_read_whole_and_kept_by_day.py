"""The daily series: the sums that the vendor's package reads, each day once, and nothing half."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from audits import POLICIES, SQLITE_ONLY
from openai import OpenAI
from organization import KEY, NOW, ledger_of, served, small
from pydantic import SecretStr
from sqlalchemy import delete, func, select, update
from starlette.applications import Starlette

from auditor.adminapi.client import MAX_BODY, AdminClient, Patience
from auditor.adminapi.reports import COSTS, DAY, REPORT_BY_NAME, REPORTS
from auditor.errors import ApiError, LeaseLost
from auditor.inventory import model
from auditor.inventory.model import Record, Snapshot, Unknown
from auditor.inventory.schema import ORGANIZATION_USAGE
from auditor.inventory.spending import Series, spend
from auditor.inventory.usage import Reading, UsedDay
from auditor.jobs import usage
from auditor.jobs.context import Audit
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import Taken, take
from auditor.simulator import auditlog
from auditor.simulator.faults.rules import Item, Match, Page, Rule, Status
from auditor.simulator.model import Organization
from auditor.store import usage as stored
from auditor.store import work
from auditor.store.database import Store, open_store
from auditor.store.tables import usage_days
from auditor.store.tables import work as work_table
from auditor.store.work import Lease
from auditor.terms import Outcome
from auditor.terms import Status as Ended

pytest_plugins = ["databases"]

AT = NOW + 10 * 3600
TODAY = AT // DAY
HURRY = Patience(attempts=2, first_wait=0.001, longest_wait=0.002, jitter=0, pause=0.002)


@pytest.fixture
def organization() -> Organization:
    return small()


@pytest.fixture
def lite(sqlite_url: str) -> Iterator[Store]:
    """A store where it does not matter which."""
    store = open_store(sqlite_url)
    yield store
    store.close()


@asynccontextmanager
async def audited(
    organization: Organization, store: Store, *, refuse: Collection[str] = (), max_body: int = MAX_BODY
) -> AsyncIterator[tuple[Audit, Starlette]]:
    """An audit of the organization, and the server behind it."""
    with served(organization, refuse=refuse) as (address, app):
        async with AdminClient(
            SecretStr(KEY), base_url=address, patience=HURRY, requests_per_minute=1_000_000, max_body=max_body
        ) as client:
            yield Audit("acme", client, store, POLICIES), app


async def first(organization: Organization, store: Store, at: int = AT) -> list[Reading]:
    async with audited(organization, store) as (audit, _):
        return await usage.first(audit, at)


def series(store: Store, report: str) -> dict[int, UsedDay]:
    with store.transaction() as tx:
        return {each.day: each for each in stored.days(tx, "acme", 0) if each.report == report}


def reading(store: Store, report: str) -> Reading:
    with store.transaction() as tx:
        return stored.readings(tx, "acme")[report]


async def picture(audit: Audit, at: int) -> Taken:
    return await take(audit, await poll(audit, at), at)


def read_by_the_package(address: str, name: str) -> tuple[dict[Any, float], set[int]]:
    """Measures by group as the package reads them of 31 days, and the days."""
    report = REPORT_BY_NAME[name]
    sums: dict[Any, float] = defaultdict(float)
    days = set()
    with OpenAI(admin_api_key=KEY, base_url=address, max_retries=0) as client:
        method: Any = client.admin.organization.usage
        ask = getattr(method, "costs" if report is COSTS else name.removeprefix("usage_"))
        query = {"start_time": (TODAY - 30) * DAY, "end_time": AT, "group_by": list(report.groups), "limit": 31}
        page = ask(**query)
        while True:
            for bucket in page.data:
                days.add(bucket.start_time // DAY)
                for result in bucket.results:
                    group = tuple(getattr(result, each, None) for each in ("project_id", "api_key_id", "model"))
                    for measure, fields in report.measures.items():
                        sums[*group, measure] += sum(value_of(result, field) for field in fields)
            if not page.has_more:
                return sums, days
            page = ask(**query, page=page.next_page)


def value_of(result: Any, field: str) -> float:
    for step in field.split("."):
        result = getattr(result, step)
    assert isinstance(result, int | float)
    return result


def added_up(days: Mapping[int, UsedDay]) -> dict[Any, float]:
    sums: dict[Any, float] = defaultdict(float)
    for day in days.values():
        for group, amounts in day.uses.items():
            for measure, amount in zip(day.measures, amounts, strict=True):
                sums[*group, measure] += amount
    return sums


async def test_what_is_stored_is_what_the_package_reads(organization: Organization, store: Store) -> None:
    with served(organization, keys={KEY}) as (address, app):
        async with AdminClient(SecretStr(KEY), base_url=address, requests_per_minute=1_000_000) as client:
            done = await usage.first(Audit("acme", client, store, POLICIES), AT)
        exchanges = list(ledger_of(app))
        theirs = {report.name: await asyncio.to_thread(read_by_the_package, address, report.name) for report in REPORTS}

    assert [each.status for each in done] == [Ended.COMPLETE] * len(REPORTS)
    assert not [each for each in done if each.surprises]
    assert {each.method for each in exchanges} == {"GET"}
    for report in REPORTS:
        sums, days = theirs[report.name]
        ours = {day: each for day, each in series(store, report.name).items() if day >= TODAY - 30}
        assert set(ours) == days
        assert sums
        assert added_up(ours) == {group: pytest.approx(amount) for group, amount in sums.items()}
    assert min(series(store, "cost")) == TODAY - COSTS.days


async def test_the_sums_of_keys_projects_and_the_organization_agree(organization: Organization, lite: Store) -> None:
    keys = {each.id: project.id for project, each in organization.project_keys()}
    async with audited(organization, lite) as (audit, _):
        taken = await picture(audit, AT)
    with lite.transaction() as tx:
        readings, days = stored.readings(tx, "acme"), list(stored.days(tx, "acme", 0))
    whole: dict[str, float] = dict.fromkeys(keys, 0.0)
    for day in days:
        if day.report == "cost" and day.day >= TODAY - 30:
            for (project, key, _), (cost,) in day.uses.items():
                assert key is not None
                assert keys[key] == project
                whole[key] += cost
    records = tuple(Record("project_api_key", (project, key), {}) for key, project in keys.items())
    seen = Snapshot("acme", AT, {"project_api_key": model.Collection("project_api_key", records)})
    joined = spend(seen, Series(readings, days, 3 * DAY))
    found = {record.id: record.fields["cost_30d"] for record in joined.collection("project_api_key").records}

    assert found == pytest.approx(whole)
    assert 0.0 in found.values(), "a key that nobody used cost nothing"
    (everything,) = joined.collection(ORGANIZATION_USAGE).records
    assert everything.fields["cost_30d"] == pytest.approx(sum(whole.values()))
    assert everything.fields["cost_unattributed_30d"] == 0
    assert everything.fields["currency"] == "usd"
    assert taken.run.resources == sum(
        line.items for line in taken.run.coverage if line.kind != "audit_event" and line.kind not in REPORT_BY_NAME
    )


async def test_the_first_picture_has_costs_and_the_next_one_asks_for_none(
    organization: Organization, lite: Store
) -> None:
    async with audited(organization, lite) as (audit, app):
        one = await picture(audit, AT)
        asked = len(list(ledger_of(app)))
        two = await picture(audit, AT + 900)
        again = [each for each in list(ledger_of(app))[asked:] if each.kind in REPORT_BY_NAME]

    for taken in (one, two):
        lines = {line.kind: line for line in taken.run.coverage if line.kind in REPORT_BY_NAME}
        assert set(lines) == set(REPORT_BY_NAME)
        assert {line.status for line in lines.values()} == {Ended.COMPLETE}
        assert lines["cost"].pages == 14
    assert again == []
    spending = {line.policy: line.outcome for line in one.run.policies if "cost" in line.policy}
    assert Outcome.UNKNOWN not in spending.values()


async def test_the_last_days_are_read_again_and_replaced(organization: Organization, store: Store) -> None:
    await first(organization, store)
    before = series(store, "cost")
    late = next(key for _, key in organization.project_keys() if key.last_used_at is None)
    late.created_at, late.last_used_at = NOW - 50 * DAY, NOW + 9 * DAY

    async with audited(organization, store) as (audit, app):
        await usage.refresh(audit, AT + DAY, 3600)
        asked = [each for each in ledger_of(app) if each.kind == "cost"]
    after = series(store, "cost")

    assert len(asked) == 1
    assert set(after) == {*before, TODAY + 1}
    with store.transaction() as tx:
        rows = tx.execute(select(func.count()).select_from(usage_days).where(usage_days.c.report == "cost")).scalar()
    assert rows == len(after), "no day is there twice"
    named = {day for day, each in after.items() if any(key == late.id for _, key, _ in each.uses)}
    assert named == {TODAY + 1 - back for back in range(4)}, "the new day and the three before it"
    assert {day: after[day] for day in before if day not in named} == {
        day: before[day] for day in before if day not in named
    }


async def test_nothing_is_read_before_it_is_time(organization: Organization, lite: Store) -> None:
    await first(organization, lite)
    async with audited(organization, lite) as (audit, app):
        assert await usage.refresh(audit, AT + 3599, 3600) == []
        await usage.daily(audit, AT + DAY // 2 - 1)
        assert await usage.first(audit, AT + 9 * DAY) == []
        assert list(ledger_of(app)) == []

        assert len(await usage.refresh(audit, AT + 3600, 3600)) == len(REPORTS)
        assert len(await usage.refresh(audit, AT - 3600, 3600)) == len(REPORTS), "the clock was set back"


async def test_a_daemon_that_was_off_for_long_reads_what_it_missed(organization: Organization, lite: Store) -> None:
    await first(organization, lite)
    async with audited(organization, lite) as (audit, _):
        await usage.daily(audit, AT + 12 * DAY)

    assert set(series(lite, "cost")) == set(range(TODAY - COSTS.days, TODAY + 13))


async def test_old_days_stay(organization: Organization, lite: Store) -> None:
    await first(organization, lite)
    async with audited(organization, lite) as (audit, _):
        await usage.daily(audit, AT + 60 * DAY)

    kept = series(lite, "usage_completions")
    assert TODAY - 31 in kept
    assert TODAY + 60 in kept


@SQLITE_ONLY
async def test_a_refusal_is_a_gap_and_costs_are_unknown(organization: Organization, store: Store) -> None:
    async with audited(organization, store, refuse=("cost",)) as (audit, _):
        refused = await picture(audit, AT)

    line = next(line for line in refused.run.coverage if line.kind == "cost")
    assert line.gap
    assert line.status is Ended.REFUSED
    assert "api.usage.read" in line.gap.reason
    assert "read only" in line.gap.hint
    spikes = next(line for line in refused.run.policies if line.policy == "project-cost-spike")
    assert (spikes.outcome, spikes.failed) == (Outcome.UNKNOWN, 0)
    models = next(line for line in refused.run.policies if line.policy == "model-not-approved")
    assert models.outcome is Outcome.PASS, "which needs no costs"

    async with audited(organization, store) as (audit, _):
        await usage.daily(audit, AT + 900)
        healed = await picture(audit, AT + 900)
    assert not [line for line in healed.run.coverage if line.gap]


@SQLITE_ONLY
@pytest.mark.parametrize(
    "fault",
    [Status(status=403), Status(status=503), Page(page="loop"), Page(page="no_cursor"), Item(item="null")],
    ids=repr,
)
async def test_a_week_that_is_cut_in_the_middle_is_not_stored_at_all(
    organization: Organization, store: Store, fault: Status | Page | Item
) -> None:
    async with audited(organization, store) as (audit, app):
        app.state.faults.rules(Rule(match=Match(kind="cost", page=2), do=fault), largest_page=3)
        await usage.first(audit, AT)
        cut = reading(store, "cost")
        seen = await picture(audit, AT)
        app.state.faults.rules()
        await usage.daily(audit, AT + 300)

        assert cut.gap
        assert cut.read_at is None
        assert cut.pages >= 1
        assert [line.gap for line in seen.run.coverage if line.kind == "cost"] == [cut.gap]
        assert reading(store, "cost").gap is None
        assert len(series(store, "cost")) == COSTS.days + 1


async def test_of_a_report_that_breaks_off_the_whole_weeks_before_stay(organization: Organization, lite: Store) -> None:
    async with audited(organization, lite) as (audit, app):
        app.state.faults.rules(Rule(match=Match(kind="usage_completions", nth=3), do=Status(status=403)))
        await usage.first(audit, AT)
        kept = series(lite, "usage_completions")
        asked = len(list(ledger_of(app)))
        app.state.faults.rules()
        await usage.daily(audit, AT + 300)
        again = [each for each in list(ledger_of(app))[asked:] if each.kind in REPORT_BY_NAME]

    assert set(kept) == set(range(TODAY - 31, TODAY - 17))
    assert len(again) == 3
    assert {each.kind for each in again} == {"usage_completions"}


async def test_a_result_that_cannot_be_read_is_a_gap_and_its_days_are_read_again(
    organization: Organization, lite: Store
) -> None:
    key = next(key for _, key in organization.project_keys() if key.last_used_at is not None)
    key.created_at, key.last_used_at = NOW - 9 * DAY, NOW - 5 * DAY
    name, key.id = key.id, ""
    await first(organization, lite)
    broken = reading(lite, "cost")
    kept = set(series(lite, "cost"))
    key.id = name
    async with audited(organization, lite) as (audit, _):
        await usage.daily(audit, AT + 300)

    assert broken.status is Ended.PARTIAL
    assert broken.reason == "5 days of the report hold results that could not be read"
    assert broken.surprises["wrong type: api_key_id"] == 5
    assert kept == set(range(TODAY - COSTS.days, TODAY + 1)) - set(range(TODAY - 9, TODAY - 4))
    assert reading(lite, "cost").gap is None
    assert name in {key for _, key, _ in series(lite, "cost")[TODAY - 9].uses}


async def test_a_day_that_was_lost_is_read_again(organization: Organization, lite: Store) -> None:
    await first(organization, lite)
    before = series(lite, "cost")
    with lite.transaction() as tx:
        tx.execute(delete(usage_days).where(usage_days.c.day == TODAY - 9, usage_days.c.report == "cost"))
    async with audited(organization, lite) as (audit, _):
        await usage.refresh(audit, AT + 1, 0)

    assert series(lite, "cost") == before


async def test_a_day_that_is_missing_is_a_gap_that_names_it(organization: Organization, lite: Store) -> None:
    await first(organization, lite)
    with lite.transaction() as tx:
        tx.execute(delete(usage_days).where(usage_days.c.day == TODAY - 9, usage_days.c.report == "cost"))
    async with audited(organization, lite) as (audit, _):
        taken = await picture(audit, AT)

    (gap,) = [line.gap for line in taken.run.coverage if line.gap]
    assert (gap.kind, gap.status) == ("cost", Ended.PARTIAL)
    assert gap.reason == "days of the report are missing: 2025-12-23"


@pytest.mark.parametrize("logged", [True, False])
async def test_a_key_that_vanished_is_told_unless_the_audit_log_saw_it_deleted(
    organization: Organization, lite: Store, logged: bool
) -> None:
    project, key = next(iter(organization.project_keys()))
    key.created_at, key.last_used_at = NOW - 9 * DAY, NOW - 3600
    await first(organization, lite)
    del project.api_keys[key.id]
    if logged:
        actor = auditlog.session(organization.owners[0], "192.0.2.1")
        organization.log.record("api_key.deleted", AT + 60, actor, {"id": key.id})
    async with audited(organization, lite) as (audit, _):
        taken = await picture(audit, AT + 120)

    unlisted = [v for each in taken.results if each.policy == "key-billed-but-unlisted" for v in each.verdicts]
    assert [key.id in verdict.message for verdict in unlisted] == ([] if logged else [True])


async def test_an_old_reading_says_how_old_it_is(organization: Organization, lite: Store) -> None:
    async with audited(organization, lite) as (audit, _):
        await usage.first(audit, AT)
        young = await picture(audit, AT + 3 * DAY)
        old = await picture(audit, AT + 3 * DAY + 1)

    assert not [line.gap for line in young.run.coverage if line.gap]
    ages = {line.read_at for line in young.run.coverage if line.kind in REPORT_BY_NAME}
    assert ages == {AT}
    assert {line.read_at for line in young.run.coverage if line.kind not in REPORT_BY_NAME} == {None}
    reasons = {line.gap.reason for line in old.run.coverage if line.gap}
    assert reasons == {"the report was last read 3 days ago"}


async def test_a_body_that_is_too_large_is_asked_for_day_by_day(organization: Organization, lite: Store) -> None:
    async with audited(organization, lite, max_body=20_000) as (audit, app):
        done = {each.report: each for each in await usage.first(audit, AT)}

        assert done["cost"].status is Ended.COMPLETE
        assert done["cost"].pages > 20
        assert any("limit=1&" in each.query for each in ledger_of(app) if each.kind == "cost")


async def test_a_failure_that_may_pass_is_raised_so_that_the_work_is_tried_again(
    organization: Organization, lite: Store
) -> None:
    async with audited(organization, lite, refuse=("usage_images",)) as (audit, app):
        await usage.daily(audit, AT)
        app.state.faults.rules(Rule(match=Match(kind="cost"), do=Status(status=503)))
        with pytest.raises(ApiError, match="cost could not be read") as raised:
            await usage.daily(audit, AT + DAY)
    assert raised.value.retryable


async def test_who_lost_the_work_stores_nothing(organization: Organization, store: Store) -> None:
    with store.transaction() as tx:
        work.ensure(tx, "acme", "usage", 0)
        lost = work.claim(tx, "one", ["acme"], ["usage"], 60)
        tx.execute(update(work_table).values(fence=9, owner="another"))
    assert isinstance(lost, Lease)
    async with audited(organization, store) as (audit, _):
        with pytest.raises(LeaseLost):
            await usage.first(Audit("acme", audit.client, store, POLICIES, lease=lost), AT)
    assert series(store, "cost") == {}
    with store.transaction() as tx:
        assert stored.readings(tx, "acme") == {}


def test_names_of_any_kind_come_back_and_organizations_are_kept_apart(store: Store) -> None:
    hostile = ("<!channel>", "\U0001f511", "gpt'; DROP TABLE usage_days; --")
    day = UsedDay("cost", 20_454, ("cost",), "usd", {hostile: (1.5,), (None, None, None): (0.000001,)})
    other = UsedDay("cost", 20_454, ("cost",), "eur", {("proj_1", hostile[0], None): (-3.25,)})
    with store.transaction() as tx:
        stored.put(tx, "acme", [day], AT)
        stored.put(tx, "other", [other], AT)
        stored.put(tx, "acme", [day], AT + 1)
    with store.transaction() as tx:
        assert list(stored.days(tx, "acme", 0)) == [day]
        assert list(stored.days(tx, "other", 0)) == [other]
        assert list(stored.days(tx, "acme", 20_455)) == []
        assert stored.read_days(tx, "acme", "cost", 0) == {20_454: AT + 1}


def test_unknown_is_not_nothing() -> None:
    empty = spend(Snapshot("acme", AT, {}), Series({}, [], 3 * DAY))
    (record,) = empty.collection(ORGANIZATION_USAGE).records

    assert isinstance(record.fields["cost_30d"], Unknown)
    assert [gap.reason for gap in empty.gaps] == ["the report was not read yet"] * len(REPORTS)
