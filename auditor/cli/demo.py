"""`auditor demo`: a simulated organization, a fake Slack, and the real daemon between them."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from auditor import clock, log
from auditor.alerts.deliver import Deliverer
from auditor.alerts.message import Alert
from auditor.alerts.untrusted import named
from auditor.assembly import Parts, assemble, audit_of, client_of, gate_of
from auditor.cli.progress import bars
from auditor.cli.render import STYLES, headline, plain
from auditor.cli.run import on_signals
from auditor.configfile import read
from auditor.daemon import Daemon, Watchers
from auditor.errors import ConfigError
from auditor.jobs import poll, snapshot
from auditor.jobs.context import Audit
from auditor.jobs.report import Written, write
from auditor.jobs.snapshot import Taken
from auditor.simulator import slack
from auditor.simulator.organization import Organization, Size, generate
from auditor.simulator.scenario import SCENARIOS, Step, apply, play
from auditor.simulator.serve import ANY_KEY
from auditor.simulator.server import ROOT, create_app
from auditor.simulator.slack_workspace import TOKEN, FakeSlack
from auditor.store.database import Store, open_store
from auditor.web.metrics import Metrics
from auditor.web.server import serve

NAME = "acme"
SCENARIO = SCENARIOS["takeover"]
SPEED = 3.0
"""How much faster than written the scenario plays for a person who watches."""

CONFIG = """\
# Written by `auditor demo`: a whole configuration, whose Admin API and Slack are simulated.
organizations:
  {name}:
    admin_key: {key}
    base_url: {api}
store: sqlite:///{directory}/auditor.db
schedule: {{snapshot: 10s, audit_log: 2s}}
sinks:
  slack: {{type: slack, token: {token}, channel: '#security', base_url: '{slack}/api/', allow_private: true}}
# Nothing waits for others here, and each alert is a message of its own.
route: {{group_by: ['...'], group_wait: 0s, group_interval: 0s}}
routes:
  - {{match: {{level: [critical, high, medium]}}, to: [slack]}}
reports: {{directory: {directory}/reports}}
web: {{listen: '127.0.0.1:{port}', external_url: 'http://127.0.0.1:{port}'}}
"""


@dataclass(frozen=True)
class World:
    """What is simulated, and where it is served."""

    organization: Organization
    api: str
    slack: str


@click.command(name="demo")
@click.option("--once", is_flag=True, help="Baseline, scenario, second pass, report; then end.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same findings.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Directory for report.html, auditor.db and slack.jsonl.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=9847, show_default=True, help="Of the page; 0 for any.")
def command(once: bool, seed: int, output: Path, port: int) -> None:
    """Audit a simulated organization while somebody takes it over. Needs no key, no Slack, no configuration."""
    log.configure("error")
    directory = output.resolve()
    try:
        _clear(directory)
    except OSError as error:
        raise ConfigError(
            f"cannot write to {directory}: {error.strerror}", hint="--output DIRECTORY names another place"
        ) from error
    asyncio.run(_once(seed, directory) if once else _watch(seed, directory, port))


def _clear(directory: Path) -> None:
    """A demo starts from nothing; only files that a demo makes are taken away."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("auditor.db", "auditor.db-wal", "auditor.db-shm", "auditor.db-journal", "slack.jsonl", "report.html"):
        (directory / name).unlink(missing_ok=True)
    for name in ("auditor.yaml", "slack.jsonl"):
        # As private as the real ones ought to be: the one would hold keys, the other names.
        with open(directory / name, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            os.fchmod(file.fileno(), 0o600)


@contextlib.asynccontextmanager
async def _world(seed: int, directory: Path) -> AsyncIterator[World]:
    """The simulated organization and the fake Slack, served on loopback."""
    now = clock.epoch(clock.now())
    organization = generate(seed, Size.SMALL, now)
    SCENARIO.prepare(organization, now)
    workspace = FakeSlack(journal=directory / "slack.jsonl")
    async with (
        serve(create_app(organization, keys=frozenset({ANY_KEY})), "127.0.0.1", 0) as api,
        serve(slack.create_app(workspace), "127.0.0.1", 0) as fake,
    ):
        yield World(organization, api + ROOT, fake)


def _parts(world: World, directory: Path, port: int) -> Parts:
    """The parts of a real configuration file, which stays in the directory for the curious."""
    path = directory / "auditor.yaml"
    text = CONFIG.format(
        name=NAME, key=ANY_KEY, api=world.api, token=TOKEN, slack=world.slack, directory=directory, port=port
    )
    path.write_text(text, encoding="utf-8")
    return assemble(read(path))


async def _once(seed: int, directory: Path) -> None:
    terminal = _Terminal()
    async with _world(seed, directory) as world:
        parts = _parts(world, directory, 0)
        store = open_store(parts.loaded.config.store)
        try:
            async with client_of(parts.loaded, NAME) as client:
                terminal.say(f"simulated organization (seed {seed}) at {world.api}")
                with bars() as progress:
                    await _two_passes(world, parts, audit_of(parts, NAME, client, store, progress), terminal)
            written = write(
                store,
                NAME,
                parts.policies.by_name,
                parts.loaded.config.findings,
                directory / "report.html",
                clock.epoch(clock.now()),
            )
        finally:
            store.close()
    terminal.written(written)
    terminal.say(f"store: {directory / 'auditor.db'}, messages: {directory / 'slack.jsonl'}")


async def _two_passes(world: World, parts: Parts, audit: Audit, terminal: "_Terminal") -> None:
    deliverer = Deliverer(audit.store, parts.sinks, "demo", gate=gate_of(parts), on_delivered=terminal.delivered)
    await _pass(audit, deliverer, terminal)
    terminal.say(f"scenario: {SCENARIO.title}")
    apply(world.organization, SCENARIO, clock.epoch(clock.now()))
    for step in SCENARIO.steps:
        terminal.step(step, 0)
    await _pass(audit, deliverer, terminal)


async def _pass(audit: Audit, deliverer: Deliverer, terminal: "_Terminal") -> None:
    now = clock.epoch(clock.now())
    polled = await poll.poll(audit, now)
    terminal.taken(await snapshot.take(audit, polled, now))
    await deliverer.deliver_due()


async def _watch(seed: int, directory: Path, port: int) -> None:
    terminal = _Terminal()
    stop = asyncio.Event()
    on_signals(stop)
    async with _world(seed, directory) as world:
        parts = _parts(world, directory, port)
        store = open_store(parts.loaded.config.store)
        try:
            terminal.say(f"simulated organization (seed {seed}) at {world.api}")
            await _serve(world, parts, store, terminal, stop, directory)
        finally:
            store.close()
    terminal.say("stopped")


async def _serve(
    world: World, parts: Parts, store: Store, terminal: "_Terminal", stop: asyncio.Event, directory: Path
) -> None:
    """The daemon and its page; the report is written anew after every picture, the scenario starts after the first."""
    seen = asyncio.Event()

    def taken(picture: Taken) -> None:
        terminal.taken(picture)
        now = clock.epoch(clock.now())
        written = write(
            store, NAME, parts.policies.by_name, parts.loaded.config.findings, directory / "report.html", now
        )
        if not seen.is_set():
            terminal.written(written)
            terminal.say("Ctrl-C ends it; now somebody takes the organization over ...")
            seen.set()

    metrics = Metrics(store, [NAME], lambda: clock.epoch(clock.now()))
    watchers = Watchers(taken=taken, delivered=terminal.delivered)
    daemon = Daemon(parts, store, metrics, watchers=watchers, drain=3.0)
    host, port = parts.loaded.config.web.address
    async with serve(daemon.page(), host, port) as url:
        terminal.say(f"page: {url}")
        story = asyncio.create_task(_story(world, seen, terminal))
        try:
            await daemon.run(stop)
        finally:
            story.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await story


async def _story(world: World, seen: asyncio.Event, terminal: "_Terminal") -> None:
    await seen.wait()
    await play(world.organization, SCENARIO, clock=clock.now, speed=SPEED, on_step=terminal.step)
    terminal.say("the scenario is over; the daemon goes on until Ctrl-C")


class _Terminal:
    """What the person who watches is told, as it happens."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._last = ""

    def say(self, sentence: str) -> None:
        """One line."""
        self._console.print(Text(sentence), soft_wrap=True)

    def step(self, step: Step, _at: int) -> None:
        """Something happens in the organization."""
        self._console.print(Text(f"  > {step.title}", "dim italic"), soft_wrap=True)

    def taken(self, taken: Taken) -> None:
        """A picture was taken and judged; told when its numbers changed."""
        line = headline(taken)
        if line.plain != self._last:
            self._last = line.plain
            self._console.print(line, soft_wrap=True)

    def delivered(self, alert: Alert, sink: str) -> None:
        """A sink confirmed a message."""
        about = named(alert.resource_name, alert.resource_id, 120)
        words = f"{alert.title}: {about}" if about else f"{alert.title}. {alert.text}"
        line = Text.assemble(
            "alert -> ", (sink, "bold"), " ", (f"[{alert.level}]", STYLES[alert.level]), f" {plain(words)}"
        )
        line.truncate(200)
        self._console.print(line, soft_wrap=True)

    def written(self, written: Written) -> None:
        """A report was written."""
        self.say(f"report: {written.path}")
