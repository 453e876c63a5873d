"""When work is due: slots are kept, missed ones are not made up, and the report follows the clock on the wall."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor import clock
from auditor.config import Schedule
from auditor.jobs.schedule import KINDS, POLL, REPORT, RETRY, SNAPSHOT, SWEEP, USAGE, first_due, next_due

NOW = 1_767_225_600
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo")

moments = st.integers(min_value=NOW - 10 * 365 * 86_400, max_value=NOW + 10 * 365 * 86_400)
delays = st.integers(min_value=0, max_value=90 * 86_400)


def epoch(text: str) -> int:
    return clock.epoch(datetime.fromisoformat(text))


def schedule(**more: object) -> Schedule:
    return Schedule.model_validate({"snapshot": "15m", "audit_log": "30s", "usage": "12h"} | more)


@given(due_at=moments, late=delays, kind=st.sampled_from([POLL, SNAPSHOT, SWEEP, USAGE]))
def test_the_next_slot_is_the_first_one_after_now_and_on_the_grid(due_at: int, late: int, kind: str) -> None:
    interval = {POLL: 30, SNAPSHOT: 900, SWEEP: 86_400, USAGE: 43_200}[kind]
    now = due_at + late

    due = next_due(kind, schedule(), due_at, now)

    assert now < due <= now + interval
    assert (due - due_at) % interval == 0


@given(due_at=moments, early=st.integers(min_value=1, max_value=5))
def test_a_clock_that_was_set_back_makes_no_slot_come_twice(due_at: int, early: int) -> None:
    assert next_due(POLL, schedule(), due_at, due_at - early) == due_at + 30


@given(now=moments, zone=st.sampled_from(ZONES), weekday=st.integers(0, 6), hour=st.integers(4, 23))
def test_the_report_is_due_at_its_hour_of_the_wall_clock_in_any_season(
    now: int, zone: str, weekday: int, hour: int
) -> None:
    weekly = schedule(weekly_report=f"30 {hour} * * {weekday}", timezone=zone)

    due = next_due(REPORT, weekly, now, now)

    local = datetime.fromtimestamp(due, ZoneInfo(zone))
    assert (local.isoweekday() % 7, local.hour, local.minute) == (weekday, hour, 30)
    assert now < due <= now + 7 * 86_400 + 7200


@given(now=moments, zone=st.sampled_from(ZONES), hour=st.integers(0, 23), minute=st.integers(0, 59))
def test_a_weekly_report_comes_once_in_each_week_of_its_calendar(now: int, zone: str, hour: int, minute: int) -> None:
    """Through a year with its two changes of the clock; the week names the report, so none may come twice."""
    weekly = schedule(weekly_report=f"{minute} {hour} * * mon", timezone=zone)
    due, weeks = now, []
    for _ in range(54):
        due = next_due(REPORT, weekly, due, due)
        weeks.append(datetime.fromtimestamp(due, ZoneInfo(zone)).strftime("%G-W%V"))

    assert len(set(weeks)) == len(weeks)
    assert (
        len(weeks)
        == 1
        + (
            datetime.strptime(weeks[-1] + "-1", "%G-W%V-%u").replace(tzinfo=UTC)
            - datetime.strptime(weeks[0] + "-1", "%G-W%V-%u").replace(tzinfo=UTC)
        ).days
        // 7
    )


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-03-23T07:00:00+00:00", "2026-03-30T06:00:00+00:00"),  # spring: 8:00 is an hour earlier by UTC
        ("2026-10-19T06:00:00+00:00", "2026-10-26T07:00:00+00:00"),  # autumn: and later again
        ("2026-03-30T05:59:59+00:00", "2026-03-30T06:00:00+00:00"),
        ("2026-03-30T06:00:00+00:00", "2026-04-06T06:00:00+00:00"),
    ],
)
def test_the_report_of_monday_at_eight_in_berlin(now: str, due: str) -> None:
    berlin = schedule(weekly_report="0 8 * * mon", timezone="Europe/Berlin")

    assert next_due(REPORT, berlin, epoch(now), epoch(now)) == epoch(due)


def test_the_first_pass_is_a_snapshot_and_the_others_wait_their_turn() -> None:
    first = {kind: first_due(kind, schedule(), NOW) for kind in KINDS}

    assert first[SNAPSHOT] == NOW
    assert all(due > NOW for kind, due in first.items() if kind != SNAPSHOT)


def test_reports_that_the_first_snapshot_could_not_read_are_tried_again_soon() -> None:
    assert first_due(USAGE, schedule(), NOW) == NOW + RETRY
    assert next_due(USAGE, schedule(), NOW, NOW + 60, failed=True) == NOW + 60 + RETRY
