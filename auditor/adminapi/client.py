"""The only code that holds the admin key and talks to OpenAI. It can send GET, and nothing else."""

import asyncio
import functools
import ssl
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx
import stamina
from pydantic import SecretStr

from auditor import __version__
from auditor.adminapi.budget import Budget, Retries
from auditor.adminapi.ownkey import shows
from auditor.adminapi.refusal import MAX_PAUSE, error_of, retry_after
from auditor.errors import ApiError

MAX_BODY = 32 * 1024 * 1024
"""Bytes of one decompressed body; a page of 1,000 items is well below 1 MiB."""

Params = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the client waits, and how often it asks. All but `attempts` in seconds."""

    attempts: int = 4
    first_wait: float = 0.5
    """Before the second attempt; each further wait is twice as long, with jitter."""
    longest_wait: float = 8.0
    jitter: float = 1.0
    total: float = 180.0
    """For all attempts of one read."""
    connect: float = 5.0
    silence: float = 30.0
    """Between two pieces of an answer."""
    whole: float = 60.0
    """For one request, whatever trickles in."""
    pause: float = MAX_PAUSE
    """The longest that all requests stand still because the server asks for it."""


@dataclass(frozen=True, slots=True)
class Body:
    """A response with status 200, read whole."""

    content: bytes
    request_id: str | None
    date: str | None
    """The server's `Date` header, for the clock skew."""


class AdminClient:
    """GET on the Admin API with one key: budget, shared pause, bounded concurrency, few retries, caps.

    Redirects are not followed and proxies from the environment are ignored: the key goes to `base_url` only.
    """

    def __init__(
        self,
        key: SecretStr,
        *,
        base_url: str,
        requests_per_minute: int = 3000,
        concurrency: int = 8,
        on_response: Callable[[int | None], None] = lambda status: None,
        patience: Patience = Patience(),
        max_body: int = MAX_BODY,
    ) -> None:
        self._key = key
        self._base_url = base_url.rstrip("/")
        self._budget = Budget(requests_per_minute)
        self._retries = Retries()
        self._slots = asyncio.Semaphore(concurrency)
        self._on_response = on_response
        self._patience = patience
        self._max_body = max_body
        self._http = httpx.AsyncClient(
            headers={
                "Authorization": f"Bearer {key.get_secret_value()}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": f"openai-org-auditor/{__version__}",
            },
            timeout=httpx.Timeout(patience.silence, connect=patience.connect),
            limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
            follow_redirects=False,
            trust_env=False,
            verify=_tls(),
        )

    async def __aenter__(self) -> Self:
        return self

    def holds(self, redacted: object) -> bool:
        """Whether what the API shows of a key, most letters hidden, may be this client's own."""
        return shows(redacted, self._key.get_secret_value())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get(self, path: str, params: Params = ()) -> Body:
        """The body of `path` (below the base URL).

        Raises ApiError: `status` 401 and 403 are refusals, 404 an unknown id; what is retryable was retried here, as
        far as the share of requests that may be repeated goes.
        """
        number = 0

        def again(error: Exception) -> bool | float:
            wait = _back_off(error)
            return wait if wait is not False and number < self._patience.attempts and self._retries.spend() else False

        async for attempt in stamina.retry_context(
            on=again,
            attempts=self._patience.attempts,
            timeout=self._patience.total,
            wait_initial=self._patience.first_wait,
            wait_max=self._patience.longest_wait,
            wait_jitter=self._patience.jitter,
        ):
            number = attempt.num
            if number == 1:
                self._retries.first()
            with attempt:
                return await self._get_once(path, params)
        raise AssertionError("retry_context returns or raises")

    async def _get_once(self, path: str, params: Params) -> Body:
        # The slot comes first: whoever waits for one has not been let through yet, and a pause holds it, too.
        async with self._slots:
            await self._budget.take(self._patience.total)
            try:
                async with (
                    asyncio.timeout(self._patience.whole),
                    self._http.stream("GET", self._base_url + path, params=list(params)) as response,
                ):
                    content = await _read(response, self._max_body)
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
                self._on_response(None)
                raise _unreachable(self._base_url, error) from error
        self._on_response(response.status_code)
        self._weigh(response)
        if response.status_code != 200:
            raise error_of(response.status_code, content, response.headers)
        return Body(content, response.headers.get("x-request-id"), response.headers.get("date"))

    def _weigh(self, response: httpx.Response) -> None:
        """What an answer means for the requests that come after it."""
        if response.status_code == 429:
            self._budget.pause(min(retry_after(response.headers) or 1.0, self._patience.pause))
        else:
            self._budget.answered()
        if response.status_code < 500:
            self._retries.answered()


@functools.cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _back_off(error: Exception) -> bool | float:
    """Whether to try again; as a number, how many seconds to wait at the least."""
    if not isinstance(error, ApiError) or not error.retryable:
        return False
    return error.retry_after if error.retry_after else True


async def _read(response: httpx.Response, cap: int) -> bytes:
    """The body, decompressed under the cap: httpx itself would unpack a bomb into one piece of memory."""
    gzip = response.headers.get("content-encoding", "").strip().lower() == "gzip"
    unpack = zlib.decompressobj(wbits=31) if gzip else None
    parts: list[bytes] = []
    size = 0
    async for chunk in response.aiter_raw():
        try:
            part = unpack.decompress(chunk, cap - size + 1) if unpack else chunk
        except zlib.error as error:
            raise ApiError("the Admin API sent a body that does not decompress", retryable=True) from error
        size += len(part)
        if size > cap:
            raise ApiError(
                f"the Admin API sent a body of more than {cap / (1 << 20):g} MiB", status=response.status_code
            )
        parts.append(part)
    if unpack and not unpack.eof and response.status_code == 200:
        raise ApiError("the Admin API's body was cut short", retryable=True)
    return b"".join(parts)


def _unreachable(base_url: str, error: Exception) -> ApiError:
    words = str(error) or type(error).__name__
    return ApiError(
        f"no answer from {base_url}: {words}",
        hint="check the address, the network and the proxy; is the server running?",
        retryable=isinstance(error, httpx.TransportError | TimeoutError),
    )
