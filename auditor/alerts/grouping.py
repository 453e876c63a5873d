"""When a group of alerts is told. Pure; every time is a number of Unix seconds handed in.

All alerts of a group that wait together are told in one message.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """How alerts are gathered, in seconds."""

    wait: int = 0
    """From the first alert of a group to its message."""
    interval: int = 0
    """Between two messages of a group."""
    repeat: int = 0
    """After which what is still open is told again; 0 for never."""

    @property
    def gathers(self) -> bool:
        """Whether an alert may have to wait for others."""
        return self.wait > 0 or self.interval > 0


def told_at(last: float | None, coming: float | None, now: float, timing: Timing) -> float:
    """When an alert that comes `now` is told, where messages of its group went out `last`, and will go out `coming`.

    It waits for others, and until the interval since the last message of its group is over, but joins a message that
    goes out before. One that may go out earlier than that takes along what waits.
    """
    earliest = now + timing.wait
    if last is not None:
        earliest = max(earliest, last + timing.interval)
    return earliest if coming is None else min(coming, earliest)


def repeats(elapsed: float, timing: Timing) -> bool:
    """Whether what is still open is told again, `elapsed` seconds after it was told."""
    return 0 < timing.repeat <= elapsed


def joins(elapsed: float, timing: Timing) -> bool:
    """Whether what is still open is told again with others of its group, `elapsed` seconds after it was told.

    So all of a group comes together in one message in time, whenever each of it was told first.
    """
    return 0 < timing.repeat <= 2 * elapsed
