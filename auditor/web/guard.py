"""What stands before every route: the Host check, the methods, and the headers of every answer."""

from collections.abc import Collection, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names of this machine that a browser may use; any other name may be one that rebinds to loopback."""

OPEN = frozenset({"/livez", "/readyz", "/healthz"})
"""Routes that an orchestrator asks by address: they tell nothing that a name check would have to protect."""

MAX_QUERY = 2_000
"""Bytes of a query string."""

_STRICT = "default-src 'none'; style-src {}; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'"
POLICY = _STRICT.format("'self'")
DOCUMENT_POLICY = _STRICT.format("'unsafe-inline'")
"""For a report, which carries its styles inside."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """ASGI middleware. `hosts` are further names, without port, under which the page may be asked for."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self.app = app
        self.hosts = LOOPBACK | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is refused, pass on the rest, and put HEADERS on either."""
        if scope["type"] != "http":
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, receive, answer)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("This page can only be read.\n", 405, {"allow": "GET, HEAD"})
        if len(scope["query_string"]) > MAX_QUERY:
            return PlainTextResponse("The query is too long.\n", 414)
        if scope["path"] in OPEN or self._knows(Headers(scope=scope).get("host", "")):
            return None
        return PlainTextResponse("This name is not served here; web.allowed_hosts lists those that are.\n", 421)

    def _knows(self, host: str) -> bool:
        name, colon, port = host.lower().rpartition(":")
        return (name if colon and port.isdigit() else host.lower()) in self.hosts
