"""Folding the settings that no endpoint shows: from stored events, proven intervals and attestations to a snapshot."""

from collections.abc import Iterator, Mapping
from itertools import chain

from auditor.adminapi.eventtypes import KNOWN
from auditor.inventory import auditlog, settings
from auditor.inventory.events import record_at
from auditor.inventory.model import Record, Snapshot
from auditor.inventory.schema import SETTING
from auditor.inventory.streams import Log
from auditor.jobs.context import Audit
from auditor.store import events, history, intervals, streams, watermarks
from auditor.store.database import Transaction
from auditor.store.events import StoredEvent
from auditor.store.history import Wanted
from auditor.store.settings import SettingLine
from auditor.terms import Stream

_SIGN_INS = ("login.", "logout.", "tenant.")
BY_KEYS = tuple(sorted(kind for kind in KNOWN if not kind.startswith(_SIGN_INS)))
"""Types of events that an admin key may cause; sign-ins, which are most events, are none."""
LOOKED_AT = 1000
"""The newest of those events, among which one of an admin key shows the default project."""


def folded(tx: Transaction, audit: Audit, seen: Snapshot, logs: Mapping[Stream, Log]) -> Snapshot:
    """`seen` with all that stored events and attestations show, `logs` as `logs_of` tells them. Raises StoreError."""
    mine = [each for each in audit.attestations if each.scope in {"", audit.organization}]
    return settings.fold(seen, records(tx, audit.organization), logs, mine)


def logs_of(tx: Transaction, organization: str, now: int) -> dict[Stream, Log]:
    """What is known of each stream at `now` (Unix seconds)."""
    strange = streams.unheard(tx, organization, KNOWN)
    return {stream: _log(tx, organization, stream, tuple(strange[stream]), now) for stream in Stream}


def _log(tx: Transaction, organization: str, stream: Stream, strange: tuple[str, ...], now: int) -> Log:
    mark = watermarks.read(tx, organization, stream)
    if mark is None:
        return Log(stream)
    traffic = streams.traffic(tx, organization, stream, auditlog.RECENT, now)
    return Log(
        stream=stream,
        status=mark.status,
        reason=mark.reason,
        proven=intervals.read(tx, organization, stream),
        read_at=mark.polled_at,
        newest_at=traffic.newest_at,
        oldest_at=traffic.oldest_at,
        first_read_at=traffic.first_read_at,
        recent=traffic.recent,
        gaps=traffic.gaps,
        unknown_types=strange,
    )


def records(tx: Transaction, organization: str, until: int | None = None) -> Iterator[Record]:
    """The stored events that tell of settings, up to and with `until` (Unix seconds)."""
    telling = events.of_types(tx, organization, settings.EVENT_TYPES, until)
    types = tuple(sorted(set(BY_KEYS) - set(settings.EVENT_TYPES)))
    others = Wanted(before=None if until is None else until + 1, types=types, stream=Stream.ORGANIZATION)
    newest = history.page(tx, organization, others, None, newest_first=True, size=LOOKED_AT)
    return (_record(event) for event in chain(telling, newest))


def _record(event: StoredEvent) -> Record:
    return record_at(event.raw, event.effective_at)


def lines(snapshot: Snapshot) -> list[SettingLine]:
    """The settings of a snapshot, as the store keeps them."""
    return [_line(record) for record in snapshot.collection(SETTING).records]


def _line(record: Record) -> SettingLine:
    fields = record.fields
    value = fields["value"]
    since, until = fields.get("since"), fields.get("until")
    return SettingLine(
        name=record.id,
        value=value if isinstance(value, str) else None,
        source=str(fields["source"]),
        since=since if isinstance(since, int) else None,
        event=str(fields.get("event", "")),
        attestation=str(fields.get("attestation", "")),
        by=str(fields.get("by", "")),
        until=until if isinstance(until, int) else None,
        evidence=str(fields.get("evidence", "")),
        why=str(fields.get("why", "")),
    )
