"""The vendor's own package by introspection: every method of its admin client that only reads."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2
from openai import OpenAI
from openai._resource import SyncAPIResource


def reads(resource: SyncAPIResource, prefix: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every method of the package that sends GET, by its dotted name."""
    for name in sorted(dir(type(resource))):
        if name.startswith(("_", "with_")):
            continue
        member = getattr(resource, name)
        if isinstance(member, SyncAPIResource):
            yield from reads(member, f"{prefix}{name}.")
        elif inspect.ismethod(member) and _sends_get(inspect.getsource(member)):
            yield prefix + name, member


def _sends_get(source: str) -> bool:
    return "self._get(" in source or ("self._get_api_list(" in source and 'method="post"' not in source)


def pattern(path: str) -> str:
    """The path with `{}` in place of every id."""
    return re.sub(r"\{[a-z_]+\}", "{}", path)


def required(method: Callable[..., Any]) -> list[str]:
    """Names of the arguments that a method of the package must have: the ids in its path, as a rule."""
    parameters = inspect.signature(method).parameters.values()
    return [each.name for each in parameters if each.default is inspect.Parameter.empty]


def paths() -> tuple[Mapping[str, str], set[str]]:
    """The path, as a pattern, that every reading method asks for, by its dotted name; and the HTTP methods it uses."""
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"object": "list", "data": [], "has_more": False})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with OpenAI(admin_api_key="sk-admin-key_1", base_url="http://127.0.0.1/v1", http_client=http) as client:
        asked = {name: _asked_by(method, sent) for name, method in reads(client.admin.organization)}
    return asked, {request.method for request in sent}


def _asked_by(method: Callable[..., Any], sent: list[httpx2.Request]) -> str:
    method(**{name: 1 if name == "start_time" else f"ID-{name}" for name in required(method)})
    return re.sub(r"ID-[a-z_]+", "{}", sent[-1].url.path.removeprefix("/v1"))
