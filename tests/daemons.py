"""`auditor run` as a process of its own: what it logs, what its page says, how it stops."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from commands import PATIENCE, command, environment, eventually


class Running:
    """A daemon under way."""

    def __init__(self, process: "subprocess.Popen[bytes]", errors: Path) -> None:
        self.process = process
        self.errors = errors

    @property
    def log(self) -> list[dict[str, Any]]:
        """What it logged: every line must be JSON."""
        return [
            json.loads(line)
            for line in self.errors.read_text(encoding="utf-8").splitlines(keepends=True)
            if line.endswith("\n")
        ]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == name]

    def says(self, name: str, count: int = 1) -> None:
        """Wait until it logged `name` so often."""
        eventually(lambda: self.process.poll() is not None or len(self.events(name)) >= count)
        assert self.process.poll() is None, self.errors.read_text(encoding="utf-8")

    def ask(self, path: str, host: str = "localhost") -> httpx.Response:
        return httpx.get(self.events("started")[0]["page"] + path, headers={"host": host}, timeout=10)

    def metric(self, name: str) -> float | None:
        """The value of the first sample of `name`."""
        lines = [line for line in self.ask("/metrics").text.splitlines() if line.startswith(name)]
        return float(lines[0].rpartition(" ")[2]) if lines else None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send the signal; gives the seconds until the end, which must be a good one."""
        started = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(timeout=PATIENCE) == 0, self.errors.read_text(encoding="utf-8")
        return time.monotonic() - started


@contextmanager
def running(config: Path, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    errors = config.parent / f"stderr-{time.monotonic_ns()}"
    with (
        errors.open("wb") as stream,
        subprocess.Popen(
            command("run", "-c", config),
            cwd=config.parent,
            env=environment(env),
            stdout=subprocess.PIPE,
            stderr=stream,
        ) as process,
    ):
        daemon = Running(process, errors)
        try:
            daemon.says("started")
            yield daemon
        finally:
            if process.poll() is None:
                process.kill()
