"""The layer of the server in which faults strike, between the API and the wire."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, assert_never
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auditor.simulator.faults import bodies, connection, items, pages
from auditor.simulator.faults.choice import Asked, Faults
from auditor.simulator.faults.replies import Reply, below_http, drip, refusal, send_whole, vanished
from auditor.simulator.faults.rules import (
    Answer,
    Body,
    Delay,
    Drip,
    Fault,
    Item,
    Length,
    Page,
    Reset,
    Skew,
    Stall,
    Status,
)

_WALKS = 1_000
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class _Request:
    """One request under way."""

    scope: Scope
    receive: Receive
    send: Send
    asked: Asked
    query: Pairs
    count: int
    """For the how-manieth time the rule strikes."""


class Layer:
    """ASGI middleware: honest answers where no rule matches, else the fault of the first rule that does.

    `kind_of` gives the kind of a path below `root`, None for a path that the API does not have. `items_key` is where
    the application notes in the scope which ids it put into the body; a spoilt body changes them.
    """

    def __init__(
        self, app: ASGIApp, faults: Faults, root: str, kind_of: Callable[[str], str | None], items_key: str
    ) -> None:
        self._app = app
        self._faults = faults
        self._root = root
        self._kind_of = kind_of
        self._items_key = items_key
        self._walks: OrderedDict[tuple[str, ...], list[pages.Envelope]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._faults.idle:
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(self._root)
        query = self._bounded(parse_qsl(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True))
        scope["query_string"] = urlencode(query).encode()
        asked = self._faults.asked(path, self._kind_of(path), query)
        chosen = self._faults.choose(asked)
        if chosen is None:
            await self._honest(scope, receive, send, asked)
            return
        fault, count = chosen
        await self._strike(fault, _Request(scope, receive, send, asked, query, count))

    def _bounded(self, query: Pairs) -> Pairs:
        largest = self._faults.largest_page
        if largest is None:
            return query
        return [
            (name, str(min(int(value), largest)) if name == "limit" and value.isdecimal() else value)
            for name, value in query
        ]

    async def _honest(self, scope: Scope, receive: Receive, send: Send, asked: Asked) -> None:
        """An honest answer, remembered when later pages may need it."""
        reply = await self._ask(scope, receive)
        body = _object(reply)
        if body is not None:
            self._remember(asked, body)
        await send_whole(send, reply)

    async def _strike(self, fault: Fault, request: _Request) -> None:
        match fault:
            case Status():
                await send_whole(request.send, refusal(fault))
            case Answer():
                await connection.gone(request.receive)
            case Reset(reset="before_request"):
                await connection.cut(request.receive)
            case _:
                await self._answer(fault, request, await self._ask(request.scope, request.receive))

    async def _answer(self, fault: Fault, request: _Request, reply: Reply) -> None:
        """Faults of an answer that the API has given."""
        match fault:
            case Delay():
                await asyncio.sleep(fault.delay * (request.count if fault.growing else 1))
                await send_whole(request.send, reply)
            case Drip():
                await drip(request.send, reply, fault.drip)
            case Reset() | Length() | Skew() | Stall():
                request.scope[self._items_key] = ()
                await below_http(fault, request.receive, reply)
            case Body():
                content, headers = bodies.spoil(fault, reply.content)
                request.scope[self._items_key] = ()
                await send_whole(request.send, replace(reply, content=content, headers={**reply.headers, **headers}))
            case Item() | Page():
                await self._reword(fault, request, reply)
            case Status() | Answer():
                raise AssertionError("these need no answer of the API")
            case _:
                assert_never(fault)

    async def _reword(self, fault: Item | Page, request: _Request, reply: Reply) -> None:
        """Faults in what the answer says."""
        body = _object(reply)
        if body is None:
            await send_whole(request.send, reply)
            return
        if isinstance(fault, Item):
            changed = items.spoil(fault, body)
        elif fault.page == "vanished":
            await send_whole(request.send, vanished(fault.status))
            return
        else:

            async def read(name: str, value: str) -> pages.Envelope:
                others = [(known, text) for known, text in request.query if known != name]
                if fault.page == "size_ignored":
                    others, value = (
                        [pair for pair in others if pair[0] not in {"after", "page"}],
                        str(len(body["data"]) + 3),
                    )
                again = {**request.scope, "query_string": urlencode([*others, (name, value)]).encode()}
                found = _object(await self._ask(again, request.receive))
                return found if found is not None else body

            before = self._walks.get(request.asked.walk, ()) if request.asked.page > 1 else ()
            changed = await pages.spoil(fault, pages.Turn(body, before, read))
        self._remember(request.asked, body)
        request.scope[self._items_key] = _ids(changed)
        await send_whole(request.send, replace(reply, content=msgspec.json.encode(_sendable(changed))))

    def _remember(self, asked: Asked, body: pages.Envelope) -> None:
        if not isinstance(body.get("data"), list):
            return
        if asked.page == 1:
            self._walks[asked.walk] = []
        pages.remember(self._walks.setdefault(asked.walk, []), body)
        while len(self._walks) > _WALKS:
            self._walks.popitem(last=False)

    async def _ask(self, scope: Scope, receive: Receive) -> Reply:
        """What the API answers, uncompressed and whole."""
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        inner = {**scope, "headers": plain}
        start: Message = {}
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._app(inner, receive, keep)
        scope.update({key: inner[key] for key in inner if key.startswith("simulator.")})
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], headers, b"".join(parts))


def _object(reply: Reply) -> dict[str, Any] | None:
    """The body of a good answer, None for any other."""
    return msgspec.json.decode(reply.content, type=dict[str, Any]) if reply.status == 200 else None


def _ids(body: Any) -> tuple[str, ...]:
    data = body.get("data") if isinstance(body, dict) else None
    found = [item.get("id") or item.get("group_id") for item in data or () if isinstance(item, dict)]
    return tuple(each for each in found if isinstance(each, str))


def _sendable(body: Any) -> Any:
    """Without what a lie has taken out of the envelope."""
    return {name: value for name, value in body.items() if value is not ...} if isinstance(body, dict) else body
