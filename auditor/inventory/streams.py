"""What is known of the audit log itself: which seconds were proven read, what is doubtful since when."""

from dataclasses import dataclass
from itertools import pairwise

from auditor.clock import from_epoch
from auditor.inventory.model import Gap
from auditor.terms import Status, Stream

Interval = tuple[int, int]
"""Unix seconds, the second one not included."""

NOT_READ = "the audit log was not read yet"


@dataclass(frozen=True, slots=True)
class Log:
    """One stream of the audit log. Times are Unix seconds."""

    stream: Stream
    status: Status = Status.FAILED
    """How the last try to read it ended."""
    reason: str = NOT_READ
    """Why it did not end well, empty when it did."""
    proven: tuple[Interval, ...] = ()
    """The seconds that complete walks have covered: merged, oldest first."""
    read_at: int | None = None
    """When it was last tried."""
    newest_at: int | None = None
    oldest_at: int | None = None
    first_read_at: int | None = None
    recent: int = 0
    """Events of the last 30 days."""
    gaps: tuple[int, ...] = ()
    """Seconds from each of those events to the next, rising; only of the newest ones when they are many."""
    unknown_types: tuple[str, ...] = ()
    """Types of stored events that this version has not heard of."""

    @property
    def holes(self) -> tuple[Interval, ...]:
        """What lies between the proven intervals."""
        return tuple((end, begin) for (_, end), (begin, _) in pairwise(self.proven))

    @property
    def gap(self) -> Gap | None:
        """Why it cannot be relied on now, None when its last walk was complete."""
        if self.status is Status.COMPLETE:
            return None
        hint = "settings are known from audit events only" if self.read_at is not None else ""
        return Gap("audit_event", (self.stream,), self.status, self.reason, hint)

    def doubt(self, at: int) -> Gap | None:
        """What may hide an event that came after `at`; None when every second since then was read."""
        if self.gap or not self.proven:
            return self.gap or Gap("audit_event", (self.stream,), Status.PARTIAL, "nothing of it is proven read yet")
        begin = self.proven[0][0]
        unread = [*([(at, begin)] if at < begin else []), *(hole for hole in self.holes if hole[1] > at)]
        if not unread:
            return None
        since, until = unread[-1]
        words = f"it was not read whole from {_moment(since)} to {_moment(until)}"
        return Gap("audit_event", (self.stream,), Status.PARTIAL, words, "change the setting again, or attest it")


def _moment(seconds: int) -> str:
    return f"{from_epoch(seconds):%Y-%m-%d %H:%M:%S} UTC"
