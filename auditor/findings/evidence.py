"""What proves a finding: which body was judged by which text, what of it matched, and who did it. Pure."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from auditor.inventory.changes import Cause, Explained
from auditor.inventory.model import Record, Unknown
from auditor.policy.model import Policy, Verdict

_ACTOR = ("email", "ip", "type", "kind", "id")
"""What is kept of the actor of an event, in the order of telling."""

_OWNER = ("owner.email", "owner.name", "owner.id")
"""Where a record names who answers for it, the most telling first."""

_OWNER_IDS = ("owner.email", "owner.id")
"""Those that nobody chooses freely, and a waiver may name."""


def of_verdict(verdict: Verdict, policy: Policy | None) -> Mapping[str, object]:
    """The evidence of a FAIL verdict as JSON values: `matched`, `body_sha256`, `policy_digest`, `events`, `actor`,
    `owner`, `owner_ids`, `owner_unseen`, `project`.

    What there is nothing to say of is left out. `policy` is None when it is no longer in force.
    """
    return dict(_entries(verdict, policy))


def of_cause(one: Explained) -> dict[str, object]:
    """What the change behind a finding adds to its evidence: `cause`, and of the events that explain it `events`,
    `actor` and `done_at` (Unix seconds) of the latest.

    Nothing where no event can be expected, or nobody knows when it changed.
    """
    if one.cause in {Cause.UNANNOUNCED, Cause.UNDATED}:
        return {}
    return of_events(one.events) if one.events else {"cause": one.cause}


def of_events(events: Sequence[Record]) -> dict[str, object]:
    """The same of events that explain it, the latest last."""
    last = events[-1]
    told = {
        "cause": Cause.EXPLAINED,
        "events": [event.id for event in events],
        "done_at": last.fields.get("effective_at"),
        "actor": _actor(last),
    }
    return {name: value for name, value in told.items() if value}


def carried(evidence: Mapping[str, object]) -> Mapping[str, object]:
    """What stays of the evidence of a finding that is confirmed: why it opened."""
    return {name: evidence[name] for name in ("cause", "events", "actor", "done_at") if name in evidence}


def _entries(verdict: Verdict, policy: Policy | None) -> Iterator[tuple[str, object]]:
    record = verdict.record
    if verdict.matched:
        yield "matched", sorted(verdict.matched)
    if record and (digest := record.digest or _digest(record.raw)):
        yield "body_sha256", digest.hex()
    if policy and policy.digest:
        yield "policy_digest", policy.digest
    if verdict.events:
        yield "events", list(verdict.events)
    if record:
        people = (("actor", _actor(record)), ("owner", _owner(record)), ("owner_ids", _owner_ids(record)))
        more = (("owner_unseen", _owner_unseen(record)), ("project", _project(record)))
        yield from ((name, value) for name, value in (*people, *more) if value)


def _digest(raw: bytes) -> bytes:
    """The name of an event's bytes, empty for what has none."""
    return hashlib.sha256(raw).digest() if raw else b""


def _actor(record: Record) -> dict[str, str]:
    fields = ((name, record.fields.get(f"actor.{name}")) for name in _ACTOR)
    return {name: value for name, value in fields if isinstance(value, str) and value}


def _owner(record: Record) -> str:
    """Who answers for the resource: its owner, or the user that it is; empty when the API names nobody."""
    names = ("email", "id") if record.kind == "user" else _OWNER
    return next((value for name in names if isinstance(value := record.fields.get(name), str) and value), "")


def _owner_ids(record: Record) -> list[str]:
    return [value for value in _named(record) if isinstance(value, str) and value]


def _owner_unseen(record: Record) -> bool:
    """Whether there may be more `owner_ids`: a list that names the owner could not be read."""
    return any(isinstance(value, Unknown) for value in _named(record))


def _named(record: Record) -> list[object]:
    """Address and id of whoever answers for the resource, as the picture shows them."""
    return [record.fields.get(name) for name in (("email", "id") if record.kind == "user" else _OWNER_IDS)]


def _project(record: Record) -> dict[str, str]:
    """`id` and `name` of the project that the resource is in, or is; empty when it is in none."""
    if record.kind == "project":
        return {"id": record.id, "name": record.name}
    named = (("id", ("project.id", "project_id")), ("name", ("project.name",)))
    found = ((key, next(filter(None, map(record.fields.get, names)), None)) for key, names in named)
    return {key: value for key, value in found if isinstance(value, str)}
