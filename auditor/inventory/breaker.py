"""When to stop asking an API that does not answer, so that a picture of nothing does not take all day. Pure."""

from collections import defaultdict

from auditor.errors import ApiError

IN_A_ROW = 12
"""Lists of one kind after which the others of this kind are not asked for."""
KINDS = 3
"""Kinds among the lists that failed in a row, after which nothing is asked for: one kind alone may be what fails."""


class Breaker:
    """Watches the walks of one snapshot. Any answer counts as one, a refusal, too."""

    def __init__(self) -> None:
        self._silent: list[str] = []
        """Kinds of the lists that failed since the last answer."""
        self._silent_of: dict[str, int] = defaultdict(int)
        self._last = ""

    def note(self, kind: str, error: ApiError | None) -> None:
        """Enter how a walk ended."""
        if error is None or not is_silence(error):
            self._silent.clear()
            self._silent_of[kind] = 0
            return
        self._silent.append(kind)
        self._silent_of[kind] += 1
        self._last = error.message

    def open(self, kind: str) -> str:
        """Why no list of `kind` is asked for any more; empty while it is."""
        count = len(self._silent)
        if count >= IN_A_ROW and len(set(self._silent)) >= KINDS:
            return f"not asked for, because the API did not answer {count} lists in a row: {self._last}"
        if self._silent_of[kind] >= IN_A_ROW:
            count = self._silent_of[kind]
            return f"not asked for, because the API did not answer {count} lists of this kind in a row: {self._last}"
        return ""


def is_silence(error: ApiError) -> bool:
    """Whether it says nothing about the list: no connection, too many requests, or a server that is down."""
    return error.retryable or error.status == 429 or (error.status or 0) >= 500
