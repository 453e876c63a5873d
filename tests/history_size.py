"""How much history weighs: a served organization, then weeks of simulated snapshots through the store's own code.

    python tests/history_size.py [--size medium] [--days 30] [--every 900] [--store sqlite:////tmp/history.db]

The first snapshot is read over HTTP, judged and stored as the daemon does it. Each later one is the one before with
what a day brings: keys made, renamed and deleted, people who come and go, roles and memberships; last use moves for
the keys that are in use. Policies are not judged again: what they say changes a little with every change.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from audits import auditing
from organization import NOW, served
from sqlalchemy import text

from auditor import log
from auditor.adminapi.resources import BY_NAME
from auditor.inventory.bodies import Body, split
from auditor.inventory.collect import collect
from auditor.inventory.model import Coverage, Record, Snapshot
from auditor.inventory.records import record_of
from auditor.jobs.poll import poll
from auditor.jobs.snapshot import take
from auditor.simulator.organization import Size, generate
from auditor.store import bodies, organizations, runs, versions, volatiles
from auditor.store.database import Store, open_store
from auditor.store.runs import Run

DAY = 86_400
MIB = 1 << 20

RATES: Mapping[str, tuple[float, float, float]] = {
    "project_api_key": (10, 6, 5),
    "user": (2, 1, 2),
    "project_user": (4, 2, 2),
    "group_member": (3, 2, 0),
    "user_role": (2, 1, 0),
    "service_account": (2, 1, 0),
    "invite": (2, 2, 2),
    "rate_limit": (0, 0, 2),
    "project": (0.2, 0, 0.3),
}
"""A day: how many are made, deleted and changed."""
BUSY = 0.06
"""Share of the keys that are used all day."""
USED = 0.7
"""Share of the keys that are used on a day."""


class Life:
    """An organization that goes on living after it was read."""

    def __init__(self, seen: Snapshot, contents: Mapping[bytes, bytes]) -> None:
        self._dice = random.Random(7)  # noqa: S311 - chance, no secret
        self._seen = seen
        self._contents = dict(contents)
        self.changes = 0

    def snapshots(self, days: float, every: int) -> Iterator[tuple[Snapshot, list[Body]]]:
        """Snapshots and the bodies that are new in them."""
        for number in range(1, int(days * DAY // every) + 1):
            staged: list[Body] = []
            kinds = {kind: list(each.records) for kind, each in self._seen.collections.items()}
            for kind, rates in RATES.items():
                self._live(kinds[kind], [rate * every / DAY for rate in rates], staged)
            at = NOW + number * every
            self._use(kinds, every, at)
            collections = {
                kind: replace(self._seen.collections[kind], records=tuple(found)) for kind, found in kinds.items()
            }
            self._seen = Snapshot("acme", at, collections, tuple(self._ledger(kinds)))
            yield self._seen, staged

    def _live(self, records: list[Record], rates: Sequence[float], staged: list[Body]) -> None:
        made, deleted, changed = (int(rate) + (self._dice.random() < rate % 1) for rate in rates)
        for _ in range(made if records else 0):
            like = self._dice.choice(records)
            records.append(self._again(like, (*like.ids[:-1], f"new_{self._dice.randrange(1 << 60):x}"), staged))
        for _ in range(deleted if len(records) > deleted else 0):
            del records[self._dice.randrange(len(records))]
        for _ in range(changed if records else 0):
            place = self._dice.randrange(len(records))
            records[place] = self._again(records[place], records[place].ids, staged)
        self.changes += made + deleted + changed

    def _again(self, like: Record, ids: tuple[str, ...], staged: list[Body]) -> Record:
        """`like` under `ids`, with another name."""
        kind = BY_NAME[like.kind]
        item = msgspec.json.decode(self._contents[like.digest])
        item |= {kind.identity: ids[-1], "name": f"name {self._dice.randrange(1 << 30)}"}
        body = split(kind, item)
        staged.append(body)
        self._contents[body.digest] = body.content
        record = record_of(kind, ids[:-1], item, body.digest, Counter())
        assert record
        return record

    def _use(self, kinds: Mapping[str, list[Record]], every: int, at: int) -> None:
        """Some keys and people are busy all day, most others now and then."""
        for kind, name in (("project_api_key", "last_used_at"), ("user", "api_key_last_used_at")):
            records = kinds[kind]
            for place, record in enumerate(records):
                busy = record.digest[0] < 256 * BUSY
                if busy or self._dice.random() < USED * every / DAY:
                    records[place] = replace(record, fields={**record.fields, name: at - self._dice.randrange(60)})

    def _ledger(self, kinds: Mapping[str, list[Record]]) -> Iterator[Coverage]:
        counts = Counter((kind, record.ids[:-1]) for kind, found in kinds.items() for record in found)
        for line in self._seen.coverage:
            items = counts[line.kind, line.scope] if line.kind in kinds else self._dice.randrange(9)
            yield replace(line, items=items, seconds=self._dice.random())


def kept(store: Store, first: Run, seen: Snapshot, staged: Sequence[Body], changes: int) -> None:
    """Store a snapshot as the daemon does, without judging it."""
    with store.transaction() as tx:
        bodies.stage(tx, staged, seen.taken_at)
    said = tuple(replace(line, failed=line.failed + changes // 20) for line in first.policies)
    run = replace(
        first,
        id=f"{seen.taken_at:032x}",
        started_at=seen.taken_at,
        finished_at=seen.taken_at,
        policies=said,
        coverage=seen.coverage,
    )
    with store.transaction() as tx:
        organizations.hold(tx, "acme")
        versions.record(tx, "acme", seen, runs.before(tx, "acme"))
        volatiles.record(tx, "acme", seen)
        runs.add(tx, run)


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes of a store, before and after the days."""

    before: int
    after: int
    snapshots: int
    changes: int
    days: float
    seconds: float

    @property
    def a_day(self) -> float:
        """Bytes that a day adds."""
        return (self.after - self.before) / self.days


def weigh(size: Size, days: float, every: int, url: str) -> Weight:
    """Live through the days."""
    log.configure("error")
    store = open_store(url)
    try:
        first, life = asyncio.run(_read(size, store))
        before, snapshots, started = _bytes(store), 0, time.monotonic()
        for seen, staged in life.snapshots(days, every):
            kept(store, first, seen, staged, life.changes)
            snapshots += 1
        return Weight(before, _bytes(store), snapshots, life.changes, days, time.monotonic() - started)
    finally:
        store.close()


async def _read(size: Size, store: Store) -> tuple[Run, Life]:
    contents: dict[bytes, bytes] = {}

    async def remember(found: Sequence[Body]) -> None:
        contents.update((body.digest, body.content) for body in found)

    with served(generate(7, size, NOW)) as (address, _):
        async with auditing(address, store) as audit:
            polled = await poll(audit, NOW)
            taken = await take(audit, polled, NOW)
            seen = await collect(audit.client, "acme", NOW, stage=remember)
    return taken.run, Life(replace(seen, coverage=(*seen.coverage, *polled.coverage)), contents)


def _bytes(store: Store) -> int:
    with store.transaction() as tx:
        words = "SELECT pg_database_size(current_database())"
        if tx.serial:
            words = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        return int(tx.execute(text(words)).scalar_one())


def main() -> None:
    """Print MB at the first snapshot, a day, and after the days."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", type=Size, choices=list(Size), default=Size.MEDIUM)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--every", type=int, default=900, help="seconds between snapshots")
    parser.add_argument("--store", default="", help="URL of an empty database; a file in a temporary directory")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asked.store or f"sqlite:///{Path(folder)}/auditor.db"
        weight = weigh(asked.size, asked.days, asked.every, url)
    print(  # noqa: T201
        f"{asked.size}, {asked.days:g} days, {weight.snapshots} snapshots, {weight.changes} changes:"
        f" {weight.before / MIB:.1f} MiB after the first snapshot, {weight.a_day / MIB:.2f} MiB a day,"
        f" {weight.after / MIB:.1f} MiB in all ({weight.seconds / max(weight.snapshots, 1):.2f} s a snapshot)"
    )


if __name__ == "__main__":
    main()
