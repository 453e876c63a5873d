"""A replay of very many stored events: read from SQLite, decoded, and judged by 200 rules, on one core."""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from peers.auditevents import EVERY, START, events, rules
from peers.conditions import Condition, every, leaf
from peers.rules import judges

from auditor.policy.policyset import PolicySet
from auditor.policy.replay import Replay
from auditor.store import events as table
from auditor.store import history, organizations
from auditor.store.database import Store, open_store
from auditor.store.events import StoredEvent
from auditor.store.history import Wanted
from auditor.terms import Stream

MILLION = 1_000_000
NAME = "example"


def fill(store: Store, count: int) -> None:
    """Store the events as polls do."""
    stored = list(_stored(count))
    for start in range(0, count, 10_000):
        with store.transaction() as tx:
            organizations.hold(tx, NAME)
            table.insert(tx, NAME, stored[start : start + 10_000])


def _stored(count: int) -> Iterator[StoredEvent]:
    for number, raw in enumerate(events(count)):
        kind = raw.split(b'"type":"', 1)[1].split(b'"', 1)[0].decode()
        at = START + number * EVERY
        yield StoredEvent(f"audit_log_{number:08}", kind, at, at, Stream.ORGANIZATION, raw)


def replayed(store: Store, conditions: dict[str, Condition], since: int | None = None) -> tuple[float, float, int, int]:
    """Wall and CPU seconds, events read, and matches."""
    wall, cpu = time.perf_counter(), time.process_time()
    replay = Replay(PolicySet(rules=judges(conditions)))
    with store.transaction() as tx:
        known = history.type_names(tx, NAME)
    types = replay.types(known)
    # When most types are wanted, it is faster to read all in the order in which they lie.
    few = len(types) * 2 < len(known)
    bare = tuple(kind for kind in types if few and replay.bare(kind))
    whole = tuple(kind for kind in types if kind not in bare) if few else ()
    read = 0
    for wanted, raw in ((bare, False), (whole, True)):
        if wanted or (raw and not few):
            for batch in history.scan(store, NAME, Wanted(since=since, types=wanted), raw=raw):
                read += len(batch)
                replay.feed(batch)
    matches = sum(map(len, replay.matches().values()))
    return time.perf_counter() - wall, time.process_time() - cpu, read, matches


def line(name: str, best: tuple[float, float, int, int], count: int, limit: float) -> None:
    wall, cpu, read, matches = best
    # One core is what a process gets that waits for no other. Fewer events say little: compiling takes its time once.
    words = ("met" if cpu <= limit else "MISSED") if count == MILLION else "not judged"
    print(f"{name:34}{wall:8.2f} s{cpu:8.2f} s{read:10,}{matches:10,}   at most {limit:.1f} s for a million: {words}")


def main() -> None:
    """Fill a store, replay it, and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--events", type=int, default=100_000, help="stored events (%(default)s); the target is for 1000000"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the best counts (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'auditor.db'}")
        fill(store, options.events)
        print(f"{options.events:,} stored events{'':14}{'wall':>8}{'CPU':>10}{'read':>12}{'matches':>10}")
        with store.transaction() as tx:
            seen = sorted(history.types(tx, NAME), key=lambda each: each.events)
        one = {"new-rule": every(leaf("type", "is", seen[len(seen) // 2].type), leaf("payload.role", "is", "owner"))}
        most = {"new-rule": every(leaf("type", "is", seen[-1].type), leaf("payload.role", "is", "owner"))}
        only = {"new-rule": leaf("type", "is", seen[-1].type)}
        middle = START + options.events * EVERY // 2
        for name, conditions, since, limit in (
            ("200 rules", dict(rules(200)), None, 10.0),
            ("one new rule of a usual type", one, None, 0.5),
            ("the same, the newer half", one, middle, 0.5),
            ("one of the most frequent type", most, None, 0.5),
            ("one that asks for that type alone", only, None, 0.5),
        ):
            line(name, min(replayed(store, conditions, since) for _ in range(options.rounds)), options.events, limit)
        store.close()


if __name__ == "__main__":
    main()
