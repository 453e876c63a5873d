"""Whole answers, and the ways in which they go out: as they are, drop by drop, or past the server."""

import asyncio
import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from starlette.types import Receive, Send

from auditor.simulator.faults import connection
from auditor.simulator.faults.rules import Length, Reset, Skew, Stall, Status
from auditor.simulator.refusals import Refusal, bad_value


@dataclass(frozen=True)
class Reply:
    """One answer, whole."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """The headers as they go out, with the length of the body."""
        headers = {**self.headers, "content-length": str(len(self.content))}
        return [(name.encode(), value.encode()) for name, value in headers.items()]


def refusal(fault: Status) -> Reply:
    """The answer that a fault of the status asks for."""
    headers = {"content-type": "application/json"}
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    if fault.retry_date is not None:
        headers["retry-after"] = email.utils.formatdate(time.time() + fault.retry_date, usegmt=True)
    if fault.location is not None:
        headers["location"] = fault.location
    if fault.body == "html":
        page = b"<!doctype html><title>error</title><h1>The server is not available</h1>"
        return Reply(fault.status, {**headers, "content-type": "text/html"}, page)
    said = Refusal(fault.status, "The server had an error while processing your request.")
    empty = fault.body == "empty" or fault.status in {204, 304}
    return Reply(fault.status, headers, b"" if empty else msgspec.json.encode(said.body))


def vanished(status: int) -> Reply:
    """The answer to a cursor whose row is gone."""
    said = bad_value("after", "no item with this id in this list.", "invalid_cursor")
    return Reply(status, {"content-type": "application/json"}, msgspec.json.encode(said.body))


async def below_http(fault: Reset | Length | Skew | Stall, receive: Receive, reply: Reply) -> None:
    """Send `reply` past the server, with what the fault does to it."""
    headers = connection.head(reply.status, reply.raw)
    match fault:
        case Skew():
            dated = [*reply.raw, *_date(fault)]
            await connection.close(receive, connection.head(reply.status, dated) + reply.content)
        case Length():
            await connection.close(receive, _mismeasured(fault, reply))
        case Stall():
            whole, begun = (headers, b"") if fault.stall == "headers" else (reply.content, headers)
            await connection.stall(receive, begun + whole[: fault.after_bytes])
        case Reset(reset="after_answer"):
            kept = connection.head(reply.status, reply.raw, ends=False)
            await connection.close(receive, kept + reply.content)
        case Reset():
            whole = {"after_request": b"", "mid_headers": headers, "mid_body": reply.content}[fault.reset]
            begun = headers if fault.reset == "mid_body" else b""
            await connection.cut(receive, begun + whole[: fault.after_bytes])


def _mismeasured(fault: Length, reply: Reply) -> bytes:
    """The answer with a length that it has not, or as one chunk whose size is no number."""
    raw = [pair for pair in reply.raw if pair[0] != b"content-length"]
    if fault.length == "broken_chunk":
        chunked = connection.head(reply.status, [*raw, (b"transfer-encoding", b"chunked")])
        return chunked + b"many\r\n" + reply.content + b"\r\n0\r\n\r\n"
    declared = len(reply.content) + (64 if fault.length == "long" else -len(reply.content) // 2)
    return connection.head(reply.status, [*raw, (b"content-length", str(declared).encode())]) + reply.content


def _date(fault: Skew) -> list[tuple[bytes, bytes]]:
    if fault.skew == "absent":
        return []
    if isinstance(fault.skew, str):
        return [(b"date", b"yesterday, about noon")]
    return [(b"date", email.utils.formatdate(time.time() + fault.skew, usegmt=True).encode())]


async def drip(send: Send, reply: Reply, pause: float) -> None:
    """Send `reply` byte by byte, `pause` seconds between two."""
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.raw})
    for byte in reply.content:
        await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
        await asyncio.sleep(pause)
    await send({"type": "http.response.body", "body": b""})


async def send_whole(send: Send, reply: Reply) -> None:
    """Send `reply` as the server would."""
    bodiless = reply.status in {204, 304}
    headers = [pair for pair in reply.raw if not (bodiless and pair[0] == b"content-length")]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.content})
