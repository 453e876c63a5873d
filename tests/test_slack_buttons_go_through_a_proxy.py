"""The way to Slack's sockets as it is in production: encrypted, with a certificate that is checked, through a proxy."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme
from buttons import CHANNEL, config_of, settings, workspace
from commands import eventually
from slack import Server

from auditor.alerts.slacksocket import Socket
from auditor.errors import DeliveryError
from auditor.simulator.slack_interactive import Interactive
from auditor.simulator.slack_websocket import accept

pytest_plugins = ["slackserver"]

HOST = "socket.example.com"


class Proxy:
    """Takes CONNECT, and is the socket of the named host itself."""

    def __init__(self, authority: trustme.CA, name: str) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked: list[str] = []
        self.texts: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += peer.recv(1)
        self.asked.append(head.decode().splitlines()[0])
        peer.sendall(b"HTTP/1.0 200 Connection established\r\n\r\n")
        with peer, contextlib.suppress(OSError), self._context.wrap_socket(peer, server_side=True) as encrypted:
            connection = accept(encrypted, lambda path: path == "/link/?ticket=t1")
            if connection:
                connection.text(json.dumps({"type": "hello", "connection_info": {"app_id": "A1"}}))
                connection.serve(self.texts.append)


@pytest.fixture
def people(server: Server) -> Iterator[Interactive]:
    people = workspace(server)
    people.address = f"wss://{HOST}/link/?ticket=t1"
    yield people
    people.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@contextlib.contextmanager
def through(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setenv("https_proxy", f"http://{proxy.address}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    try:
        yield proxy
    finally:
        proxy.close()


def test_a_connection_goes_through_the_proxy_encrypted(
    server: Server, people: Interactive, authority: trustme.CA, trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    with through(Proxy(authority, HOST), monkeypatch) as proxy:
        config = config_of(settings(server.address, ca_file=trusted))
        one = Socket(config, lambda _socket, text: heard.append(text), lambda: None)
        eventually(lambda: heard)
        one.confirm("e1", {"channel": CHANNEL})
        eventually(lambda: proxy.texts)
        assert one.alive
        one.close()
    assert proxy.asked == [f"CONNECT {HOST}:443 HTTP/1.0"]
    assert json.loads(proxy.texts[0]) == {"envelope_id": "e1", "payload": {"channel": CHANNEL}}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK drops a socket without closing
@pytest.mark.parametrize("case", ["another name", "another authority"])
def test_a_certificate_of_somebody_else_is_no_connection(
    server: Server,
    people: Interactive,
    authority: trustme.CA,
    trusted: str,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
) -> None:
    name = "other.example.com" if case == "another name" else HOST
    with through(Proxy(authority, name), monkeypatch):
        more = {"ca_file": trusted} if case == "another name" else {}
        with pytest.raises(DeliveryError, match="certificate is not trusted"):
            Socket(config_of(settings(server.address, **more)), lambda _socket, _text: None, lambda: None)


def test_a_proxy_is_not_asked_for_private_addresses(
    server: Server, people: Interactive, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.address = "wss://10.0.0.7/link/?ticket=t1"
    with through(Proxy(authority, HOST), monkeypatch) as proxy:
        config = config_of(settings(server.address, allow_private=["127.0.0.0/8"]))
        with pytest.raises(DeliveryError, match="private, local or reserved"):
            Socket(config, lambda _socket, _text: None, lambda: None)
    assert proxy.asked == []
