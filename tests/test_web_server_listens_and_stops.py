"""The embedded web server: its address, its end, and what it says when the port is taken."""

import asyncio
import signal
import socket
import ssl
import time
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from auditor.errors import ConfigError
from auditor.web.server import serve
from auditor.webconfig import Tls


async def _hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def _endless(request: Request) -> PlainTextResponse:
    ASKED.set()
    await asyncio.sleep(3600)
    return PlainTextResponse("never")


ASKED = asyncio.Event()
APP = Starlette(routes=[Route("/", _hello), Route("/endless", _endless)])


async def test_port_0_takes_a_free_port_and_the_address_says_which() -> None:
    async with serve(APP, "127.0.0.1", 0) as url, httpx.AsyncClient() as http:
        assert (await http.get(url)).text == "hello"
        assert not url.endswith(":0")


async def test_a_taken_port_is_one_clear_sentence_with_a_next_step() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}: the port is taken") as raised:
            async with serve(APP, "127.0.0.1", port):
                pass
    assert "choose another port" in raised.value.hint


async def test_an_address_of_another_machine_is_refused_with_a_hint() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:0") as raised:
        async with serve(APP, "192.0.2.1", 0):
            pass
    assert "address of this machine" in raised.value.hint


async def test_it_stops_within_two_seconds_though_connections_are_kept_open() -> None:
    async with httpx.AsyncClient() as http:
        async with serve(APP, "127.0.0.1", 0) as url:
            await http.get(url)
            silent = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])))
            begun = time.monotonic()
        assert time.monotonic() - begun < 2
        silent.close()


async def test_it_stops_though_an_answer_never_comes() -> None:
    async with httpx.AsyncClient() as http:
        async with serve(APP, "127.0.0.1", 0) as url:
            waiting = asyncio.create_task(http.get(f"{url}/endless"))
            await ASKED.wait()
            begun = time.monotonic()
        assert time.monotonic() - begun < 2
        assert (await waiting).status_code == 500


async def test_the_port_is_free_again_after_the_stop() -> None:
    async with serve(APP, "127.0.0.1", 0) as url:
        port = int(url.rsplit(":", 1)[1])
    async with serve(APP, "127.0.0.1", port) as again:
        assert again == url


async def test_an_error_of_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError, match="mine"):
        async with serve(APP, "127.0.0.1", 0):
            raise LookupError("mine")


async def test_the_signal_handlers_stay_those_of_the_daemon() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serve(APP, "127.0.0.1", 0):
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> Tls:
    """Files of a certificate for loopback."""
    made = authority.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    made.private_key_pem.write_to_path(tmp_path / "key.pem")
    return Tls(cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem")


async def test_with_a_certificate_it_speaks_tls_and_nothing_else(authority: trustme.CA, tls: Tls) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with serve(APP, "127.0.0.1", 0, tls) as url:
        assert url.startswith("https://")
        async with httpx.AsyncClient(verify=trusting) as http:
            assert (await http.get(url)).text == "hello"
            with pytest.raises(httpx.HTTPError):
                await http.get(url.replace("https:", "http:"))
        old = ssl.create_default_context()
        authority.configure_trust(old)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        async with httpx.AsyncClient(verify=old) as http:
            with pytest.raises(httpx.ConnectError):
                await http.get(url)


async def test_a_certificate_that_cannot_be_used_is_one_clear_sentence(tls: Tls, tmp_path: Path) -> None:
    other = trustme.CA().issue_cert("127.0.0.1").private_key_pem
    locked = serialization.load_pem_private_key(tls.key_file.read_bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    for content, words in (
        (other.bytes(), "the key is not that of the certificate"),
        (b"nothing", "they are not PEM"),
        (locked, "has a password"),
        (None, r"cannot read .*key\.pem: No such file or directory"),
    ):
        tls.key_file.unlink()
        if content is not None:
            tls.key_file.write_bytes(content)
        with pytest.raises(ConfigError, match=words) as raised:
            async with serve(APP, "127.0.0.1", 0, tls):
                pass
        assert raised.value.hint
