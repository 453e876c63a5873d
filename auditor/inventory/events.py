"""From the bytes of one audit event to the record that policies judge."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec

from auditor import clock
from auditor.inventory.model import Record
from auditor.inventory.records import flatten, lookup
from auditor.inventory.schema import EVENT_KIND

ACTOR: Mapping[str, tuple[str, ...]] = {
    "actor.id": (
        "actor.session.user.id",
        "actor.api_key.user.id",
        "actor.api_key.service_account.id",
        "actor.api_key.id",
    ),
    "actor.email": ("actor.session.user.email", "actor.api_key.user.email"),
    "actor.ip": ("actor.session.ip_address", "actor.api_key.ip_address"),
}
"""One name for what the two kinds of actor, session and API key, keep in different places."""
ACTOR_KINDS: Mapping[str, tuple[str, ...]] = {
    "service_account": ("actor.api_key.service_account",),
    "user": ("actor.session.user", "actor.api_key.user"),
}
"""`actor.kind`: who acted, whether by session or by key. The first word for which there is an object."""


BENEFICIARY = "actor.is_beneficiary"


def record_of(raw: bytes | Mapping[str, object]) -> Record:
    """The record of an event: every leaf by dotted name, the payload also as `payload.*`, and `actor.*` in one form.

    `raw` is the item as the audit log sent it, as bytes or decoded. A time that no calendar holds (milliseconds, say)
    is left out; the raw bytes keep it. Raises ValueError when it is no event.
    """
    try:
        body = msgspec.json.decode(raw) if isinstance(raw, bytes) else raw
    except msgspec.DecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(body, Mapping):
        raise ValueError("an audit event is an object")
    event, kind = body.get("id"), body.get("type")
    if not isinstance(event, str) or not isinstance(kind, str):
        raise ValueError("an audit event has the texts `id` and `type`")
    fields = flatten(body)
    fields["type"] = sys.intern(kind)
    if not clock.is_time(fields.get("effective_at")):
        fields.pop("effective_at", None)
    payload = body.get(kind)
    if isinstance(payload, Mapping):
        fields.update(flatten(payload, "payload."))
    fields.update(_actor(fields))
    actor = _actor_kind(body)
    if actor:
        fields["actor.kind"] = actor
    fields[BENEFICIARY] = _is_beneficiary(kind, fields)
    return Record(EVENT_KIND, (event,), fields, raw if isinstance(raw, bytes) else msgspec.json.encode(raw))


def record_at(raw: bytes, at: int) -> Record:
    """The same at the time under which the event is stored: a time that is none would stop policies."""
    record = record_of(raw)
    return replace(record, fields={**record.fields, "effective_at": at})


def _actor(fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, places in ACTOR.items():
        found = next((value for place in places if isinstance(value := fields.get(place), str)), None)
        if found is not None:
            yield name, found


def _actor_kind(body: Mapping[str, object]) -> str | None:
    return next(
        (
            kind
            for kind, places in ACTOR_KINDS.items()
            if any(isinstance(lookup(body, each), Mapping) for each in places)
        ),
        None,
    )


def _is_beneficiary(kind: str, fields: Mapping[str, object]) -> bool:
    """Whether the event gives something to the one who acted: a role, or another role."""
    actor = fields.get("actor.id")
    return actor is not None and fields.get(named_by(kind)) == actor


def named_by(kind: str) -> str:
    """The field of an event of this type that names who is given something."""
    return "payload.id" if kind in {"user.updated", "service_account.updated"} else "payload.principal_id"
