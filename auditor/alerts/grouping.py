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


def told_at(last: float | None, now: float, timing: Timing) -> float:
    """When an alert that comes `now` is told; `last` is when the latest message of its group goes or went out.

    It joins a message that is still to go out. Else it waits for others, and until the interval is over. An alert never
    waits longer than the longer of the two.
    """
    if last is not None and last > now:
        return min(last, now + max(timing.wait, timing.interval))
    earliest = now + timing.wait
    return earliest if last is None else max(earliest, last + timing.interval)


def repeats(elapsed: float, timing: Timing) -> bool:
    """Whether what is still open of a group is told again, `elapsed` seconds after its last message."""
    return 0 < timing.repeat <= elapsed
