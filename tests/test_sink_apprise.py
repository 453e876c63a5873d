"""The bridge to other services: real Apprise, with its plain JSON service on loopback as the other side."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from alerts import ALERT, HOSTILE, hidden, hostile
from services import Call, Reply, serving

from auditor.alerts.message import Alert
from auditor.alerts.registry import build
from auditor.alerts.sink import Context
from auditor.errors import ConfigError, DeliveryError

pytest.importorskip("apprise")

CANARY = "canary0123456789"


@dataclass
class Plain:
    """Takes whatever comes, or answers `status` and `body`, after `delay` seconds."""

    status: int = 200
    delay: float = 0
    body: bytes = b""
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


async def test_a_private_host_is_refused_unless_it_is_allowed(service: tuple[Plain, str]) -> None:
    fake, url = service
    with pytest.raises(DeliveryError, match="private, local or reserved"):
        await send(url, allow_private=False)
    assert fake.calls == []


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
