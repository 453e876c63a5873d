"""The budget of requests: no minute exceeds it, and a pause holds everybody."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.adminapi.budget import Budget, Retries
from auditor.errors import ApiError


class Time:
    """A clock that the test moves, in place of waiting."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def times_of(
    budget: Budget, clock: Time, count: int, pauses: Mapping[int, float] = MappingProxyType({})
) -> list[float]:
    """When each of `count` requests goes out if somebody always wants the next one.

    `pauses` are the requests, by number, that are answered with 429, and for how many seconds; all others with 200.
    """
    sent = []
    for number in range(count):
        while (wait := budget._wait()) > 0:
            clock.now += max(wait, 1e-6)
        sent.append(clock.now)
        if number in pauses:
            budget.pause(pauses[number])
        else:
            budget.answered()
    return sent


def most_in_a_minute(sent: list[float]) -> int:
    """The most requests that any sixty seconds hold."""
    start = most = 0
    for end, at in enumerate(sent):
        while at - sent[start] >= 60 + 1e-6:
            start += 1
        most = max(most, end - start + 1)
    return most


@settings(deadline=None, max_examples=40)
@given(
    st.integers(min_value=1, max_value=6000),
    st.dictionaries(st.integers(0, 3000), st.floats(0, 120), max_size=8),
)
def test_no_sixty_seconds_hold_more_requests_than_the_budget(per_minute: int, pauses: dict[int, float]) -> None:
    clock = Time()
    sent = times_of(Budget(per_minute, clock), clock, min(3 * per_minute, 5000), pauses)
    assert most_in_a_minute(sent) <= per_minute + 1


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


def test_after_a_pause_one_goes_ahead_until_it_is_answered() -> None:
    clock = Time()
    budget = Budget(60_000, clock)
    budget.pause(20)
    clock.now = 20
    assert budget._wait() == 0
    assert budget._wait() > 0
    budget.answered()
    assert budget._wait() == 0


async def test_pause_upon_pause_is_not_waited_for_without_end() -> None:
    budget = Budget(60_000)
    budget.pause(0.02)
    with pytest.raises(ApiError, match="one pause after the other") as error:
        await budget.take(longest=-1)
    assert error.value.status == 429


def test_a_fifth_is_repeated_and_no_more_but_for_a_few_at_the_start() -> None:
    retries = Retries()
    repeated = 0
    for firsts in range(1, 5001):
        retries.first()
        retries.answered()
        repeated += retries.spend()
        assert repeated <= Retries.SHARE * firsts + Retries.FEW
    assert 0.95 <= repeated / (Retries.SHARE * 5000) <= 1.01


def test_a_server_that_says_nothing_is_not_asked_again_and_again() -> None:
    retries = Retries()
    for _ in range(500):
        retries.first()
    assert sum(retries.spend() for _ in range(100)) == Retries.IN_VAIN
    retries.answered()
    assert retries.spend()
