"""Kills the daemon, starts it again, and compares what is left with what the outside world saw."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from crash_points import Kill
from crash_stage import SCENARIO, Left, Stage, environment, world

from auditor.simulator.scenario import apply

AGO, ACT = 7 * 3600, 6 * 3600
"""Seconds since the first picture, and from it to the second: the daemon's time is behind the database's, which says
what is due."""
LATER = 60
"""Seconds that the clock has moved at each new start, so that nothing is the same by chance."""
PATIENCE = 120.0
"""Seconds after which a life that does not become quiet counts as stuck."""


class Bench(Stage):
    """One organization, one workspace, and a program that forks daemons between them."""

    def __init__(self, folder: Path, started_at: int) -> None:
        self._world = world(started_at)
        super().__init__(folder, self._world)
        self._started_at = started_at

    def __enter__(self) -> Self:
        super().__enter__()
        program = [sys.executable, str(Path(__file__).with_name("crash_child.py")), str(self.config)]
        self._log = self._open.enter_context((self.folder / "log").open("w+b"))
        self._forks = self._open.enter_context(
            subprocess.Popen(
                program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, bufsize=0, env=environment()
            )
        )
        self._open.callback(self._end)
        return self

    def run(self, *kills: Kill, fault: str = "") -> Left:
        """The whole cycle, killed at the first of `kills`, started again and killed at the next, started to the end."""
        self.reset(self._world)
        passed: Sequence[tuple[str, str]] = ()
        act, status, lives = 1, -signal.SIGKILL, 0
        for life, kill in enumerate((*kills, None)):
            base = self._started_at + LATER * life
            killing = kill and asdict(kill)
            self._order({"act": act, "times": (base, base + ACT), "fault": fault, "kill": killing})
            act, status, passed = self._life(act)
            if status == 0:
                break
            assert status == -signal.SIGKILL, self._said()
            lives += 1
        assert status == 0, self._said()
        return self.left(passed, killed=lives == len(kills) and lives > 0)

    def _life(self, act: int) -> tuple[int, int, Sequence[tuple[str, str]]]:
        """Follow one daemon to its end: the act it came to, its exit status, the points it passed."""
        passed: list[tuple[str, str]] = []
        pid = 0
        while True:
            answer = self._answer(pid)
            if answer == "quiet":
                act = 2
                apply(self.organization, SCENARIO, self._started_at + ACT)
                self._order("go")
            elif "pid" in answer:
                pid = answer["pid"]
            elif "passed" in answer:
                passed = [(kind, name) for kind, name in answer["passed"]]
            else:
                return act, answer["ended"], passed

    def _order(self, order: object) -> None:
        assert self._forks.stdin is not None
        self._forks.stdin.write(json.dumps(order).encode() + b"\n")

    def _answer(self, pid: int) -> Any:
        assert self._forks.stdout is not None
        if not select.select([self._forks.stdout], [], [], PATIENCE)[0]:
            if pid:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"the daemon did not become quiet: {self._said()}")
        line = self._forks.stdout.readline()
        assert line, self._said()
        return json.loads(line)

    def _end(self) -> None:
        assert self._forks.stdin is not None
        self._forks.stdin.close()

    def _said(self) -> str:
        return (self.folder / "log").read_text()[-3000:]
