"""The audit log's own health as a kind: what policies must know to say that nobody is watching."""

from collections.abc import Iterable

from auditor.inventory.model import Collection, Record
from auditor.inventory.schema import AUDIT_LOG
from auditor.inventory.streams import Log

RECENT = 30 * 86_400
"""Seconds back from the newest event that say what is usual."""
ENOUGH = 20
"""Events without which nothing is usual."""
_USUAL = 0.99


def collection(logs: Iterable[Log], now: int) -> Collection:
    """One record a stream, at `now` (Unix seconds)."""
    return Collection(AUDIT_LOG, tuple(record(log, now) for log in logs))


def record(log: Log, now: int) -> Record:
    """One stream. What is usual is left out while too little was seen of it."""
    fields: dict[str, object] = {
        "id": log.stream.value,
        "stream": log.stream.value,
        "status": log.status.value,
        "reason": log.reason or None,
        "ever_seen": log.newest_at is not None,
        "newest_at": log.newest_at,
        "oldest_at": log.oldest_at,
        "first_read_at": log.first_read_at,
        "read_at": log.read_at,
        "events_30d": log.recent,
        "proven_since": log.proven[0][0] if log.proven else None,
        "proven_until": log.proven[-1][1] if log.proven else None,
        "holes": len(log.holes),
        "hole_seconds": sum(until - since for since, until in log.holes),
        "unknown_types": list(log.unknown_types),
        "unknown_type_count": len(log.unknown_types),
        **_usual(log, now),
    }
    return Record(AUDIT_LOG, (log.stream.value,), {name: value for name, value in fields.items() if value is not None})


def _usual(log: Log, now: int) -> dict[str, object]:
    """How long it is quiet, and how long it was at most: nights and weekends are quiet, too."""
    if log.newest_at is None:
        return {}
    quiet = max(now - log.newest_at, 0)
    if len(log.gaps) < ENOUGH:
        return {"quiet_for": quiet}
    longest = log.gaps[-1]
    return {
        "quiet_for": quiet,
        "usual_gap": log.gaps[int(_USUAL * (len(log.gaps) - 1))],
        "longest_gap": longest,
        "quiet_ratio": round(quiet / max(longest, 1), 2),
    }
