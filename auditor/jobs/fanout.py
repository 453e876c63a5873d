"""The roles of principals that need not be read in this snapshot: they come from the history, with their time.

A principal is read when it was never read, when its time has come, when its last reading had a gap or showed
something new, and when an audit event since then names it, its group or one of its roles.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from auditor.adminapi import announcements
from auditor.adminapi.resourcetypes import ResourceType
from auditor.inventory.bodies import joined
from auditor.inventory.changes import SKEW, named
from auditor.inventory.collect import Walk
from auditor.inventory.events import record_of as event_of
from auditor.inventory.model import Record, Scope
from auditor.inventory.records import record_of
from auditor.inventory.tiers import is_due
from auditor.jobs.context import Audit
from auditor.store import events, history, ledger, readings, versions
from auditor.store.database import Transaction
from auditor.store.history import Wanted
from auditor.terms import Status

K = TypeVar("K")


@dataclass
class _News:
    """What audit events named, and when the newest of those happened (Unix seconds)."""

    principals: dict[str, int] = field(default_factory=dict)
    """Users and groups, by id."""
    roles: dict[str, int] = field(default_factory=dict)
    projects: dict[str, int] = field(default_factory=dict)
    """Projects in which somebody was changed; the event may not say who."""


class FanOut:
    """What one snapshot takes over from those before."""

    def __init__(self, audit: Audit, now: int) -> None:
        self._audit = audit
        self._now = now
        self._news: _News | None = None

    async def carry(self, kind: ResourceType, scopes: Sequence[Scope]) -> Mapping[Scope, Walk]:
        """Those of `scopes` that need not be read, with what is known of them. Raises StoreError."""
        return await asyncio.to_thread(self._carry, kind, scopes)

    def _carry(self, kind: ResourceType, scopes: Sequence[Scope]) -> Mapping[Scope, Walk]:
        organization = self._audit.organization
        if self._news is None:
            self._news = self._read_news()
        with self._audit.store.transaction() as tx:
            known = readings.known(tx, organization, kind.name)
            standing = ledger.standing(tx, organization, kind.name)
            named_at = self._named(tx, kind.name, known)
            rest = {
                scope: known[scope]
                for scope in scopes
                if scope in standing
                and standing[scope].line.status is Status.COMPLETE
                and not is_due(known.get(scope), named_at.get(scope), self._now, self._audit.role_assignments)
            }
            stored = versions.current_bodies(tx, organization, kind.name, rest)
        return {
            scope: Walk(
                tuple(_record(kind, scope, *each) for each in stored[scope]),
                replace(standing[scope].line, read_at=reading.read_at),
            )
            for scope, reading in rest.items()
        }

    def _named(self, tx: Transaction, kind: str, known: Iterable[Scope]) -> dict[Scope, int]:
        """When the newest event happened that may have changed a scope."""
        news = self._news or _News()
        found: dict[Scope, int] = {}
        for scope in known:
            times = [news.principals.get(scope[-1]), news.projects.get(scope[0]) if len(scope) > 1 else None]
            _newest(found, scope, *times)
        if news.roles:
            for ids in versions.current(tx, self._audit.organization, kind):
                _newest(found, ids[:-1], news.roles.get(ids[-1]))
        return found

    def _read_news(self) -> _News:
        """What happened since the oldest reading that still counts."""
        store, organization = self._audit.store, self._audit.organization
        kinds = readings.KINDS
        families = {family for kind in kinds for family in announcements.of_kind(kind).all}
        with store.transaction() as tx:
            read_at = [each.read_at for kind in kinds for each in readings.known(tx, organization, kind).values()]
            seen = events.counts(tx, organization, min(read_at) - SKEW) if read_at else {}
            members = list(versions.current(tx, organization, "group_member"))
        types = [kind for kind in seen if announcements.is_of(kind, families)]
        news = _News()
        if types:
            # An event from the future would name its principal in every snapshot until then.
            wanted = Wanted(since=min(read_at) - SKEW, before=self._now + SKEW, types=tuple(types))
            for each in history.walk(store, organization, wanted):
                _note(news, event_of(each.raw), each.effective_at)
        for group, user in members:
            # Whoever is in a group has its roles.
            _newest(news.principals, user, news.principals.get(group))
        return news


def _note(news: _News, event: Record, at: int) -> None:
    kind = str(event.fields.get("type"))
    about_roles = any(announcements.is_of(kind, announcements.of_kind(each).families) for each in readings.KINDS)
    for name in named(event):
        _newest(news.roles if about_roles else news.principals, name, at)
        if kind.startswith("user."):
            _newest(news.projects, name, at)


def _newest(times: dict[K, int], key: K, *found: int | None) -> None:
    for at in found:
        if at is not None:
            times[key] = max(at, times.get(key, at))


def _record(kind: ResourceType, scope: Scope, own: str, digest: bytes, content: bytes) -> Record:
    record = record_of(kind, scope, joined(kind, content, {}), digest, Counter())
    return record or Record(kind.name, (*scope, own), {}, digest=digest)
