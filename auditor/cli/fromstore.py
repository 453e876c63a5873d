"""What commands about policies take from the store: an event, the body of a resource, a resource as it was seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from auditor import clock
from auditor.adminapi.resources import BY_NAME
from auditor.assembly import attestations_of, registers_of
from auditor.cli import options, stores
from auditor.cli.moment import iso
from auditor.configfile import Loaded
from auditor.errors import ConfigError
from auditor.inventory.bodies import joined
from auditor.inventory.model import Collection
from auditor.inventory.schema import is_open
from auditor.jobs.past import Asked, Past, Surroundings
from auditor.policy.bodies import record_from
from auditor.policy.explain import Seen, Source
from auditor.policy.policyset import Judge
from auditor.store import bodies, events, runs, versions, volatiles
from auditor.store.database import Store, Transaction

T = TypeVar("T")


def stored_event(config_path: Path | None, identity: str, organization: str | None = None) -> bytes:
    """The bytes of an event in the store. Raises ConfigError when it is not there."""
    with _read(config_path, organization) as (_, store, names):
        for name in names:
            with store.transaction() as tx:
                if event := events.find(tx, name, identity):
                    return event.raw
    raise ConfigError(f"no event `{identity}` is stored", hint="`auditor events list` shows what is")


def stored_body(config_path: Path | None, kind: str, identity: str, organization: str | None = None) -> dict[str, Any]:
    """The body of a resource as the API last sent it. Raises ConfigError when there is not just one."""
    found: list[dict[str, Any]] = []
    with _read(config_path, organization) as (_, store, names):
        for name in names if kind in BY_NAME else ():
            with store.transaction() as tx:
                found += _bodies(tx, name, kind, identity)
    return _only(found, kind, identity, "now")


def _bodies(tx: Transaction, organization: str, kind: str, identity: str) -> Iterator[dict[str, Any]]:
    digests = {ids: digest for ids, digest in versions.current(tx, organization, kind).items() if ids[-1] == identity}
    contents = bodies.contents(tx, set(digests.values()))
    moving = volatiles.current(tx, organization, kind) if digests else {}
    return (joined(BY_NAME[kind], contents[digest], moving.get(ids, {})) for ids, digest in digests.items())


def from_store(config_path: Path | None, judge: Judge, organization: str | None, at: int | None) -> Source:
    """Events as they are stored, and resources as the last snapshot up to `at` (Unix seconds) saw them."""

    def source(kind: str, identity: str) -> Seen:
        if is_open(kind):
            event = record_from(kind, msgspec.json.decode(stored_event(config_path, identity, organization)))
            return Seen(event, Collection(kind, (event,)))
        with _read(config_path, organization) as (loaded, store, names):
            found = [each for name in names for each in _seen(loaded, store, name, judge, identity, at)]
        return _only(found, kind, identity, "now" if at is None else f"at {iso(at)}")

    return source


def surroundings(loaded: Loaded, organization: str) -> Surroundings:
    """What the configuration adds to the pictures of an organization."""
    mine = [each for each in attestations_of(loaded) if each.scope in {"", organization}]
    return Surroundings(registers_of(loaded), mine, loaded.config.schedule.usage)


def _seen(loaded: Loaded, store: Store, name: str, judge: Judge, identity: str, at: int | None) -> list[Seen]:
    with store.transaction() as tx:
        known = runs.snapshots(tx, name, clock.epoch(clock.now()) if at is None else at)
    if not known:
        return []
    past = Past(store, name, surroundings(loaded, name), Asked.by([judge]))
    everything = past.picture(known[-1]).collection(judge.policy.kind)
    # The same may be in several projects.
    return [Seen(record, everything) for record in everything.records if record.id == identity]


@contextmanager
def _read(config_path: Path | None, organization: str | None) -> Iterator[tuple[Loaded, Store, list[str]]]:
    """The configuration, its store, and the organizations that are asked for."""
    loaded = options.load_config(config_path, need_keys=False)
    with stores.existing(loaded) as store:
        yield loaded, store, stores.asked_for(loaded, organization)


def _only(found: list[T], kind: str, identity: str, when: str) -> T:
    if len(found) == 1:
        return found[0]
    if found:
        hint = "--organization names one of them, and --file has its body"
        raise ConfigError(f"{len(found)} resources of kind {kind} have the id `{identity}`", hint=hint)
    hint = "`auditor changes` shows ids, and what was seen when; --file has a body of your own"
    raise ConfigError(f"the store knows no {kind} `{identity}` {when}", hint=hint)
