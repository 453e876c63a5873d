"""When to look for what time alone makes news (auditor/jobs/review.py), and since when."""

import asyncio
from collections.abc import Callable, Mapping

from auditor import clock
from auditor.alerts.gate import Gate
from auditor.errors import AuditorError
from auditor.jobs import review
from auditor.jobs.context import Audit
from auditor.log import get

log = get(__name__)

RELEASE = 15.0
"""Seconds between looks whether a silence or a mute time ended, or somebody decided."""
REPEAT = 300.0
"""Seconds between looks whether something is told again because it is still open."""

Look = Callable[[Audit], int]
"""Queues what it finds, and returns how many messages that makes."""


class LookBack:
    """The looks of one process at `audits`, whose messages `gate` may hold back."""

    def __init__(self, audits: Mapping[str, Audit], gate: Gate, now: clock.Clock) -> None:
        self._audits = audits
        self._gate = gate
        self._now = now
        self._marked_at: dict[str, int] = {}
        self._released_at = self._repeated_at = float("-inf")

    def due(self, at: float) -> list[Look]:
        """Which looks are due at `at`, in seconds of a clock that nobody sets; they count as done then."""
        looks: list[Look] = []
        if at - self._released_at >= RELEASE:
            self._released_at = at
            looks.append(self._released)
        if at - self._repeated_at >= REPEAT:
            self._repeated_at = at
            looks.append(self._repeated)
        return looks

    async def take(self, look: Look, found: Callable[[], None]) -> None:
        """Look at every organization; `found` is called when that made messages."""
        for name, audit in self._audits.items():
            try:
                made = await asyncio.to_thread(look, audit)
            except AuditorError as error:
                log.error("review.failed", organization=name, error=error.message, hint=error.hint)
                continue
            if made:
                found()

    def _released(self, audit: Audit) -> int:
        return review.release(audit, self._gate) + self._marked(audit, self._epoch())

    def _marked(self, audit: Audit, now: int) -> int:
        """Decisions since the last look that went well; after a start, those of days."""
        looked = self._marked_at.get(audit.organization)
        since = now - review.LATELY if looked is None else looked - review.SINCE_LAST
        made = review.mark(audit, since, now)
        self._marked_at[audit.organization] = now
        return made

    def _repeated(self, audit: Audit) -> int:
        return review.repeat(audit, self._epoch())

    def _epoch(self) -> int:
        return clock.epoch(self._now())
