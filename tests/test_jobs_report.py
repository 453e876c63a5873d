"""The weekly report as a job: one file, one row and one message a week, and the oldest ones go."""

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import pytest
from audits import auditing, opened, told
from organization import served, small

from auditor import clock
from auditor.errors import StoreError
from auditor.jobs.report import weekly
from auditor.store import reports
from auditor.store.database import Store

WEEK = 7 * 86_400
MONDAY = clock.epoch(datetime.fromisoformat("2026-01-05T08:00:00+00:00"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path) as store:
        yield store


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(small()) as (address, _):
        yield address


def periods(store: Store) -> list[str]:
    with store.transaction() as tx:
        return [each.period for each in reports.listing(tx, "acme")]


async def test_a_report_is_a_file_a_row_with_its_hash_and_a_message(store: Store, address: str, tmp_path: Path) -> None:
    async with auditing(address, store, tmp_path) as audit:
        written = await weekly(audit, MONDAY)

    assert written.path == tmp_path / "acme" / "2026-W02.html"
    assert sha256(written.path.read_bytes()).hexdigest() == written.sha256
    with store.transaction() as tx:
        (row,) = reports.listing(tx, "acme")
    assert (row.period, row.path, row.sha256) == ("2026-W02", str(written.path), written.sha256)
    assert told(store) == {"here": 1}
    assert [file.name for file in written.path.parent.iterdir()] == ["2026-W02.html"], "nothing temporary is left"


async def test_a_report_that_is_written_again_after_a_crash_is_told_once(
    store: Store, address: str, tmp_path: Path
) -> None:
    async with auditing(address, store, tmp_path) as audit:
        for seconds in (0, 61):
            await weekly(audit, MONDAY + seconds)

    assert periods(store) == ["2026-W02"]
    assert told(store) == {"here": 1}


async def test_old_reports_are_pruned_across_the_turn_of_the_year(store: Store, address: str, tmp_path: Path) -> None:
    strange = tmp_path / "acme" / "notes.html"
    strange.parent.mkdir()
    strange.write_text("mine", encoding="utf-8")
    async with auditing(address, store, tmp_path) as audit:
        for week in range(-3, 2):
            await weekly(audit, MONDAY + week * WEEK)

    names = sorted(file.name for file in strange.parent.iterdir())
    assert names == ["2026-W01.html", "2026-W02.html", "2026-W03.html", "notes.html"]


async def test_the_week_is_that_of_the_schedules_time_zone(store: Store, address: str, tmp_path: Path) -> None:
    """Monday 1:30 in Berlin is Monday by UTC in winter and Sunday in summer: by UTC one week would come twice."""
    mondays = [f"2026-{day}T01:30:00" for day in ("03-23", "03-30", "04-06")]
    async with auditing(address, store, tmp_path, zone="Europe/Berlin") as audit:
        for monday, offset in zip(mondays, ("+01:00", "+02:00", "+02:00"), strict=True):
            await weekly(audit, clock.epoch(datetime.fromisoformat(monday + offset)))

    assert sorted(periods(store)) == ["2026-W13", "2026-W14", "2026-W15"]
    assert told(store) == {"here": 3}


async def test_a_directory_that_cannot_be_written_leaves_no_row_and_no_message(
    store: Store, address: str, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("", encoding="utf-8")
    async with auditing(address, store, in_the_way) as audit:
        with pytest.raises(StoreError) as caught:
            await weekly(audit, MONDAY)

    assert caught.value.hint
    assert periods(store) == []
    assert told(store) == {}
