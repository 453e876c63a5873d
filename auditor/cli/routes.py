"""`auditor routes`: who is told what, and why."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from auditor import clock
from auditor.alerts.gate import Judge
from auditor.alerts.grouping import Timing
from auditor.alerts.matching import alone, class_of, parts
from auditor.alerts.message import Alert
from auditor.alerts.route import Node, Routing, Tried
from auditor.alerts.teller import Teller
from auditor.assembly import names_of, routing_of
from auditor.cli import madeup, options, stores
from auditor.cli.moment import DAY, iso
from auditor.cli.render import console, plain
from auditor.policy.configured import policies_of
from auditor.routing import AlertClass
from auditor.terms import Level


@click.group(name="routes")
def command() -> None:
    """Who is told what: the routes of auditor.yaml, and where an alert would go."""


@command.command(name="show")
@options.config
@options.output
def show(config_path: Path | None, form: str) -> None:
    """Show the tree of routes with all that each takes from the routes above."""
    loaded = options.load_config(config_path, need_keys=False)
    routing = routing_of(loaded, policies_of(loaded))
    nodes = [*([(0, routing.operators)] if routing.operators else []), *_walk(routing.root, 0)]
    if form == "json":
        click.echo(json.dumps([_document(node) for _, node in nodes], indent=2))
        return
    out = console()
    for depth, node in nodes:
        text = f"{'  ' * depth}{node.name}: {node.match} -> {', '.join(node.to) or 'nobody'}"
        out.print(Text.assemble(plain(text), (plain(_settings(node)), "dim")))
    if routing.streams:
        out.print(Text(plain(f"every audit event, beside the tree -> {', '.join(routing.streams)}")))


def _walk(node: Node, depth: int) -> Iterator[tuple[int, Node]]:
    yield depth, node
    for child in node.children:
        yield from _walk(child, depth + 1)


def _document(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "match": node.match.written(),
        "to": node.to,
        "continue": node.continues,
        "group_by": node.group_by,
        "urgent": _timing(node.timing(Level.HIGH)),
        "other": _timing(node.timing(Level.MEDIUM)),
        "mute_time_intervals": node.mute,
        "active_time_intervals": node.active,
    }


def _timing(timing: Timing) -> dict[str, int]:
    return {"group_wait": timing.wait, "group_interval": timing.interval, "repeat_interval": timing.repeat}


def _settings(node: Node) -> str:
    urgent, other = node.timing(Level.HIGH), node.timing(Level.MEDIUM)
    waits = _both(clock.written(urgent.wait), clock.written(other.wait))
    repeat = _both(*(clock.written(each.repeat) if each.repeat else "never" for each in (urgent, other)))
    interval = clock.written(urgent.interval)
    told = f"  by {' '.join(node.group_by) or 'nothing'}, wait {waits}, interval {interval}, again {repeat}"
    muted = f", muted {' '.join(node.mute)}" if node.mute else ""
    active = f", active {' '.join(node.active)}" if node.active else ""
    return told + muted + active + (", continue" if node.continues else "")


def _both(urgent: str, other: str) -> str:
    return urgent if urgent == other else f"{urgent}, below high {other}"


@dataclass(frozen=True, slots=True)
class _Answer:
    """Where an alert would go."""

    alert: Alert
    at: datetime
    walks: Mapping[AlertClass, tuple[Tried, ...]]
    """What was tried, by what it was tried as: a digest goes as one, and as each of its lines would by itself."""
    sinks: dict[str, str]
    """Who gets it, and what holds it back, empty for nothing."""

    @property
    def took(self) -> tuple[Node, ...]:
        """The nodes that it goes to, each once."""
        tried = (each for walk in self.walks.values() for each in walk)
        return tuple(dict.fromkeys(each.node for each in tried if each.took))

    def timing(self, node: Node) -> Timing:
        """How the alert is gathered there."""
        return node.timing(self.alert.level, protected=self.alert.protected)


@command.command(name="test")
@options.config
@options.output
@click.option(
    "--level",
    type=click.Choice([each.value for each in Level], case_sensitive=False),
    help="[default: the policy's, else high]",
)
@click.option("--policy", help="Name of a policy; its level, class, tags and kind of resource are taken from it.")
@click.option("--tag", "tags", multiple=True, help="A tag beside those of the policy; may be repeated.")
@click.option("--organization", help="[default: the first one of the configuration]")
@click.option("--project", default="", help="Id or name of a project; the store knows the other.")
@click.option("--owner", default="", help="E-mail address of who answers for the resource.")
@click.option("--team", "teams", multiple=True, help="A team beside those of project and owner; may be repeated.")
@click.option("--kind", help="Kind of the resource: project_api_key.")
@click.option("--resource", default="", help="Id or name of the resource.")
@click.option(
    "--class",
    "about",
    type=click.Choice([each.value for each in AlertClass]),
    help="What is told. Reports go to `reports.to`. [default: what the policy tells, else finding]",
)
@click.option("--at", metavar="TIME", help="When: 2026-11-24T08:00:00+01:00; without a zone it is UTC. [default: now]")
def test(config_path: Path | None, form: str, at: str | None, **labels: Any) -> None:
    """Say where an alert would go and why: each route that is tried, silences, times and inhibition."""
    loaded = options.load_config(config_path, need_keys=False)
    moment = _moment(at)
    policies = policies_of(loaded)
    teller = Teller(policies.by_name, routing_of(loaded, policies))
    madeup.refuse_strangers(names_of(loaded, policies), labels)
    organization = labels["organization"] or next(iter(loaded.config.organizations))
    with stores.existing_or_empty(loaded) as store, store.transaction() as tx:
        alert = madeup.alert(tx, organization, teller, moment, labels)
        answer = _answer(Judge(tx, teller, lambda: moment), teller.routing, alert, moment, loaded.config.reports.to)
    if form == "json":
        click.echo(json.dumps(_told(answer), indent=2))
    else:
        _print(answer)


def _moment(text: str | None) -> datetime:
    if text is None:
        return clock.now()
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time: write 2026-11-24T08:00:00+01:00", param_hint="--at") from None
    read = read if read.tzinfo else read.replace(tzinfo=clock.now().tzinfo)
    # In some zone it is the day after already.
    if clock.epoch(read) < 0 or not clock.is_time(clock.epoch(read) + DAY):
        words = f"no calendar has {text!r} everywhere: write a time from 1970 to 9999, as 2026-11-24T08:00:00+01:00"
        raise click.BadParameter(words, param_hint="--at")
    return read


def _answer(judge: Judge, routing: Routing, alert: Alert, moment: datetime, report_to: tuple[str, ...]) -> _Answer:
    """Where the alert goes, and what holds it back there by the silences and findings of the store."""
    reports = class_of(alert) is AlertClass.REPORT
    names = report_to if reports else [goes.sink for goes in routing.destinations(alert)]
    holds = {name: judge.hold(alert, name) for name in names}
    sinks = {name: hold.reason if hold else "" for name, hold in holds.items()}
    walked = () if reports else [*parts(alert), *map(alone, parts(alert))]
    return _Answer(alert, moment, {class_of(each): routing.tried(each) for each in walked}, sinks)


def _told(answer: _Answer) -> dict[str, Any]:
    timings = {node.name: _timing(answer.timing(node)) for node in answer.took}
    return {
        "at": iso(clock.epoch(answer.at)),
        "class": class_of(answer.alert),
        "level": answer.alert.level,
        "policy": answer.alert.policy,
        "project": answer.alert.project,
        "project_name": answer.alert.project_name,
        "teams": answer.alert.teams,
        "tried": [
            {
                "as": as_,
                "route": each.node.name,
                "match": str(each.node.match),
                "matched": not each.why_not,
                "why_not": each.why_not,
                "took": each.took,
                "to": each.node.to if each.took else [],
                **timings.get(each.node.name, {}),
            }
            for as_, walk in answer.walks.items()
            for each in walk
        ],
        "sinks": [{"sink": sink, "sent": not reason, "held_by": reason} for sink, reason in answer.sinks.items()],
    }


def _print(answer: _Answer) -> None:
    out = console()
    for as_, walk in answer.walks.items():
        if len(answer.walks) > 1:
            out.print(Text(f"as {as_}:", "bold"))
        _print_walk(walk)
    if class_of(answer.alert) is AlertClass.REPORT:
        out.print(Text("no route takes a report: it goes to the sinks of `reports.to`"))
    if not answer.sinks:
        out.print(Text(f"nobody is told: {_left(answer)}", "yellow"))
    for node in answer.took:
        timing = answer.timing(node)
        wait, interval = clock.written(timing.wait), clock.written(timing.interval)
        waits = f"{node.name}: after {wait}, {interval} after the last message of its group"
        out.print(Text(plain(waits), "dim"))
    for sink, reason in answer.sinks.items():
        told = f"{sink}: held back: {reason}" if reason else f"{sink}: is told"
        out.print(Text(plain(told), "yellow" if reason else "bold"))


def _print_walk(walk: Iterable[Tried]) -> None:
    out = console()
    for each in walk:
        verdict = each.why_not and f"no: {each.why_not}"
        taken = f"takes it -> {', '.join(each.node.to) or 'nobody'}" if each.took else "matches"
        style = "dim" if each.why_not else "green" if each.took else ""
        text = f"{'  ' * each.depth}{each.node.name} ({each.node.match}): {verdict or taken}"
        out.print(Text(plain(text), style))


def _left(answer: _Answer) -> str:
    """Where what nobody is told of can be found."""
    if class_of(answer.alert) is AlertClass.REPORT:
        return "it is a file in `reports.directory`"
    return "it stays in the findings, on the page and in the report"
