"""Reading a large organization (20,000 users, 2,000 projects, 50,000 keys): our client beside the vendor's package.

Simulator, our client and the package are processes of their own. Both clients ask for the same lists, with the same
concurrency and the same rate limit, keep what they read, and must have seen the same resources. Linux only.
"""

import argparse
import asyncio
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from commands import KEY, environment, simulating
from pydantic import SecretStr
from sdk import paths, pattern, required

from auditor import clock
from auditor.adminapi.budget import Budget
from auditor.adminapi.client import AdminClient
from auditor.adminapi.resources import RESOURCES
from auditor.adminapi.resourcetypes import Paging, ResourceType, Tier
from auditor.inventory.collect import WORKERS, collect
from auditor.inventory.derived import derive
from auditor.inventory.model import Scope
from auditor.inventory.registers import register
from auditor.inventory.relations import join
from auditor.inventory.schema import ancestors
from auditor.jobs.staging import Staging
from auditor.registers.table import NONE
from auditor.store.database import open_store

CONCURRENCY = 8
MIB = 1 << 20


@dataclass(frozen=True)
class Result:
    """What one client needed. Times in seconds, sizes in bytes."""

    requests: int
    retries: int
    items: int
    wall: float
    cpu: float
    """Of the client's process while it collected, user and system."""
    peak: int
    """Resident memory of the client's process, at most, from its start to its end."""
    idle: int
    """The same before the first request: interpreter and imports."""
    seen: str
    """Digest of the kinds and ids of all resources."""
    more: Mapping[str, float] = field(default_factory=dict)
    """What only this client does."""

    @property
    def busy(self) -> float:
        """CPU as a share of the wall time."""
        return self.cpu / self.wall


class First:
    """Stands for the ids of all projects but the first `count`, in the place of a value that parents are skipped by."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._chosen: set[object] = set()

    def __eq__(self, id_: object) -> bool:
        if len(self._chosen) < self._count:
            self._chosen.add(id_)
        return id_ not in self._chosen

    __hash__ = None  # type: ignore[assignment]


def kinds_of(projects: int | None) -> Sequence[ResourceType]:
    """All kinds, or without the role assignments and for so many projects only."""
    if projects is None:
        return RESOURCES
    first = First(projects)
    return [
        replace(kind, skip_parents={**kind.skip_parents, "id": first}) if kind.parent == "project" else kind
        for kind in RESOURCES
        if kind.tier is Tier.LIST
    ]


async def with_ours(address: str, per_minute: int, kinds: Sequence[ResourceType]) -> Result:
    """The organization through `collect`."""
    statuses: list[int | None] = []
    now = clock.epoch(clock.now())
    # As the daemon does: what history keeps of each item goes to the store page by page.
    folder = tempfile.TemporaryDirectory()
    store = open_store(f"sqlite:///{folder.name}/auditor.db")
    staging = Staging(store, now)
    idle = resident()
    async with AdminClient(
        SecretStr(KEY),
        base_url=address,
        requests_per_minute=per_minute,
        concurrency=CONCURRENCY,
        on_response=statuses.append,
    ) as client:
        started, used = time.perf_counter(), time.process_time()
        snapshot = await collect(client, "acme", now, kinds=kinds, stage=staging.add)
        await staging.finish()
        wall, cpu = time.perf_counter() - started, time.process_time() - used
    if snapshot.gaps:
        raise SystemExit(f"not read whole: {snapshot.gaps[0]}")
    peak = resident()
    used = time.process_time()
    joined = register(derive(join(snapshot)), NONE)
    joining = time.process_time() - used
    after = resident()
    store.close()
    folder.cleanup()
    records = [(record.kind, *record.ids) for part in joined.collections.values() for record in part.records]
    calls = sum(line.pages for line in snapshot.coverage)
    return Result(
        len(statuses),
        sum(status in {None, 408, 409, 429} or (status or 0) >= 500 for status in statuses),
        len(records),
        wall,
        cpu,
        peak,
        idle,
        digest(records),
        {
            "CPU seconds of joining": joining,
            "peak MiB after joining": after / MIB,
            "calls that prove an end": len(statuses) - calls,
        },
    )


async def with_package(address: str, per_minute: int, kinds: Sequence[ResourceType]) -> Result:
    """The same lists through the typed methods of the vendor's package, walked by its own paging."""
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    budget, requests, retries = Budget(per_minute), 0, 0

    async def asked(request: httpx2.Request) -> None:
        nonlocal requests, retries
        await budget.take()
        requests += 1
        retries += request.headers.get("x-stainless-retry-count", "0") != "0"

    idle = resident()
    http = DefaultAsyncHttpxClient(
        event_hooks={"request": [asked]},
        limits=httpx2.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY),
    )
    async with AsyncOpenAI(admin_api_key=KEY, base_url=address, http_client=http) as client:
        started, used = time.perf_counter(), time.process_time()
        read = await walk_all(Package(client.admin.organization), kinds)
        wall, cpu = time.perf_counter() - started, time.process_time() - used
    peak = resident()
    return Result(requests, retries, len(read), wall, cpu, peak, idle, digest(read))


class Package:
    """The reads of the package by our names of the kinds."""

    def __init__(self, organization: Any) -> None:
        named = {path: name for name, path in paths()[0].items()}
        self._methods = {kind.name: attrgetter(named[pattern(kind.path)])(organization) for kind in RESOURCES}

    async def items(self, kind: ResourceType, scope: Scope) -> AsyncIterator[Any]:
        """Every item of a list, or the one object."""
        from openai import NotFoundError

        method = self._methods[kind.name]
        parents = dict(zip(re.findall(r"\{(\w+)\}", kind.path), scope, strict=True))
        ids = {name: self._id(name.removesuffix("_id"), parents) for name in required(method)}
        limit = {"limit": str(kind.limit)} if kind.limit else {}
        if kind.paging is not Paging.SINGLE:
            async for item in method(**ids, extra_query=dict(kind.params) | limit):
                yield item
            return
        try:
            yield await method(**ids)
        except NotFoundError:
            if not kind.unset_on_404:
                raise

    def _id(self, name: str, parents: Mapping[str, str]) -> str:
        return next(id_ for parent, id_ in parents.items() if parent == name or parent.endswith(f"_{name}"))


async def walk_all(package: Package, kinds: Sequence[ResourceType]) -> Mapping[tuple[str, ...], Any]:
    """Every object of the package by kind and ids; parents before their children, WORKERS walks at once."""
    read: dict[tuple[str, ...], Any] = {}
    for depth in sorted({len(ancestors(kind.name)) for kind in kinds}):
        generation = [kind for kind in kinds if len(ancestors(kind.name)) == depth]
        waiting = iter([(kind, scope) for kind in generation for scope in scopes(kind, read)])
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work(package, waiting, read))
    return read


async def work(
    package: Package, waiting: Iterator[tuple[ResourceType, Scope]], read: dict[tuple[str, ...], Any]
) -> None:
    """Walk what waits."""
    for kind, scope in waiting:
        async for item in package.items(kind, scope):
            own = kind.name if kind.paging is Paging.SINGLE else getattr(item, kind.identity)
            read[(kind.name, *scope, own)] = item


def scopes(kind: ResourceType, read: Mapping[tuple[str, ...], Any]) -> list[Scope]:
    """The parents to walk `kind` for, as `collect` chooses them."""
    if kind.parent is None:
        return [()]
    parents = [(key[1:], item) for key, item in read.items() if key[0] == kind.parent]
    return [
        ids
        for ids, item in parents
        if not any(getattr(item, name, None) == value for name, value in kind.skip_parents.items())
    ]


def digest(identities: Iterable[tuple[str, ...]]) -> str:
    """The same for the same identities in any order."""
    return hashlib.sha256(json.dumps(sorted(identities)).encode()).hexdigest()


def resident() -> int:
    """Bytes of resident memory that this process has had at most."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


CLIENTS: Mapping[str, Callable[[str, int, Sequence[ResourceType]], Any]] = {
    "auditor": with_ours,
    "openai": with_package,
}


def in_a_process(client: str, address: str, options: argparse.Namespace) -> Result:
    """Run one client in a process of its own."""
    given = ["--rate", str(options.rate), "--projects", str(options.projects), *(["--whole"] if options.whole else [])]
    done = subprocess.run(
        [sys.executable, __file__, *given, "--client", client, "--address", address],
        env={**environment(), "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Result(**json.loads(done.stdout))


def main() -> None:
    """Run both clients and print what they needed."""
    options = arguments()
    if options.client:
        kinds = kinds_of(None if options.whole else options.projects)
        result = asyncio.run(CLIENTS[options.client](options.address, options.rate * 60, kinds))
        print(json.dumps(asdict(result)))
        return
    part = "the whole of it" if options.whole else f"flat lists, and {options.projects} projects without roles"
    print(f"collection: a large organization, {part}, {options.rate} requests a second")
    started = time.perf_counter()
    with simulating("--size", "large") as address:
        print(f"  the simulator took {time.perf_counter() - started:.1f} s to start")
        results = {name: in_a_process(name, address, options) for name in options.only or CLIENTS}
    tell(results)


def tell(results: Mapping[str, Result]) -> None:
    """Print the table, and the ratios if both clients saw the same."""
    columns = ("requests", "retries", "items", "wall s", "CPU s", "CPU/wall", "peak MiB", "at start MiB")
    print("  " + " " * 10 + "".join(f"{name:>14}" for name in columns))
    for name, result in results.items():
        counts = f"{result.requests:14,}{result.retries:14,}{result.items:14,}{result.wall:14.1f}{result.cpu:14.2f}"
        memory = f"{result.peak / MIB:14.0f}{result.idle / MIB:14.0f}"
        print(f"  {name:10}{counts}{result.busy:14.1%}{memory}")
        for what, value in result.more.items():
            print(f"  {'':10}{what}: {value:.4g}")
    if len(results) < 2:
        return
    ours, theirs = results["auditor"], results["openai"]
    if ours.seen != theirs.seen:
        raise SystemExit("the two clients did not see the same resources: nothing is compared")
    print(f"  both saw the same {ours.items:,} resources; of what the openai package needs, the auditor needs")
    print(f"  {ours.cpu / theirs.cpu:.2f} of the CPU, {ours.peak / theirs.peak:.2f} of the memory, "
          f"{ours.requests / theirs.requests:.2f} of the requests")  # fmt: skip


def arguments() -> argparse.Namespace:
    """The command line; `--client` and `--address` are for the processes that this one starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=50, help="requests a second")
    parser.add_argument("--projects", type=int, default=200, help="how many projects are looked into")
    parser.add_argument("--whole", action="store_true", help="all projects and all role assignments")
    parser.add_argument("--only", nargs=1, choices=CLIENTS, help="one client only")
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
