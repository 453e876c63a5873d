"""Kills `auditor run`, started as a user starts it, at a system call that strace counts, and starts it again.

The Nth call of a name dies before it is made; strace counts the calls of each thread by themselves.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from crash_stage import SCENARIO, Left, Stage, environment, world
from crash_store import end_leases, is_busy, make_due, owe

from auditor.simulator.scenario import apply
from auditor.store.database import open_store

AGO = 600
"""Seconds for which the organization stands when the daemon first looks."""
PATIENCE = 120.0
"""Seconds after which a life that does not become quiet counts as stuck."""


class Act(StrEnum):
    """What happens in a life."""

    EMPTY = "empty"
    """An empty folder: the store is made, a first picture taken, the baseline told."""
    FIRST = "first"
    """The same, with a store that is made: the many writes of making one hide those of other threads."""
    NEXT = "next"
    """A takeover lies behind the first picture, and all work is due."""
    OWED = "owed"
    """All that there was to tell was queued, and nothing of it is sent."""


_FILES = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "write", "rename")
_ALL = (*_FILES, "connect", "sendto", "recvfrom")
CALLS = {
    Act.EMPTY: _FILES,
    Act.FIRST: _ALL,
    Act.NEXT: _ALL,
    Act.OWED: ("connect", "getsockopt", "getpeername", "epoll_ctl", "poll"),
}
"""Writes and syncs of the store, of its journal and of reports; sends to and receives from the API.

A message to Slack is sent in a thread of its own, whose few sends and receives hide behind those of older threads. Of
the calls that are around them, in the last act, others make none, or HIDDEN of them.
"""
HIDDEN = {(Act.OWED, "epoll_ctl"): 4}


@dataclass(frozen=True)
class Call:
    """The `number`th call of a name within one thread, from 1."""

    act: Act
    name: str
    number: int


def why_not() -> str:
    """What keeps strace from working here, empty when it does."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-o", os.devnull, "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.decode().strip()[:200]}"


class Traced(Stage):
    """One organization, one workspace, and a daemon under strace between them."""

    def __init__(self, folder: Path) -> None:
        self._world = self._later = world(int(time.time()) - AGO)
        self._begins = {act: folder / f"before-{act}" for act in (Act.FIRST, Act.NEXT, Act.OWED)}
        self._said, self._calls = folder / "log", folder / "calls"
        super().__init__(folder, self._world)

    def __enter__(self) -> Self:
        super().__enter__()
        open_store(f"sqlite:///{self.database}").close()
        self.keep(self._begins[Act.FIRST])
        return self

    def prepare(self) -> Mapping[Act, Left]:
        """Play all acts without a kill, and keep what each begins with; what each of them leaves."""
        first = self.run(Act.FIRST)
        left = {Act.EMPTY: first, Act.FIRST: first}
        apply(self.organization, SCENARIO, int(time.time()))
        self._later = self.organization
        for act in (Act.NEXT, Act.OWED):
            self.keep(self._begins[act])
            left[act] = self.run(act)
        return left

    def calls(self, act: Act) -> list[Call]:
        """Every point at which an undisturbed life can be killed."""
        self._reset(act)
        names = CALLS[act]
        status = self._life([*self._strace(), "-e", f"trace={','.join(names)}"])
        assert status == 0, self._words()
        by_thread = Counter(re.findall(r"^(\d+) +(\w+)\(", self._calls.read_text(errors="replace"), re.MULTILINE))
        most: Counter[str] = Counter()
        for (_, name), times in by_thread.items():
            most[name] = max(most[name], times)
        spans = ((name, range(HIDDEN.get((act, name), 0), most[name])) for name in names)
        return [Call(act, name, 1 + number) for name, span in spans for number in span]

    def run(self, act: Act, kill: Call | None = None, fault: str = "") -> Left:
        """An act, killed at `kill` and started again, to the end."""
        self._reset(act)
        status = self._life(self._killing(kill) if kill else (), fault)
        killed = status == -signal.SIGKILL
        if killed:
            status = self._life(fault=fault, mending=True)
        assert status == 0, self._words()
        return self.left(killed=killed)

    def _strace(self) -> list[str]:
        return ["strace", "-f", "-qq", "-o", str(self._calls)]

    def _killing(self, kill: Call) -> list[str]:
        inject = f"inject={kill.name}:signal=SIGKILL:when={kill.number}"
        return [*self._strace(), "-e", f"trace={kill.name}", "-e", inject]

    def _reset(self, act: Act) -> None:
        world = self._world if act in {Act.EMPTY, Act.FIRST} else self._later
        self.reset(world, self._begins.get(act))
        if prepare := {Act.NEXT: make_due, Act.OWED: owe}.get(act):
            with self._watching() as database:
                prepare(database)

    def _life(self, options: Sequence[str] = (), fault: str = "", *, mending: bool = False) -> int:
        """One daemon from its start until it is quiet or dead; its exit status."""
        command = [*options, sys.executable, *self._program(fault)]
        with (
            self._said.open("wb") as log,
            subprocess.Popen(
                command, cwd=self.folder, env=environment(), stdout=log, stderr=log, start_new_session=True
            ) as daemon,
        ):
            try:
                self._until(daemon, lambda: b"started" in self._said.read_bytes())
                if mending:
                    with self._watching() as database:
                        end_leases(database, f"{socket.gethostname()}:{daemon.pid}")
                self._until(daemon, self._is_quiet)
                # To the whole group: strace takes no notice of it, and ends as what it traces ends.
                _signal(daemon, signal.SIGTERM)
                return daemon.wait(PATIENCE)
            finally:
                _signal(daemon, signal.SIGKILL)

    def _program(self, fault: str) -> Sequence[str]:
        if fault:
            return [str(Path(__file__).with_name("crash_planted.py")), fault, str(self.config)]
        return ["-m", "auditor", "run", "-c", str(self.config)]

    def _until(self, daemon: "subprocess.Popen[bytes]", reached: Callable[[], bool]) -> None:
        """Wait until `reached`, or until there is nothing to wait for any more."""
        end = time.monotonic() + PATIENCE
        while daemon.poll() is None and not reached():
            assert time.monotonic() < end, f"the daemon did not become quiet: {self._words()}"
            time.sleep(0.05)

    def _is_quiet(self) -> bool:
        with self._watching() as database:
            return not is_busy(database)

    @contextlib.contextmanager
    def _watching(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None, timeout=10)) as database:
            yield database

    def _words(self) -> str:
        return self._said.read_text(errors="replace")[-3000:]


def _signal(daemon: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(daemon.pid, number)
