"""How a backtest looks: what would have been found and said, for people and for programs."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from auditor.alerts.words import counted
from auditor.cli.moment import iso
from auditor.cli.render import console, plain
from auditor.findings.model import Finding
from auditor.jobs.past import NOT_KEPT
from auditor.jobs.tested import Backtest, Tested, owner_of
from auditor.policy.model import EVENT

DAY = 86_400
_SHOWN = 20
"""Findings of a policy that a person is shown; a program gets up to `tested.LISTED`."""
_REASONS = 3


def show(found: Mapping[str, Backtest], form: str) -> None:
    """Print what became of each organization."""
    if form == "json":
        click.echo(json.dumps([document(name, each) for name, each in found.items()], indent=2))
        return
    for name, each in found.items():
        for tested in each.policies:
            _print(name, each, tested)
        for line in _looked(name, each):
            console().print(Text(plain(line), "dim"))


def document(organization: str, found: Backtest) -> dict[str, Any]:
    """The JSON document of an organization."""
    return {
        "organization": organization,
        "since": iso(found.since),
        "until": iso(found.until),
        "snapshots": found.snapshots,
        "pictures": [iso(at) for at in found.pictures],
        "events": found.events,
        "history_since": None if found.began_at is None else iso(found.began_at),
        "events_since": None if found.event_at is None else iso(found.event_at),
        "policies": [_policy(each) for each in found.policies],
    }


def _policy(tested: Tested) -> dict[str, Any]:
    return {
        "policy": tested.policy.name,
        "level": tested.policy.level,
        "resource": tested.policy.kind,
        "findings": tested.findings,
        "stood_at_first": tested.stood,
        "reopened": tested.reopened,
        "resolved": tested.resolved,
        "open": tested.open,
        "alerts": tested.alerts,
        "owners": len(tested.owners),
        "alerts_by_day": {_date(day): count for day, count in sorted(tested.by_day.items())},
        "unknown_pictures": tested.unknown,
        "unknown_because": dict(tested.reasons.most_common()),
        "not_rebuilt": {name: NOT_KEPT[name] for name in tested.not_kept},
        "listed": [_finding(each) for each in tested.listed],
    }


def _finding(each: Finding) -> dict[str, Any]:
    return {
        "resource": {"type": each.kind, "id": each.ids[-1], "name": each.name, "parents": list(each.ids[:-1])},
        "owner": owner_of(each) or None,
        "message": each.message,
        "first_seen": iso(each.opened_at),
        "last_seen": iso(each.opened_at if each.occurrence else each.seen_at),
        "resolved_at": None if each.resolved_at is None else iso(each.resolved_at),
        "state": "occurred" if each.occurrence else each.state,
        "events": each.evidence.get("events", []),
    }


def _print(name: str, found: Backtest, tested: Tested) -> None:
    out = console()
    out.print(Text(plain(f"{name}: {tested.policy.name}"), "bold"))
    if tested.listed:
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for column in ("first seen", "last seen", "state", "resource", "owner", "message"):
            table.add_column(column, overflow="fold", no_wrap=column in {"first seen", "last seen"})
        for each in tested.listed[:_SHOWN]:
            table.add_row(*_cells(each))
        out.print(table)
    for line in _said(found, tested):
        out.print(Text(plain(line)))


def _cells(each: Finding) -> tuple[Text, ...]:
    last = each.opened_at if each.occurrence else each.seen_at
    state = "occurred" if each.occurrence else each.state
    texts = (iso(each.opened_at), iso(last), state, f"{each.name} ({'/'.join(each.ids)})", owner_of(each), each.message)
    return tuple(Text(plain(text)) for text in texts)


def _said(found: Backtest, tested: Tested) -> Iterator[str]:
    more = tested.findings - len(tested.listed[:_SHOWN])
    if more:
        yield f"... and {more} older"
    # Days of which the store knows nothing would make the others look quiet.
    known = found.event_at if tested.policy.kind == EVENT else found.began_at
    days = max(1, round((found.until - max(found.since, known or 0)) / DAY))
    yield (
        f"{counted(tested.findings, 'finding')} of {counted(len(tested.owners), 'owner')}, "
        f"{tested.open} open at the end, {tested.stood} stood at first, {tested.reopened} opened again, "
        f"{tested.resolved} ended"
    )
    busiest = max(tested.by_day.items(), key=lambda each: (each[1], -each[0]), default=None)
    worst = f", at most {busiest[1]} on {_date(busiest[0])}" if busiest else ""
    yield f"{counted(tested.alerts, 'alert')} in {counted(days, 'day')}, {tested.alerts / days:.1f} a day{worst}"
    if tested.unknown:
        yield f"unknown in {counted(tested.unknown, 'picture')}:"
        yield from (f"  {reason}" for reason, _ in tested.reasons.most_common(_REASONS))
    yield from (f"not rebuilt: {name}, because {NOT_KEPT[name]}" for name in tested.not_kept)


def _looked(name: str, found: Backtest) -> Iterator[str]:
    """At what it was looked, and from when on the store can tell."""
    if any(tested.policy.kind != EVENT for tested in found.policies):
        span = f", from {iso(found.pictures[0])} to {iso(found.pictures[-1])}" if found.pictures else ""
        yield f"{name}: {len(found.pictures)} of {counted(found.snapshots, 'snapshot')} were rebuilt{span}"
    if found.events:
        yield f"{name}: {counted(found.events, 'event')} of types that can match were judged"
    for what, began in (("resources", found.began_at), ("events", found.event_at)):
        if began is None:
            yield f"{name}: the store has no {what} yet"
        elif began > found.since:
            yield f"{name}: the store has {what} since {iso(began)} only"


def _date(day: int) -> str:
    return iso(day * DAY)[:10]
