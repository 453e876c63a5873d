"""Every fault against both streams of the audit log: no event is lost unsaid, and the next poll makes good."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from figures import Figure
from mishaps import MISHAPS
from organization import KEY, NOW, served
from pydantic import SecretStr
from wide import wide

from auditor.adminapi.client import AdminClient, Patience
from auditor.adminapi.resourcetypes import Paging
from auditor.inventory.schema import EVENT_KIND
from auditor.jobs.context import Audit
from auditor.jobs.poll import Polled, poll
from auditor.policy.load import load
from auditor.simulator.faults.choice import Faults
from auditor.simulator.model import Organization
from auditor.store import events, watermarks
from auditor.store.database import Store, open_store
from auditor.terms import Status, Stream

PROVE = os.environ.get("AUDITOR_PROVE") == "1"
HURRY = Patience(
    attempts=2, first_wait=0.001, longest_wait=0.002, jitter=0, total=5, connect=1, silence=0.15, whole=0.3, pause=0.002
)
BOUND = 10.0
PAGES_OF = 4
"""The server gives no larger page, so that a dozen events are three pages."""
POLICIES = load(["builtin:openai"], {}, {})
MIDDLES = ("403 on page 2", "reset in the body on page 2", "body truncated on page 2")
LATER = 120
"""Seconds until the next poll."""

CASES = tuple(
    name
    for name, mishap in MISHAPS.items()
    if Paging.LAST_ID in mishap.where and (PROVE or name in MIDDLES or not name.endswith("on page 2"))
)
EXCEPTIONS = {"page ends after page 1": "a first page that is shorter than what was asked for is not full"}
"""Beside those that MISHAPS names."""


@dataclass(frozen=True)
class World:
    """A served organization with a dozen events in each stream, and a store."""

    address: str
    faults: Faults
    organization: Organization
    store: Store

    @property
    def truth(self) -> dict[Stream, set[str]]:
        """Ids by stream."""
        log = self.organization.log.events
        return {stream: {each.id for each in log if each.tenant is (stream is Stream.TENANT)} for stream in Stream}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("store")
    store = open_store(f"sqlite:///{folder}/auditor.db")
    organization = wide()
    with served(organization) as (address, app):
        yield World(address, app.state.faults, organization, store)
    store.close()


async def polled(world: World, name: str, now: int) -> Polled:
    async with AdminClient(
        SecretStr(KEY), base_url=world.address, patience=HURRY, max_body=1_000_000, requests_per_minute=10_000_000
    ) as client:
        return await poll(Audit(name, client, world.store, POLICIES), now)


def stored(world: World, name: str) -> set[str]:
    with world.store.transaction() as tx:
        return {event.id for event in events.recent(tx, name, 1000)}


def mark(world: World, name: str, stream: Stream) -> watermarks.Watermark:
    with world.store.transaction() as tx:
        found = watermarks.read(tx, name, stream)
    assert found
    return found


@pytest.mark.parametrize("name", CASES)
async def test_what_a_fault_hides_is_a_gap_and_is_read_by_the_next_poll(world: World, name: str) -> None:
    mishap = MISHAPS[name]
    world.faults.rules(mishap.rule(EVENT_KIND), largest_page=PAGES_OF)
    started = time.monotonic()
    try:
        first = await polled(world, name, NOW)
        assert world.faults.struck[0] > 0, "the fault did not strike"
    finally:
        world.faults.rules(largest_page=PAGES_OF)
    assert time.monotonic() - started < BOUND

    found, unsaid = stored(world, name), []
    for line in first.coverage:
        stream = Stream(line.scope[0])
        assert (line.gap is None) is (line.status is Status.COMPLETE)
        assert mark(world, name, stream).status is line.status
        if line.gap:
            assert line.gap.reason
        else:
            unsaid += sorted(world.truth[stream] - found)
    exception = EXCEPTIONS.get(name) or (mishap.why if Paging.LAST_ID in mishap.unseen else "")
    if exception and "made up" not in exception:
        assert unsaid, f"this is seen now, and no exception any more: {exception}"
    else:
        assert not unsaid

    again = await polled(world, name, NOW + LATER)
    everything = set.union(*world.truth.values())
    assert everything <= stored(world, name), "the overlap makes good what was not seen"
    assert not again.gaps
    assert {mark(world, name, stream).status for stream in Stream} == {Status.COMPLETE}
    assert (await polled(world, name, NOW + LATER)).new == 0


def test_the_count_is_told(figure: Figure) -> None:
    figure(f"{len(CASES)} faults x {len(Stream)} streams of the audit log")
    assert len(CASES) > 80
