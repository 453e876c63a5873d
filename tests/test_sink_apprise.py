"""The bridge to other services: real Apprise, with its plain JSON service on loopback as the other side."""

import contextlib
import gzip
import logging
import re
import socket
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mail
import pytest
import trustme
from alerts import ALERT, HOSTILE, hidden, hostile
from services import Call, Reply, serving

from auditor.alerts import digests
from auditor.alerts.destination import Allowance
from auditor.alerts.message import Alert
from auditor.alerts.outbound import watched
from auditor.alerts.registry import build
from auditor.alerts.sink import Context
from auditor.errors import ConfigError, DeliveryError

apprise = pytest.importorskip("apprise")

CANARY = "canary0123456789"


@dataclass
class Plain:
    """Takes whatever comes, or answers `status`, `headers` and `body`, after `delay` seconds."""

    status: int = 200
    delay: float = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def answer(self, call: Call) -> Reply:
        self.calls.append(call)
        time.sleep(self.delay)
        return self.status, self.body


@pytest.fixture
def service() -> Iterator[tuple[Plain, str]]:
    fake = Plain()
    with serving(fake) as address:
        yield fake, f"json://{address.removeprefix('http://')}/{CANARY}"


async def send(url: str, alert: Alert = ALERT, **more: Any) -> None:
    settings = {"type": "apprise", "url": url, "allow_private": True, "timeout": 2, **more}
    await build("phone", settings).send(alert, Context())


async def test_title_and_body_arrive(service: tuple[Plain, str]) -> None:
    fake, url = service
    await send(url)
    (call,) = fake.calls
    assert call.json["title"] == "🔺 High: Project API key unused for 90 days"
    assert call.json["message"] == (
        "ci-bot of Ada in payments: last used 91 days ago\n"
        "Resource: ci-bot (key_1)\n"
        "Who: ada@example.com\n"
        "From: 192.0.2.7\n"
        "Delete the key, or have its owner record a waiver with an end date.\n"
        "http://127.0.0.1:9847/findings/00ff\n"
        "acme, 2026-01-01 00:00:00 UTC"
    )
    assert call.json["type"] == "failure"


@pytest.mark.parametrize("case", HOSTILE)
async def test_hostile_text_calls_nobody_and_links_nowhere(service: tuple[Plain, str], case: str) -> None:
    fake, url = service
    await send(url, hostile(case))
    text = fake.calls[0].json["title"] + fake.calls[0].json["message"]
    assert not hidden(text)
    assert text.count("://") == 1, "the link to the page"
    assert not [mark for mark in ("<!", "<@", "@here", "@everyone", "@channel") if mark in text]


def storm(count: int) -> Alert:
    told = [replace(ALERT, id=f"{n}", resource_name="\u540d", resource_id=f"key_{n:04}") for n in range(count)]
    return digests.merged(told, 1_767_225_600)


async def test_a_storm_has_as_many_lines_as_the_service_takes(service: tuple[Plain, str]) -> None:
    fake, url = service
    await send(url, storm(130))
    assert fake.calls[0].json["message"].count("(key_") == 130
    await send(url, storm(1000))
    whole = fake.calls[1].json["message"]
    listed = whole.count("(key_")
    assert 300 < listed < 1000
    assert len(whole) <= 32768
    (more,) = [line for line in whole.splitlines() if line.startswith("...")]
    link = "(on the page and with `auditor findings list --policy project-key-stale`)"
    assert more == f"... and {1000 - listed} more findings {link}"


async def test_a_storm_is_told_whole_where_the_operator_lets_apprise_divide_it(service: tuple[Plain, str]) -> None:
    fake, url = service
    await send(f"{url}?overflow=split", storm(1000))
    assert len(fake.calls) > 1
    assert sum(call.json["message"].count("(key_") for call in fake.calls) == 1000


@pytest.mark.parametrize(
    ("url", "most"),
    [
        ("discord://1234567890123456789/abcdefghijabcdefghijabcdefghij", 2000),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", 4096),
        ("clicksend://user:key@13334445555", 2000),
    ],
)
@pytest.mark.parametrize("text", ["x" * 5000, "\U0001f4a9" * 5000])
def test_a_message_is_never_longer_than_the_service_takes(url: str, most: int, text: str) -> None:
    long = replace(storm(1000), text=text, remediation=text, facts=((text, text),) * 6)
    for each in (long, storm(1000)):
        told = build("phone", {"type": "apprise", "url": url}).preview(each)
        title, _, body = told.partition("\n\n")
        size = len(body.removesuffix("\n").encode("utf-16-le")) // 2
        assert most - 400 < size <= most
        assert "more findings (" in body or each is long
        assert title.startswith("\U0001f4cb Digest")


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500])
async def test_what_is_not_taken_is_tried_again_and_gives_nothing_away(
    service: tuple[Plain, str], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake, url = service
    fake.status = status
    with pytest.raises(DeliveryError) as caught:
        await send(url)
    assert caught.value.retryable
    assert CANARY not in caught.value.message + caught.value.hint + caplog.text
    assert len(fake.calls) == 1, "no second try, and no redirect followed"


@pytest.mark.parametrize(
    ("scheme", "status", "body"),
    [("ntfy://{host}/topic", 500, b"[" * 200_000), ("mastodon://token@{host}", 400, b"[1]")],
)
async def test_a_service_that_trips_over_an_answer_is_tried_again(
    service: tuple[Plain, str], scheme: str, status: int, body: bytes
) -> None:
    fake, url = service
    fake.status, fake.body = status, body
    with pytest.raises(DeliveryError, match=r"Apprise (tripped over the answer|could not deliver)") as caught:
        await send(scheme.format(host=url.split("/")[2]))
    assert caught.value.retryable


async def test_a_service_that_does_not_answer_ends_in_time(service: tuple[Plain, str]) -> None:
    fake, url = service
    fake.delay = 10
    started = time.monotonic()
    with pytest.raises(DeliveryError):
        await send(url, timeout=1)
    assert time.monotonic() - started < 8


@pytest.mark.parametrize("option", ["?redirect=yes", "?format=text&redirect=1"])
def test_an_address_that_asks_for_redirects_is_a_fault_of_the_configuration(option: str) -> None:
    with pytest.raises(ConfigError, match="asks to follow redirects") as caught:
        build("phone", {"type": "apprise", "url": f"json://example.com/{CANARY}{option}"})
    assert "take `redirect` out of it" in caught.value.hint
    assert CANARY not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_service_that_would_follow_a_redirect_is_led_nowhere(service: tuple[Plain, str], status: int) -> None:
    """As a service of Apprise asks that forgets to say no."""
    import requests

    from auditor.alerts import bounded

    fake, url = service
    bounded.install()
    with serving(other := Plain()) as elsewhere:
        fake.status, fake.headers = status, {"Location": f"{elsewhere}/stolen"}
        answer = requests.post(url.replace("json://", "http://"), b"{}", timeout=10, allow_redirects=True)
    assert (answer.status_code, other.calls) == (status, [])


@contextlib.contextmanager
def endless(
    said: bytes, again: bytes, pause: float, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[int, list[int]]]:
    """A port where `said` and then `again` and again is heard, and the bytes of each connection that ended."""
    ended: list[int] = []

    def answer(connection: socket.socket) -> None:
        sent = 0
        with contextlib.suppress(OSError), tls.wrap_socket(connection, True) if tls else connection as peer:
            peer.sendall(said)
            while sent < 512 * 1024 * 1024:
                peer.sendall(again)
                sent += len(again)
                time.sleep(pause)
        ended.append(sent)

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], ended


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def soon(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return true()


async def test_of_an_answer_without_end_the_beginning_is_read() -> None:
    with endless(CHUNKED, b"10000\r\n" + b"x" * 0x10000 + b"\r\n", 0) as (port, ended):
        await send(f"json://127.0.0.1:{port}", timeout=30)
        assert soon(lambda: bool(ended))
    assert ended[0] < 32 * 1024 * 1024, "what the buffers of two sockets hold, and no more"


async def test_of_an_answer_that_unpacks_to_more_the_beginning_is_read(service: tuple[Plain, str]) -> None:
    fake, url = service
    fake.body, fake.headers = gzip.compress(gzip.compress(bytes(256 * 1024 * 1024))), {"Content-Encoding": "gzip, gzip"}
    tracemalloc.start()
    await send(url, timeout=30)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 1024 * 1024


@pytest.mark.parametrize("scheme", ["json", "jsons", "mailto"])
async def test_when_the_time_is_over_nothing_is_left_of_the_exchange(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slowly it is answered, and however often it is tried."""
    said, again = (b"", b"220-\r\n") if scheme == "mailto" else (CHUNKED, b"1\r\nx\r\n")
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with (
        authority.cert_pem.tempfile() as file,
        endless(said, again, 0.1, tls if scheme == "jsons" else None) as (port, ended),
    ):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", file)
        monkeypatch.delenv("HTTPS_PROXY", raising=False)
        for _ in range(3):
            with pytest.raises(DeliveryError, match="could not deliver") as caught:
                await send(f"{scheme}://127.0.0.1:{port}?from=a@example.com&to=b@example.com", timeout=1)
            assert caught.value.retryable
        assert soon(lambda: len(ended) == 3)
    assert all(ended), "each was being read"
    assert soon(lambda: not [each for each in threading.enumerate() if each.name in ("aside", "outbound")])


async def test_a_private_host_is_refused_unless_it_is_allowed(service: tuple[Plain, str]) -> None:
    fake, url = service
    with pytest.raises(DeliveryError, match="private, local or reserved"):
        await send(url, allow_private=False)
    assert fake.calls == []


SECOND_HOSTS = {
    "mail with a server of its own": "mailto://8.8.8.8:{port}?smtp=127.0.0.1&from=a@example.com&to=b@example.com",
    "mail with a name for it": "mailto://8.8.8.8:{port}?smtp=localhost&from=a@example.com&to=b@example.com",
    "another form of the address": "json://0x7f000001:{port}/",
    "a name for this machine": "json://localhost:{port}/",
}


@pytest.mark.parametrize("case", SECOND_HOSTS)
async def test_no_other_part_of_the_address_leads_to_a_private_host(case: str) -> None:
    with mail.scripted({}) as (port, heard):
        with pytest.raises(DeliveryError, match="private, local or reserved") as caught:
            await send(SECOND_HOSTS[case].format(port=port), allow_private=False)
        assert heard == []
    assert caught.value.retryable
    assert "allow_private" in caught.value.hint


async def test_a_private_mail_server_is_reached_where_it_is_allowed() -> None:
    with mail.serving() as inbox:
        url = f"mailto://example.com:{inbox.port}?smtp=127.0.0.1&from=a@example.com&to=b@example.com"
        await send(url, allow_private=["127.0.0.0/8"])
    assert inbox.recipients == [["b@example.com"]]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_datagram_goes_to_allowed_hosts_only(host: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        url = f"rsyslog://{host}:{server.getsockname()[1]}"
        with pytest.raises(DeliveryError, match="private, local or reserved"):
            await send(url, allow_private=False)
        with pytest.raises(BlockingIOError):
            server.recv(1)
        await send(url)
        assert b"Project API key" in server.recv(65536)


async def test_the_token_of_a_bot_is_looked_up_by_no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands where other addresses have their host. The proxy of the environment is asked for the service's."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def serve() -> None:
            while proxy.fileno() >= 0:
                with contextlib.suppress(OSError), proxy.accept()[0] as connection:
                    asked.append(connection.recv(65536).split(b"\r\n")[0])
                    connection.sendall(b"HTTP/1.1 502 no\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        with pytest.raises(DeliveryError, match="could not deliver"):
            await send(f"tgram://123456789:{CANARY * 2}/12315544/", allow_private=False)
    assert asked[0].startswith(b"CONNECT api.telegram.org:443 ")


@pytest.mark.parametrize("plugin", ["xmpp", "xmpps"])
async def test_the_host_of_a_service_that_asks_no_proxy_is_checked_here(
    plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is built on is not installed: nothing of it is needed to refuse the host."""
    monkeypatch.setattr(apprise.manager_plugins.NotificationManager()[plugin], "enabled", True)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(DeliveryError, match="private, local or reserved"):
        await send(f"{plugin}://ada:{CANARY}@localhost/b@example.com", allow_private=False)
    with pytest.raises(DeliveryError, match="could not deliver"):
        await send("jsons://hooks.example.com", allow_private=False)


@pytest.mark.parametrize("host", ["[::ffff:169.254.169.254]", "2852039166", "0xa9fea9fe", "169.254.43518", "localhost"])
async def test_a_proxy_is_not_asked_for_a_closed_address(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(DeliveryError, match="private, local or reserved"):
        await send(f"jsons://{host}", allow_private=False)


async def test_an_address_in_brackets_is_reached() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        await send(f"json://[::1]:{server.getsockname()[1]}", timeout=5)


@pytest.mark.parametrize("name", ["@alice", "(@alice)", "x @alice", "<@alice", "@everyone", "ada@everyone"])
def test_no_name_is_called(name: str) -> None:
    told = build("phone", {"type": "apprise", "url": "json://localhost"}).preview(replace(ALERT, title=name))
    assert not re.search(r"(?<!\w)@\w|@everyone|<@", told)
    assert "ada@example.com" in told, "an address calls nobody"


def test_who_is_watched_reaches_allowed_addresses_only_and_others_are_free() -> None:
    came: list[str] = []

    def connect(name: str, port: int) -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            came.append(name)

    def library(port: int) -> None:
        with watched(Allowance(), 60) as watch:
            watching.set()
            done.wait(10)
            connect("watched", port)
            assert watch.refused
        connect("afterwards", port)

    with socket.create_server(("127.0.0.1", 0)) as server:
        port, watching, done = server.getsockname()[1], threading.Event(), threading.Event()
        thread = threading.Thread(target=library, args=(port,))
        thread.start()
        watching.wait(10)
        connect("another", port)
        done.set()
        thread.join()
    assert came == ["another", "afterwards"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_who_is_watched_sends_no_datagram_and_reaches_no_socket_of_this_machine(host: str, tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as local,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server,
    ):
        server.bind(str(tmp_path / "socket"))
        server.listen()
        with watched(Allowance(), 60) as watch:
            for act in (
                lambda: datagram.sendto(b"x", (host, 9)),
                lambda: datagram.sendmsg([b"x"], [], 0, (host, 9)),
                lambda: local.connect(str(tmp_path / "socket")),
            ):
                watch.refused = None
                with pytest.raises(PermissionError):
                    act()
                assert watch.refused
        with watched(Allowance(private=True), 60):
            assert datagram.sendto(b"x", (host, 9)) == 1
            local.connect(str(tmp_path / "socket"))


@pytest.mark.parametrize("url", ["", "nothing://x", "https//", "tgram://", f"unknown://{CANARY}"])
async def test_an_address_that_apprise_does_not_know_is_a_fault_of_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await send(url)
    assert "none that Apprise knows" in caught.value.message
    assert CANARY not in caught.value.message


async def test_the_address_may_come_from_a_file(service: tuple[Plain, str], tmp_path: Path) -> None:
    fake, url = service
    (tmp_path / "url").write_text(f"{url}\n")
    await build("phone", {"type": "apprise", "url_file": str(tmp_path / "url"), "allow_private": True}).send(
        ALERT, Context()
    )
    assert fake.calls[0].path == f"/{CANARY}"


async def test_the_domain_of_a_sender_need_not_be_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    sink = build("mail", {"type": "apprise", "url": "mailgun://alerts@mg.example.com/1-2-3/ada@example.com"})
    with pytest.raises(DeliveryError) as caught:
        await sink.send(ALERT, Context())
    assert caught.value.retryable
    assert "api.mailgun.net" in asked
