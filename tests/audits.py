"""One organization under audit with real policies, a real store and a served organization; no process, no scheduler."""

import sqlite3
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from organization import KEY, NOW, served, small
from pydantic import SecretStr
from sqlalchemy import text

from auditor.adminapi.client import AdminClient
from auditor.alerts.route import Routing
from auditor.jobs.context import Audit
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import Taken, take
from auditor.policy.load import load
from auditor.routing import Match, Root, Route, RoutingConfig
from auditor.simulator import auditlog
from auditor.simulator.auditlog import Actor, Event
from auditor.simulator.model import Organization
from auditor.store import events, organizations, tally
from auditor.store.database import Store, open_store
from auditor.terms import Level

SQLITE_ONLY = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For whole passes that would say the same on PostgreSQL: other tests of the file run there, and what the store does is
tested on both by tests of its own."""

POLICIES = load(["builtin:openai"], {}, {})

SINKS = ("here", "there")
"""Everything goes `here`, what is critical goes `there`, too."""


def routed(*routes: Route, sinks: tuple[str, ...] = SINKS) -> Routing:
    """Routing by which every change is told alone and at once."""
    root = Root(group_by=("...",), group_wait="0s", group_interval="0s")
    return Routing(RoutingConfig(sinks=sinks, root=root, routes=routes))


ROUTING = routed(Route(match=Match(level=(Level.CRITICAL,)), to=("there",), **{"continue": True}), Route(to=("here",)))


QUIET = routed()
"""The same with no routes: everything goes to the sinks of the root."""


@contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """A store of its own."""
    store = open_store(f"sqlite:///{folder}/auditor.db")
    try:
        yield store
    finally:
        store.close()


@asynccontextmanager
async def auditing(
    address: str, store: Store, folder: Path = Path("reports"), zone: str = "UTC"
) -> AsyncIterator[Audit]:
    """The audit of the organization at `address`."""
    async with AdminClient(SecretStr(KEY), base_url=address, requests_per_minute=100_000) as client:
        yield Audit(
            "acme",
            client,
            store,
            POLICIES,
            routing=ROUTING,
            report_to=("here",),
            report_directory=folder,
            reports_kept=3,
            timezone=zone,
        )


async def passed(
    organization: Organization,
    store: Store,
    now: int,
    *,
    keys: Collection[str] | None = None,
    refuse: Collection[str] = (),
) -> Taken:
    """One pass: the audit log, then the picture."""
    with served(organization, keys=keys, refuse=refuse) as (address, _):
        async with auditing(address, store) as audit:
            return await take(audit, await poll(audit, now), now)


_stood: dict[str, bytes] = {}
"""SQLite databases after a first pass, by the routing that it told by."""


async def stood(store: Store, routing: Routing = ROUTING) -> None:
    """The first pass over `small()`, at NOW, for tests of what comes after it: made once, and copied into SQLite."""
    with store.transaction() as tx:
        file = tx.plain(text("PRAGMA database_list"))[0][-1] if tx.serial else ""
    if file and repr(routing) in _stood:
        with closing(sqlite3.connect(":memory:")) as kept, closing(sqlite3.connect(file)) as database:
            kept.deserialize(_stood[repr(routing)])
            kept.backup(database)
        return
    with served(small()) as (address, _):
        async with auditing(address, store) as audit:
            first = replace(audit, routing=routing)
            await take(first, await poll(first, NOW), NOW)
    if file:
        with closing(sqlite3.connect(file)) as database:
            _stood[repr(routing)] = database.serialize()


def owner(organization: Organization) -> Actor:
    """The first owner, in the dashboard."""
    return auditlog.session(organization.owners[0], "192.0.2.1")


def switch_off(organization: Organization, at: int) -> Event:
    """Somebody switches the IP allowlist off."""
    actor = owner(organization)
    payload = {"configs": [{"id": "ip_allowlist_1", "name": "office"}]}
    return organization.log.record("ip_allowlist.config.deactivated", at, actor, payload)


def bind(organization: Organization, at: int) -> Event:
    """Somebody binds a role to a resource, which only the tenant's stream shows."""
    actor = owner(organization)
    return organization.log.record("role.bound_to_resource", at, actor, {"id": "role_1", "resource_id": "res_1"})


def begin(store: Store) -> None:
    """What stands was told already."""
    with store.transaction() as tx:
        organizations.mark_baseline(tx, "acme", NOW)


def stored(store: Store) -> set[str]:
    """Ids of the events in the store."""
    with store.transaction() as tx:
        return {event.id for event in events.recent(tx, "acme", 10_000)}


def told(store: Store) -> dict[str, int]:
    """Messages that wait, by sink."""
    with store.transaction() as tx:
        return dict(tally.pending(tx))
