"""`auditor run`: the daemon."""

import asyncio
import signal
from pathlib import Path

import click

from auditor import clock, log
from auditor.assembly import Parts, assemble
from auditor.cli import options
from auditor.configfile import read
from auditor.daemon import Daemon
from auditor.store.database import Store, open_store
from auditor.web.metrics import Metrics
from auditor.web.server import serve


@click.command(name="run")
@options.config
def command(config_path: Path | None) -> None:
    """Watch until SIGTERM or Ctrl-C; SIGHUP reads the configuration and the policies anew."""
    path = options.find_config(config_path)
    loaded = read(path)
    log.configure(loaded.config.log.level, loaded.config.log.format)
    parts = assemble(loaded)
    store = open_store(loaded.config.store)
    try:
        asyncio.run(_run(parts, store, path))
    finally:
        store.close()


async def _run(parts: Parts, store: Store, path: Path) -> None:
    stop, hangup = asyncio.Event(), asyncio.Event()
    on_signals(stop)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    config = parts.loaded.config
    metrics = Metrics(store, list(config.organizations), lambda: clock.epoch(clock.now()))
    daemon = Daemon(parts, store, metrics)
    told = log.get(__name__)
    async with serve(daemon.page(), *config.web.address, config.web.tls) as url:
        if config.web.clear:
            told.warning("page.clear_text", hint="set web.tls, or let a proxy before the page encrypt")
        told.info("started", page=url, organizations=list(config.organizations), policies=len(parts.policies.policies))
        await daemon.run(stop, hangup, lambda: assemble(read(path)))
    told.info("stopped")


def on_signals(stop: asyncio.Event) -> None:
    """Set `stop` at SIGTERM and at Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
