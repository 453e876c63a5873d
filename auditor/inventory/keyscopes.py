"""What API keys may do, and which end was asked for them: only audit events show it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from auditor.inventory.claims import Latest, claim, strings, target, time_of
from auditor.inventory.model import Collection, Record, Unknown, enriched
from auditor.inventory.streams import Log

EVENT_TYPES: Sequence[str] = ("api_key.created", "api_key.updated")
KINDS = ("project_api_key", "admin_api_key")

_NEVER = "no audit event has shown what this key may do: it is older than the log, or is known there by another id"
_TORN = "its permissions were changed twice within one second"
_PLACES = ("payload.changes_requested.scopes", "payload.data.scopes")
_LONGEST = 100 * 366 * 86_400
"""Seconds; an end further away is none that anybody asked for."""


@dataclass(slots=True)
class _Key:
    scopes: Latest = field(default_factory=Latest)
    end: Latest = field(default_factory=Latest)


class KeyScopes:
    """Scopes and requested ends by key; events may come in any order. An organization may have 100,000 keys."""

    def __init__(self) -> None:
        self._keys: dict[str, _Key] = {}

    def take(self, event: Record) -> None:
        """One event; others than EVENT_TYPES say nothing."""
        key = target(event.fields)
        if key is None or event.fields.get("type") not in EVENT_TYPES:
            return
        one = self._keys.setdefault(key, _Key())
        strong = event.fields["type"] == "api_key.updated"
        scopes = next((found for place in _PLACES if isinstance(found := event.fields.get(place), list)), None)
        if scopes is not None:
            one.scopes.add(claim(event, sorted(set(strings(scopes))), strong=strong))
        asked = event.fields.get("payload.changes_requested.expires_in_seconds")
        if isinstance(asked, int) and not isinstance(asked, bool) and 0 < asked < _LONGEST:
            one.end.add(claim(event, time_of(event) + asked))

    def join(self, keys: Collection, log: Log) -> Collection:
        """The keys with `scopes`, `has_all_scopes` and the rest. The id of the log is taken for that of the list."""
        return replace(keys, records=tuple(self._joined(record, log) for record in keys.records))

    def _joined(self, record: Record, log: Log) -> Record:
        one = self._keys.get(record.id)
        more = _hidden(Unknown((log.gap,) if log.gap else (), why=_NEVER)) if one is None else _shown(one, log)
        return enriched(record, more)


def _hidden(why: Unknown) -> dict[str, object]:
    return {"scopes": why, "has_all_scopes": why}


def _shown(one: _Key, log: Log) -> dict[str, object]:
    scopes = one.scopes
    found: dict[str, object] = {"requested_expires_at": one.end.value} if one.end.value is not None else {}
    if not scopes.told:
        return found | _hidden(Unknown((log.gap,) if log.gap else (), why=_NEVER))
    found |= {"scopes_since": scopes.at, "scopes_event": scopes.event}
    doubt = log.doubt(scopes.at)
    if scopes.torn or doubt:
        return found | _hidden(Unknown((doubt,) if doubt else (), why=doubt.reason if doubt else _TORN))
    # An empty list means all permissions.
    return found | {"scopes": scopes.value, "has_all_scopes": not scopes.value}
