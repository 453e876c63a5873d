"""How fast one key may ask: a budget of requests a minute, and one pause for everybody after a 429."""

import asyncio
import time
from collections.abc import Callable

_BURST = 0.1
"""Share of a minute's budget that may go out at once; the rest is spread, so that no minute ever exceeds the budget."""


class Budget:
    """A token bucket shared by all requests of one key."""

    def __init__(self, requests_per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._capacity = max(1.0, requests_per_minute * _BURST)
        self._rate = max(requests_per_minute - self._capacity, requests_per_minute * 0.5) / 60  # tokens per second
        self._tokens = self._capacity
        self._filled_at = monotonic()
        self._resume_at = 0.0

    def pause(self, seconds: float) -> None:
        """Nobody asks for `seconds` from now on; a longer pause that is already in force stays."""
        self._resume_at = max(self._resume_at, self._monotonic() + seconds)

    async def take(self) -> None:
        """Wait until one request may go out."""
        while (wait := self._wait()) > 0:  # noqa: ASYNC110 - a bucket fills with time, no event announces it
            await asyncio.sleep(wait)

    def _wait(self) -> float:
        """Seconds to wait; 0 when a token was taken."""
        now = self._monotonic()
        if now < self._resume_at:
            return self._resume_at - now
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate
        self._tokens -= 1
        return 0
