"""Every fault against every usage and cost report: the walk ends, and what is stored is true, or there is a gap.

`make test` runs every fault on one report and three faults on every report; `make prove` runs all. No fault of a page
is an exception here: days are known beforehand, so that one that is missing, doubled or made up is seen.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from audits import POLICIES
from figures import Figure
from mishaps import MISHAPS
from organization import KEY, NOW, served, small
from pydantic import SecretStr
from sqlalchemy import delete
from starlette.applications import Starlette

from auditor.adminapi.client import AdminClient, Patience
from auditor.adminapi.reports import DAY, REPORTS
from auditor.adminapi.resourcetypes import Paging
from auditor.inventory.usage import UsedDay
from auditor.jobs import usage
from auditor.jobs.context import Audit
from auditor.simulator.faults.choice import Faults
from auditor.store import usage as stored
from auditor.store.database import Store, open_store
from auditor.store.tables import usage_days, usage_readings
from auditor.terms import Status

PROVE = os.environ.get("AUDITOR_PROVE") == "1"
HURRY = Patience(
    attempts=2, first_wait=0.001, longest_wait=0.002, jitter=0, total=5, connect=1, silence=0.15, whole=0.3, pause=0.002
)
BOUND = 10.0
"""Seconds for one case."""
AT = NOW + 10 * 3600
TODAY = AT // DAY
WEEK = 7
"""Days that each case reads anew, in pages of two."""

_SAMPLE_REPORT = "cost"
_SAMPLE_MISHAPS = ("403 on page 2", "body truncated", "page missing")


def cases() -> Iterator[tuple[str, str]]:
    """Fault and report: all that fit together, or the sample of them."""
    for name, report in product(MISHAPS, REPORTS):
        fits = Paging.PAGE in MISHAPS[name].where and not MISHAPS[name].events
        if fits and (PROVE or report.name == _SAMPLE_REPORT or name in _SAMPLE_MISHAPS):
            yield name, report.name


CASES = tuple(cases())


@dataclass(frozen=True)
class World:
    """A served organization, a store with its honest series, and the truth of the last week by report."""

    address: str
    faults: Faults
    store: Store
    truth: dict[str, dict[int, UsedDay]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    store = open_store(f"sqlite:///{Path(tmp_path_factory.mktemp('usage')) / 'auditor.db'}")
    with served(small()) as (address, app):
        asyncio.run(first(address, store))
        yield World(address, faults_of(app), store, {report.name: week(store, report.name) for report in REPORTS})
    store.close()


def faults_of(app: Starlette) -> Faults:
    faults = app.state.faults
    assert isinstance(faults, Faults)
    return faults


async def first(address: str, store: Store) -> None:
    # Nothing strikes here; a machine that is busy must not be taken for a fault.
    async with audit_of(address, store, Patience()) as audit:
        assert not [each for each in await usage.first(audit, AT) if each.gap]


@asynccontextmanager
async def audit_of(address: str, store: Store, patience: Patience = HURRY) -> AsyncIterator[Audit]:
    async with AdminClient(
        SecretStr(KEY), base_url=address, patience=patience, max_body=1_000_000, requests_per_minute=10_000_000
    ) as client:
        yield Audit("acme", client, store, POLICIES)


def week(store: Store, report: str) -> dict[int, UsedDay]:
    with store.transaction() as tx:
        return {each.day: each for each in stored.days(tx, "acme", TODAY - WEEK + 1) if each.report == report}


def forget(store: Store, report: str) -> None:
    """As if the last week of the report had never been read."""
    with store.transaction() as tx:
        tx.execute(delete(usage_days).where(usage_days.c.report == report, usage_days.c.day > TODAY - WEEK))
        tx.execute(delete(usage_readings).where(usage_readings.c.report == report))


@pytest.mark.parametrize(("name", "report"), CASES)
async def test_what_a_fault_hides_is_a_gap_and_nothing_false_is_stored(world: World, name: str, report: str) -> None:
    forget(world.store, report)
    world.faults.rules(MISHAPS[name].rule(report), largest_page=2)
    started = time.monotonic()
    try:
        async with audit_of(world.address, world.store) as audit:
            (reading,) = await usage.first(audit, AT)
        struck = world.faults.struck
    finally:
        world.faults.rules()
    assert time.monotonic() - started < BOUND
    assert struck[0] > 0, "the fault did not strike"

    found = week(world.store, report)
    if reading.status is Status.COMPLETE:
        assert found == world.truth[report]
    else:
        assert reading.reason
        assert reading.read_at is None
        assert found.items() <= world.truth[report].items()


def test_every_report_meets_faults_and_the_count_is_told(figure: Figure) -> None:
    faults = {name for name, _ in CASES}
    reports = {report for _, report in CASES}
    figure(f"{len(faults)} faults x {len(reports)} reports: {len(CASES):,} cases, 0 exceptions")
    assert reports == {report.name for report in REPORTS}
