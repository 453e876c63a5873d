"""The budget of requests: no minute exceeds it, and a pause holds everybody."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.adminapi.budget import Budget


class Time:
    """A clock that the test moves, in place of waiting."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def times_of(budget: Budget, clock: Time, count: int) -> list[float]:
    """When each of `count` requests goes out if somebody always wants the next one."""
    sent = []
    for _ in range(count):
        while (wait := budget._wait()) > 0:
            clock.now += max(wait, 1e-6)
        sent.append(clock.now)
    return sent


@settings(deadline=None, max_examples=40)
@given(st.integers(min_value=1, max_value=6000))
def test_no_sixty_seconds_hold_more_requests_than_the_budget(per_minute: int) -> None:
    clock = Time()
    sent = times_of(Budget(per_minute, clock), clock, min(3 * per_minute, 5000))
    start = 0
    for end, at in enumerate(sent):
        while at - sent[start] >= 60 + 1e-6:
            start += 1
        assert end - start + 1 <= per_minute + 1


def test_a_small_snapshot_is_not_slowed_by_the_default_budget() -> None:
    clock = Time()
    assert times_of(Budget(3000, clock), clock, 300)[-1] == 0


def test_a_pause_holds_everybody_and_a_shorter_one_does_not_cut_it() -> None:
    clock = Time()
    budget = Budget(6000, clock)
    budget.pause(20)
    budget.pause(5)
    assert times_of(budget, clock, 2)[0] == pytest.approx(20)


async def test_taking_waits_for_real() -> None:
    budget = Budget(60_000)
    budget.pause(0.05)
    started = asyncio.get_running_loop().time()
    await budget.take()
    assert asyncio.get_running_loop().time() - started >= 0.045
