"""The one place that reads the time, everything else is told; and durations as people write them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeGuard

Clock = Callable[[], datetime]


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def epoch(moment: datetime) -> int:
    """Whole Unix seconds, the unit of every time in the Admin API."""
    return int(moment.timestamp())


def is_time(value: object) -> TypeGuard[int]:
    """Whether `value` is whole Unix seconds between the years 1970 and 9999."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 253_402_300_800


def from_epoch(seconds: float) -> datetime:
    """The UTC moment of Unix `seconds`."""
    return datetime.fromtimestamp(seconds, UTC)


def last_day(until: int) -> str:
    """`2026-11-26`, the last day, or the last part of one, before `until` (Unix seconds)."""
    return from_epoch(until - 1).date().isoformat()


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_DURATION = re.compile(r"(?:\d{1,9}[smhdw])+")


def duration(text: object) -> int:
    """Seconds of `90s`, `15m`, `36h`, `90d`, `2w` or `1h30m`, as Prometheus writes them.

    Raises ValueError with a sentence for people.
    """
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise ValueError("must be a duration like 30s, 15m, 36h, 90d or 2w")
    return sum(int(part[:-1]) * _UNITS[part[-1]] for part in re.findall(r"\d+[smhdw]", text))


def written(seconds: int) -> str:
    """`duration` the other way: `0s`, `90s`, `24h`, `30d`, `2d12h`; days are counted from two on."""
    if seconds < 120:
        return f"{seconds}s"
    parts = []
    for unit in "dhms":
        if unit != "d" or seconds >= 2 * _UNITS["d"]:
            count, seconds = divmod(seconds, _UNITS[unit])
            parts.append(f"{count}{unit}" if count else "")
    return "".join(parts)
