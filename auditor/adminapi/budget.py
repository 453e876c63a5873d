"""How fast one key may ask, and how often again: requests a minute, one pause for everybody after a 429, retries."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from auditor.errors import ApiError

_BURST = 0.1
"""Share of a minute's budget that may go out at once; the rest is spread, so that no minute ever exceeds the budget."""
_PROBING = 1.0
"""Seconds that one request after a pause goes ahead of all others, which would only be refused with it."""
_LOOK = 0.05
"""Seconds between two looks at whether that one was answered."""


class Budget:
    """A token bucket shared by all requests of one key."""

    def __init__(self, requests_per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._capacity = max(1.0, requests_per_minute * _BURST)
        self._rate = max(requests_per_minute - self._capacity, requests_per_minute * 0.5) / 60  # tokens per second
        self._tokens = self._capacity
        self._filled_at = monotonic()
        self._resume_at = 0.0
        self._probing = False
        self._next_probe_at = 0.0

    def pause(self, seconds: float) -> None:
        """Nobody asks for `seconds` from now on, and then one alone; a longer pause that is already in force stays."""
        self._resume_at = max(self._resume_at, self._monotonic() + seconds)
        self._probing = True
        self._next_probe_at = 0.0

    def answered(self) -> None:
        """A request was not asked to slow down: after a pause, the others may follow."""
        if self._monotonic() >= self._resume_at:
            self._probing = False

    async def take(self, longest: float = math.inf) -> None:
        """Wait until one request may go out. Raises ApiError when pause has followed pause for `longest` seconds."""
        since = self._monotonic()
        while (wait := self._wait()) > 0:
            if self._probing and self._monotonic() - since > longest:
                raise ApiError("HTTP 429: the API has asked for one pause after the other", status=429)
            await asyncio.sleep(wait)

    def _wait(self) -> float:
        """Seconds to wait; 0 when a token was taken."""
        now = self._monotonic()
        if now < self._resume_at:
            return self._resume_at - now
        if self._probing and now < self._next_probe_at:
            return min(_LOOK, self._next_probe_at - now)
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate
        self._tokens -= 1
        self._next_probe_at = now + _PROBING
        return 0


class Retries:
    """How many requests may be repeated: of the last WINDOW ones a share, and a few where there were not many yet.

    An API that fails is not helped by being asked four times as often. What may not be repeated has failed.
    """

    WINDOW = 1000
    SHARE = 0.2
    """Of the first attempts."""
    FEW = 30
    IN_VAIN = 10
    """Repetitions in a row, of whatever requests, to which a server that is down or cannot be reached said nothing."""

    def __init__(self) -> None:
        self._sent: deque[bool] = deque(maxlen=self.WINDOW)
        """Whether it was a repetition, of each request."""
        self._repeated = 0
        self._in_vain = 0
        """Repetitions since the last answer."""

    def first(self) -> None:
        """Enter a request that goes out for the first time."""
        self._enter(repeated=False)

    def spend(self) -> bool:
        """Whether one more request may be repeated; it is entered then."""
        share = int(self.SHARE * (len(self._sent) - self._repeated))
        if self._in_vain >= self.IN_VAIN or self._repeated >= max(self.FEW, share):
            return False
        self._in_vain += 1
        self._enter(repeated=True)
        return True

    def answered(self) -> None:
        """The API is there: repeating makes sense again."""
        self._in_vain = 0

    def _enter(self, *, repeated: bool) -> None:
        if len(self._sent) == self.WINDOW:
            self._repeated -= self._sent[0]
        self._sent.append(repeated)
        self._repeated += repeated
