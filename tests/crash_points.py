"""Where a process can die: every statement, commit, request, send and rename is counted, and one of them is the last.

It hooks into the libraries below the product (SQLAlchemy, httpx, httpcore, the interpreter's audit events) and around
the sinks' send; the product itself runs unchanged.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from httpcore._backends.anyio import AnyIOStream
from sqlalchemy import Engine, Pool, event

from auditor.alerts.message import Alert
from auditor.alerts.sink import Context, Receipt, Sink, SinkConfig

KINDS = ("sql", "commit", "api", "slack", "file")
"""SQL statements, transactions, requests to the Admin API, messages to Slack, files of the report."""


@dataclass(frozen=True, slots=True)
class Kill:
    """The `number`th point of a kind, from 1; of those with this name, if there is one."""

    kind: str
    number: int
    name: str = ""


class Points:
    """Counts the points that this process passes, and kills it at `kill`."""

    def __init__(self, kill: Kill | None, folder: Path) -> None:
        self.passed: list[tuple[str, str]] = []
        """Kind and name of each point, in order."""
        self._kill = kill
        self._folder = str(folder)
        self._seen = 0
        self._lock = threading.Lock()

    def reach(self, kind: str, name: str) -> None:
        """One more point; at the fatal one there is no return."""
        with self._lock:
            self.passed.append((kind, name))
            if self._kill and self._kill.kind == kind and self._kill.name in {"", name}:
                self._seen += 1
                if self._seen == self._kill.number:
                    os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Count from now on, in this process and for good."""
        event.listen(Engine, "before_cursor_execute", lambda *args: self.reach("sql", f"before {_words(args[2])}"))
        event.listen(Engine, "after_cursor_execute", lambda *args: self.reach("sql", f"after {_words(args[2])}"))
        event.listen(Engine, "commit", lambda _connection: self.reach("commit", "before"))
        event.listen(Pool, "checkin", lambda *_args: self.reach("commit", "after"))
        self._watch_requests()
        self._watch_bytes()
        sys.addaudithook(self._audited)

    def around(self, sinks: Mapping[str, Sink]) -> dict[str, Sink]:
        """`sinks` with a point before and after each send."""
        return {name: replace(sink, _send=self._counted(sink)) for name, sink in sinks.items()}

    def _counted(self, sink: Sink) -> Any:
        async def send(_config: SinkConfig, alert: Alert, context: Context) -> Receipt:
            self.reach("slack", "before the send")
            receipt = await sink.send(alert, context)
            self.reach("slack", "confirmed, not settled")
            return receipt

        return send

    def _watch_requests(self) -> None:
        ask = httpx.AsyncHTTPTransport.handle_async_request

        async def counted(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
            self.reach("api", "before the request")
            response = await ask(transport, request)
            self.reach("api", "answer begun")
            return response

        httpx.AsyncHTTPTransport.handle_async_request = counted  # type: ignore[assignment,method-assign]

    def _watch_bytes(self) -> None:
        write = AnyIOStream.write

        async def counted(stream: AnyIOStream, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
            if threading.current_thread() is not threading.main_thread():  # in which the Admin API is asked
                self.reach("slack", "before bytes leave")
            await write(stream, buffer, timeout)

        AnyIOStream.write = counted  # type: ignore[assignment,method-assign]

    def _audited(self, name: str, args: tuple[Any, ...]) -> None:
        """https://docs.python.org/3/library/audit_events.html"""
        if _changes_a_file(name, args) and str(args[0]).startswith(self._folder):
            self.reach("file", name)


def _changes_a_file(name: str, args: tuple[Any, ...]) -> bool:
    if name == "open":
        return isinstance(args[2], int) and bool(args[2] & os.O_CREAT)
    return name in {"os.rename", "os.remove"}


def _words(statement: str) -> str:
    """The verb and the table of a statement, enough to know it by."""
    words = statement.split()
    if words[0] == "SELECT" and "FROM" in words:
        return f"SELECT {words[words.index('FROM') + 1]}"
    return " ".join(words[:3])
