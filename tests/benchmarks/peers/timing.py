"""Engines side by side: equal answers first, then rounds in turn, and the ratio of their CPU time to ours."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
Matches = set[tuple[str, str]]
"""Name of a policy and id of what it matches."""


@dataclass
class Engine(Generic[T, R]):
    """One way to judge items."""

    name: str
    run: Callable[[Sequence[T]], R]
    """What is measured."""
    matches: Callable[[R], Matches]
    """What its result means."""
    most: int
    """Items of a round: the slow ones get fewer."""
    target: float = 0.0
    """How many times as fast ours should be."""
    elsewhere: Callable[[R], float] | None = None
    """CPU seconds that an engine in another process took, by its result."""
    rounds: list[float] = field(default_factory=list)
    """CPU microseconds for each item."""


def compare(engines: Sequence[Engine[T, Any]], items: Sequence[T], rounds: int) -> Mapping[str, float]:
    """Median CPU microseconds for each item by engine; the first is ours, and the reference for answers.

    Exits when an engine gives another answer.
    """
    for engine in engines:
        some = items[: engine.most]
        expected, found = _of(engines[0], some), _of(engine, some)
        if expected != found:
            few, many = sorted(expected - found)[:3], sorted(found - expected)[:3]
            raise SystemExit(f"{engine.name} gives another answer: without {few}, with {many}")
        if not expected:
            raise SystemExit("nothing matches: that proves nothing")
    for _ in range(rounds):
        for engine in engines:
            some = items[: engine.most]
            gc.collect()
            start = time.process_time()
            result = engine.run(some)
            seconds = engine.elsewhere(result) if engine.elsewhere else time.process_time() - start
            engine.rounds.append(seconds / len(some) * 1e6)
    return {engine.name: statistics.median(engine.rounds) for engine in engines}


def _of(engine: Engine[T, R], items: Sequence[T]) -> Matches:
    return engine.matches(engine.run(items))


def table(engines: Sequence[Engine[T, Any]], medians: Mapping[str, float], what: str) -> None:
    """Print what was measured, with what misses its target."""
    ours = medians[engines[0].name]
    print(f"{'':34}{f'us/{what}':>12}{'fastest':>10}{'slowest':>10}{'ratio':>9}   target")
    for engine in engines:
        median = medians[engine.name]
        low, high = min(engine.rounds), max(engine.rounds)
        verdict = (
            "" if not engine.target else f"{engine.target:.0f}x {'met' if median / ours >= engine.target else 'MISSED'}"
        )
        print(f"{engine.name:34}{median:12.2f}{low:10.2f}{high:10.2f}{median / ours:8.1f}x   {verdict}")
