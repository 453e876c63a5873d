"""`auditor events`: the audit log as the store keeps it."""

import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from auditor.adminapi.eventtypes import KNOWN
from auditor.assembly import calendar_of
from auditor.cli import eventview, options, stores
from auditor.cli.eventview import TypeLine
from auditor.cli.moment import METAVAR, moment
from auditor.errors import StoreError
from auditor.inventory.settings import EVENT_TYPES
from auditor.jobs.export import export as exported
from auditor.jobs.follow import Follower
from auditor.jobs.replay import replay as replayed
from auditor.policy.configured import policies_of
from auditor.policy.replay import Dated, as_it_is
from auditor.policy.watch import watched
from auditor.store import history, intervals
from auditor.store.events import StoredEvent
from auditor.store.history import Wanted
from auditor.terms import Stream

_organization = click.option("--organization", help="Only this organization.")
_since = click.option(
    "--since", callback=moment, metavar=METAVAR, help="Only what happened since: 7d, 36h, 2026-11-24."
)


@click.group(name="events")
def command() -> None:
    """The audit log from the store, or from a file; nothing is read from the API."""


@command.command(name="list")
@options.config
@options.output
@_organization
@_since
@click.option("--type", "types", multiple=True, help="Only this type of event; may be repeated.")
@click.option("--actor", help="Only what this e-mail address, id or IP address did.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
def listing(
    config_path: Path | None,
    form: str,
    organization: str | None,
    since: int | None,
    types: tuple[str, ...],
    actor: str | None,
    limit: int,
) -> None:
    """List events, newest first."""
    loaded = options.load_config(config_path, need_keys=False)
    wanted = Wanted(since=since, types=types)
    found: list[tuple[str, StoredEvent]] = []
    with stores.existing(loaded) as store:
        for name in stores.asked_for(loaded, organization):
            newest = _by(history.walk(store, name, wanted, newest_first=True, size=min(limit, history.PAGE)), actor)
            found += ((name, event) for event in itertools.islice(newest, limit))
    found.sort(key=lambda each: (each[1].effective_at, each[1].id), reverse=True)
    eventview.listing(found[:limit], form)


@command.command(name="follow")
@options.config
@options.output
@_organization
@click.option("--poll", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Seconds between looks.")
def follow(config_path: Path | None, form: str, organization: str | None, poll: float) -> None:
    """Print events as the daemon stores them, one line each, until Ctrl-C."""
    loaded = options.load_config(config_path, need_keys=False)
    with stores.existing(loaded) as store:
        followers = {name: Follower(store, name) for name in stores.asked_for(loaded, organization)}
        while True:
            for name, follower in followers.items():
                _tell(name, follower, form)
            time.sleep(poll)


@command.command(name="export")
@options.config
@_organization
@click.option(
    "--output",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Directory to write to.",
)
@click.option(
    "--since",
    callback=moment,
    metavar=METAVAR,
    help="Only the days since: 7d, 2026-11-24. A day is always written whole.",
)
def export(config_path: Path | None, organization: str | None, directory: Path, since: int | None) -> None:
    """Write events as compressed JSON lines, one file an organization and day.

    The files are DIR/organization=NAME/day=YYYY-MM-DD/events.jsonl.gz. A day whose file is up to date is left as it is.
    """
    loaded = options.load_config(config_path, need_keys=False)
    days = events = written = 0
    with stores.existing(loaded) as store:
        for name in stores.asked_for(loaded, organization):
            for each in exported(store, name, directory, since):
                days, events, written = days + 1, events + each.events, written + each.written
    click.echo(f"{directory} holds {events} events of {days} days; {written} files were written")


@command.command(name="coverage")
@options.config
@options.output
@_organization
@click.option("--all", "everything", is_flag=True, help="Also the known types that nobody saw and nobody watches.")
def coverage(config_path: Path | None, form: str, organization: str | None, everything: bool) -> None:
    """Show each type of event (how often it was seen, which policies watch it), and which times are proven read."""
    loaded = options.load_config(config_path, need_keys=False)
    policies = policies_of(loaded)
    lines, watching, proven = {}, {}, {}
    with stores.existing(loaded) as store:
        for name in stores.asked_for(loaded, organization):
            with store.transaction() as tx:
                seen = {each.type: each for each in history.types(tx, name)}
                proven[name] = {stream: intervals.read(tx, name, stream) for stream in Stream}
            types = sorted(KNOWN | seen.keys())
            watching[name] = watched(policies, types)
            by_type = watching[name].by_type
            lines[name] = [
                TypeLine(each, each in KNOWN, each in EVENT_TYPES, by_type[each], seen.get(each)) for each in types
            ]
    eventview.coverage(lines, watching, proven, form, everything=everything)


@command.command(name="replay")
@options.config
@options.output
@click.option(
    "--events",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File with one raw event a line; compressed when it ends in .gz.",
)
@click.option(
    "--policies",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File or folder of policies; may be repeated [default: those of auditor.yaml, else the shipped ones].",
)
def replay(config_path: Path | None, form: str, file: Path, paths: tuple[Path, ...]) -> None:
    """Run event policies and correlations over a file of events, such as `export` writes.

    Of a correlation the events are shown that complete it. Lines that hold no event are skipped and counted. Fields of
    your calendar (local.hour, planned) are there with an auditor.yaml: the one that is named, or the one whose policies
    are run.
    """
    policies = options.load_policies(config_path, paths)
    if not (policies.rules or policies.correlations):
        click.echo("note: none of these policies is about events: what is judged is the state of resources", err=True)
    found = replayed(policies, file, _dated(config_path, paths))
    eventview.replayed(found, form)


def _dated(config_path: Path | None, paths: Sequence[Path]) -> Dated:
    if config_path is None and (paths or not options.find_config(None).is_file()):
        return as_it_is
    return calendar_of(options.load_config(config_path, need_keys=False)).dated


def _by(found: Iterator[StoredEvent], actor: str | None) -> Iterator[StoredEvent]:
    if actor is None:
        return found
    wanted = actor.casefold()
    return (event for event in found if wanted in (each.casefold() for each in eventview.actors(event)))


def _tell(name: str, follower: Follower, form: str) -> None:
    try:
        for event in follower.news():
            click.echo(eventview.line(name, event, form))
    except StoreError as error:
        # The daemon may hold the store for a while; what was not told is told at the next look.
        if not error.retryable:
            raise
