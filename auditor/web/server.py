"""An ASGI application on a loopback or network port, with TLS or not, inside our own event loop; signals stay ours."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Iterator

import anyio
import uvicorn
from starlette.types import ASGIApp

from auditor import tls as tls_files
from auditor.errors import ConfigError
from auditor.webconfig import Tls

GRACE = 1
"""Seconds that requests in flight get when the server stops."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, and with an event instead of a flag for `started`."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@contextlib.asynccontextmanager
async def serve(app: ASGIApp, host: str, port: int, tls: Tls | None = None) -> AsyncIterator[str]:
    """Serve `app` while the block runs; yields the address, `http://127.0.0.1:9847`.

    Port 0 takes any free port. Leaving the block stops within GRACE seconds and a little, open keep-alive
    connections or not. Raises ConfigError with a hint when the address cannot be had, or the certificate not be used.
    """
    context = tls_files.context(tls) if tls else None
    with _listener(host, port) as listener:
        bound = listener.getsockname()[1]
        server = _Server(_settings(app, context))
        running = asyncio.create_task(server.serve(sockets=[listener]), name=f"serve {host}:{bound}")
        try:
            await _first(running, server.listening)
            yield f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{bound}"
        finally:
            server.should_exit = True
            with anyio.CancelScope(shield=True):
                await running


def _settings(app: ASGIApp, context: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        ssl_context_factory=(lambda config, usual: context) if context else None,
    )


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {_reason(error)}", hint=_hint(error)) from error
    # Inherited by each connection. asyncio sets it only where it made the socket itself, and without it the body
    # of an answer waits 40 ms for the acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _reason(error: OSError) -> str:
    return "the port is taken" if error.errno == errno.EADDRINUSE else str(error.strerror or error).lower()


def _hint(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "Stop the other process, or choose another port; port 0 takes any free one."
    if error.errno == errno.EACCES:
        return "Ports below 1024 need a privilege; choose a higher one."
    return "Choose an address of this machine: 127.0.0.1 for this machine only, 0.0.0.0 for all of its networks."


async def _first(running: asyncio.Task[None], listening: asyncio.Event) -> None:
    """Wait until the server listens; when it ends before that, raise what ended it."""
    waiting = asyncio.create_task(listening.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if running.done():
        running.result()
