"""Debian's chromium as somebody uses it: pages, keys, a sign-in; driven over a pipe with the DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import select
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser import FLAGS, SECONDS, binary


class Tab:
    """One tab. Blocking; the page that it looks at must be served by another thread."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._buffer = b""
        self._number = 0
        self._session: dict[str, str] = {}
        self._credentials: tuple[str, str] | None = None
        self._loads = 0
        self.asked = 0
        """How often a name and a password were asked for."""

    def open(self) -> None:
        """Make the tab."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        self.call("Page.enable")
        self.call("Fetch.enable", handleAuthRequests=True)

    def sign_in(self, name: str, password: str) -> None:
        """What is typed when the browser asks."""
        self._credentials = (name, password)

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Size and colours of the window."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def go(self, url: str) -> None:
        """Type an address."""
        self._until_loaded(lambda: self.call("Page.navigate", url=url))

    def press(self, key: str, *, loads: bool = False) -> None:
        """Press one key: `Tab`, `Enter`, `5`; with `loads` until another page has come."""
        code = {"Tab": 9, "Enter": 13}.get(key, ord(key[0]))
        text = {"Tab": "", "Enter": "\r"}.get(key, key)

        def pressed() -> None:
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, text=text)

        if loads:
            self._until_loaded(pressed)
        else:
            pressed()

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def reach(self, selector: str) -> None:
        """Press Tab until what `selector` names has the focus; whoever has no mouse comes there like this."""
        for _ in range(60):
            if self.says(f"document.activeElement === document.querySelector({json.dumps(selector)})"):
                return
            self.press("Tab")
        raise AssertionError(f"no key leads to {selector}")

    def says(self, expression: str) -> Any:
        """What an expression is on the page, as JSON."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    @property
    def text(self) -> str:
        """What can be read on the page."""
        return str(self.says("document.body.innerText"))

    def picture(self, target: Path) -> None:
        """Write a picture of the whole page to `target` (PNG)."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        target.write_bytes(base64.b64decode(data))

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Ask the browser for something; what it tells in between is heard."""
        number = self._send(method, params)
        while True:
            told = self._next()
            if told.get("id") == number:
                assert "error" not in told, (method, told)
                result: dict[str, Any] = told["result"]
                return result
            self._hear(told)

    def _until_loaded(self, do: Callable[[], object]) -> None:
        before = self._loads
        do()
        while self._loads == before:
            self._hear(self._next())

    def _send(self, method: str, params: object) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params, **self._session}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return self._number

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + SECONDS
        while b"\0" not in self._buffer:
            assert time.monotonic() < end, "the browser says nothing"
            if select.select([self._read], [], [], 1)[0]:
                self._buffer += os.read(self._read, 1_000_000)
        line, _, self._buffer = self._buffer.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        return told

    def _hear(self, told: dict[str, Any]) -> None:
        method, params = told.get("method"), told.get("params", {})
        if method == "Page.loadEventFired":
            self._loads += 1
        elif method == "Fetch.requestPaused":
            self._send("Fetch.continueRequest", {"requestId": params["requestId"]})
        elif method == "Fetch.authRequired":
            self.asked += 1
            name, password = self._credentials or ("", "")
            answer = {"response": "ProvideCredentials", "username": name, "password": password}
            # Asked again, a person gives up, and sees what the page says then.
            again = {"response": "CancelAuth"} if self.asked > 1 or not name else answer
            self._send("Fetch.continueWithAuth", {"requestId": params["requestId"], "authChallengeResponse": again})


@contextmanager
def tab() -> Iterator[Tab]:
    """A tab of a fresh browser; skips the test where there is none."""
    program = binary()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The browser expects its pipes at 3 and 4; ours must not stand there before.
        ends = [fcntl.fcntl(each, fcntl.F_DUPFD, 10) for pair in (os.pipe(), os.pipe()) for each in pair]
        commands, write, read, answers = ends
        arguments = [program, *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={profile}"]
        null = os.open(os.devnull, os.O_RDWR)
        actions = [
            (os.POSIX_SPAWN_DUP2, null, 2),
            (os.POSIX_SPAWN_DUP2, commands, 3),
            (os.POSIX_SPAWN_DUP2, answers, 4),
            (os.POSIX_SPAWN_CLOSE, write),
            (os.POSIX_SPAWN_CLOSE, read),
        ]
        process = os.posix_spawn(program, arguments, os.environ, file_actions=actions, setpgroup=0)
        for each in (commands, answers, null):
            os.close(each)
        try:
            made = Tab(read, write)
            made.open()
            yield made
        finally:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            os.close(read)
            os.close(write)
