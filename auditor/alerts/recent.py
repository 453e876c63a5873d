"""What somebody else said, remembered for a while. May be used from any thread."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Said = TypeVar("Said")


class Recent(Generic[Key, Said]):
    """Answers by what was asked. At most `limit`: when it is full it begins anew."""

    def __init__(self, limit: int, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._now = now
        self._kept: dict[Key, tuple[float, Said]] = {}
        self._lock = threading.Lock()

    def get(self, key: Key) -> Said | None:
        """The answer, while it is good; None when there is none."""
        with self._lock:
            until, said = self._kept.get(key, (float("-inf"), None))
        return said if self._now() < until else None

    def keep(self, key: Key, said: Said, seconds: float) -> Said:
        """Remember the answer for `seconds`, and return it."""
        with self._lock:
            if len(self._kept) >= self._limit:
                self._kept.clear()
            self._kept[key] = (self._now() + seconds, said)
        return said

    def forget(self, key: Key) -> None:
        """It turned out to be wrong."""
        with self._lock:
            self._kept.pop(key, None)
