"""Reading from the history what changed between two times, with the audit events that explain it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from auditor.adminapi import announcements
from auditor.inventory import changes
from auditor.inventory.changes import Change, Events, Explained, What, differences
from auditor.inventory.events import record_of
from auditor.inventory.model import Scope
from auditor.inventory.records import lookup
from auditor.store import bodies, history, versions, watermarks
from auditor.store.database import Store, Transaction
from auditor.store.history import Wanted
from auditor.store.versions import Came, Version
from auditor.terms import Status, Stream

_NAMES = ("name", "email", "group_name", "model")
_WHAT = {Came.ADDED: What.ADDED, Came.VISIBLE: What.VISIBLE, Came.CHANGED: What.CHANGED}


def between(store: Store, organization: str, since: int, until: int, kinds: Collection[str]) -> list[Explained]:
    """Every change that a snapshot after `since` saw, up to and with `until` (Unix seconds), oldest first.

    What the first snapshot of all saw is no change. Raises StoreError.
    """
    with store.transaction() as tx:
        found = seen(tx, organization, since, until, kinds)
        up_to = read_to(tx, organization)
        wanted = explaining(tx, organization, found, kinds)
    told = history.walk(store, organization, wanted) if wanted else ()
    events = Events(record_of(event.raw) for event in told)
    return [changes.explain(change, events, up_to) for change in found]


def seen(tx: Transaction, organization: str, since: int, until: int, kinds: Collection[str]) -> list[Change]:
    """Every change that a snapshot after `since` saw, up to and with `until`, oldest first; not the first snapshot."""
    began = versions.began_at(tx, organization)
    touched = versions.touched(tx, organization, since, until, kinds)
    contents = bodies.contents(tx, {each.body for each in touched})
    decoded = {digest: msgspec.json.decode(content) for digest, content in contents.items()}
    found = [
        change
        for some in _by_resource(touched).values()
        for change in _of_resource(some, decoded, since, until)
        if not (change.what is What.VISIBLE and change.at == began)
    ]
    return sorted(found, key=lambda change: (change.at, change.kind, change.ids))


def read_to(tx: Transaction, organization: str) -> int | None:
    """Up to when (Unix seconds) the audit log was read whole."""
    mark = watermarks.read(tx, organization, Stream.ORGANIZATION)
    if mark is None:
        return None
    return mark.polled_at if mark.status is Status.COMPLETE else mark.at


def _by_resource(touched: Sequence[Version]) -> Mapping[tuple[str, Scope], list[Version]]:
    found: dict[tuple[str, Scope], list[Version]] = {}
    for version in touched:
        found.setdefault((version.kind, version.ids), []).append(version)
    return found


def _of_resource(
    rows: Sequence[Version], decoded: Mapping[bytes, Mapping[str, Any]], since: int, until: int
) -> list[Change]:
    """The changes of one resource, whose versions come in order."""
    found: list[Change] = []
    ended = {row.valid_to: row for row in rows}
    replaced = {row.valid_from for row in rows if row.came is Came.CHANGED}
    for row in rows:
        if since < row.valid_from <= until:
            before = ended.get(row.valid_from) if row.came is Came.CHANGED else None
            found.append(_begun(row, before, decoded))
        if row.valid_to is not None and since < row.valid_to <= until and row.valid_to not in replaced:
            body = decoded[row.body]
            found.append(
                Change(
                    *(What.REMOVED, row.kind, row.ids, _name(body, row.ids), row.valid_to, row.seen_to),
                    through=_through(body),
                )
            )
    undone = len(found) > 1 and _valid(rows, since) == _valid(rows, until)
    return [replace(each, undone=undone) for each in found]


def _valid(rows: Sequence[Version], at: int) -> bytes | None:
    """Digest of the body that was valid at a time."""
    valid = (row.body for row in rows if row.valid_from <= at and (row.valid_to is None or row.valid_to > at))
    return next(valid, None)


def _begun(row: Version, before: Version | None, decoded: Mapping[bytes, Mapping[str, Any]]) -> Change:
    body = decoded[row.body]
    old = decoded[before.body] if before else {}
    return Change(
        *(_WHAT[row.came], row.kind, row.ids, _name(body, row.ids), row.valid_from, row.after),
        fields=tuple(differences(old, body)) if before else (),
        through=(*_through(old), *_through(body)),
    )


def _through(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Ids of the groups that an assigned role comes from."""
    found = lookup(body, "assignment_sources.principal_id")
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def _name(body: Mapping[str, Any], ids: Scope) -> str:
    return next((value for name in _NAMES if isinstance(value := body.get(name), str) and value), ids[-1])


def explaining(tx: Transaction, organization: str, found: Sequence[Change], kinds: Collection[str]) -> Wanted | None:
    """The events that may explain the changes: of their families, of their time. None where there can be none."""
    dated = [change.after for change in found if change.after is not None]
    families = announcements.families_of(kinds)
    types = tuple(each.type for each in history.types(tx, organization) if announcements.is_of(each.type, families))
    if not dated or not types:
        return None
    last = max(change.at for change in found) + changes.LATE
    return Wanted(since=min(dated) - changes.SKEW, before=last + 1, types=types)
