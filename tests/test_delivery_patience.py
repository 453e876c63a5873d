"""How long to wait, when to rest, when to fold: the arithmetic of delivery."""

from hypothesis import given
from hypothesis import strategies as st

from auditor.alerts.lane import FOLD_MAX, Lane, Terms

TERMS = Terms()


def lane(**terms: float) -> Lane:
    return Lane("security", Terms(**terms), lambda: 0.0)  # type: ignore[arg-type]


def test_waits_double_up_to_the_longest() -> None:
    assert [TERMS.wait(attempts, None, 0) for attempts in range(1, 11)] == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


@given(st.integers(0, 10_000), st.floats(0, 3 * 86_400) | st.none(), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_shorter_than_asked_for_or_longer_than_jitter_makes_it(
    attempts: int, floor: float | None, chance: float
) -> None:
    wait = TERMS.wait(attempts, floor, chance)
    assert wait >= max(floor or 0, TERMS.first_wait)
    assert wait <= max(floor or 0, TERMS.longest_wait) + TERMS.jitter * TERMS.longest_wait


def test_a_thousand_retries_do_not_come_at_once() -> None:
    waits = [TERMS.wait(9, None, index / 1000) for index in range(1000)]
    assert max(waits) - min(waits) >= 60


def test_a_sink_rests_after_some_failures_in_a_row_and_is_then_probed_with_one_message() -> None:
    tried = lane(breaker_after=3, first_wait=10)
    assert [tried.failed(100, None) for _ in range(3)] == [False, False, True]
    assert (tried.takes(109), tried.probing) == (0, True)
    assert tried.takes(110) == 1
    assert tried.failed(110, None)
    assert tried.takes(129) == 0
    tried.sent(130)
    assert not tried.probing
    assert [tried.failed(131, None) for _ in range(3)] == [False, False, True]


def test_a_sink_that_rests_is_asked_with_other_messages_now_and_then() -> None:
    tried = lane(breaker_after=3)
    asked = []
    for number in range(1, 40):
        tried.failed(number, None)
        asked += [number] * tried.asks_anew
    assert asked == [4, 8, 16, 32]


def test_the_wish_of_the_sink_holds_for_all_its_messages() -> None:
    tried = lane()
    assert tried.failed(100, 30)
    assert (tried.takes(129), tried.takes(130)) == (0, 1)


def test_the_last_message_of_a_window_takes_all_that_is_due() -> None:
    tried = lane(storm_limit=3, storm_window=600)
    taken = []
    for now in (0, 1, 2, 3, 599, 600):
        taken.append(tried.takes(now))
        if taken[-1]:
            tried.sent(now)
    assert taken == [1, 1, FOLD_MAX, 0, 0, FOLD_MAX]


def test_a_clock_that_is_set_back_makes_no_rest_and_no_window_longer() -> None:
    year = 365 * 86_400
    tried = lane(storm_limit=2, storm_window=600)
    tried.takes(year)
    tried.failed(year, 30)
    assert (tried.takes(year + 10), tried.takes(10), tried.takes(29), tried.takes(31)) == (0, 0, 0, 1)
    tried.sent(31)
    tried.sent(31)
    assert tried.takes(year) == 1, "a new window"
    tried.sent(year)
    tried.sent(year)
    assert (tried.takes(year), tried.takes(0), tried.takes(599), tried.takes(600)) == (0, 0, 0, 1)


def test_a_digest_that_is_refused_makes_those_of_its_group_smaller_and_no_others() -> None:
    tried = lane()
    tried.refused(9, "a")
    tried.refused(4, "b")
    assert [tried.folds(group) for group in ("a", "b", "c", "")] == [4, 2, FOLD_MAX, 2]
    tried.sent(1, "b")
    assert [tried.folds(group) for group in ("a", "b", "")] == [4, FOLD_MAX, FOLD_MAX]
