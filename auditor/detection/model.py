"""What correlations are made of. Pure data."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BaseMatch:
    """One event that matched a base rule of a correlation, kept until the window has passed it."""

    rule: str
    """Name of the base rule."""
    event_id: str
    at: int
    """Unix seconds at which the event happened."""
    group: tuple[str, ...]
    """Values of the fields that the correlation groups by, in its order, as the event writes them."""
    value: str | None
    """Value of the field that `value_count` counts; None when the correlation counts events."""
    occurrence: str | None
    """First event of the occurrence that this match was told in; None while it was told in none."""

    @property
    def key(self) -> tuple[str, ...]:
        """What the matches of one group have in common."""
        return key_of(self.group)


def key_of(group: Sequence[str]) -> tuple[str, ...]:
    """The values of a group without case: who signs in chooses how an address is written."""
    return tuple(each.casefold() for each in group)


@dataclass(frozen=True, slots=True)
class Correlation:
    """What a correlation counts, and when it is enough."""

    type: str
    """`event_count`, `value_count`, `temporal` or `temporal_ordered`."""
    rules: tuple[str, ...]
    """Names of the base rules; for `temporal_ordered` in their order."""
    group_by: tuple[str, ...]
    timespan: int
    """Seconds from the first event of a window to its last."""
    least: int
    """Events, distinct values or rules that a window must hold."""
    counted: str = ""
    """Field whose distinct values `value_count` counts; empty for the other types."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A window that held enough."""

    group: tuple[str, ...]
    """As its first event writes it."""
    events: tuple[str, ...]
    """Ids, the first one first: it names the occurrence."""
    at: int
    """Unix seconds of the first event."""
    count: int
    """How many events, distinct values or rules it held."""
