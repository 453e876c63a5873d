"""Syslog over UDP, TCP or TLS. Formats: https://www.rfc-editor.org/rfc/rfc5424 and, as its text, ArcSight CEF:
https://docs.microfocus.com/doc/1896/24.1/commoneventformatv26

Syslog has no answer that confirms. Over TCP and TLS a message is delivered when the server read to its end and closed;
over UDP when it was sent and no machine on the way said that nobody listens. Prefer TLS.
"""

import json
import os
import re
import socket
import ssl
from dataclasses import replace
from ipaddress import ip_address
from typing import Literal

from pydantic import Field

from auditor import __version__
from auditor.alerts.answers import unreachable
from auditor.alerts.aside import aside
from auditor.alerts.destination import allowed, connected
from auditor.alerts.document import document, moment
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.remote import RemoteConfig
from auditor.alerts.sink import Context, Example, Receipt
from auditor.alerts.untrusted import named, one_line
from auditor.alerts.words import label
from auditor.terms import Level

_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
_SIZES = {"udp": 2048, "tcp": 8192, "tls": 8192}
"""Bytes of a message: what every server should take (RFC 5426, and rsyslog's own limit)."""
_SEVERITY = {Level.CRITICAL: 2, Level.HIGH: 3, Level.MEDIUM: 4, Level.LOW: 5, Level.INFORMATIONAL: 6}
_CEF_SEVERITY = {Level.CRITICAL: 10, Level.HIGH: 8, Level.MEDIUM: 5, Level.LOW: 3, Level.INFORMATIONAL: 1}
_ENTERPRISE = "32473"
"""The number that RFC 5612 sets aside for whoever has none."""
_ENCRYPT = "`transport: tls`"
_REFUSAL_SECONDS = 0.2
"""How long to listen whether a machine says that nobody takes the datagram."""


class Config(RemoteConfig):
    """`host`, and how to reach it. UDP and TCP are not encrypted, and go to private networks only."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=0, ge=0, le=65535)
    """514 for UDP, 601 for TCP, 6514 for TLS."""
    transport: Literal["udp", "tcp", "tls"] = "tls"
    format: Literal["rfc5424", "cef"] = "rfc5424"
    facility: int = Field(default=13, ge=0, le=23)
    """13 is the audit log."""

    def address(self) -> tuple[str, int] | None:
        """Host and port of a server over TCP; UDP has none that can be tried."""
        return None if self.transport == "udp" else (self.host, self.target_port)

    def place(self) -> str:
        """Host and port, whatever the transport."""
        return f"{self.host}:{self.target_port}"

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
    structured, text = _cef(alert) if config.format == "cef" else _plain(alert)
    priority = config.facility * 8 + _SEVERITY[Level.INFORMATIONAL if _is_good(alert) else alert.level]
    head = f"<{priority}>1 {moment(alert.at)} {_host()} auditor {os.getpid()} {alert.kind.value} {structured} "
    return _cut((head + text).encode("utf-8", "replace"), _SIZES[config.transport])


def _is_good(alert: Alert) -> bool:
    return alert.kind is AlertKind.RESOLVED


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:255] or "-"


def _cut(data: bytes, size: int) -> bytes:
    return data if len(data) <= size else data[:size].decode("utf-8", "ignore").encode()


def _plain(alert: Alert) -> tuple[str, str]:
    """Structured data, which programs read, and a text that people do."""
    fields = {
        "id": alert.id,
        "organization": alert.organization,
        "level": alert.level.value,
        "policy": alert.policy,
        "finding": alert.finding,
        "resourceKind": alert.resource_kind,
        "resourceId": alert.resource_id,
        "resourceName": alert.resource_name,
    }
    facts = {f"fact{number}": f"{name}: {value}" for number, (name, value) in enumerate(alert.facts[:4], 1)}
    elements = " ".join(f'{name}="{_value(text)}"' for name, text in {**fields, **facts}.items() if text)
    structured = f"[auditor@{_ENTERPRISE} {elements}]"
    if alert.kind is AlertKind.EVENT:
        return structured, json.dumps(document(alert)["event"])
    # A mark of byte order says that the text is UTF-8.
    return structured, f"\ufeff{_text(alert)}"


def _value(text: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", one_line(text, 80))


def _text(alert: Alert) -> str:
    lines = map(_line, alert.lines[:30])
    parts = (f"{label(alert)}: {one_line(alert.title, 200)}", one_line(alert.text, 1000), "; ".join(lines))
    return " - ".join(part for part in parts if part)


def _line(line: Line) -> str:
    finding = f" [{line.finding}]" if line.finding else ""
    return f"{line.level.value} {named(line.resource, line.resource_id, 120)}: {one_line(line.message, 120)}{finding}"


def _cef(alert: Alert) -> tuple[str, str]:
    """No structured data, and a text in the Common Event Format."""
    severity = _CEF_SEVERITY[Level.INFORMATIONAL if _is_good(alert) else alert.level]
    heads = ("auditor", "openai-org-auditor", __version__, alert.policy or alert.kind.value, alert.title, str(severity))
    head = "|".join(re.sub(r"([\\|])", r"\\\1", one_line(text, 200)) for text in heads)
    return "-", f"CEF:0|{head}|{' '.join(_extension(alert))}"


def _extension(alert: Alert) -> list[str]:
    facts = dict(alert.facts)
    fields = {
        "rt": str(alert.at * 1000),
        "externalId": alert.id,
        "cat": alert.kind.value,
        "suser": facts.get("Who", ""),
        "src": _ip(facts.get("From", "")),
        **_labelled(1, "organization", alert.organization),
        **_labelled(2, "finding", alert.finding),
        **_labelled(3, "resourceKind", alert.resource_kind),
        **_labelled(4, "resourceId", alert.resource_id),
        **_labelled(5, "resourceName", alert.resource_name),
        "msg": _text(alert),
    }
    return [f"{name}={_escaped(text)}" for name, text in fields.items() if text]


def _labelled(number: int, name: str, text: str) -> dict[str, str]:
    return {f"cs{number}Label": name, f"cs{number}": text} if text else {}


def _escaped(text: str) -> str:
    return re.sub(r"([\\=])", r"\\\1", one_line(text, 1023))


def _ip(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
