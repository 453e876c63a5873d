"""Every error that a person may read: what went wrong, and what to do next."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class AuditorError(Exception):
    """Root of all errors that are expected to happen.

    `hint` is the operator's next step, one sentence, empty when there is none. `retryable` says whether the same
    call may go through later. Anything that is not an AuditorError is a bug and stops the process; on the way of a
    message it stops that way alone.
    """

    def __init__(self, message: str, *, hint: str = "", retryable: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retryable = retryable


class ConfigError(AuditorError):
    """The configuration, a policy or a command line cannot be used. Exit code 2."""


class ApiError(AuditorError):
    """The Admin API refused, failed or lied.

    `status` is the HTTP status, None when no response came. `request_id` is what OpenAI's support asks for.
    `retry_after` is the floor in seconds that the server asked for, None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retryable: bool = False,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, retryable=retryable)
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after


class StoreError(AuditorError):
    """The database cannot be opened, read or written."""


class LeaseLost(StoreError):
    """Another process took the work over; what was computed here must be thrown away."""


class DeliveryError(AuditorError):
    """A sink did not confirm a message.

    `retry_after` is the floor in seconds that the other side asked for, None when it did not say. `kept` (JSON values)
    is what was confirmed all the same: the next try is told of it.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
        kept: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, retryable=retryable)
        self.retry_after = retry_after
        self.kept = dict(kept or {})


def did_you_mean(word: str, known: Iterable[str], what: str) -> str:
    """A hint for a name that is none: the nearest of the known ones, or some of them; `what` they are called."""
    names = sorted(known)
    if not names:
        return f"there are no {what}"
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean `{close[0]}`?" if close else f"known {what}: {some(names)}"


NAMED = 10
"""Names that one sentence holds."""


def some(names: Sequence[str]) -> str:
    """The names as people read them, the first of many: `a, b, c and 140 more`."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a file that a person wrote."""

    file: str
    line: int
    """From 1; 0 when the fault is of the whole file."""
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class FaultyFiles(ConfigError):
    """All faults of all files, at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)
