"""Syslog over UDP, TCP or TLS. Formats: https://www.rfc-editor.org/rfc/rfc5424 and, as its text, ArcSight CEF:
https://docs.microfocus.com/doc/1896/24.1/commoneventformatv26

Syslog has no answer that confirms. Over TCP and TLS a message is delivered when the other side closed in order, and not
by a reset: a server has read to the end then, while a relay before it may have closed for one that is not there. Over
UDP it is delivered when it was sent and no machine on the way said that nobody listens. Prefer TLS, without a relay.
"""

import socket
import ssl
from dataclasses import replace
from ipaddress import ip_address
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from auditor.alerts.answers import unreachable
from auditor.alerts.aside import aside
from auditor.alerts.destination import allowed, connected
from auditor.alerts.message import Alert
from auditor.alerts.remote import RemoteConfig
from auditor.alerts.sink import Context, Example, Receipt
from auditor.alerts.syslogtext import LIMIT_MIN, message

_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
_LIMITS = {"udp": 2048, "tcp": 3_000_000, "tls": 3_000_000}
"""Bytes: what every server should take in a datagram (RFC 5426), and any event that the API sends."""
_DATAGRAM_MAX = 65_000
_ENCRYPT = "`transport: tls`"
_REFUSAL_SECONDS = 0.2
"""How long to listen whether a machine says that nobody takes the datagram."""


class Config(RemoteConfig):
    """`host`, and how to reach it. UDP and TCP are not encrypted, and go to private networks only."""

    asks_proxy: ClassVar[bool] = False
    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=0, ge=0, le=65535)
    """514 for UDP, 601 for TCP, 6514 for TLS."""
    transport: Literal["udp", "tcp", "tls"] = "tls"
    format: Literal["rfc5424", "cef"] = "rfc5424"
    facility: int = Field(default=13, ge=0, le=23)
    """13 is the audit log."""
    max_message: int | None = Field(default=None, ge=LIMIT_MIN, le=10_000_000)
    """Bytes of a message; None for what a transport takes. What is longer is shortened, and says so."""

    @model_validator(mode="after")
    def _fits(self) -> "Config":
        if self.transport == "udp" and self.limit > _DATAGRAM_MAX:
            raise ValueError(f"max_message: a datagram holds at most {_DATAGRAM_MAX:,} bytes")
        return self

    def address(self) -> tuple[str, int] | None:
        """Host and port of a server over TCP; UDP has none that can be tried."""
        return None if self.transport == "udp" else (self.host, self.target_port)

    def place(self) -> str:
        """Host and port, whatever the transport."""
        return f"{self.host}:{self.target_port}"

    @property
    def limit(self) -> int:
        """Bytes of a message."""
        return self.max_message or _LIMITS[self.transport]

    @property
    def target_port(self) -> int:
        """The port, or the usual one of the transport."""
        return self.port or _PORTS[self.transport]


_PLACE = {"host": "{host}", "port": "{port}", "timeout": "1", "allow_private": "true"}

TAKES_EVENTS = True

EXAMPLES = {
    "syslog": Example({**_PLACE, "transport": "tcp"}),
    "syslog over udp": Example({**_PLACE, "transport": "udp"}),
    "syslog with cef": Example({**_PLACE, "transport": "tcp", "format": "cef"}),
}


def render(config: Config, alert: Alert) -> str:
    """The message."""
    return _message(config, alert).decode()


async def send(config: Config, alert: Alert, context: Context) -> Receipt:
    """Send the message. Raises DeliveryError, always retryable."""
    data = _message(config, alert)
    way = _by_udp if config.transport == "udp" else _by_tcp
    try:
        await aside(lambda: way(config, data))
    except OSError as error:
        raise unreachable("the syslog server", error) from None
    return Receipt({"transport": config.transport})


def _by_udp(config: Config, data: bytes) -> None:
    allowance = replace(config.allowance, public=False, encrypt=_ENCRYPT)
    address = next(iter(allowed(config.host, config.target_port, allowance)))
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as datagram:
        datagram.settimeout(_REFUSAL_SECONDS)
        datagram.connect((address, config.target_port))
        datagram.send(data)
        try:
            datagram.recv(1)
        except TimeoutError:
            return


def _by_tcp(config: Config, data: bytes) -> None:
    allowance = replace(config.allowance, public=config.transport == "tls", encrypt=_ENCRYPT)
    with connected(config.host, config.target_port, config.timeout, allowance) as connection:
        framed = f"{len(data)} ".encode() + data
        if config.transport == "tls":
            with config.trust().wrap_socket(connection, server_hostname=config.host) as wrapped:
                wrapped.sendall(framed)
                _say_goodbye(wrapped)
        else:
            connection.sendall(framed)
            connection.shutdown(socket.SHUT_WR)
            _await_close(connection)


def _say_goodbye(wrapped: ssl.SSLSocket) -> None:
    try:
        wrapped.unwrap()
    except ssl.SSLEOFError:
        return  # closed without the goodbye of TLS, as many servers do, after it read ours
    except OSError as error:
        if error.errno != 0:
            raise


def _await_close(connection: socket.socket) -> None:
    """Until the server closes, having read all; what it says before that is nobody's."""
    for _ in range(64):
        if not connection.recv(1024):
            return
    raise OSError("it speaks, and is no syslog server")


def _message(config: Config, alert: Alert) -> bytes:
    return message(alert, config.format, config.facility, config.limit)
