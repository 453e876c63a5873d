"""When each user was last seen: a sign-in, any other event, or a call with a key. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from auditor import clock
from auditor.inventory.model import Gap, Record, Snapshot, Unknown


class _Person(msgspec.Struct):
    id: str | None = None


class _By(msgspec.Struct):
    user: _Person | None = None


class _Actor(msgspec.Struct):
    session: _By | None = None
    api_key: _By | None = None


class _Event(msgspec.Struct):
    effective_at: int
    actor: _Actor | None = None


_DECODER = msgspec.json.Decoder(_Event)


def see(snapshot: Snapshot, events: Iterable[bytes], log_gap: Gap | None) -> Snapshot:
    """The snapshot with `last_seen_at` on every user; `events` are the newest ones as the log sent them.

    Of somebody who is not among them, only a bound is known: not since the first of them. It is Unknown, with that
    bound as what is known: older than the bound proves a long absence, newer proves nothing.
    """
    last, first = _last_seen(events)
    users = snapshot.collection("user")
    records = tuple(
        replace(record, fields={**record.fields, "last_seen_at": _of(record, last, first, log_gap)})
        for record in users.records
    )
    return replace(snapshot, collections={**snapshot.collections, "user": replace(users, records=records)})


def _last_seen(events: Iterable[bytes]) -> tuple[Mapping[str, int], int | None]:
    """User to the time of the last event, and the time of the first event of all."""
    last: dict[str, int] = {}
    first: int | None = None
    for raw in events:
        try:
            event = _DECODER.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            continue
        at = event.effective_at
        if not clock.is_time(at):
            continue
        first = at if first is None else min(first, at)
        user = _user_of(event)
        if user is not None:
            last[user] = max(last.get(user, 0), at)
    return last, first


def _user_of(event: _Event) -> str | None:
    places = (event.actor.session, event.actor.api_key) if event.actor else ()
    return next((place.user.id for place in places if place and place.user), None)


def _of(user: Record, last: Mapping[str, int], first: int | None, log_gap: Gap | None) -> object:
    if log_gap is not None:
        return Unknown((log_gap,))
    used = user.fields.get("api_key_last_used_at")
    if isinstance(used, Unknown):
        return used
    times = [each for each in (last.get(user.id), used) if isinstance(each, int)]
    if first is None:
        return Unknown(why="the audit log holds no event yet")
    if times and max(times) >= first:
        return max(times)
    added = user.fields.get("added_at")
    bound = max(first, added) if isinstance(added, int) else first
    since = clock.from_epoch(first).date().isoformat()
    return Unknown(known=(bound,), why=f"no event shows this user since {since}, and older ones were not looked at")
