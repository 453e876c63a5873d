"""Signing in to the page over real HTTP: who is let in, who is not, what guessing costs, and what is never told."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import bcrypt
import httpx
import pytest
import structlog
from starlette.types import ASGIApp

from auditor.store.database import open_store
from auditor.web.app import create_app
from auditor.web.metrics import Metrics
from auditor.web.people import People
from auditor.web.reader import PageReader
from auditor.web.server import serve
from auditor.web.signin import REMEMBERED, WAITING, Doorkeeper, Result

pytest_plugins = ["databases"]

PASSWORD = "correct horse battery stäple"
ADA = ("ada@example.com", PASSWORD)
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
OTHER = bcrypt.hashpw(b"something else", bcrypt.gensalt(10)).decode()
PATHS = ("/", "/findings", "/findings/none", "/report", "/metrics", "/assets/style.css", "/nothing")
OPEN = ("/livez", "/readyz", "/healthz")


@dataclass
class Door:
    """The page, who is known to it, and what it counted."""

    app: ASGIApp
    users: dict[str, str]
    metrics: Metrics

    def counted(self, result: str) -> float:
        """What the metrics say."""
        text = self.metrics.render().decode()
        lines = [
            line for line in text.splitlines() if line.startswith(f'auditor_page_sign_ins_total{{result="{result}"')
        ]
        return float(lines[0].split()[-1]) if lines else 0.0


@pytest.fixture
def door(sqlite_url: str) -> Iterator[Door]:
    store = open_store(sqlite_url)
    users = {"ada@example.com": HASH, "bo@example.com": OTHER}
    metrics = Metrics(store, ("acme",), lambda: 0)
    read = PageReader(store, ("acme",), dict, lambda: 1_763_971_200)
    app = create_app(
        read, metrics.render, lambda: (), lambda: (), people=People(lambda: users, signed_in=metrics.sign_in)
    )
    yield Door(app, users, metrics)
    store.close()


@pytest.fixture
def logged() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as found:
        yield found


@asynccontextmanager
async def asking(door: Door, auth: tuple[str, str] | None = None) -> AsyncIterator[httpx.AsyncClient]:
    credentials = _basic(*auth) if auth else {}
    async with (
        serve(door.app, "127.0.0.1", 0) as url,
        httpx.AsyncClient(base_url=url, headers=credentials, timeout=60) as client,
    ):
        yield client


def _basic(name: str, password: str) -> dict[str, str]:
    """As browsers send it."""
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


async def test_who_says_nothing_sees_nothing_but_the_health(door: Door) -> None:
    async with asking(door) as http:
        for path in PATHS:
            answer = await http.get(path)
            assert (path, answer.status_code) == (path, 401)
            assert answer.headers["www-authenticate"] == 'Basic realm="auditor", charset="UTF-8"'
            assert answer.headers["cache-control"] == "no-store"
        for path in OPEN:
            assert (await http.get(path)).status_code == 200, path
    assert door.counted("refused") == 0, "nobody tried"


async def test_a_name_with_its_password_is_let_in_everywhere_and_counted_once(door: Door) -> None:
    async with asking(door, ADA) as http:
        for path in PATHS:
            assert (await http.get(path)).status_code in {200, 404}, path
    assert (door.counted("accepted"), door.counted("refused")) == (1, 0)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada@example.com", "wrong"),
        ("ada@example.com", ""),
        ("ada@example.com", PASSWORD + " "),
        ("ada@example.com", "something else"),
        ("ADA@example.com", PASSWORD),
        ("ada@example.com ", PASSWORD),
        ("", PASSWORD),
        ("nobody", PASSWORD),
        ("ada@example.com", PASSWORD * 4),
        ("ada@example.com", PASSWORD + "\0"),
        ("<script>", "<!channel>"),
    ],
)
async def test_anything_else_is_refused_logged_without_the_password_and_counted(
    door: Door, logged: list[structlog.typing.EventDict], name: str, password: str
) -> None:
    async with asking(door, (name, password)) as http:
        answer = await http.get("/findings")
    assert (answer.status_code, answer.text) == (401, "Name or password is wrong.\n")
    assert door.counted("refused") == 1
    (told,) = [each for each in logged if each["event"] == "page.sign_in_failed"]
    assert told["user"] == (name if name == "ada@example.com" else "unknown")
    assert told["address"] == "127.0.0.1"
    assert set(told) == {"event", "log_level", "user", "address"}


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "basic YWRhOmI\n=".replace("\n", " "), "Basic =", "Basic YWRh", "Bearer abc", "Digest username=ada",
     "Basic " + "YWRh" * 5000, "Basic " + base64.b64encode(b"\xff:\xff").decode(), "basic" + "\t" + "YWRhOmI="],
)  # fmt: skip
async def test_what_is_no_name_and_password_is_asked_for_one(door: Door, header: str) -> None:
    async with asking(door) as http:
        answer = await http.get("/", headers={"authorization": header})
    assert answer.status_code == 401


async def test_a_new_password_or_a_removed_name_holds_at_once_though_the_old_was_remembered(door: Door) -> None:
    async with asking(door, ADA) as http:
        assert (await http.get("/findings")).status_code == 200
        door.users["ada@example.com"] = OTHER
        assert (await http.get("/findings")).status_code == 401
        door.users["ada@example.com"] = HASH
        assert (await http.get("/findings")).status_code == 200
        del door.users["ada@example.com"]
        assert (await http.get("/findings")).status_code == 401


async def test_users_who_vanish_from_the_configuration_open_the_page_to_nobody(door: Door) -> None:
    async with asking(door) as http:
        door.users.clear()
        assert (await http.get("/findings")).status_code == 401
        assert (await http.get("/findings", headers=_basic(*ADA))).status_code == 401


async def test_a_password_that_was_right_is_known_for_some_minutes_without_hashing_it() -> None:
    now, told = [0.0], list[Result]()
    door = Doorkeeper(lambda: {"ada": HASH}, told.append, lambda: now[0])
    for _ in range(50):
        assert await door.check("ada", PASSWORD.encode()) is Result.ACCEPTED
    assert told == [Result.ACCEPTED]
    now[0] = REMEMBERED
    assert await door.check("ada", PASSWORD.encode()) is Result.ACCEPTED
    assert told == [Result.ACCEPTED] * 2


async def test_an_unknown_name_takes_as_long_as_a_wrong_password() -> None:
    slow = bcrypt.hashpw(b"x", bcrypt.gensalt(12)).decode()
    door = Doorkeeper(lambda: {"ada": slow})

    async def seconds(name: str, password: bytes) -> float:
        begun = time.perf_counter()
        assert await door.check(name, password) is Result.REFUSED
        return time.perf_counter() - begun

    known = min([await seconds("ada", b"wrong") for _ in range(3)])
    for name, password in (("nobody", b"wrong"), ("ada", b""), ("nobody", b"x" * 80), ("", b"x")):
        assert min([await seconds(name, password) for _ in range(3)]) > known / 2, name


async def test_guessing_occupies_neither_the_loop_nor_those_who_are_known(door: Door) -> None:
    async with asking(door) as http:
        assert (await http.get("/findings", headers=_basic(*ADA))).status_code == 200
        guesses = [asyncio.create_task(http.get("/", headers=_basic("ada@example.com", f"{n}"))) for n in range(80)]
        await anyio.sleep(0.3)
        waits = []
        for path, headers in (("/livez", {}), ("/findings", _basic(*ADA))) * 5:
            begun = time.perf_counter()
            assert (await http.get(path, headers=headers)).status_code == 200
            waits.append(time.perf_counter() - begun)
        statuses = [(await guess).status_code for guess in guesses]
    assert max(waits) < 1.5, waits
    assert set(statuses) == {401, 503}
    assert statuses.count(401) <= WAITING + 10
    assert door.counted("busy") == statuses.count(503)


async def test_prometheus_scrapes_with_a_name_of_its_own(door: Door) -> None:
    door.users["prometheus"] = HASH
    async with asking(door, ("prometheus", PASSWORD)) as http:
        assert "auditor_build_info" in (await http.get("/metrics")).text
