"""`auditor doctor`: what works, what is missing, and what to do about it."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from auditor import __version__, clock, log
from auditor.alerts.samples import trial
from auditor.alerts.sink import Sink
from auditor.assembly import attestations_of, client_of, registers_of, routing_of, sink_of, users_of
from auditor.cli import options, stores
from auditor.cli.render import console, plain
from auditor.configfile import Loaded
from auditor.errors import ApiError, ConfigError, FaultyFiles, StoreError
from auditor.jobs import callplan, diagnosis, probe, surroundings
from auditor.jobs.callplan import CallPlan
from auditor.jobs.diagnosis import Exit, Line, Mark, Pace
from auditor.policy.configured import policies_of
from auditor.policy.load import PolicySet
from auditor.redaction import redact
from auditor.store import runs
from auditor.store.database import Store

_STYLES = {Mark.OK: "green", Mark.WARN: "yellow", Mark.FAIL: "bold red"}
_FAULTS = 5
"""Faults of policies that are shown; `auditor policies validate` shows all."""


@click.command(name="doctor")
@options.config
@options.output
@click.option("--organization", help="Only this one of the organizations in the configuration.")
@click.option("--send-test", is_flag=True, help="Send a test message through each sink.")
def command(config_path: Path | None, form: str, organization: str | None, send_test: bool) -> int:
    """Check the key and what it can read, the audit log, the clock, the store, the page, the sinks and the policies.

    \b
    It asks for one page of each list, and changes nothing.
    Exit codes: 0 nothing failed, 1 the API, the store or something else cannot be used,
    2 usage or configuration, 4 something cannot be read.
    """
    log.configure("error")
    loaded = options.load_config(config_path)
    lines = asyncio.run(_examine(loaded, stores.asked_for(loaded, organization), send_test))
    code = diagnosis.exit_code(lines)
    _print(lines, code, form)
    return code


async def _examine(loaded: Loaded, names: Sequence[str], send_test: bool) -> list[Line]:
    watching, lines = _policies(loaded)
    lines += [*_attestations(loaded), *_registers(loaded), *_users(loaded)]
    store, line = await asyncio.to_thread(surroundings.opened, loaded.config.store)
    lines += [line, await asyncio.to_thread(surroundings.page, loaded.config.web)]
    try:
        lines += await _sinks(loaded, names[0], send_test)
        for name in names:
            lines += [replace(each, organization=name) for each in await _organization(loaded, name, store, watching)]
    finally:
        if store:
            store.close()
    return lines


def _policies(loaded: Loaded) -> tuple[Mapping[str, int], list[Line]]:
    try:
        found = policies_of(loaded)
    except FaultyFiles as error:
        shown = [Line(Mark.FAIL, "policies", str(fault), exit=Exit.CONFIG) for fault in error.faults[:_FAULTS]]
        hint = "`auditor policies validate` shows all of them"
        return {}, [*shown[:-1], replace(shown[-1], hint=hint)] if shown else []
    except ConfigError as error:
        return {}, [Line(Mark.FAIL, "policies", error.message, error.hint, Exit.CONFIG)]
    sound = Line(Mark.OK, "policies", f"{len(found.policies)} policies are sound")
    return diagnosis.watching(each.kind for each in found.policies), [sound, *_routes(loaded, found)]


def _routes(loaded: Loaded, policies: PolicySet) -> list[Line]:
    """Names that matchers give and nothing has, which keep the daemon from starting; no line where there are none."""
    try:
        routing_of(loaded, policies)
    except FaultyFiles as error:
        return [Line(Mark.FAIL, "routes", str(fault), exit=Exit.CONFIG) for fault in error.faults[:_FAULTS]]
    return []


def _attestations(loaded: Loaded) -> list[Line]:
    """Who vouches for what is a file of its own, and whatever is wrong with it keeps the daemon from starting."""
    try:
        words = attestations_of(loaded)
    except FaultyFiles as error:
        return [Line(Mark.FAIL, "attestations", str(fault), exit=Exit.CONFIG) for fault in error.faults[:_FAULTS]]
    except ConfigError as error:
        return [Line(Mark.FAIL, "attestations", error.message, error.hint, Exit.CONFIG)]
    now = clock.epoch(clock.now())
    over = sorted({each.setting for each in words if each.until <= now})
    if over:
        text = f"{len(over)} of {len(words)} are over: {', '.join(over)}"
        return [Line(Mark.WARN, "attestations", text, "look at these settings in the console, and attest them anew")]
    return [Line(Mark.OK, "attestations", f"{len(words)} are in force")] if words else []


def _registers(loaded: Loaded) -> list[Line]:
    """A line for each file of the operator's own; none where there is no such file."""
    try:
        rows = registers_of(loaded).rows
    except FaultyFiles as error:
        hint = "mend the file: nothing starts on a broken one"
        return [Line(Mark.FAIL, "registers", str(fault), hint, Exit.CONFIG) for fault in error.faults[:_FAULTS]]
    return [Line(Mark.OK, f"register {name}", f"{len(found)} rows are sound") for name, found in rows.items()]


def _users(loaded: Loaded) -> list[Line]:
    """Whether those who sign in to the page can; no line where nobody is asked."""
    try:
        users = users_of(loaded)
    except FaultyFiles as error:
        return [Line(Mark.FAIL, "page users", str(fault), exit=Exit.CONFIG) for fault in error.faults[:_FAULTS]]
    except ConfigError as error:
        return [Line(Mark.FAIL, "page users", error.message, error.hint, Exit.CONFIG)]
    text = f"{len(users)} may sign in, {len(loaded.config.web.deciders)} of them may accept risks"
    return [Line(Mark.OK, "page users", text)] if users else []


async def _sinks(loaded: Loaded, organization: str, send_test: bool) -> list[Line]:
    if not loaded.config.sinks:
        return [Line(Mark.WARN, "sinks", "there is none: nobody is told", "add `sinks` and `routes`")]
    lines = []
    for name in loaded.config.sinks:
        try:
            built = sink_of(loaded, name)
        except FaultyFiles as error:
            lines += [Line(Mark.FAIL, f"sink {name}", str(fault), exit=Exit.CONFIG) for fault in error.faults]
            continue
        lines.append(await _sink(built, organization, send_test))
        if buttons := await surroundings.buttons(built):
            lines.append(buttons)
    return lines


async def _sink(built: Sink, organization: str, send_test: bool) -> Line:
    if not send_test or built.config.personal:  # a test is for no owner
        return await surroundings.sink(built)
    return await surroundings.send_test(built, trial(organization, clock.epoch(clock.now())))


async def _organization(loaded: Loaded, name: str, store: Store | None, watching: Mapping[str, int]) -> list[Line]:
    settings = loaded.config.organizations[name]
    written = loaded.document.value
    for step in ("organizations", name):
        written = written.get(step) if isinstance(written, Mapping) else None
    place = surroundings.key_place(name, settings, written, os.environ)
    async with client_of(loaded, name) as client:
        try:
            probed = await probe.probe(client, clock.now)
        except ApiError as error:
            return [place, diagnosis.unreachable(error)]
    plan = await asyncio.to_thread(_plan, store, name) or callplan.estimated(probed.kinds)
    schedule = loaded.config.schedule
    pace = Pace(settings.requests_per_minute, schedule.snapshot, schedule.role_assignments)
    key = loaded.keys[name].get_secret_value()
    return [place, *diagnosis.diagnosis(probed, key, watching, plan, pace, clock.epoch(clock.now()))]


def _plan(store: Store | None, name: str) -> CallPlan | None:
    """What the last snapshot took, None when none is stored that saw anything."""
    if store is None:
        return None
    try:
        with store.transaction() as tx:
            run = runs.latest(tx, name, "snapshot")
    except StoreError:
        return None
    return callplan.counted(run.coverage) if run and run.resources else None


def _print(lines: Sequence[Line], code: int, form: str) -> None:
    if form == "json":
        click.echo(
            json.dumps({"auditor": __version__, "exit": code, "checks": [_entry(each) for each in lines]}, indent=2)
        )
        return
    table = Table.grid(padding=(0, 2))
    several = len({each.organization for each in lines}) > 2
    for each in lines:
        topic = f"{each.organization}: {each.topic}" if several and each.organization else each.topic
        words = Text(_clean(each.text))
        if each.hint:
            words.append(f"\n-> {_clean(each.hint)}", "dim")
        table.add_row(Text(each.mark, _STYLES[each.mark]), Text(_clean(topic)), words)
    console().print(table)


def _entry(line: Line) -> dict[str, Any]:
    return {
        "organization": line.organization or None,
        "check": line.topic,
        "result": line.mark,
        "text": redact(line.text),
        "next": redact(line.hint),
        "details": dict(line.details),
    }


def _clean(text: str) -> str:
    """Words of an API and names of keys: no secret, and nothing that drives a terminal."""
    return plain(redact(text))
