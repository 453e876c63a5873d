"""The server's side of a WebSocket (RFC 6455), as far as Slack's sockets need it: one frame a message, on threads.

It is made for misbehaving: whoever holds a connection can send bytes that are no frame, and end it without a word.
"""

import base64
import hashlib
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
HEAD_MAX = 16_384


class Connection:
    """One client, after the handshake."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._sending = threading.Lock()
        self.silent = False
        """Whether pings go unanswered, as when the way back is gone."""

    def text(self, message: str) -> None:
        """Send a message."""
        self.raw(_frame(_TEXT, message.encode("utf-8", "surrogatepass")))

    def ping(self) -> None:
        """Ask whether the client is there."""
        self.raw(_frame(_PING, b"are you there"))

    def raw(self, data: bytes) -> None:
        """Send bytes, whatever they are."""
        with self._sending:
            self._peer.sendall(data)

    def close(self, code: int = 1000) -> None:
        """Say goodbye, then end the connection."""
        with suppress(OSError):
            self.raw(_frame(_CLOSE, struct.pack("!H", code)))
        self.cut()

    def cut(self) -> None:
        """End the connection without a word."""
        with suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)

    def serve(self, on_text: Callable[[str], None]) -> None:
        """Read until the client is gone."""
        with suppress(OSError, EOFError), self._peer:
            while True:
                kind, data = self._read()
                if kind == _TEXT:
                    on_text(data.decode())
                elif kind == _PING and not self.silent:
                    self.raw(_frame(_PONG, data))
                elif kind == _CLOSE:
                    return

    def _read(self) -> tuple[int, bytes]:
        first, second = _exactly(self._peer, 2)
        size = second & 127
        if size == 126:
            (size,) = struct.unpack("!H", _exactly(self._peer, 2))
        elif size == 127:
            (size,) = struct.unpack("!Q", _exactly(self._peer, 8))
        if not second & 128:
            raise EOFError("clients mask what they send")
        mask = _exactly(self._peer, 4)
        data = _exactly(self._peer, size)
        return first & 15, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))


def accept(peer: socket.socket, admits: Callable[[str], bool]) -> Connection | None:
    """The connection after a good handshake; None, and the peer closed, when `admits` refuses the path."""
    path, key = _request(peer)
    if not key or not admits(path):
        peer.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        peer.close()
        return None
    proof = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    peer.sendall(head + proof + b"\r\n\r\n")
    return Connection(peer)


def _request(peer: socket.socket) -> tuple[str, str]:
    """Path and key of the request for an upgrade, empty for any other."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < HEAD_MAX:
        head += _exactly(peer, 1)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    words = first.split(" ")
    if len(words) != 3 or words[0] != "GET" or headers.get("upgrade", "").lower() != "websocket":
        return "", ""
    return words[1], headers.get("sec-websocket-key", "")


def _exactly(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = peer.recv(min(size - len(data), 65_536))
        if not part:
            raise EOFError
        data += part
    return data


def _frame(kind: int, data: bytes) -> bytes:
    if len(data) < 126:
        size = struct.pack("!B", len(data))
    elif len(data) < 65_536:
        size = struct.pack("!BH", 126, len(data))
    else:
        size = struct.pack("!BQ", 127, len(data))
    return bytes([128 | kind]) + size + data
