"""kill -9 at any time, start again: no event lost, no finding lost, at most one repeated message.

The real daemon is killed at points spread over a whole cycle (first picture, a takeover, second picture, report,
deliveries), started again, and compared with a run that nobody disturbed. AUDITOR_PROVE=1 tries 500 of
the five thousand points.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from crash_bench import AGO, Bench
from crash_faults import HASTY, TORN
from crash_points import KINDS, Kill
from crash_stage import Left, losses
from figures import Figure

PROVE = bool(os.environ.get("AUDITOR_PROVE"))
SAMPLE = {"sql": 8, "commit": 5, "api": 3, "slack": 4, "file": 2}
FULL = {"sql": 245, "commit": 125, "api": 80, "slack": 60, "file": 4}
"""Points of each kind that are tried, spread over all there are."""
CONFIRMED = [(Kill("slack", number, "confirmed, not settled"),) for number in (1, 4)]
"""Points that repeat a message; so few as a sample has would meet one of them by chance only."""

pytestmark = pytest.mark.timeout(7200 if PROVE else 300)


@dataclass
class Benches:
    """Two benches, for two cores, and what a run leaves that nobody disturbs."""

    benches: Sequence[Bench]
    undisturbed: Left

    def kill(self, kills: Sequence[tuple[Kill, ...]], fault: str = "") -> list[tuple[tuple[Kill, ...], Left]]:
        """What is left after each of `kills`."""

        def share(number: int) -> list[tuple[tuple[Kill, ...], Left]]:
            mine = kills[number :: len(self.benches)]
            return [(each, self.benches[number].run(*each, fault=fault)) for each in mine]

        with ThreadPoolExecutor(len(self.benches)) as pool:
            return [result for share in pool.map(share, range(len(self.benches))) for result in share]


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benches]:
    """Both play the same story at the same time."""
    started_at = int(time.time()) - AGO
    with ExitStack() as stack:
        opened = [stack.enter_context(Bench(tmp_path_factory.mktemp("bench"), started_at)) for _ in range(2)]
        yield Benches(opened, opened[0].run())


def _spread(undisturbed: Left, kind: str, wanted: int) -> list[tuple[Kill, ...]]:
    """`wanted` points of a kind, evenly spread over all that a run passes."""
    count = Counter(kind for kind, _ in undisturbed.passed)[kind]
    step = max(count / wanted, 1)
    return [(Kill(kind, 1 + int(step * number)),) for number in range(min(wanted, count))]


def test_an_undisturbed_run_reads_every_event_and_tells_everything_once(benches: Benches) -> None:
    left = benches.undisturbed
    assert losses(left, left) == []
    assert left.repeats == 0
    assert left.events.keys() == left.given
    assert {name.partition("/")[0] for name in left.sent if "/" in name} == {"baseline", "report"}
    assert len(left.sent) > 8, "the takeover is told"
    assert {kind for kind, _ in left.passed} == set(KINDS)


def test_a_kill_at_any_point_loses_nothing_and_repeats_at_most_one_message(benches: Benches, figure: Figure) -> None:
    wanted = FULL if PROVE else SAMPLE
    kills = [kill for kind in KINDS for kill in _spread(benches.undisturbed, kind, wanted[kind])]
    runs = benches.kill(kills if PROVE else [*kills, *CONFIRMED])
    reached = [(kill, left) for kill, left in runs if left.killed]
    lost = {kill: wrong for kill, left in runs if (wrong := losses(left, benches.undisturbed))}
    repeats = Counter(left.repeats for _, left in reached)
    figure(_figures(reached, len(lost)))
    assert lost == {}
    assert max(repeats) == 1, "some kill must fall between Slack's confirmation and the store's, and repeat one"
    assert len(reached) >= (500 if PROVE else 22)


def _figures(reached: Sequence[tuple[tuple[Kill, ...], Left]], lost: int) -> str:
    kinds = Counter(kills[-1].kind for kills, _ in reached)
    repeats = [left.repeats for _, left in reached]
    return (
        f"killed at {len(reached)} points ({', '.join(f'{kind} {kinds[kind]}' for kind in KINDS)}): "
        f"{lost} runs with a loss, {sum(map(bool, repeats))} with a repeated message, at most {max(repeats)} in one"
    )


def test_a_second_kill_while_the_first_is_mended_loses_nothing_either(benches: Benches) -> None:
    pairs = [
        (Kill("commit", 30), Kill("sql", 40)),
        (Kill("slack", 12), Kill("slack", 4)),
        (Kill("sql", 5), Kill("sql", 9)),
    ]
    for _, left in benches.kill(pairs):
        assert left.killed
        assert losses(left, benches.undisturbed) == []
        assert left.repeats <= 2


@pytest.mark.parametrize(
    ("fault", "kind", "place", "wrong"),
    [
        (HASTY, "slack", "before bytes leave", "messages lost"),
        (TORN, "sql", "before INSERT INTO events", "events lost"),
    ],
)
def test_a_planted_fault_is_found(
    benches: Benches, figure: Figure, fault: str, kind: str, place: str, wrong: str
) -> None:
    kills = [(Kill(kind, number, place),) for number in range(1, 9 if PROVE else 4)]
    found = [losses(left, benches.undisturbed) for _, left in benches.kill(kills, fault)]
    caught = sum(any(loss.startswith(wrong) for loss in losses) for losses in found)
    figure(f"planted: {fault}: {caught} of {len(kills)} kills find it")
    assert caught, found
