"""Mail servers for the tests: a real one that keeps what it takes, and one that fails at a verb of choice."""

import contextlib
import hmac
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session


@dataclass
class Inbox:
    """What the server took, parsed by the standard library."""

    letters: list[EmailMessage] = field(default_factory=list)
    wire: list[bytes] = field(default_factory=list)
    """The same, as they came."""
    recipients: list[list[str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    refuse: tuple[str, ...] = ()
    """Addresses that do not exist here."""
    put_off: tuple[str, ...] = ()
    """Addresses that are on a greylist."""
    closes_at: tuple[str, ...] = ()
    """Addresses at which the server ends the talk."""
    busy: bool = False
    """No letter is taken now, whoever it is for."""
    port: int = 0
    password: str = "canary-password"
    """Of `ada` and of `jürgen`."""

    async def handle_RCPT(
        self, _server: object, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuse:
            return "550 5.1.1 no such user canary"
        if address in self.put_off:
            return "450 4.2.0 greylisted canary"
        if address in self.closes_at:
            return "421 4.3.2 canary"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: object, session: Session, envelope: Envelope) -> str:
        if self.busy:
            return "451 4.3.0 canary"
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.wire.append(content)
        self.letters.append(message_from_bytes(content, policy=policy.default))
        self.recipients.append(list(envelope.rcpt_tos))
        self.encrypted.append(session.ssl is not None)
        return "250 OK"

    def authenticate(self, _server: object, _session: object, _envelope: object, _method: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and self._knows(data.login, data.password, self.password.encode())
        return AuthResult(success=good, handled=False)

    async def auth_CRAM__MD5(self, server: Any, _arguments: object) -> AuthResult:
        """https://www.rfc-editor.org/rfc/rfc2195"""
        challenge = b"<1@mail.example.com>"
        login, _, answer = (await server.challenge_auth(challenge)).rpartition(b" ")
        wanted = hmac.new(self.password.encode(), challenge, "md5").hexdigest().encode()
        return AuthResult(success=self._knows(login, answer, wanted), handled=False)

    def _knows(self, login: bytes, said: bytes, wanted: bytes) -> bool:
        good = login.decode() in ("ada", "jürgen") and said == wanted
        if good:
            self.users.append(login.decode())
        return good


@contextmanager
def serving(
    context: ssl.SSLContext | None = None, *, implicit: bool = False, login: bool = False, way: str = "PLAIN"
) -> Iterator[Inbox]:
    """A running server; with `context` it offers STARTTLS, or speaks TLS from the start; `way` to log in is offered."""
    inbox = Inbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        inbox.port = free.getsockname()[1]
    settings: dict[str, Any] = {"enable_SMTPUTF8": False}
    if login:
        # The server does not count TLS from the start as TLS.
        settings |= {
            "authenticator": inbox.authenticate,
            "auth_required": not implicit,
            "auth_require_tls": not implicit,
            "auth_exclude_mechanism": {"PLAIN", "LOGIN", "CRAM-MD5"} - {way},
        }
    if context:
        settings |= {"ssl_context" if implicit else "tls_context": context}
        settings |= {} if implicit else {"require_starttls": True}
    controller = Controller(inbox, hostname="127.0.0.1", port=inbox.port, **settings)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


HONEST = {
    "GREETING": b"220 mail.example.com ESMTP\r\n",
    "EHLO": b"250 mail.example.com\r\n",
    "HELO": b"250 mail.example.com\r\n",
    "MAIL": b"250 OK\r\n",
    "RCPT": b"250 OK\r\n",
    "DATA": b"354 go on\r\n",
    "DOT": b"250 OK\r\n",
    "QUIT": b"221 bye\r\n",
    "RSET": b"250 OK\r\n",
}


class _Script:
    """Gives the replies it was told, byte by byte when it drips, and is honest otherwise."""

    def __init__(self, replies: Mapping[str, bytes | None], drip: float) -> None:
        self._replies: dict[str, bytes | None] = {**HONEST, **replies}
        self._drip = drip
        self.heard: list[str] = []

    def talk(self, connection: socket.socket) -> None:
        """One session, to its end."""
        file = connection.makefile("rb")
        on = self._say(connection, "GREETING")
        while on and (line := file.readline()):
            verb = line.split()[0].decode().upper()
            on = self._say(connection, verb)
            if verb == "DATA" and self._replies["DATA"] == HONEST["DATA"]:
                while file.readline() not in (b".\r\n", b""):
                    pass
                on = self._say(connection, "DOT")

    def _say(self, connection: socket.socket, verb: str) -> bool:
        """Whether to go on."""
        self.heard.append(verb)
        reply = self._replies.get(verb, b"502 what?\r\n")
        if reply is None:
            return False
        step = 1 if self._drip else max(len(reply), 1)
        for start in range(0, len(reply), step):
            connection.sendall(reply[start : start + step])
            time.sleep(self._drip)
        return True


@contextmanager
def scripted(replies: Mapping[str, bytes | None], drip: float = 0) -> Iterator[tuple[int, list[str]]]:
    """The port of a server that gives `replies` (None: it hangs up), and the verbs it heard."""
    listener = socket.create_server(("127.0.0.1", 0))
    script = _Script(replies, drip)

    def serve() -> None:
        while listener.fileno() >= 0:
            with contextlib.suppress(OSError), listener.accept()[0] as connection:
                script.talk(connection)

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield listener.getsockname()[1], script.heard
