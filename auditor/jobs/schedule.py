"""When a kind of work is due next."""

from zoneinfo import ZoneInfo

from cronsim import CronSim

from auditor import clock
from auditor.config import Schedule

POLL = "poll"
SNAPSHOT = "snapshot"
SWEEP = "sweep"
REPORT = "report"
USAGE = "usage"
KINDS = (POLL, SNAPSHOT, SWEEP, REPORT, USAGE)

RETRY = 300
"""Seconds after which work that failed is tried again: a weekly report does not wait for a week."""
SWEEP_EVERY = 86_400
"""Seconds between two looks far back into the audit log."""


def first_due(kind: str, schedule: Schedule, now: int) -> int:
    """When a kind is due for the first time (Unix seconds).

    The snapshot at once; it reads the audit log and the usage reports, too, so that one pass gives one baseline. What
    failed of the reports then is tried again soon. The others wait their turn.
    """
    if kind == USAGE:
        return now + RETRY
    return now if kind == SNAPSHOT else next_due(kind, schedule, now, now)


def next_due(kind: str, schedule: Schedule, due_at: int, now: int, failed: bool = False) -> int:
    """The first slot after `now`. Slots that were missed are not made up: one run covers them.

    What `failed` is tried again soon, if its next slot is far.
    """
    slot = _slot(kind, schedule, due_at, now)
    return min(slot, now + RETRY) if failed else slot


def _slot(kind: str, schedule: Schedule, due_at: int, now: int) -> int:
    if kind == REPORT:
        local = clock.from_epoch(now).astimezone(ZoneInfo(schedule.timezone))
        return clock.epoch(next(CronSim(schedule.weekly_report, local)))
    interval = {
        POLL: schedule.audit_log,
        SNAPSHOT: schedule.snapshot,
        SWEEP: SWEEP_EVERY,
        USAGE: schedule.usage,
    }[kind]
    return due_at + interval * max(1, -(-(now + 1 - due_at) // interval))
