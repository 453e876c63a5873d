"""`auditor run`, killed by strace at its writes, syncs, sends and receives: no event, finding or message is lost.

The daemon runs as a user starts it, over a first picture, over a takeover, and with all its messages owed; it is
killed, started again, and compared with one that nobody disturbed. AUDITOR_PROVE=1 tries 500 points.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

import pytest
from crash_faults import HASTY, TORN
from crash_stage import Left, losses
from crash_strace import Act, Call, Traced, why_not
from figures import Figure

PROVE = bool(os.environ.get("AUDITOR_PROVE"))
EACH = 44
"""Points of each call in each act that the proof tries, spread over all there are."""
AROUND = ("getpeername", "poll", "connect")
"""Calls that are made shortly before a message to Slack is sent."""
SAMPLE = (Call(Act.NEXT, "pwrite64", 40), Call(Act.OWED, "poll", 1))

pytestmark = [pytest.mark.timeout(14_400 if PROVE else 300), pytest.mark.skipif(bool(why_not()), reason=why_not())]


@dataclass
class Lives:
    """Some benches that run beside each other: most of a life is waiting."""

    benches: Sequence[Traced]
    undisturbed: Sequence[Mapping[Act, Left]]

    def kill(self, calls: Sequence[Call], fault: str = "") -> list[tuple[Call, Left, list[str]]]:
        """What is left after each of `calls`, and what is wrong with it."""

        def share(number: int) -> list[tuple[Call, Left, list[str]]]:
            found = []
            for call in calls[number :: len(self.benches)]:
                left = self.benches[number].run(call.act, call, fault)
                found.append((call, left, losses(left, self.undisturbed[number][call.act])))
            return found

        with ThreadPoolExecutor(len(self.benches)) as pool:
            return [result for share in pool.map(share, range(len(self.benches))) for result in share]


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """Each bench has a world of its own, which never changes."""
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        folders = [tmp_path_factory.mktemp("traced") for _ in range(3 if PROVE else 1)]
        benches = [stack.enter_context(Traced(folder)) for folder in folders]
        yield Lives(benches, list(pool.map(Traced.prepare, benches)))


def _points(bench: Traced) -> list[Call]:
    """All of each call and act where there are few, and some, evenly spread, where there are many."""
    chosen: list[Call] = []
    for act in Act:
        for _, calls in groupby(bench.calls(act), lambda call: call.name):
            every = list(calls)
            step = max(len(every) / EACH, 1)
            chosen += [every[int(step * number)] for number in range(min(EACH, len(every)))]
    return chosen


def test_an_undisturbed_life_tells_everything_once(lives: Lives) -> None:
    for undisturbed in lives.undisturbed:
        for left in undisturbed.values():
            assert losses(left, left) == []
            assert left.repeats == 0
        assert len(undisturbed[Act.NEXT].sent) > 8, "the takeover is told"
        assert len(undisturbed[Act.OWED].sent) == len(undisturbed[Act.NEXT].sent) + len(undisturbed[Act.FIRST].sent)


def test_a_kill_at_a_system_call_loses_nothing_and_repeats_at_most_one_message(lives: Lives, figure: Figure) -> None:
    runs = lives.kill(_points(lives.benches[0]) if PROVE else SAMPLE)
    reached = [(call, left) for call, left, _ in runs if left.killed]
    lost = {call: wrong for call, _, wrong in runs if wrong}
    repeats = Counter(left.repeats for _, left in reached)
    names = Counter(call.name for call, _ in reached)
    figure(
        f"strace killed `auditor run` at {len(reached)} of {len(runs)} points "
        f"({', '.join(f'{name} {number}' for name, number in names.items())}): {len(lost)} runs with a loss, "
        f"{len(reached) - repeats[0]} with a repeated message, at most {max(repeats)} in one"
    )
    assert lost == {}
    assert max(repeats) == 1, "some kill must fall between Slack's confirmation and the store's, and repeat one"
    assert len(reached) >= (500 if PROVE else len(SAMPLE))


@pytest.mark.parametrize(
    ("fault", "calls", "wrong"),
    [
        (HASTY, [Call(Act.OWED, name, number) for number in (2, 1, 3) for name in AROUND], "messages lost"),
        (TORN, [Call(Act.FIRST, "pwrite64", number) for number in (100, 20, 60, 140, 180)], "events lost"),
    ],
)
def test_a_planted_fault_is_found(lives: Lives, figure: Figure, fault: str, calls: list[Call], wrong: str) -> None:
    tried = found = 0
    # Which of the calls lie between the mark and the sending depends on what else the machine does.
    for some in [calls] if PROVE else [[call] for call in calls]:
        runs = lives.kill(some, fault)
        tried += len(runs)
        found += sum(any(loss.startswith(wrong) for loss in losses) for _, _, losses in runs)
        if found:
            break
    figure(f"strace, planted: {fault}: {found} of {tried} kills find it")
    assert found
