"""A read that the vendor's package has and we have not must not go unnoticed."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from openai import OpenAI
from sdk import reads

from auditor.adminapi.reports import REPORTS
from auditor.adminapi.resources import AUDIT_LOG_PATH, RESOURCES

LEFT_OUT = {
    r".*/\{\}": "a single object by its id holds nothing that its list does not hold",
}
"""Path to the reason why no snapshot reads it."""


def pattern(path: str) -> str:
    """The path with `{}` in place of every id."""
    return re.sub(r"\{[a-z_]+\}", "{}", path)


def asked_by(method: Callable[..., Any], sent: list[httpx2.Request]) -> str:
    """The path that a method of the package asks for, as a pattern."""
    parameters = inspect.signature(method).parameters.values()
    required = [each for each in parameters if each.default is inspect.Parameter.empty]
    method(**{each.name: 1 if each.name == "start_time" else f"ID-{each.name}" for each in required})
    return re.sub(r"ID-[a-z_]+", "{}", sent[-1].url.path.removeprefix("/v1"))


def test_every_read_of_the_package_is_collected_or_left_out_for_a_reason() -> None:
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"object": "list", "data": [], "has_more": False})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with OpenAI(admin_api_key="sk-admin-key_1", base_url="http://127.0.0.1/v1", http_client=http) as client:
        asked = {name: asked_by(method, sent) for name, method in reads(client.admin.organization)}
    assert {request.method for request in sent} == {"GET"}
    assert len(asked) >= 68
    ours = {pattern(kind.path) for kind in RESOURCES} | {report.path for report in REPORTS} | {AUDIT_LOG_PATH}
    unknown = {
        name: path
        for name, path in asked.items()
        if path not in ours and not any(re.fullmatch(left, path) for left in LEFT_OUT)
    }
    assert unknown == {}
    assert ours <= set(asked.values())


@pytest.mark.parametrize("path", LEFT_OUT)
def test_what_is_left_out_is_not_collected_all_the_same(path: str) -> None:
    assert not [kind.name for kind in RESOURCES if re.fullmatch(path, pattern(kind.path))]
