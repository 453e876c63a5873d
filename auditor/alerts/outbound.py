"""Holds a library that opens its connections itself to the addresses that a sink may speak to, and to its time.

What is checked is each connection, and not what the library was told: it may be told of other hosts than the one that
is seen. Python asks before it connects: https://docs.python.org/3/library/audit_events.html
"""

import errno
import os
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from auditor.alerts.destination import Allowance, allowed, left_to_proxy, look_up, refusal
from auditor.errors import DeliveryError

_CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_HERE = "127.0.0.1"
"""What a socket of this machine, which has a path, is judged as."""
_AGAIN = 0.2
"""Seconds between looks for connections that were only beginning when the time was over."""


class Watch:
    """What a thread may connect to: allowed addresses, and the proxies of the environment, which judge names."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._proxies = _proxies()
        self._opened: list[tuple[int, os.stat_result]] = []
        self.refused: DeliveryError | None = None
        """Why the last connection that was not allowed was not."""
        self.late = False
        """Whether its time was over before it was done: whatever the library says then, it read no whole answer."""

    def begin(self, host: str, port: int, *, directly: bool) -> None:
        """Raise when `host`, which the address names, must not be asked.

        A proxy of the environment looks it up itself, and of a bare address it is told only what is allowed. Without,
        or with `directly`, where nobody watches, it must lead to an allowed address; where somebody does, it may also
        lead nowhere: it may be something else than what is asked, as the domain of a sender.
        """
        if self._proxies and not directly:
            left_to_proxy(host, self._allowance)
            return
        try:
            allowed(host.strip("[]"), port, self._allowance)
        except socket.gaierror:
            if directly:
                raise

    def check(self, sock: Any, address: Any) -> None:
        """Raise OSError when nothing may be sent to `address` of `sock`."""
        if self.late:
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        self._opened.append((sock.fileno(), os.fstat(sock.fileno())))
        if address is None:
            return  # it is connected already, and was checked then
        inside = sock.family in (socket.AF_INET, socket.AF_INET6)
        host, port = (str(address[0]), int(address[1])) if inside else (_HERE, 0)
        if (host, port) in self._proxies:
            return
        try:
            # A name is looked up once more by whoever sends to it: all that it leads to must be allowed.
            if len(allowed(host, port, self._allowance)) < len(set(look_up(host, port))):
                raise refusal(host, self._allowance)
        except DeliveryError as error:
            self.refused = error
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None

    def end(self, done: threading.Event, seconds: float) -> None:
        """End all that is connected unless it is `done` after `seconds`, and then whatever was just being connected."""
        while not done.wait(_AGAIN if self.late else seconds):
            self.late = True
            for opened in tuple(self._opened):
                _cut(*opened)


def _cut(descriptor: int, was: os.stat_result) -> None:
    # By number, since TLS takes the socket from who connected; a twin held from the beginning would keep open what the
    # library closes. Where sockets have no inode (macOS) nothing tells that the number is not another's by now.
    with suppress(OSError), socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as twin:
        if was.st_ino and os.path.samestat(os.fstat(twin.fileno()), was):
            twin.shutdown(socket.SHUT_RDWR)


class _Watched(threading.local):
    by: Watch | None = None


_watched = _Watched()


@contextmanager
def watched(allowance: Allowance, seconds: float) -> Iterator[Watch]:
    """This thread connects to allowed addresses only, and what it connected ends after `seconds`.

    Others, also those that it starts, are free. A time limit of a library is one for each read, and holds nobody who
    sends a byte now and then.
    """
    _install()
    watch, done = Watch(allowance), threading.Event()
    threading.Thread(target=watch.end, args=(done, seconds), name="outbound", daemon=True).start()
    _watched.by = watch
    try:
        yield watch
    finally:
        done.set()
        _watched.by = None


@cache
def _install() -> None:
    # It cannot be taken away again, and so is there only where it is needed.
    sys.addaudithook(_ask)


def _ask(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _CONNECTS and _watched.by:
        _watched.by.check(*arguments)


def _proxies() -> frozenset[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    for scheme, address in urllib.request.getproxies().items():
        if scheme == "no":
            continue
        # What is no address leads nowhere, and the library says so.
        with suppress(OSError, ValueError):
            parts = urlsplit(address if "://" in address else f"http://{address}")
            port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 1080)
            found.update((each, port) for each in look_up(parts.hostname or "", port))
    return frozenset(found)
