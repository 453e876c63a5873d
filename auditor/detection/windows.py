"""Windows of time over the matches of one group: what is enough, told once, whenever its events arrive. Pure."""

from collections.abc import Callable, Mapping, Sequence

from auditor.detection.model import BaseMatch, Correlation, Occurrence

TYPES = ("event_count", "value_count", "temporal", "temporal_ordered")


def occurrences(correlation: Correlation, matches: Sequence[BaseMatch]) -> list[Occurrence]:
    """The windows that hold enough and were not told yet, among all kept matches of one group.

    Windows do not overlap: each starts at the earliest match that no window holds. A match within the time of an
    occurrence that was told already belongs to it, however late it arrives.
    """
    fresh = unclaimed(correlation, matches)
    found: list[Occurrence] = []
    start = 0
    while start < len(fresh):
        end = start
        while end < len(fresh) and fresh[end].at - fresh[start].at <= correlation.timespan:
            end += 1
        count = _COUNTS[correlation.type](correlation, fresh[start:end])
        if count >= correlation.least:
            found.append(_occurrence(fresh[start:end], count))
            start = end
        else:
            start += 1
    return found


def unclaimed(correlation: Correlation, matches: Sequence[BaseMatch]) -> list[BaseMatch]:
    """Matches that belong to no occurrence that was told, oldest first."""
    starts = [match.at for match in matches if match.occurrence == match.event_id]
    ordered = sorted(matches, key=lambda match: (match.at, match.event_id, match.rule))
    return [
        match
        for match in ordered
        if match.occurrence is None and not any(0 <= match.at - start <= correlation.timespan for start in starts)
    ]


def _occurrence(window: Sequence[BaseMatch], count: int) -> Occurrence:
    events = tuple(dict.fromkeys(match.event_id for match in window))
    return Occurrence(window[0].group, events, window[0].at, count)


def _events(_correlation: Correlation, window: Sequence[BaseMatch]) -> int:
    return len({match.event_id for match in window})


def _values(_correlation: Correlation, window: Sequence[BaseMatch]) -> int:
    return len({match.value for match in window if match.value is not None})


def _rules(_correlation: Correlation, window: Sequence[BaseMatch]) -> int:
    return len({match.rule for match in window})


def _rules_in_order(correlation: Correlation, window: Sequence[BaseMatch]) -> int:
    """How many of the rules matched one after the other; events of one second count in either order."""
    done, since = 0, None
    for rule in correlation.rules:
        at = min(
            (match.at for match in window if match.rule == rule and (since is None or match.at >= since)), default=None
        )
        if at is None:
            break
        done, since = done + 1, at
    return done


_COUNTS: Mapping[str, Callable[[Correlation, Sequence[BaseMatch]], int]] = {
    "event_count": _events,
    "value_count": _values,
    "temporal": _rules,
    "temporal_ordered": _rules_in_order,
}
