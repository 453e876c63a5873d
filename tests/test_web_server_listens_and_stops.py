"""The embedded web server: its address, its end, and what it says when the port is taken."""

import asyncio
import signal
import socket
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from auditor.errors import ConfigError
from auditor.web.server import serve


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
