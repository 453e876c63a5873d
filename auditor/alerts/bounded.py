"""Bounds the answers that Apprise reads, and where they lead. To be imported only where Apprise is.

Its services ask by functions of requests that make a session each and read an answer whole, however long it is, and
no setting leads to that session. So the adapter that sessions are made with is ours from the import of this module on;
nothing else in this program uses requests. Lines, headers and chunk sizes are bounded by what requests is built on.
"""

from collections.abc import Iterator
from typing import Any

from requests import PreparedRequest, Response, sessions
from requests.adapters import HTTPAdapter
from urllib3.response import BaseHTTPResponse

ANSWER_MAX = 1024 * 1024
"""Bytes, unpacked. More than of other sinks: some services list rooms or updates before they send."""


class Adapter(HTTPAdapter):
    """Reads the beginning of an answer; its status is what confirms, and of what is longer the rest stays unread.

    A redirect is an answer like others, which leads nowhere, whatever a service thinks of it.
    """

    def build_response(self, req: PreparedRequest, resp: BaseHTTPResponse) -> Response:
        """As requests does it."""
        response = super().build_response(req, resp)
        response.raw = _Beginning(resp)
        if 300 <= response.status_code < 400:
            response.headers.pop("Location", None)
        return response


class _Beginning:
    def __init__(self, whole: BaseHTTPResponse) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def stream(self, amt: int, decode_content: bool) -> Iterator[bytes]:
        left = ANSWER_MAX
        for part in self._whole.stream(amt, decode_content=decode_content):
            yield part[:left]
            left -= len(part)
            if left <= 0:
                return self._whole.close()


def install() -> None:
    """Bound what is read by sessions that are made from now on."""
    sessions.HTTPAdapter = Adapter  # type: ignore[attr-defined]
