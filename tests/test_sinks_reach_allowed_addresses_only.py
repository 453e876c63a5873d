"""Where sinks may connect to: judged by the address of the connection, however the name is written."""

import base64
import itertools
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address, ip_network

import pytest
import trustme
from pydantic import ValidationError

from auditor.alerts import remote
from auditor.alerts.destination import Allowance, allowed, connect, left_to_proxy
from auditor.alerts.post import post
from auditor.alerts.proxies import proxy_for
from auditor.alerts.registry import build
from auditor.alerts.remote import RemoteConfig, checked_url
from auditor.alerts.samples import samples
from auditor.alerts.sink import Context
from auditor.errors import DeliveryError
from auditor.jobs import surroundings
from auditor.jobs.diagnosis import Mark

NOWHERE = Allowance()
PRIVATE = Allowance(private=True)

LOOPBACK = """
127.0.0.1 127.0.0.53 127.255.255.254 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 0x7f.0.0.0x1
localhost ::1 0:0:0:0:0:0:0:1 ::ffff:127.0.0.1 ::ffff:7f00:1 0:0:0:0:0:ffff:7f00:0001 64:ff9b::127.0.0.1 64:ff9b::7f00:1
"""
PRIVATE_FORMS = """
10.0.0.1 10.255.255.255 0xa000001 167772161 012.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 192.168.1 3232235521
100.64.0.1 100.127.255.255 fc00::1 fd12:3456:789a::1 ::ffff:10.0.0.1 ::ffff:192.168.0.1 64:ff9b::10.0.0.1
64:ff9b::192.168.1.1 ::ffff:100.64.0.1
"""
NEVER = """
169.254.169.254 169.254.0.1 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 100.100.100.200 168.63.129.16
192.0.0.192 fd00:ec2::254 fd20:ce::254 fe80::1 fe80::a9fe:a9fe ::ffff:169.254.169.254 64:ff9b::169.254.169.254
0.0.0.0 0 0.1.2.3 :: ::127.0.0.1 224.0.0.1 239.255.255.250 ff02::1 240.0.0.1 255.255.255.255 198.18.0.1 192.0.2.1
198.51.100.1 203.0.113.1 192.88.99.1 2001:db8::1 2001::1 2001:20::1 2002:7f00:1:: 64:ff9b:1::7f00:1 100::1 fec0::1
3fff::1 5f00::1
"""
FORMS = (LOOPBACK + PRIVATE_FORMS + NEVER).split()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_there_are_more_than_sixty_forms() -> None:
    assert len(set(FORMS)) == len(FORMS) > 60


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_a_closed_address_is_refused(form: str) -> None:
    """The system's own resolver reads it, as it would for a connection."""
    assert socket.getaddrinfo(form, 443), "otherwise the refusal would prove nothing"
    with pytest.raises(DeliveryError) as caught:
        allowed(form, 443, NOWHERE)
    assert caught.value.retryable
    assert "allow_private" in caught.value.hint


@pytest.mark.parametrize("form", (LOOPBACK + PRIVATE_FORMS).split())
def test_private_addresses_are_opened_together(form: str) -> None:
    assert allowed(form, 443, PRIVATE)


@pytest.mark.parametrize("form", NEVER.split())
def test_metadata_and_reserved_addresses_stay_closed_with_the_private_ones_open(form: str) -> None:
    with pytest.raises(DeliveryError):
        allowed(form, 443, PRIVATE)


def test_a_listed_network_is_open_and_no_other() -> None:
    listed = Allowance(networks=(ip_network("10.1.0.0/16"), ip_network("169.254.169.254/32")))
    assert listed.allows(ip_address("10.1.2.3"))
    assert listed.allows(ip_address("::ffff:10.1.2.3"))
    assert listed.allows(ip_address("169.254.169.254"))
    assert not listed.allows(ip_address("10.2.0.1"))
    assert not listed.allows(ip_address("127.0.0.1"))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "100.128.0.1"]
)
def test_the_internet_is_open(address: str) -> None:
    assert NOWHERE.allows(ip_address(address))
    assert not Allowance(public=False, private=True).allows(ip_address(address)), "plain http"


class Name:
    """A name whose owner answers differently each time, as in a rebinding attack."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = itertools.cycle(answers)
        self.asked = 0

    def __call__(self, _host: str, _port: int) -> Sequence[str]:
        self.asked += 1
        return next(self._answers)


@pytest.fixture
def counted() -> Iterator[tuple[int, list[int]]]:
    """A port of the loopback interface, and who connected to it."""
    connections: list[int] = []
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:

        def serve() -> None:
            try:
                while True:
                    listener.accept()[0].close()
                    connections.append(1)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], connections


def test_a_name_that_changes_its_mind_reaches_nothing_in_1000_connections(counted: tuple[int, list[int]]) -> None:
    port, connections = counted
    closed = Allowance(networks=(ip_network("127.0.0.2/32"),))
    name = Name(["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["::1", "169.254.169.254"])
    for _ in range(1000):
        with pytest.raises((OSError, DeliveryError)):
            connect("rebinding.example.com", port, 1, closed, name)
    assert connections == []
    assert name.asked == 1000, "asked once a connection: what was checked is what is connected to"


async def test_http_asks_for_a_name_once_and_connects_to_what_was_checked(counted: tuple[int, list[int]]) -> None:
    port, connections = counted
    config = RemoteConfig(allow_private=(ip_network("127.0.0.2/32"),), timeout=2)
    name = Name(["127.0.0.2"], ["127.0.0.1"])
    for _ in range(50):
        with pytest.raises(DeliveryError):
            await post("Peer", f"http://rebinding.example.com:{port}/", b"{}", {}, config, name)
    assert connections == []
    assert name.asked == 50


def whole_request(connection: socket.socket) -> bytes:
    """To the end of its body: whoever closes with something unread resets the connection."""
    read = b""
    while not read.endswith(b"\r\n\r\n{}") and (part := connection.recv(65536)):
        read += part
    return read


async def test_name_and_certificate_stay_those_of_the_url(tmp_path: object) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example.com").configure_cert(context)
    seen: list[str] = []
    context.sni_callback = lambda _socket, name, _context: seen.append(str(name))
    request = bytearray()
    with authority.cert_pem.tempfile() as file, socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                try:
                    with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                        request.extend(whole_request(connection))
                        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                except OSError:
                    continue

        threading.Thread(target=serve, daemon=True).start()
        config = RemoteConfig.model_validate({"allow_private": True, "ca_file": file})
        port = listener.getsockname()[1]
        answer = await post("Peer", f"https://hooks.example.com:{port}/a", b"{}", {}, config, Name(["127.0.0.1"]))
        assert answer.status == 204
        assert seen == ["hooks.example.com"]
        assert f"Host: hooks.example.com:{port}".encode() in request
        with pytest.raises(DeliveryError, match="its certificate is not trusted"):
            await post("Peer", f"https://other.example.com:{port}/a", b"{}", {}, config, Name(["127.0.0.1"]))


DOTTED = "169.254.169.254. 127.1. LOCALHOST localhost. hooks.localhost a.localhost."


@pytest.mark.parametrize("form", [*FORMS, *DOTTED.split()])
async def test_a_proxy_is_not_asked_for_a_closed_address(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    url = f"https://[{form}]/latest" if ":" in form else f"https://{form}/latest"
    with pytest.raises(DeliveryError, match="private, local or reserved"):
        await post("Peer", url, b"{}", {}, RemoteConfig(timeout=2))
    with pytest.raises(DeliveryError, match="private, local or reserved"):
        left_to_proxy(f"[{form}]", NOWHERE)


@pytest.mark.parametrize(
    "form", ["\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "\uff11\uff12\uff17.1", "fe80::1%eth0"]
)
def test_what_a_library_makes_an_address_of_is_one(form: str) -> None:
    with pytest.raises(DeliveryError, match="private, local or reserved"):
        left_to_proxy(form, PRIVATE if "%" in form else NOWHERE)


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "0x08080808", "[2606:4700::1111]", "hooks.example.com", "localhost.example", ""]
)
def test_names_and_open_addresses_are_left_to_the_proxy(host: str) -> None:
    left_to_proxy(host, NOWHERE)


async def test_certificates_of_the_environment_that_are_none_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    remote._usual.cache_clear()
    sink = build("chat", {"type": "teams", "url": "https://hooks.example.com/canary"})
    with pytest.raises(
        DeliveryError, match="the certificates that SSL_CERT_FILE names: no certificates in PEM"
    ) as caught:
        await sink.send(samples("acme", 0)["notice"], Context())
    assert caught.value.retryable


async def test_a_name_that_leads_nowhere_is_told_as_that() -> None:
    with pytest.raises(DeliveryError, match="Peer: its name is not known") as caught:
        await post("Peer", "https://hooks.invalid/canary", b"{}", {}, RemoteConfig(timeout=5))
    assert caught.value.retryable


@contextmanager
def proxying(port: int) -> Iterator[tuple[str, list[str]]]:
    """A proxy that leads everywhere to `port` of this machine, and the requests it got."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError), listener.accept()[0] as near, socket.create_connection(("127.0.0.1", port)) as far:
                asked.append(near.recv(65536).decode())
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=pump, args=(far, near), daemon=True).start()
                pump(near, far)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)


@pytest.mark.parametrize(
    ("login", "told"),
    [
        ("http://ada:p%40ss@", b"ada:p@ss"),
        ("ada:p%40ss@", b"ada:p@ss"),
        ("http://ada:p%C3%A4ss@", b"ada:p\xc3\xa4ss"),
        ("http://ada:p\u00e4ss@", b"ada:p\xc3\xa4ss"),
        ("http://ada:p%E4ss@", b"ada:p\xe4ss"),
        ("http://ada@", b"ada:"),
    ],
)
async def test_a_proxy_of_the_environment_is_used_and_reads_nothing(
    login: str, told: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example.com").configure_cert(context)
    with authority.cert_pem.tempfile() as file, socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                whole_request(connection)
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        with proxying(listener.getsockname()[1]) as (proxy, asked):
            monkeypatch.setenv("https_proxy", f"{login}{proxy}")
            monkeypatch.setenv("no_proxy", "localhost")
            config = RemoteConfig.model_validate({"ca_file": file, "timeout": 5})
            answer = await post("Peer", "https://hooks.example.com/canary", b"{}", {}, config)
    assert answer.status == 204
    assert asked[0].startswith("CONNECT hooks.example.com:443 HTTP/1.1")
    assert f"Basic {base64.b64encode(told).decode()}\r\n" in asked[0]
    assert "canary" not in asked[0]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("socks5h://ada:canary@127.0.0.1:{port}", "speaks SOCKS, which is not supported"),
        ("SOCKS4://127.0.0.1:{port}", "speaks SOCKS, which is not supported"),
        ("ftp://ada:canary@127.0.0.1:{port}", "is no address"),
        ("http://ada:canary@127.0.0.1:port", "is no address"),
        ("http://ada:canary@pr\u00f6xy.example.com:{port}", "is no address"),
        ("http://ada:canary\udce4@127.0.0.1:{port}", "is no address"),
        ("http://", "is no address"),
    ],
)
async def test_a_proxy_that_is_of_no_use_is_told_and_not_asked(
    address: str, why: str, counted: tuple[int, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, connections = counted
    monkeypatch.setenv("https_proxy", address.replace("{port}", str(port)))
    sink = build("chat", {"type": "teams", "url": "https://hooks.example.com/canary", "timeout": 2})
    with pytest.raises(DeliveryError, match=f"^the proxy of the environment {why}$") as caught:
        await sink.send(samples("acme", 0)["notice"], Context())
    assert caught.value.retryable
    assert "NO_PROXY" in caught.value.hint
    assert connections == []
    line = await surroundings.sink(sink)
    assert (line.mark, line.text) == (Mark.FAIL, f"teams: the proxy of the environment {why}")
    monkeypatch.setenv("no_proxy", "hooks.example.com")
    assert proxy_for("hooks.example.com") is None


@pytest.mark.parametrize("login", ["", "ada:p%40%C3%A4ss@", "ada:@"])
def test_a_library_is_told_of_the_proxy_in_one(login: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"{login}proxy.example.com:3128")
    proxy = proxy_for("hooks.example.com")
    assert proxy is not None
    assert proxy.url == f"http://{login}proxy.example.com:3128"


async def test_doctor_says_that_an_address_is_closed_and_how_to_open_it() -> None:
    hook = {"type": "teams", "url": "https://127.0.0.1:9/workflows/canary"}
    line = await surroundings.sink(build("chat", hook))
    assert (line.mark, line.text) == (Mark.FAIL, "teams: 127.0.0.1 is a private, local or reserved address")
    assert "allow_private" in line.hint
    line = await surroundings.sink(build("chat", {**hook, "allow_private": True}))
    assert line.text == "teams: 127.0.0.1:9 cannot be reached: connection refused"


async def test_doctor_says_of_a_closed_address_so_also_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    line = await surroundings.sink(build("chat", {"type": "teams", "url": "https://169.254.43518/canary"}))
    assert (line.mark, line.text) == (Mark.FAIL, "teams: 169.254.43518 is a private, local or reserved address")
    line = await surroundings.sink(build("chat", {"type": "teams", "url": "https://hooks.example.com/canary"}))
    assert line.mark is Mark.OK


async def test_doctor_tries_itself_what_asks_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    siem = {"type": "syslog", "host": "localhost", "port": 9, "transport": "tcp", "allow_private": True}
    mail = {"type": "email", "host": "localhost", "port": 9, "security": "none", "allow_private": True}
    for settings in (siem, mail | {"sender": "auditor@example.com", "to": "ada@example.com"}):
        line = await surroundings.sink(build("sink", settings))
        assert (line.mark, line.hint) == (Mark.FAIL, "check the network")
        assert "localhost:9 cannot be reached" in line.text


async def test_a_proxy_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            with listener.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=refuse, daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://ada:canary@127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(DeliveryError) as caught:
            await post("Peer", "https://hooks.example.com/", b"{}", {}, RemoteConfig(timeout=5))
    assert caught.value.message == "Peer: the proxy of the environment refused it"
    assert "HTTPS_PROXY" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks.example.com", "ftp://hooks.example.com/", "http://hooks.example.com/", "https://", "https:///x",
        "https://u:canary@hooks.example.com/", "https://hooks.example.com/#canary", "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/", "https://[::1/", "https://hooks.example.com/a b",
        "https://h\u00f6oks.example/", "https://hooks.example.com/\r\nHost: evil.example.com", "file:///etc/passwd",
        "unix:///run/x", "javascript:canary",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_told_without_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^the url") as caught:
        checked_url(url, RemoteConfig())
    assert "canary" not in str(caught.value)


def test_networks_are_checked_with_the_configuration() -> None:
    with pytest.raises(ValidationError):
        RemoteConfig.model_validate({"allow_private": ["10.0.0.1/8"]})
