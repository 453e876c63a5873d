"""When a kind of work is due next."""

from zoneinfo import ZoneInfo

from cronsim import CronSim

from auditor import clock
from auditor.config import Schedule

POLL = "poll"
SNAPSHOT = "snapshot"
REPORT = "report"
KINDS = (POLL, SNAPSHOT, REPORT)


def first_due(kind: str, schedule: Schedule, now: int) -> int:
    """When a kind is due for the first time (Unix seconds): at once, except the report, which waits for its hour."""
    return next_due(REPORT, schedule, now, now) if kind == REPORT else now


def next_due(kind: str, schedule: Schedule, due_at: int, now: int) -> int:
    """The first slot after `now`. Slots that were missed are not made up: one run covers them."""
    if kind == REPORT:
        local = clock.from_epoch(now).astimezone(ZoneInfo(schedule.timezone))
        return clock.epoch(next(CronSim(schedule.weekly_report, local)))
    interval = schedule.audit_log if kind == POLL else schedule.snapshot
    return due_at + interval * max(1, -(-(now + 1 - due_at) // interval))
