"""The program that is killed: it loads everything once, then forks a fresh daemon for each order on its input.

Orders and answers are lines of JSON. The daemon is the real one, with a real configuration; only time is moved for it.
"""

import asyncio
import contextlib
import gc
import importlib
import json
import os
import sqlite3
import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import Path

import crash_faults
from crash_points import Kill, Points
from crash_store import end_leases, is_busy, make_due

from auditor import clock, log
from auditor.assembly import Parts, assemble
from auditor.configfile import read
from auditor.daemon import Daemon
from auditor.store.database import Store, open_store
from auditor.web.metrics import Metrics

TICK = 0.05
"""Seconds between looks at what is due."""

_LATE = (
    "anyio._backends._asyncio",
    "apscheduler.executors.asyncio",
    "apscheduler.triggers.interval",
    "certifi",
    "httpcore",
)


GO = b'"go"\n'
"""What a child waits for between its acts."""


@dataclass(frozen=True)
class Order:
    """One life of the daemon."""

    act: int
    """1: the first picture. 2: what happened after it."""
    times: tuple[int, int]
    """Unix seconds at which the acts play."""
    fault: str = ""
    """Name of a planted fault, empty for the product as it is."""
    kill: Kill | None = None


def main() -> None:
    """Fork a daemon for each order until the input ends, and say how it ended."""
    path = Path(sys.argv[1])
    log.configure("error")
    parts = assemble(read(path))
    _warm(path.parent / "warm.db")
    gc.freeze()  # a collection in the child would copy every page of what was loaded
    while line := _line():
        if line == GO:  # for a child that died before it could read it
            continue
        order = json.loads(line)
        kill = Kill(**order.pop("kill")) if order.get("kill") else None
        child = os.fork()
        if child == 0:
            _live(parts, path, replace(Order(**order), kill=kill))
        say({"pid": child})
        _, status = os.waitpid(child, 0)
        say({"ended": os.waitstatus_to_exitcode(status)})


def _warm(scratch: Path) -> None:
    """Load what is loaded at first use, once for all children."""
    for name in _LATE:
        importlib.import_module(name)
    open_store(f"sqlite:///{scratch}").close()
    scratch.unlink()


def say(answer: object) -> None:
    """One answer, whole: parent and child write to the same pipe."""
    os.write(1, json.dumps(answer).encode() + b"\n")


def _line() -> bytes:
    """One line; not a byte more, for the rest may be meant for the child."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return b""
        line += byte
    return line


def _live(parts: Parts, path: Path, order: Order) -> None:
    status = 1
    try:
        points = Points(order.kill, path.parent)
        points.watch()
        store = crash_faults.store(order.fault, open_store(parts.loaded.config.store))
        sinks = points.around(crash_faults.sinks(order.fault, parts.sinks, path.parent / "auditor.db"))
        asyncio.run(_play(replace(parts, sinks=sinks), store, order, path.parent / "auditor.db"))
        store.close()
        say({"passed": points.passed})
        status = 0
    except BaseException:  # noqa: BLE001 - what is left to do here is to say so and go
        traceback.print_exc()
    finally:
        os._exit(status)


async def _play(parts: Parts, store: Store, order: Order, database: Path) -> None:
    act = order.act
    metrics = Metrics(store, list(parts.loaded.config.organizations), lambda: order.times[act - 1])
    daemon = Daemon(parts, store, metrics, now=lambda: clock.from_epoch(order.times[act - 1]), tick=TICK)
    stop = asyncio.Event()
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as watching:
        end_leases(watching)
        if act == 2:
            make_due(watching)
        running = asyncio.create_task(daemon.run(stop))
        await _quiet(watching, running)
        if act == 1:
            say("quiet")
            # In one piece: a kill between two bytes would leave the parent half a line.
            await asyncio.to_thread(os.read, 0, len(GO))
            act = 2
            make_due(watching)
            await _quiet(watching, running)
        stop.set()
        await running


async def _quiet(watching: sqlite3.Connection, running: "asyncio.Task[None]") -> None:
    while not running.done():
        if not is_busy(watching):
            return
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    main()
