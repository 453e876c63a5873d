"""Serves a simulated organization as a program of its own."""

import asyncio
import contextlib
import signal
from collections.abc import Collection
from pathlib import Path

import click

from auditor import clock
from auditor.errors import ConfigError
from auditor.simulator.faults.choice import Faults
from auditor.simulator.faults.file import read
from auditor.simulator.newest import add
from auditor.simulator.organization import Organization, Size, generate
from auditor.simulator.scenario import SCENARIOS, Scenario, Step, play
from auditor.simulator.server import ROOT, create_app
from auditor.web.server import serve

LOOPBACK = "127.0.0.1"
ANY_KEY = "sk-admin-simulated"
"""What to use as a key when any will do."""


def simulate(
    port: int,
    seed: int,
    size: Size,
    key: str | None,
    refuse: Collection[str],
    scenario: str | None,
    faults: Path | None = None,
    newest: bool = False,
) -> None:
    """Serve a simulated organization until SIGINT or SIGTERM, then return.

    The first line on standard output is `listening on http://127.0.0.1:N/v1`; what else there is to say goes to
    standard error. `faults` is a file with rules of what goes wrong; `newest` adds values that are newer than the
    published description of the API. Raises ConfigError for an unknown scenario or kind, a port that is taken, or a
    file that cannot be used.
    """
    if scenario is not None and scenario not in SCENARIOS:
        raise ConfigError(f"no scenario {scenario!r}", hint=f"one of {', '.join(SCENARIOS)}")
    chosen = SCENARIOS[scenario] if scenario else None
    rules = Faults(read(faults) if faults else None)
    now = clock.epoch(clock.now())
    organization = generate(seed, size, now)
    if newest:
        add(organization, now)
    if chosen:
        chosen.prepare(organization, now)
    asyncio.run(_simulate(organization, port, key, refuse, chosen, rules))


async def _simulate(
    organization: Organization,
    port: int,
    key: str | None,
    refuse: Collection[str],
    scenario: Scenario | None,
    faults: Faults,
) -> None:
    app = create_app(organization, keys=None if key is None else frozenset({key}), refuse=refuse, faults=faults)
    stop = _stop_signal()
    async with serve(app, LOOPBACK, port) as address:
        click.echo(f"listening on {address}{ROOT}")
        click.echo(f"key: {'the one given' if key else f'any, for example {ANY_KEY}'}", err=True)
        await _until(stop, organization, scenario)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _until(stop: asyncio.Event, organization: Organization, scenario: Scenario | None) -> None:
    """Wait for `stop`, with the scenario playing meanwhile."""
    if scenario is None:
        await stop.wait()
        return

    def told(step: Step, at: int) -> None:
        click.echo(f"{step.name}: {step.title}", err=True)

    playing = asyncio.create_task(play(organization, scenario, clock=clock.now, on_step=told))
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait({playing, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if playing.done():
        playing.result()
        await waiting
    playing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await playing
