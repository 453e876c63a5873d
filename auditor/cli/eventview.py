"""How stored audit events look: a row for people, an object for machines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import click
import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from auditor.alerts.untrusted import named
from auditor.alerts.words import counted
from auditor.cli.moment import iso
from auditor.cli.render import console, plain
from auditor.inventory.events import record_of
from auditor.jobs.replay import Replayed
from auditor.policy.watch import Watched
from auditor.store.events import StoredEvent
from auditor.store.history import SeenType
from auditor.store.intervals import Interval
from auditor.terms import Stream

_SHOWN = 5
"""Ids that a table shows of those that a policy matches."""
_ACTOR = ("actor.email", "actor.id", "actor.api_key.id", "actor.session.user.id", "actor.ip")

_HOLES = 20
"""The newest holes, which are listed one by one."""


def actors(event: StoredEvent) -> list[str]:
    """All that the event says of who did it: e-mail address first, ids, and the address it came from."""
    fields = record_of(event.raw).fields
    return [value for value in map(fields.get, _ACTOR) if isinstance(value, str)]


def document(organization: str, event: StoredEvent) -> dict[str, Any]:
    """The event as it was sent, and what the store knows beside it."""
    return {
        "organization": organization,
        "stream": event.stream,
        "arrived_at": iso(event.arrived_at),
        "event": msgspec.json.decode(event.raw),
    }


def line(organization: str, event: StoredEvent, form: str) -> str:
    """One line: the document, or what a person wants to see go by."""
    if form == "json":
        return json.dumps(document(organization, event))
    actor = next(iter(actors(event)), "-")
    return plain("  ".join((iso(event.effective_at), organization, event.type, actor, event.id)))


def listing(found: Sequence[tuple[str, StoredEvent]], form: str) -> None:
    """Print events with their organizations."""
    if form == "json":
        click.echo(json.dumps([document(*each) for each in found], indent=2))
        return
    table = _table("time", "type", "actor", "project", "id")
    for _, event in found:
        fields = record_of(event.raw).fields
        project = named(str(fields.get("project.name") or ""), str(fields.get("project.id") or ""), 120)
        cells = (event.type, next(iter(actors(event)), ""), project, event.id)
        table.add_row(iso(event.effective_at), *(Text(plain(cell)) for cell in cells))
    console().print(table if found else Text("no events"))


def replayed(found: Replayed, form: str) -> None:
    """Print what became of a file of events."""
    if form == "json":
        document = {"events": found.events, "skipped": dict(found.skipped), "matches": found.matches}
        click.echo(json.dumps(document, indent=2))
        return
    table = _matches(found)
    console().print(table if table.row_count else Text("nothing matches"))
    skipped = ", ".join(f"{count} {why}" for why, count in sorted(found.skipped.items()))
    click.echo(f"{found.events} events" + (f"; skipped lines: {skipped}" if skipped else ""))


def _matches(found: Replayed) -> Table:
    table = _table("policy", "matches", "events")
    for name, ids in found.matches.items():
        if ids:
            shown = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
            table.add_row(Text(name), str(len(ids)), Text(plain(shown)))
    return table


@dataclass(frozen=True, slots=True)
class TypeLine:
    """What is known of one type of event."""

    type: str
    known: bool
    """Whether this version has heard of it."""
    settings: bool
    """Whether settings that no endpoint shows are read from it."""
    policies: tuple[str, ...]
    seen: SeenType | None

    @property
    def matters(self) -> bool:
        """Whether it was seen, or anybody waits for it."""
        return bool(self.seen or self.policies or self.settings)

    @property
    def document(self) -> dict[str, Any]:
        """For machines; times are null for what was never seen."""
        return {
            "type": self.type,
            "known": self.known,
            "events": self.seen.events if self.seen else 0,
            "first_at": iso(self.seen.first_at) if self.seen else None,
            "last_at": iso(self.seen.last_at) if self.seen else None,
            "policies": list(self.policies),
            "settings": self.settings,
        }


Proven = Mapping[Stream, Sequence[Interval]]
"""What was read whole of each stream."""


def coverage(
    organizations: Mapping[str, Sequence[TypeLine]],
    watched: Mapping[str, Watched],
    proven: Mapping[str, Proven],
    form: str,
    *,
    everything: bool,
) -> None:
    """Print which types were seen, who watches them, and which times were proven read."""
    if form == "json":
        documents = [
            {
                "organization": name,
                "types": [line.document for line in lines],
                "streams": [_stream_document(stream, parts) for stream, parts in proven[name].items()],
                "watching_every_type": list(watched[name].every),
                "watching_no_type": list(watched[name].nothing),
            }
            for name, lines in organizations.items()
        ]
        click.echo(json.dumps(documents, indent=2))
        return
    for name, lines in organizations.items():
        _coverage(name, lines, watched[name], everything=everything)
        for stream, parts in proven[name].items():
            _print_proven(name, stream, parts)


def _coverage(name: str, lines: Sequence[TypeLine], watched: Watched, *, everything: bool) -> None:
    out = console()
    table = _table("type", "events", "first", "last", "watched by")
    for line in lines:
        if line.matters or everything:
            table.add_row(*_cells(line))
    out.print(table)
    for words, names in (
        ("watch every type", watched.every),
        ("watch no type that is known or was seen; is one misspelt?", watched.nothing),
    ):
        if names:
            out.print(Text(plain(f"{', '.join(names)}: {words}"), "yellow"))
    strange = [line.type for line in lines if not line.known]
    if strange:
        out.print(Text(plain(f"not known to this version, kept all the same: {', '.join(strange)}"), "yellow"))
    out.print(Text(plain(_summary(name, lines))))


def _stream_document(stream: Stream, parts: Sequence[Interval]) -> dict[str, Any]:
    return {
        "stream": stream.value,
        "proven": [{"since": iso(since), "until": iso(until)} for since, until in parts],
        "holes": [{"since": iso(since), "until": iso(until)} for since, until in _holes(parts)],
    }


def _print_proven(name: str, stream: Stream, parts: Sequence[Interval]) -> None:
    out = console()
    if not parts:
        out.print(Text(plain(f"{name}: nothing of the {stream} stream is proven read yet"), "yellow"))
        return
    holes = _holes(parts)
    words = f"{counted(len(holes), 'hole')}" if holes else "without a hole"
    text = f"{name}: {stream} stream proven read from {iso(parts[0][0])} to {iso(parts[-1][1])}, {words}"
    out.print(Text(plain(text), "yellow" if holes else ""))
    for since, until in holes[-_HOLES:]:
        out.print(Text(f"  not read from {iso(since)} to {iso(until)}", "yellow"))


def _holes(parts: Sequence[Interval]) -> list[Interval]:
    return [(end, begin) for (_, end), (begin, _) in pairwise(parts)]


def _cells(line: TypeLine) -> tuple[Text, ...]:
    seen = line.seen
    by = ", ".join((*line.policies, *(("settings",) if line.settings else ())))
    return (
        Text(plain(line.type), "" if line.known else "yellow"),
        Text(str(seen.events) if seen else "never", "" if seen else "dim"),
        Text(iso(seen.first_at)[:10] if seen else ""),
        Text(iso(seen.last_at)[:10] if seen else ""),
        Text(plain(by)),
    )


def _summary(name: str, lines: Iterable[TypeLine]) -> str:
    lines = tuple(lines)
    seen = [line for line in lines if line.seen]
    waiting = [line for line in lines if not line.seen and line.matters]
    return (
        f"{name}: {sum(line.seen.events for line in lines if line.seen)} events of {len(seen)} types; "
        f"{len(waiting)} watched types were never seen, and {sum(not line.matters for line in lines)} known types "
        "were never seen and are watched by nobody"
    )


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in {"time", "first", "last"})
    return table
