"""When the roles of a principal are read again: one call each, so less often than lists, and at once on news. Pure."""

import zlib
from dataclasses import dataclass

from auditor.inventory.changes import SKEW
from auditor.inventory.model import Scope

SPREAD = 0.75
"""Share of the interval over which the first reading of all is spread, so that they are not all due at once again."""


AT_ONCE = 0
"""`due_at` of what the next snapshot reads, whatever the time."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The last whole reading of one scope. Times are Unix seconds."""

    read_at: int
    due_at: int
    """When it is read again, unless an event names it before."""


def is_due(reading: Reading | None, named_at: int | None, now: int, interval: int) -> bool:
    """Whether a scope is to be read; `named_at` is when the newest event happened that may have changed it."""
    if reading is None or min(reading.due_at, reading.read_at + interval) <= now:
        return True
    # The reading may have come too early for it: clocks differ, and what was changed shows a little later.
    return named_at is not None and named_at > reading.read_at - SKEW


def next_due(kind: str, scope: Scope, before: Reading | None, now: int, interval: int) -> int:
    """When a scope is due after a whole reading at `now` that showed nothing new."""
    if before is not None and before.due_at <= now < before.due_at + interval // 2:
        return now + interval
    # Read for the first time, at once or late, as many others may have been in this snapshot.
    place = zlib.crc32("/".join((kind, *scope)).encode("utf-8", "surrogatepass")) / (1 << 32)
    return now + int(interval * (1 - SPREAD * place))
