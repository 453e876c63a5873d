"""What stands before every route: the Host check, methods, requests of other sites, and the headers of every answer."""

from collections.abc import Callable, Collection, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names of this machine that a browser may use; any other name may be one that rebinds to loopback."""

OPEN = frozenset({"/livez", "/readyz", "/healthz"})
"""Routes that an orchestrator asks by address: they tell nothing that a name check would have to protect."""

_READING = ("GET", "HEAD")

MAX_QUERY = 2_000
"""Bytes of a query string."""

_STRICT = "default-src 'none'; style-src {}; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'"
POLICY = _STRICT.format("'self'")
DOCUMENT_POLICY = _STRICT.format("'unsafe-inline'")
"""For a report, which carries its styles inside."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # With `no-referrer` browsers would hide where a form comes from, and so that it is our own.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """ASGI middleware. `hosts` are further names, without port, under which the page may be asked for.

    `writable` is whether anything may be sent here: only where whoever sends it says who they are.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = (), writable: Callable[[], bool] = lambda: False) -> None:
        self.app = app
        self.hosts = LOOPBACK | {host.lower() for host in hosts}
        self.writable = writable

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
        headers = Headers(scope=scope)
        methods = (*_READING, "POST") if self.writable() else _READING
        if scope["method"] not in methods:
            return PlainTextResponse("This page can only be read.\n", 405, {"allow": ", ".join(methods)})
        if len(scope["query_string"]) > MAX_QUERY:
            return PlainTextResponse("The query is too long.\n", 414)
        if scope["path"] not in OPEN and not self._knows(headers.get("host", "")):
            return PlainTextResponse("This name is not served here; web.allowed_hosts lists those that are.\n", 421)
        if scope["method"] not in _READING and not _is_own(scope["scheme"], headers):
            return PlainTextResponse("This did not come from a form of this page.\n", 403)
        return None

    def _knows(self, host: str) -> bool:
        name, colon, port = host.lower().rpartition(":")
        return (name if colon and port.isdigit() else host.lower()) in self.hosts


def _is_own(scheme: str, headers: Headers) -> bool:
    """Whether a browser says that this page itself sent the request, and not another site with the name of a visitor.

    Browsers tell `Sec-Fetch-Site` where the connection is trustworthy, and `Origin` everywhere.
    """
    sites = headers.getlist("sec-fetch-site")
    if sites:
        return sites == ["same-origin"]
    return headers.getlist("origin") == [f"{scheme}://{headers.get('host', '')}"]
