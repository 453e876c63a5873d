"""Reading the usage and cost reports into the daily series: what is new, and the last days once more."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from auditor.adminapi import usage as reports
from auditor.adminapi.reports import DAY, LATE, PAGE, REPORTS, Report
from auditor.errors import ApiError
from auditor.inventory.model import Gap
from auditor.inventory.usage import Reading, UsedDay, used_day
from auditor.jobs import announce
from auditor.jobs.context import Audit
from auditor.log import get
from auditor.store import organizations, usage, work
from auditor.terms import Status

log = get(__name__)

READ_SECONDS = 1800
"""Longest that one report may take."""
AT_ONCE = 4
"""Reports that are read at the same time; each holds a week of the organization in memory."""
OVERSIZE = 200
"""Status of an error that is about the body of a good answer: it is larger than the client takes."""


async def first(audit: Audit, now: int) -> list[Reading]:
    """Read the reports that nobody has tried yet, so that the first picture has costs. See `refresh`."""
    return await _read(audit, now, lambda before: before is None)


async def refresh(audit: Audit, now: int, older_than: int) -> list[Reading]:
    """Read the reports whose last good reading is `older_than` seconds old, or that have none.

    What the API refuses or breaks off is in the reading and the next snapshot's gap; nothing is raised for it.
    Raises StoreError, and LeaseLost when another process took the work over.
    """
    return await _read(audit, now, lambda before: _due(before, now, older_than))


async def daily(audit: Audit, now: int) -> None:
    """The daily reading of the daemon; what was read within half a day is left alone.

    Raises ApiError when a report failed in a way that may pass soon: the work is tried again then.
    """
    readings = await refresh(audit, now, audit.usage_every // 2)
    failed = next((each for each in readings if each.status is Status.FAILED), None)
    if failed:
        raise ApiError(f"{failed.report} could not be read: {failed.reason}", hint=failed.hint, retryable=True)


def _due(before: Reading | None, now: int, older_than: int) -> bool:
    if before is None or before.status is not Status.COMPLETE:
        return True
    # A clock that was set back must not stop the reading.
    return not 0 <= now - before.tried_at < older_than


async def _read(audit: Audit, now: int, due: Callable[[Reading | None], bool]) -> list[Reading]:
    known = await asyncio.to_thread(_readings, audit)
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(report: Report) -> Reading:
        async with slots:
            return await _one(audit, report, known.get(report.name), now)

    wanted = [report for report in REPORTS if due(known.get(report.name))]
    done = await asyncio.gather(*map(one, wanted), return_exceptions=True)
    for each in done:
        if isinstance(each, BaseException):
            raise each
    read = [each for each in done if isinstance(each, Reading)]
    if read:
        gaps = [each.gap for each in read if each.gap]
        log.info("usage.read", organization=audit.organization, reports=len(read), gaps=len(gaps))
        unread = {name for name, before in known.items() if before.gap}
        await asyncio.to_thread(_tell, audit, [gap for gap in gaps if gap.kind in unread], now)
    return read


def _tell(audit: Audit, gaps: Sequence[Gap], now: int) -> None:
    """Tell of the reports that could not be read the last time, either; before the first picture nobody is told."""
    if not gaps:
        return
    with audit.store.transaction() as tx:
        if organizations.read(tx, audit.organization).baseline_at is not None:
            announce.unseen(tx, audit, gaps, now)


def _readings(audit: Audit) -> dict[str, Reading]:
    with audit.store.transaction() as tx:
        return usage.readings(tx, audit.organization)


@dataclass
class _Walk:
    """What is counted while one report is read."""

    pages: int = 0
    items: int = 0
    broken: int = 0
    """Days with a result that could not be read."""
    surprises: Counter[str] = field(default_factory=Counter)


async def _one(audit: Audit, report: Report, before: Reading | None, now: int) -> Reading:
    started = time.monotonic()
    walk = _Walk()
    error: ApiError | None = None
    try:
        async with asyncio.timeout(READ_SECONDS):
            await _catch_up(audit, report, walk, now)
    except ApiError as caught:
        error = caught
    except TimeoutError:
        error = ApiError(f"the report was not read whole within {READ_SECONDS // 60} minutes")
    status, reason, hint = _outcome(walk, error)
    read_at = now if status is Status.COMPLETE else before.read_at if before else None
    seconds = round(time.monotonic() - started, 3)
    reading = Reading(
        report.name, now, read_at, status, reason, hint, walk.pages, walk.items, seconds, dict(walk.surprises)
    )
    await asyncio.to_thread(_note, audit, reading)
    if reading.gap and not (before and before.reason == reason):
        log.warning("usage.gap", organization=audit.organization, report=report.name, reason=reason)
    return reading


def _outcome(walk: _Walk, error: ApiError | None) -> tuple[Status, str, str]:
    """Status, reason and hint of a reading."""
    if error:
        status = Status.REFUSED if error.status in {401, 403} else Status.FAILED
        return status, error.message, error.hint
    if walk.broken:
        days = f"{walk.broken} day{'s' if walk.broken > 1 else ''}"
        hint = "the API may have changed; is there a newer auditor?"
        return Status.PARTIAL, f"{days} of the report hold results that could not be read", hint
    return Status.COMPLETE, "", ""


async def _catch_up(audit: Audit, report: Report, walk: _Walk, now: int) -> None:
    """Read from the first day that is missing or may still change, a week at a time; each is stored when it is whole.

    What comes after a week that breaks off is not asked for: the next reading begins there.
    """
    begin = await asyncio.to_thread(_begin, audit, report, now // DAY)
    for start in range(begin, -(-now // DAY), PAGE):
        until = min(now, (start + PAGE) * DAY)
        days = await _week(audit, report, start, until, walk)
        await asyncio.to_thread(_store, audit, days, now)


async def _week(audit: Audit, report: Report, start: int, until: int, walk: _Walk) -> list[UsedDay]:
    """The days of one window, all of them."""
    try:
        return await _days(audit, report, start, until, walk, PAGE)
    except ApiError as error:
        if error.status != OVERSIZE:
            raise
        return await _days(audit, report, start, until, walk, 1)


async def _days(audit: Audit, report: Report, start: int, until: int, walk: _Walk, size: int) -> list[UsedDay]:
    found = []
    async for page in reports.read(audit.client, report, start, until, size=size):
        walk.pages += 1
        for bucket in page.buckets:
            walk.items += len(bucket.results)
            day = used_day(report, bucket, walk.surprises)
            walk.broken += day is None
            found += [day] if day else []
    return found


def _begin(audit: Audit, report: Report, today: int) -> int:
    """The first day that is not stored as it will stay; at the latest yesterday."""
    oldest = today - report.days
    with audit.store.transaction() as tx:
        known = usage.read_days(tx, audit.organization, report.name, oldest)
    return next(day for day in range(oldest, today + 1) if known.get(day, 0) < (day + 1 + LATE) * DAY)


def _store(audit: Audit, days: Sequence[UsedDay], now: int) -> None:
    with audit.store.transaction() as tx:
        if audit.lease:
            work.verify(tx, audit.lease)
        usage.put(tx, audit.organization, days, now)


def _note(audit: Audit, reading: Reading) -> None:
    with audit.store.transaction() as tx:
        if audit.lease:
            work.verify(tx, audit.lease)
        usage.note(tx, audit.organization, reading)
