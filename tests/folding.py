"""Events and streams made by hand, for tests of what is folded from them."""

from collections.abc import Mapping, Sequence

from auditor.inventory.attestations import Attestation
from auditor.inventory.events import record_of
from auditor.inventory.model import Record, Snapshot
from auditor.inventory.settings import fold
from auditor.inventory.streams import Interval, Log
from auditor.terms import Status, Stream

NOW = 1000


def event(at: int, kind: str, payload: Mapping[str, object], number: int = 1, **more: object) -> Record:
    return record_of({"id": f"event_{at}_{number}", "type": kind, "effective_at": at, kind: payload, **more})


def proven(*parts: Interval, status: Status = Status.COMPLETE, reason: str = "", until: int = NOW) -> dict[Stream, Log]:
    """Both streams, read whole until `until` or in these `parts`."""
    return {
        stream: Log(stream, status, reason, proven=parts or ((0, until),), read_at=until, newest_at=1, oldest_at=1)
        for stream in Stream
    }


REFUSED = proven(status=Status.REFUSED, reason="HTTP 403: no")


def folded(
    *events: Record,
    logs: Mapping[Stream, Log] | None = None,
    attestations: Sequence[Attestation] = (),
    now: int = NOW,
    snapshot: Snapshot | None = None,
) -> Snapshot:
    snapshot = snapshot or Snapshot("acme", now, {})
    return fold(snapshot, events, proven(until=now) if logs is None else logs, attestations)


def setting(snapshot: Snapshot, name: str) -> Mapping[str, object]:
    """The record of one setting, as policies of kind `setting` see it."""
    (record,) = (each for each in snapshot.collection("setting").records if each.id == name)
    return record.fields


def value(snapshot: Snapshot, name: str) -> object:
    """A setting as policies of kind `organization_settings` see it."""
    (record,) = snapshot.collection("organization_settings").records
    return record.fields[name]
