"""A fake Slack on a loopback port, in a thread of its own, and the settings of sinks that reach it."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn
from starlette.types import Receive, Scope, Send

from auditor.simulator.slack import WEBHOOK_PATH, create_app
from auditor.simulator.slack_workspace import TOKEN, FakeSlack

logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # connections cut on purpose are no news


class Server:
    """Serves whatever workspace is put into `slack`: one server for many tests."""

    def __init__(self, address: str) -> None:
        self.address = address
        """`http://127.0.0.1:PORT`."""
        self.slack = FakeSlack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await create_app(self.slack)(scope, receive, send)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A running server."""
    listener = socket.create_server(("127.0.0.1", 0))
    served = Server(f"http://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(served, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield served
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def by_token(address: str, **more: object) -> dict[str, object]:
    """Settings of a sink that posts with the bot token."""
    place = {"base_url": f"{address}/api/", "allow_private": True}
    return {"type": "slack", "token": TOKEN, "channel": "#security", **place, **more}


def by_webhook(address: str, **more: object) -> dict[str, object]:
    """Settings of a sink that posts to the incoming webhook."""
    return {"type": "slack", "webhook_url": address + WEBHOOK_PATH, "allow_private": True, **more}
