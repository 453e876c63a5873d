"""An API that is slow, overrun or down is not asked more because of it: counted at the simulator's ledger."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from commands import auditor, configured
from organization import KEY, NOW, ledger_of, served, small
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auditor.adminapi import auditlog
from auditor.adminapi.budget import Retries
from auditor.adminapi.client import AdminClient, Patience
from auditor.adminapi.resources import RESOURCES
from auditor.errors import ApiError
from auditor.inventory.breaker import IN_A_ROW, KINDS
from auditor.inventory.collect import WORKERS, collect
from auditor.inventory.model import Snapshot, by_kind
from auditor.simulator.dice import Dice
from auditor.simulator.faults.rules import Answer, Fault, Match, Reset, Rule, Status
from auditor.simulator.organization import Organization, Size, generate
from auditor.terms import Status as Seen
from auditor.terms import Stream
from auditor.web.server import serve

AMPLIFICATION = 1.2
CONCURRENCY = 8
HASTE = Patience(first_wait=0.001, longest_wait=0.002, jitter=0, silence=0.5, whole=1, pause=0.05)
PROJECTS = {kind.name for kind in RESOURCES if kind.parent == "project"}


@pytest.fixture(scope="module")
def medium() -> Organization:
    """A medium one with forty of its projects, which makes some six hundred requests."""
    organization = generate(7, Size.MEDIUM, NOW)
    organization.projects = dict(list(organization.projects.items())[:40])
    return organization


@dataclass(frozen=True)
class Asked:
    """What arrived at the server."""

    requests: int
    different: int

    @property
    def amplification(self) -> float:
        return self.requests / self.different


def asked(app: Starlette) -> Asked:
    """Everything since the last call."""
    exchanges = [(each.path, each.query) for each in ledger_of(app)]
    ledger_of(app).clear()
    return Asked(len(exchanges), len(set(exchanges)))


def tell(what: str, seen: Asked) -> None:
    sys.stderr.write(f"\n{what}: {seen.requests} requests for {seen.different}, {seen.amplification:.2f}\n")


def reader(address: str, patience: Patience = HASTE) -> AdminClient:
    return AdminClient(
        SecretStr(KEY), base_url=address, requests_per_minute=100_000, concurrency=CONCURRENCY, patience=patience
    )


async def read(address: str, patience: Patience = HASTE) -> Snapshot:
    # Where one request in eight fails, some of six hundred fail four times in a row.
    async with reader(address, replace(patience, attempts=10)) as client:
        return await collect(client, "acme", NOW, kinds=[kind for kind in RESOURCES if kind.tier == "list"])


ANY_EIGHTH = sorted(Dice(7, "storm", NOW).some(range(1, 1001), 125))
"""Numbers of requests; evenly spaced ones would hit one request again and again."""
STORMS: dict[str, Sequence[Rule]] = {
    "429 with Retry-After": [Rule(do=Status(status=429, retry_after=0.03), times=20)],
    "429 without": [Rule(do=Status(status=429), times=20)],
    "one request in eight a 429": [
        Rule(match=Match(nth=number), do=Status(status=429, retry_after=0.01)) for number in ANY_EIGHTH
    ],
    "one request in eight a 503": [Rule(match=Match(nth=number), do=Status(status=503)) for number in ANY_EIGHTH],
    "one connection in eight reset": [
        Rule(match=Match(nth=number), do=Reset(reset="mid_body")) for number in ANY_EIGHTH
    ],
}


@pytest.mark.parametrize("storm", STORMS)
async def test_a_storm_is_not_answered_with_a_storm(medium: Organization, storm: str) -> None:
    with served(medium) as (address, app):
        app.state.faults.rules(*STORMS[storm])
        # Nothing hangs in a storm, but the machine of the tests may.
        snapshot = await read(address, replace(HASTE, silence=10, whole=30))
    seen = asked(app)
    tell(storm, seen)
    assert seen.different > 100
    assert 1 < seen.amplification <= AMPLIFICATION
    assert not snapshot.gaps, "everything was repeated that had to be"


async def test_an_hour_of_503_costs_no_more_than_an_hour_without() -> None:
    """Polls every 30 seconds and a picture every 15 minutes, one client as in the daemon, then all is well again."""
    with served(small()) as (address, app):
        app.state.faults.rules(Rule(do=Status(status=503)))
        firsts = 0
        async with reader(address) as client:
            for turn in range(120):
                for stream in Stream:
                    with pytest.raises(ApiError):
                        _ = [page async for page in auditlog.read(client, stream, turn, NOW + turn)]
                    firsts += 1
                if turn % 30 == 0:
                    firsts += len((await collect(client, "acme", NOW)).coverage) - len(PROJECTS)
            requests = len(ledger_of(app))
            app.state.faults.rules()
            healed = await collect(client, "acme", NOW)
    sys.stderr.write(f"\nan hour of 503: {requests} requests for at least {240 + 4 * 14}\n")
    assert requests <= AMPLIFICATION * (240 + 4 * 14)
    assert firsts > 240
    assert not healed.gaps


@asynccontextmanager
async def answering(answer: Callable[[Request], Response]) -> Any:
    """A client of a server that gives `answer`, and the times at which it was asked."""
    arrived: list[float] = []

    async def endpoint(request: Request) -> Response:
        arrived.append(time.monotonic())
        await asyncio.sleep(0.01)
        return answer(request)

    app = Starlette()
    app.add_route("/{path:path}", endpoint)
    async with serve(app, "127.0.0.1", 0) as url, reader(url, replace(HASTE, silence=5, whole=5, pause=5)) as client:
        yield client, arrived


async def test_a_pause_holds_those_who_wait_for_a_slot_and_then_one_goes_ahead() -> None:
    overrun_until = time.monotonic() + 0.9
    refused = 0

    def answer(request: Request) -> Response:
        nonlocal refused
        if time.monotonic() < overrun_until:
            refused += 1
            return Response(status_code=429, headers={"retry-after": "0.2"})
        return JSONResponse({})

    async with answering(answer) as (client, arrived):
        await asyncio.gather(*(client.get(f"/{number}") for number in range(60)))
    first = arrived[0]
    early = [at - first for at in arrived if at - first < 0.15]
    assert len(early) == CONCURRENCY, "only those that were under way when the first was refused"
    assert CONCURRENCY < refused <= CONCURRENCY + 5, "after each pause, one alone"
    assert len(arrived) == 60 + refused


SILENT: dict[str, Fault] = {
    "hangs": Answer(answer="never"),
    "is down": Status(status=503),
    "resets": Reset(reset="before_request"),
    "is overrun": Status(status=429, retry_after=0.01),
}


@pytest.mark.parametrize("silence", SILENT)
async def test_an_api_that_falls_silent_is_given_up_and_it_is_said(medium: Organization, silence: str) -> None:
    started = time.monotonic()
    with served(medium) as (address, app):
        app.state.faults.rules(
            Rule(match=Match(path="/organization/projects/*"), do=SILENT[silence]),
            Rule(match=Match(path="/projects/*"), do=SILENT[silence]),
        )
        snapshot = await read(address)
    in_projects = sum("/projects/" in each.path for each in ledger_of(app))
    sys.stderr.write(f"\nan API that {silence}: {in_projects} requests, {time.monotonic() - started:.1f} s\n")
    assert time.monotonic() - started < 30
    assert in_projects <= (KINDS - 1) * (IN_A_ROW + WORKERS) + WORKERS + Retries.FEW
    lines = [line for line in snapshot.coverage if line.kind in PROJECTS]
    assert len(lines) > 250
    assert all(line.gap and line.gap.reason for line in lines)
    assert sum("lists in a row" in line.gap.reason for line in lines if line.gap) > 150
    summed = by_kind(snapshot.coverage)
    assert all(summed[kind.name].status is Seen.COMPLETE for kind in RESOURCES if kind.name in {"user", "group"})


async def test_one_kind_that_fails_does_not_blind_the_others(medium: Organization) -> None:
    with served(medium) as (address, app):
        app.state.faults.rules(Rule(match=Match(kind="rate_limit"), do=Status(status=503)))
        snapshot = await read(address)
    assert sum(each.kind == "rate_limit" for each in ledger_of(app)) <= IN_A_ROW + WORKERS + Retries.FEW
    assert {gap.kind for gap in snapshot.gaps} == {"rate_limit"}
    assert "lists of this kind in a row: HTTP 503" in snapshot.gaps[-1].reason
    assert len(snapshot.gaps) == len(medium.active_projects)


async def test_refusals_are_answers_and_do_not_end_the_picture(medium: Organization) -> None:
    refused = [kind.name for kind in RESOURCES if kind.parent == "project" and kind.name != "rate_limit"]
    with served(medium, refuse=refused) as (address, _):
        snapshot = await read(address)
    assert snapshot.collection("rate_limit").complete
    assert {gap.status for gap in snapshot.gaps} == {Seen.REFUSED}


@pytest.fixture
def down() -> Iterator[str]:
    with served(small()) as (address, app):
        app.state.faults.rules(Rule(do=Status(status=503)))
        yield address


def test_a_check_of_an_api_that_is_down_ends_and_says_so(down: str, tmp_path: Path) -> None:
    configured(tmp_path, down)
    ended = auditor("check", cwd=tmp_path)
    assert ended.code == 1
    assert "nothing was audited: HTTP 503" in ended.err
    assert ended.seconds < 45
