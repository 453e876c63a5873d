"""Which event of a window is the one with which it held enough. Pure."""

from collections.abc import Iterator, Sequence

from auditor.detection.model import BaseMatch, Correlation
from auditor.detection.windows import occurrences


def completing(correlation: Correlation, matches: Sequence[BaseMatch]) -> list[str]:
    """The event of each occurrence with which its window held enough, oldest first."""
    groups: dict[tuple[str, ...], list[BaseMatch]] = {}
    for each in matches:
        groups.setdefault(each.key, []).append(each)
    found = [last for group in groups.values() for last in _completing(correlation, group)]
    return [each.event_id for each in sorted(found, key=lambda each: (each.at, each.event_id))]


def _completing(correlation: Correlation, group: Sequence[BaseMatch]) -> Iterator[BaseMatch]:
    ordered = sorted(group, key=lambda each: (each.at, each.event_id, each.rule))
    for occurrence in occurrences(correlation, ordered):
        ids = set(occurrence.events)
        window = [each for each in ordered if each.event_id in ids]
        # What holds enough still does with more, so the least that does is found by halving.
        few, enough = 0, len(window)
        while enough - few > 1:
            middle = (few + enough) // 2
            few, enough = (few, middle) if occurrences(correlation, window[:middle]) else (middle, enough)
        yield window[enough - 1]
