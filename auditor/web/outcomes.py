"""What came of a form that somebody sent. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What came of a form."""

    ACKNOWLEDGED = "acknowledged"
    WAIVED = "waived"
    ENDED = "ended"
    STALE = "stale"
    """Nothing was left to decide."""
    REFUSED = "refused"
    """Whoever sent it may not decide it."""
    INVALID = "invalid"
    FAILED = "failed"
    """The store did not answer."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing was decided: a sentence, and what is wrong with which field."""

    outcome: Outcome
    sentence: str
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """HTTP's word for it."""
        return {Outcome.STALE: 409, Outcome.REFUSED: 403, Outcome.FAILED: 503}.get(self.outcome, 422)
