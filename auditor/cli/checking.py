"""What `auditor check` does: one pass over each organization, printed, and the exit code that says what came of it."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from auditor import clock
from auditor.adminapi.client import AdminClient
from auditor.adminapi.resources import BY_NAME
from auditor.alerts.deliver import Deliverer
from auditor.alerts.lane import Terms
from auditor.assembly import Parts, assemble, audit_of, client_of, gate_of
from auditor.cli import complain, render, stores
from auditor.cli.progress import bars
from auditor.configfile import Loaded
from auditor.errors import ApiError
from auditor.inventory.collect import Progress
from auditor.jobs import poll, review, snapshot, usage
from auditor.jobs.snapshot import Taken, blind
from auditor.store.database import Store, open_store
from auditor.terms import Level, Outcome

CLEAN, NOTHING, FINDINGS, INCOMPLETE = 0, 1, 3, 4


@dataclass(frozen=True)
class Asked:
    """What the person asked of one `check`."""

    fail_on: Level
    strict: bool
    organization: str | None = None
    """Only this one."""
    deliver: bool = False


@dataclass(frozen=True)
class _Seen:
    """What came of one `check`, organization by organization."""

    taken: Sequence[Taken]
    failed: Mapping[str, ApiError]
    """Why nothing was audited, by name."""


def check(loaded: Loaded, asked: Asked, form: str) -> int:
    """Make the passes and print them; the exit code. Raises FaultyFiles, ConfigError or StoreError."""
    parts = assemble(loaded)
    names = stores.asked_for(loaded, asked.organization)
    store = open_store(loaded.config.store)
    try:
        with bars() as progress:
            seen = asyncio.run(_check(parts, store, names, progress, asked.deliver))
    finally:
        store.close()
    if seen.taken:
        render.check(seen.taken, form)
    for name, error in seen.failed.items():
        place = f" of {name}" if len(names) > 1 else ""
        complain(ApiError(f"nothing was audited{place}: {error.message}", hint=error.hint))
    if not seen.taken:
        return NOTHING
    return INCOMPLETE if seen.failed else exit_code(seen.taken, asked)


def exit_code(taken: Sequence[Taken], asked: Asked) -> int:
    """What the pass means for a pipeline: a gap wins over findings, because it may hide worse ones."""
    if any(line.gap for each in taken for line in each.run.coverage):
        return INCOMPLETE
    verdicts = [verdict for each in taken for result in each.results for verdict in result.verdicts]
    if asked.strict and any(verdict.outcome is Outcome.UNKNOWN for verdict in verdicts):
        return INCOMPLETE
    counted = (v for each in taken for result in each.results for v in result.verdicts if not each.is_waived(v))
    failed = any(v.outcome is Outcome.FAIL and v.level.rank >= asked.fail_on.rank for v in counted)
    return FINDINGS if failed else CLEAN


async def _check(parts: Parts, store: Store, names: Sequence[str], progress: Progress, deliver: bool) -> _Seen:
    taken, failed = [], {}
    for name in names:
        try:
            taken.append(await _pass(parts, store, name, progress))
        except ApiError as error:
            failed[name] = error
    if deliver:
        # It is not at work for an hour; each run is a try of its own.
        terms = Terms(watch=0)
        owner = f"check:{os.getpid()}"
        await Deliverer(store, parts.queues, owner, terms=terms, gate=gate_of(parts)).deliver_due()
    return _Seen(taken, failed)


async def _pass(parts: Parts, store: Store, name: str, progress: Progress) -> Taken:
    """Raises ApiError when nothing was audited."""
    async with client_of(parts.loaded, name) as client:
        await _reach(client)
        audit = audit_of(parts, name, client, store, progress)
        # Nobody is there to send later what waits for others.
        audit = replace(audit, routing=audit.routing.at_once())
        now = clock.epoch(clock.now())
        polled = await poll.poll(audit, now)
        # The daemon does this once a day; where there is none, each pass looks whether it is time.
        await usage.refresh(audit, now, audit.usage_every)
        taken = await snapshot.take(audit, polled, now)
        await asyncio.to_thread(review.release, audit, gate_of(parts))
        await asyncio.to_thread(review.mark, audit, now - review.LATELY, now)
        await asyncio.to_thread(review.repeat, audit, now)
    gap = blind(taken.run.coverage)
    if gap:
        raise ApiError(gap.reason, hint=gap.hint)
    return taken


async def _reach(client: AdminClient) -> None:
    """One small read first: a server that is not there is told at once, not after every list was retried."""
    try:
        await client.get(BY_NAME["project"].path, (("limit", "1"),))
    except ApiError as error:
        if error.status is None:
            raise
