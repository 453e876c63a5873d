"""Every fault against every endpoint: the walk ends, nothing crashes, what was not seen is a gap, nothing resolves.

`make test` runs every fault on two endpoints, beside the audit log in a file of its own, and three faults on every
endpoint; `make prove` runs all.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import pytest
from figures import Figure
from folding import proven
from mishaps import MISHAPS
from organization import KEY, NOW, served
from pydantic import SecretStr
from starlette.applications import Starlette
from wide import SIX, wide

from auditor.adminapi.client import AdminClient, Patience
from auditor.adminapi.fields import Type
from auditor.adminapi.resources import BY_NAME, RESOURCES
from auditor.adminapi.resourcetypes import Paging, ResourceType
from auditor.findings.model import Finding
from auditor.findings.reconcile import reconcile
from auditor.inventory.collect import collect
from auditor.inventory.model import Record, Snapshot, Unknown
from auditor.inventory.relations import join
from auditor.inventory.schema import ancestors, fields_of
from auditor.inventory.settings import fold
from auditor.policy.evaluate import evaluate
from auditor.policy.load import load
from auditor.simulator.faults.choice import Faults

PROVE = os.environ.get("AUDITOR_PROVE") == "1"
HURRY = Patience(
    attempts=2, first_wait=0.001, longest_wait=0.002, jitter=0, total=5, connect=1, silence=0.15, whole=0.3, pause=0.002
)
BOUND = 10.0
"""Seconds for one case, even where each of a dozen walks waits for an answer that never comes."""
PAGE = 2
KINDS: Mapping[str, ResourceType] = {kind.name: replace(kind, limit=PAGE if kind.limit else None) for kind in RESOURCES}
POLICIES = load(["builtin:openai"], {}, {})

_SAMPLE_KINDS = ("role", "data_retention")
_SAMPLE_MISHAPS = ("403 on page 2", "body truncated", "page ends after a full page")


def cases() -> Iterator[tuple[str, str]]:
    """Fault and kind: all that fit together, or the sample of them."""
    for name, kind in product(MISHAPS, KINDS):
        fits = KINDS[kind].paging in MISHAPS[name].where and not MISHAPS[name].events
        if fits and (PROVE or kind in _SAMPLE_KINDS or name in _SAMPLE_MISHAPS):
            yield name, kind


CASES = tuple(cases())


@dataclass(frozen=True)
class World:
    """A served organization, the whole truth about it, and the findings that stand."""

    address: str
    faults: Faults
    truth: Snapshot
    active: Mapping[str, Finding]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Starlette]]:
    with served(wide()) as (address, app):
        yield address, app


@pytest.fixture(scope="module")
def world(server: tuple[str, Starlette]) -> World:
    address, app = server
    truth = asyncio.run(read(address, tuple(KINDS.values())))
    assert not truth.gaps
    results = evaluate(POLICIES, picture(truth), NOW)
    changed = reconcile("acme", {}, results, picture(truth), POLICIES.by_name, NOW, {})
    return World(address, app.state.faults, truth, {finding.id: finding for finding in changed.findings})


async def read(address: str, kinds: tuple[ResourceType, ...]) -> Snapshot:
    async with AdminClient(
        SecretStr(KEY), base_url=address, patience=HURRY, max_body=1_000_000, requests_per_minute=10_000_000
    ) as client:
        return await collect(client, "acme", NOW, kinds=kinds)


def picture(snapshot: Snapshot) -> Snapshot:
    return fold(join(snapshot), [], proven(until=NOW))


def family(kind: str) -> tuple[ResourceType, ...]:
    """The kind, all above and all below it."""
    return tuple(each for name, each in KINDS.items() if kind in (name, *ancestors(name)) or name in ancestors(kind))


def test_the_truth_has_three_pages_of_every_list(world: World) -> None:
    longest = {line.kind: 0 for line in world.truth.coverage}
    for line in world.truth.coverage:
        longest[line.kind] = max(longest[line.kind], line.items)
    assert longest == {name: 1 if kind.paging is Paging.SINGLE else SIX for name, kind in KINDS.items()}
    assert world.active


@pytest.mark.parametrize(("name", "kind"), CASES)
async def test_what_a_fault_hides_is_a_gap_and_resolves_nothing(world: World, name: str, kind: str) -> None:
    mishap = MISHAPS[name]
    world.faults.rules(mishap.rule(kind))
    started = time.monotonic()
    try:
        seen = await read(world.address, family(kind))
        struck = world.faults.struck
    finally:
        world.faults.rules()
    assert time.monotonic() - started < BOUND
    assert struck[0] > 0, "the fault did not strike"

    unsaid = list(differences(world.truth, seen))
    if KINDS[kind].paging in mishap.unseen:
        assert unsaid, f"this is seen now, and no exception any more: {mishap.why}"
        return
    assert not unsaid
    for collection in seen.collections.values():
        assert all(gap.reason and gap.status.value != "complete" for gap in collection.gaps)
    assert not resolved(world, seen)


def differences(truth: Snapshot, seen: Snapshot) -> Iterator[str]:
    """What is not as it is in truth, and not behind a gap."""
    walked = {(line.kind, line.scope) for line in truth.coverage}
    for kind, collection in seen.collections.items():
        shown = {record.ids: record for record in collection.records}
        true = {record.ids: record for record in truth.collection(kind).records}
        # What is below an archived project is not read, unless the status of the project could not be seen.
        made_up = (ids for ids in shown.keys() - true.keys() if (kind, ids[:-1]) in walked)
        yield from (f"{kind} {ids} is made up" for ids in made_up if not collection.hides(ids))
        for ids, record in true.items():
            if collection.hides(ids):
                continue
            if ids not in shown:
                yield f"{kind} {ids} is missing"
            elif not agrees(record, shown[ids]):
                yield f"{kind} {ids} is another"


def agrees(true: Record, shown: Record) -> bool:
    """Whether all that is claimed to be known is true. A field that is documented as anything can be anything."""
    names = {
        name for name in true.fields.keys() | shown.fields.keys() if fields_of(true.kind)[name].type is not Type.ANY
    }
    return all(
        isinstance(shown.fields.get(name), Unknown) or shown.fields.get(name) == true.fields.get(name) for name in names
    )


def resolved(world: World, seen: Snapshot) -> list[str]:
    """Findings that two such pictures in a row would end."""
    collections = {**world.truth.collections, **seen.collections}
    active = dict(world.active)
    ended = []
    for later in (900, 1800):
        shown = picture(Snapshot("acme", NOW + later, collections))
        results = evaluate(POLICIES, shown, NOW)
        changed = reconcile("acme", active, results, shown, POLICIES.by_name, NOW + later, active)
        ended += [f"{each.finding.policy} {each.finding.ids}" for each in changed.transitions
                  if not each.finding.state.active]  # fmt: skip
        active |= {finding.id: finding for finding in changed.findings if finding.state.active}
    return ended


def test_every_endpoint_meets_faults_and_the_count_is_told(figure: Figure) -> None:
    faults = {name for name, _ in CASES}
    kinds = {kind for _, kind in CASES}
    exceptions = [case for case in CASES if KINDS[case[1]].paging in MISHAPS[case[0]].unseen]
    figure(f"{len(faults)} faults x {len(kinds)} endpoints: {len(CASES):,} cases, {len(exceptions)} exceptions")
    assert len(kinds) == len(BY_NAME)
