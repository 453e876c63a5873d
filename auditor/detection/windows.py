"""Windows of time over the matches of one group: what is enough, told once, whenever its events arrive. Pure."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from auditor.detection.model import BaseMatch, Correlation, Occurrence

TYPES = ("event_count", "value_count", "temporal", "temporal_ordered")


def occurrences(
    correlation: Correlation, matches: Sequence[BaseMatch], starts: tuple[int, int] | None = None
) -> list[Occurrence]:
    """The windows that hold enough and were not told yet, among all kept matches of one group.

    Windows do not overlap: each starts at the earliest match that no window holds. A match within the time of an
    occurrence that was told, before or after its first event, belongs to it, however late it arrives: one burst is
    told once. `starts` (Unix seconds) are the earliest and the latest start: where `matches` are not all that ever
    were, a window needs two timespans of them on either side, else what another one holds would be counted again.
    """
    first, last = starts or (-math.inf, math.inf)
    fresh = [match for match in unclaimed(correlation, matches) if match.at >= first]
    holds = _HELD[correlation.type](correlation, fresh)
    found: list[Occurrence] = []
    start = end = 0
    # One pass: a group may hold very many matches that are never enough, and somebody may want that to be slow.
    while start < len(fresh) and fresh[start].at <= last:
        while end < len(fresh) and fresh[end].at - fresh[start].at <= correlation.timespan:
            holds.enter(fresh[end])
            end += 1
        count = holds.count(fresh[start].at)
        enough = count >= correlation.least
        if enough:
            found.append(_occurrence(fresh[start:end], count))
        passed = fresh[start : end if enough else start + 1]
        for match in passed:
            holds.leave(match)
        start += len(passed)
    return found


def unclaimed(correlation: Correlation, matches: Sequence[BaseMatch]) -> list[BaseMatch]:
    """Matches that belong to no occurrence that was told, oldest first."""
    told = sorted(match.at for match in matches if match.occurrence == match.event_id)
    ordered = sorted(matches, key=lambda match: (match.at, match.event_id, match.rule))
    return [match for match in ordered if match.occurrence is None and not _near(match.at, told, correlation.timespan)]


def _near(at: int, told: Sequence[int], timespan: int) -> bool:
    index = bisect_left(told, at - timespan)
    return index < len(told) and told[index] <= at + timespan


def _occurrence(window: Sequence[BaseMatch], count: int) -> Occurrence:
    events = tuple(dict.fromkeys(match.event_id for match in window))
    return Occurrence(window[0].group, events, window[0].at, count)


class _Held(Protocol):
    """What a window holds while it moves over the matches in the order of time."""

    def enter(self, match: BaseMatch) -> None: ...
    def leave(self, match: BaseMatch) -> None: ...
    def count(self, start: int) -> int: ...


class _Distinct:
    """How many different events, values or rules the window holds."""

    def __init__(self, key: Callable[[BaseMatch], str | None]) -> None:
        self._key = key
        self._held: Counter[str] = Counter()

    def enter(self, match: BaseMatch) -> None:
        key = self._key(match)
        if key is not None:
            self._held[key] += 1

    def leave(self, match: BaseMatch) -> None:
        key = self._key(match)
        if key is not None:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]

    def count(self, start: int) -> int:
        return len(self._held)


class _Ordered:
    """How many of the rules matched one after the other; events of one second count in either order."""

    def __init__(self, correlation: Correlation, fresh: Sequence[BaseMatch]) -> None:
        self._correlation = correlation
        self._times = {rule: [match.at for match in fresh if match.rule == rule] for rule in correlation.rules}

    def enter(self, match: BaseMatch) -> None: ...
    def leave(self, match: BaseMatch) -> None: ...

    def count(self, start: int) -> int:
        since, until = start, start + self._correlation.timespan
        for done, rule in enumerate(self._correlation.rules):
            times = self._times[rule]
            index = bisect_left(times, since)
            if index == len(times) or times[index] > until:
                return done
            since = times[index]
        return len(self._correlation.rules)


def _folded(match: BaseMatch) -> str | None:
    return None if match.value is None else match.value.casefold()


_HELD: Mapping[str, Callable[[Correlation, Sequence[BaseMatch]], _Held]] = {
    "event_count": lambda correlation, fresh: _Distinct(lambda match: match.event_id),
    "value_count": lambda correlation, fresh: _Distinct(_folded),
    "temporal": lambda correlation, fresh: _Distinct(lambda match: match.rule),
    "temporal_ordered": _Ordered,
}
