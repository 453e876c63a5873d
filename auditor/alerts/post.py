"""The one HTTP client of the sinks: to allowed addresses only, no redirects, bounded answers, a time for it all."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpcore
import msgspec

from auditor import __version__
from auditor.alerts.answers import refused, unreachable
from auditor.alerts.aside import aside
from auditor.alerts.destination import Allowance, Lookup, allowed, left_to_proxy, look_up
from auditor.alerts.proxies import proxy_for
from auditor.alerts.remote import RemoteConfig, checked_url, host_and_port
from auditor.errors import DeliveryError

ANSWER_MAX = 256 * 1024
"""Bytes of an answer that are read; no service has more to say about one message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Untrusted: never shown."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def refusal(self, peer: str, word: str = "", *, final: bool | None = None, hint: str = "") -> DeliveryError:
        """The error of this answer when it confirms nothing; `word` is of our choosing, or checked to be harmless."""
        return refused(peer, self.status, self.headers, word, final=final, hint=hint)


async def post(
    peer: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    config: RemoteConfig,
    lookup: Lookup = look_up,
) -> Answer:
    """Send `body` (JSON, unless `headers` say otherwise) to `url` once, and return whatever was answered.

    Raises DeliveryError, retryable: no answer, or an address that the sink must not speak to. `peer` is the name of the
    service in errors; the url never is.
    """
    try:
        async with asyncio.timeout(config.timeout):
            return await _exchange(url, body, headers, config, lookup)
    except ValueError as error:
        raise DeliveryError(f"{peer}: {error}", retryable=True) from None
    except (OSError, *_NO_ANSWER) as error:
        raise unreachable(peer, error) from None


_NO_ANSWER = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)


async def _exchange(url: str, body: bytes, headers: Mapping[str, str], config: RemoteConfig, lookup: Lookup) -> Answer:
    sent = {"Content-Type": "application/json", "User-Agent": f"openai-org-auditor/{__version__}", **headers}
    async with (
        _pool(checked_url(url, config), config, lookup) as pool,
        pool.stream("POST", url, headers=list(sent.items()), content=body) as response,
    ):
        names = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
        parts = bytearray()
        async for part in response.aiter_stream():
            parts += part
            if len(parts) >= ANSWER_MAX:
                break
        return Answer(response.status, names, bytes(parts[:ANSWER_MAX]))


def _pool(url: str, config: RemoteConfig, lookup: Lookup) -> httpcore.AsyncConnectionPool:
    host, _ = host_and_port(url)
    if not url.startswith("https://"):
        # For private addresses only, and no proxy is asked for those.
        plain = _Guarded(replace(config.allowance, public=False), config.timeout, lookup)
        return httpcore.AsyncConnectionPool(network_backend=plain)
    proxy = proxy_for(host)
    if proxy is None:
        guarded = _Guarded(config.allowance, config.timeout, lookup)
        return httpcore.AsyncConnectionPool(config.trust(), network_backend=guarded)
    left_to_proxy(host, config.allowance)
    return httpcore.AsyncHTTPProxy(proxy.address, proxy_auth=proxy.login, ssl_context=config.trust())


class _Guarded(httpcore.AsyncNetworkBackend):
    """Resolves, checks, and connects to what was checked; name and certificate stay those of the url."""

    def __init__(self, allowance: Allowance, seconds: float, lookup: Lookup) -> None:
        self._allowance = allowance
        self._seconds = seconds
        self._lookup = lookup
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first allowed address that answers; each gets its share of the sink's time."""
        # A resolver that hangs must hold no thread of the pool in which the store works.
        addresses = await aside(lambda: allowed(host, port, self._allowance, self._lookup))
        share = self._seconds / len(addresses)
        failure: Exception = httpcore.ConnectError("no address answers")
        for address in addresses:
            try:
                return await self._plain.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure
