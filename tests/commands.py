"""The `auditor` command as a process of its own, a simulated organization to point it at, and configurations."""

import functools
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nursery import Nursery

KEY = "sk-admin-nobodymayseethis"
"""The admin key of the tests; it must turn up nowhere."""

PATIENCE = 30.0
"""Seconds that something may take which should take one or two."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what configures an auditor."""
    foreign = ("AUDITOR_", "OPENAI_", "NOTIFY_SOCKET", "FORCE_COLOR", "COLUMNS")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | dict(more or {})


def command(*arguments: str | Path) -> list[str]:
    """The command line of `auditor`."""
    return [sys.executable, "-m", "auditor", *map(str, arguments)]


_nursery = functools.cache(Nursery)


def auditor(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run a command to its end, without a terminal."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _nursery().run([*map(str, arguments)], cwd, environment(env), (out, err), timeout=60)
        seconds = time.monotonic() - started
        out.seek(0)
        err.seek(0)
        return Ended(code, out.read().decode(), err.read().decode(), seconds)


def unread(*arguments: str | Path, cwd: Path) -> tuple[int, bytes]:
    """Exit code and stderr of a command whose output nobody reads."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            command(*arguments),
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(write)
    return done.returncode, done.stderr


@contextmanager
def simulating(*arguments: str) -> Iterator[str]:
    """A running `auditor simulate`; gives its base URL."""
    with subprocess.Popen(
        command("simulate", "--port", "0", "--key", KEY, *arguments),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield first_line(process).removeprefix("listening on ")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)


def first_line(process: "subprocess.Popen[str]") -> str:
    """The first line on the standard output of `process`."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(timeout=PATIENCE), "nothing was said"
    return process.stdout.readline().strip()


def configured(folder: Path, api: str, *, key: str = KEY, **more: object) -> Path:
    """Write an auditor.yaml for the organization at `api`, with its store beside it; JSON is YAML, too."""
    path = folder / "auditor.yaml"
    settings = {
        "organizations": {"acme": {"admin_key": key, "base_url": api, "requests_per_minute": 100_000}},
        "store": f"sqlite:///{folder}/auditor.db",
    }
    path.write_text(json.dumps(settings | more, indent=1), encoding="utf-8")
    return path


def eventually(claim: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until `claim` holds."""
    until = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < until, f"still not so after {seconds:g} seconds"
        time.sleep(0.05)


def stored_bytes(folder: Path) -> bytes:
    """Everything that the store in `folder` wrote to disk."""
    return b"".join(file.read_bytes() for file in folder.glob("auditor.db*"))


def identities(findings: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Policy, parents and id of each finding of a JSON document."""
    return [(each["policy"], *each["resource"]["parents"], each["resource"]["id"]) for each in findings]
