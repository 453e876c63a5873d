"""Processes of the `auditor` command that need not start anew: forked from one that has imported it, and is idle.

The idle one is asked for commands through a socket, forks for each of them a process with environment, directory and
streams of its own, and tells how that ended. Only what Python does before it runs a command is left out, and what
depends on it: the encoding of streams, and whatever else PYTHON* and LC_* variables say.
"""

import array
import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from auditor import cli

_LARGEST = 1 << 20  # bytes of a request
_FOREIGN = ("PYTHON", "LC_", "LANG", "TZ")


class Nursery:
    """The idle process, which lives as long as this one. One command runs at a time."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            program = [sys.executable, __file__, str(theirs.fileno())]
            clean = {name: value for name, value in os.environ.items() if not name.startswith(("AUDITOR_", "OPENAI_"))}
            devnull = subprocess.DEVNULL
            self._process = subprocess.Popen(
                program, pass_fds=[theirs.fileno()], env=clean, stdin=devnull, stdout=devnull, stderr=devnull
            )
        self._lock = threading.Lock()
        atexit.register(self._close)

    def _close(self) -> None:
        self._ours.close()
        self._process.wait(timeout=10)

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        streams: tuple[IO[bytes], IO[bytes]],
        timeout: float,
    ) -> int:
        """Run a command to its end, with these streams as output; returns its code as `subprocess` does."""
        foreign = {name for name in env.keys() | os.environ.keys() if name.startswith(_FOREIGN)}
        assert all(env.get(name) == os.environ.get(name) for name in foreign), "this needs a process that starts anew"
        request = json.dumps([list(arguments), str(cwd), dict(env)]).encode()
        with self._lock:
            socket.send_fds(self._ours, [request], [each.fileno() for each in streams])
            (pid,) = array.array("i", self._ours.recv(4))
            with selectors.DefaultSelector() as selector:
                selector.register(self._ours, selectors.EVENT_READ)
                if not selector.select(timeout):
                    os.kill(pid, signal.SIGKILL)
                    self._ours.recv(4)
                    raise subprocess.TimeoutExpired(list(arguments), timeout)
            (status,) = array.array("i", self._ours.recv(4))
        return os.waitstatus_to_exitcode(status)


def _serve(requests: socket.socket) -> None:
    """Fork for each request, until nobody is there to ask."""
    while True:
        request, streams, _, _ = socket.recv_fds(requests, _LARGEST, 2)
        if not request:
            return
        arguments, cwd, env = json.loads(request)
        pid = os.fork()
        if pid == 0:
            requests.close()
            _become(cwd, env, streams)
            cli.main(arguments)
        for each in streams:
            os.close(each)
        requests.send(array.array("i", [pid]))
        requests.send(array.array("i", [os.waitpid(pid, 0)[1]]))


def _become(cwd: str, env: Mapping[str, str], streams: Sequence[int]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for place, each in enumerate(streams, 1):
        os.dup2(each, place)
        os.close(each)


def _main(requests: socket.socket) -> None:
    for name in (*(each.name for each in pkgutil.iter_modules(cli.__path__, "auditor.cli.")), "alembic.command"):
        importlib.import_module(name)
    gc.freeze()  # a collection in a child would copy all pages
    _serve(requests)


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
