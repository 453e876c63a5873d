"""A Socket Mode connection: what is pressed in Slack comes over it, and nobody has to reach us.

It is the SDK's own client, kept to addresses that the sink may speak to, and made to notice when nobody is there.
https://docs.slack.dev/apis/events-api/using-socket-mode
"""

import logging
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import cast
from urllib.parse import urlsplit

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.socket_mode.builtin import SocketModeClient
from slack_sdk.socket_mode.builtin.connection import ConnectionState
from slack_sdk.web import WebClient

from auditor.alerts.answers import unreachable
from auditor.alerts.destination import Allowance, allowed, left_to_proxy, refusal
from auditor.alerts.proxies import proxy_for
from auditor.alerts.sinks import slack
from auditor.alerts.sinks.slack import APP_TOKENS, Config
from auditor.alerts.slackerrors import explained
from auditor.errors import DeliveryError

BUFFER = 32 * 1024
"""Bytes that are read at once. The SDK takes a frame apart by recursion, so this times a thousand is its longest."""
SILENCE = 30.0
"""Seconds without a byte after which nobody is there: a ping goes out every five, and is answered."""

# The SDK's own lines hold the address of the connection, which is a credential, and what people wrote.
_quiet = logging.getLogger("auditor.slack_sdk")

_HINTS = {
    **dict.fromkeys(("invalid_auth", "not_authed", "not_allowed_token_type"), f"make an app-level token: {APP_TOKENS}"),
    **dict.fromkeys(("missing_scope", "no_permission", "access_denied"), f"the scope is missing: {APP_TOKENS}"),
    **dict.fromkeys(("token_revoked", "token_expired", "account_inactive"), "store the new app token"),
    "forbidden_team": "switch on Socket Mode: api.slack.com > your app > Socket Mode",
}


def ticket(config: Config) -> str:
    """The address of a new connection, which is good once: proof that the app token works.

    Raises DeliveryError and ConfigError, with a hint where an operator can help.
    """
    try:
        answer = slack.web(config, config.app_credential()).api_call("apps.connections.open")
    except SlackApiError as error:
        raise explained(error, "the app token", _HINTS) from None
    except SlackClientError as error:
        raise unreachable("Slack", error) from None
    return str(answer.get("url") or "")


class Socket(SocketModeClient):
    """One connection from handshake to end; whoever holds it opens the next one.

    `take` gets each text on the thread that receives, so it must be quick. Raises DeliveryError when it cannot be had.
    """

    def __init__(self, config: Config, take: Callable[["Socket", str], None], ended: Callable[[], None]) -> None:
        url = ticket(config)
        self._allowance, proxy = _way(url, config)
        self._state = ConnectionState()  # type: ignore[no-untyped-call]
        super().__init__(
            "",
            logger=_quiet,
            web_client=WebClient(ssl=config.trust(), logger=_quiet),
            auto_reconnect_enabled=False,
            receive_buffer_size=BUFFER,
            concurrency=1,
            on_error_listeners=[self._failed],
            on_close_listeners=[lambda _code, _reason: ended()],
        )
        self.proxy = proxy or None
        self.wss_uri = url
        self.app = ""
        """Id of the app, once it was told."""
        self.heard = False
        """Whether Slack said hello."""
        self.leaving = ""
        """Why Slack wants another connection instead of this one."""
        self._take = take
        self._ended = ended
        self._wire: _Wire | None = None
        self._failure: Exception | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self.connect()
        session = self.current_session
        sock = session.sock if session else None
        if session is None or sock is None:
            raise unreachable("Slack's socket", self._failure or ConnectionError())
        try:
            peer = ip_address(str(sock.getpeername()[0]).partition("%")[0])
        except OSError as error:  # it is gone already
            raise unreachable("Slack's socket", error) from None
        if self.proxy is None and not self._allowance.allows(peer):
            raise refusal("Slack's socket", self._allowance)
        self._wire = _Wire(sock)
        session.sock = cast(ssl.SSLSocket, self._wire)

    @property
    def alive(self) -> bool:
        """Whether somebody is there."""
        return self._wire is not None and self.is_connected() and time.monotonic() - self._wire.heard_at < SILENCE

    def confirm(self, envelope: str, payload: object = None) -> None:
        """Tell Slack that an envelope arrived; one that is not confirmed comes again."""
        answer = {"envelope_id": envelope} | ({} if payload is None else {"payload": payload})
        with suppress(SlackClientError):
            self.send_socket_mode_response(answer)

    def enqueue_message(self, message: str) -> None:
        """Called by the SDK for each text: without its queue, which has no end, and its threads."""
        self._take(self, message)

    def _run_current_session(self) -> None:
        # The SDK's own takes back that the connection was closed, when that was in its first tenth of a second.
        session = self.current_session
        if session is not None and session.is_active() and not self.closed:
            session.run_until_completion(self._state)

    def close(self) -> None:
        """End it, at once."""
        self.closed = self._state.terminated = True
        self.message_queue.put(None)  # the SDK's own thread looks at `closed` once a second, or when something comes
        if self._wire:
            self._wire.end()
        try:
            super().close()
        except AttributeError:
            # The SDK looks whether there is a socket before it waits for its turn to close it, and the thread that
            # receives closes it, too: who comes second finds none, and has the rest still to end.
            super().close()

    def _failed(self, error: Exception) -> None:
        # After a frame that cannot be read nothing is known of where the next one begins.
        self._failure = error
        if self._wire:
            self._wire.end()
        self._ended()


class _Wire:
    """A socket that tells an end from silence and sends all that it is given; the SDK's loops do neither."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        self.heard_at = time.monotonic()

    def recv(self, size: int) -> bytes:
        """As a socket does it, but the end is an error, and so is one that was closed here."""
        try:
            data = self._inner.recv(size)
        except TimeoutError:
            raise
        except OSError:
            data = b""
        if not data:
            raise ConnectionResetError("the connection is closed")
        self.heard_at = time.monotonic()
        return data

    def send(self, data: bytes) -> int:
        """Send all of it."""
        self._inner.sendall(data)
        return len(data)

    def end(self) -> None:
        """Wake whoever reads."""
        with suppress(OSError):
            self._inner.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give it back."""
        self._inner.close()


def _way(url: str, config: Config) -> tuple[Allowance, str]:
    """Where a connection for `url` may lead, and the proxy through which it goes, empty for none.

    Raises DeliveryError for where the sink must not go.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    # The SDK speaks TLS on one port alone, whatever the address says.
    encrypted = url.startswith("wss://") and port in (None, 443)
    plain = url.startswith("ws://") and port not in (None, 443) and bool(config.allow_private)
    if not host or not (encrypted or plain):
        raise DeliveryError("Slack gave no address of a socket", hint="check base_url", retryable=True)
    allowance = config.allowance if encrypted else replace(config.allowance, public=False)
    proxy = proxy_for(host) if encrypted else None
    if proxy:
        left_to_proxy(host, allowance)
        return allowance, proxy.url
    try:
        allowed(host, port or 443, allowance)
    except OSError as error:
        raise unreachable("Slack's socket", error) from None
    return allowance, ""
