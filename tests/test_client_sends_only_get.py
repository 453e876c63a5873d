"""The one connection to OpenAI: GET only, bounded, patient, and tight-lipped about its key."""

import ast
import gzip
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auditor.adminapi import client as module
from auditor.adminapi.client import AdminClient
from auditor.errors import ApiError
from auditor.web.server import serve

KEY = "sk-admin-canary-0123456789"


@asynccontextmanager
async def asking(*answers: Response) -> AsyncIterator[tuple[AdminClient, list[Request]]]:
    """A client whose requests are answered by `answers` in turn, the last one for ever."""
    seen: list[Request] = []

    async def answer(request: Request) -> Response:
        seen.append(request)
        return answers[min(len(seen), len(answers)) - 1]

    app = Starlette()
    app.add_route("/v1/{path:path}", answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
    async with serve(app, "127.0.0.1", 0) as url, AdminClient(SecretStr(KEY), base_url=f"{url}/v1") as client:
        yield client, seen


def test_the_module_that_holds_the_key_knows_no_other_verb() -> None:
    names = {node.attr for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Attribute)}
    assert not names & {"post", "put", "patch", "delete", "request", "send", "build_request"}
    streams = [
        node.args[0]
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "stream"
    ]
    assert [ast.literal_eval(each) for each in streams] == ["GET"]


async def test_a_read_sends_the_key_and_gives_the_body() -> None:
    async with asking(JSONResponse({"data": []})) as (client, seen):
        body = await client.get("/organization/users", [("emails[]", "a@example.com"), ("emails[]", "b@example.com")])
    assert body.content == b'{"data":[]}'
    assert seen[0].method == "GET"
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert seen[0].query_params.getlist("emails[]") == ["a@example.com", "b@example.com"]


async def test_what_may_pass_is_tried_again_and_what_is_final_is_not() -> None:
    async with asking(Response(status_code=503), JSONResponse({})) as (client, seen):
        await client.get("/x")
        assert len(seen) == 2
    async with asking(JSONResponse({"error": "no"}, 403)) as (client, seen):
        with pytest.raises(ApiError) as refused:
            await client.get("/x")
        assert refused.value.status == 403
        assert len(seen) == 1


async def test_a_429_is_waited_out_as_long_as_the_server_says() -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    async with asking(Response(status_code=429, headers={"retry-after": "1"}), JSONResponse({})) as (client, seen):
        started = loop.time()
        await client.get("/x")
        assert loop.time() - started >= 1.0
        assert len(seen) == 2


async def test_a_redirect_is_not_followed_so_the_key_goes_nowhere_else() -> None:
    async with asking(Response(status_code=307, headers={"location": "/v1/elsewhere"})) as (client, seen):
        with pytest.raises(ApiError):
            await client.get("/x")
        assert len(seen) == 1


async def test_a_decompression_bomb_is_cut_at_the_cap() -> None:
    bomb = gzip.compress(b"0" * (module.MAX_BODY + 1))
    async with asking(Response(bomb, headers={"content-encoding": "gzip"})) as (client, _):
        with pytest.raises(ApiError, match="more than 32 MiB"):
            await client.get("/x")


async def test_a_compressed_body_that_is_cut_short_is_an_error_and_no_short_list() -> None:
    half = gzip.compress(b'{"data": []}' * 100)[:-9]
    async with asking(Response(half, headers={"content-encoding": "gzip"})) as (client, seen):
        with pytest.raises(ApiError, match="cut short"):
            await client.get("/x")
        assert len(seen) == module.Patience().attempts


async def test_nobody_listening_is_told_with_the_address_and_without_the_key() -> None:
    async with AdminClient(SecretStr(KEY), base_url="http://127.0.0.1:1/v1") as client:
        with pytest.raises(ApiError) as error:
            await client.get("/x")
    assert "http://127.0.0.1:1/v1" in error.value.message
    assert error.value.status is None
    assert KEY not in repr(error.value) + str(vars(error.value)) + repr(client)
