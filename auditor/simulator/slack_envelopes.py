"""What the fake Slack sends over a socket, and what it shows to one person."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 3.0
"""Seconds that Slack waits for a confirmation, and that a trigger is good for."""


@dataclass(slots=True)
class Sent:
    """An envelope that was sent, and what became of it."""

    id: str
    message: Mapping[str, Any]
    at: float = field(default_factory=time.monotonic)
    confirmed: threading.Event = field(default_factory=threading.Event)
    late: bool = False
    answer: Mapping[str, Any] = field(default_factory=dict)
    """What the confirmation carried."""

    def wait(self, seconds: float = PATIENCE) -> bool:
        """Whether it was confirmed in time."""
        return self.confirmed.wait(seconds) and not self.late


@dataclass(frozen=True, slots=True)
class Whisper:
    """A message that one person saw."""

    channel: str
    user: str
    text: str
    blocks: list[dict[str, Any]]
