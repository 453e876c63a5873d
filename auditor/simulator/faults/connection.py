"""What goes wrong below HTTP: bytes written past the server onto the socket, and connections that are reset."""

import asyncio
import socket
import struct
from collections.abc import Iterable

from starlette.types import Receive

RawHeaders = Iterable[tuple[bytes, bytes]]


def head(status: int, headers: RawHeaders, *, ends: bool = True) -> bytes:
    """Status line and headers; the client is told whether the connection `ends`."""
    lines = [f"HTTP/1.1 {status} OK".encode(), b"connection: " + (b"close" if ends else b"keep-alive")]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def cut(receive: Receive, sent: bytes = b"") -> None:
    """Send `sent`, then reset the connection."""
    transport = _transport(receive)
    transport.write(sent)
    while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110 - no event tells it
        await asyncio.sleep(0.001)
    peer = transport.get_extra_info("socket")
    # Zero seconds of lingering make the kernel send RST instead of FIN.
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await gone(receive)


async def close(receive: Receive, sent: bytes) -> None:
    """Send `sent`, then end the connection as if all were well."""
    transport = _transport(receive)
    transport.write(sent)
    transport.close()
    await gone(receive)


async def stall(receive: Receive, sent: bytes) -> None:
    """Send `sent`, and then nothing."""
    _transport(receive).write(sent)
    await gone(receive)


async def gone(receive: Receive) -> None:
    """Wait until the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(receive: Receive) -> asyncio.Transport:
    """The connection of a request: uvicorn's `receive` is a method of the object that holds it."""
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if not isinstance(transport, asyncio.Transport):
        raise RuntimeError("faults below HTTP need a server with sockets")
    return transport
