"""What is wrong with the routing of a configuration and can be seen only in the whole: names that nothing has."""

from collections import Counter
from collections.abc import Iterable, Iterator

from auditor.config import Config
from auditor.errors import did_you_mean
from auditor.routing import Route

Place = tuple[str | int, ...]
Found = tuple[Place, str, str]
"""Where, what, and a hint."""


def faults(config: Config) -> Iterator[Found]:
    """Sinks, times and teams that do not exist, and routes that lead nowhere: an alert would vanish there."""
    yield from _sinks(config, ("route", "to"), config.route.to)
    yield from _sinks(config, ("operators",), config.operators)
    yield from _sinks(config, ("reports", "to"), config.reports.to)
    yield from _routes(config, ("routes",), config.routes, bool(config.route.to))
    yield from _twice(config)
    for i, rule in enumerate(config.inhibit_rules):
        yield from _teams(config, ("inhibit_rules", i, "source_match", "team"), rule.source_match.team)
        yield from _teams(config, ("inhibit_rules", i, "target_match", "team"), rule.target_match.team)


def _routes(config: Config, place: Place, routes: Iterable[Route], leads: bool) -> Iterator[Found]:
    for i, route in enumerate(routes):
        here = (*place, i)
        yield from _sinks(config, (*here, "to"), route.to or ())
        yield from _teams(config, (*here, "match", "team"), route.match.team)
        yield from _times(config, (*here, "mute_time_intervals"), route.mute_time_intervals)
        yield from _times(config, (*here, "active_time_intervals"), route.active_time_intervals)
        if not leads and route.to is None:
            yield here, "`to` is missing here and in the routes above", "name the sinks that get it: `to: [NAME]`"
        yield from _routes(config, (*here, "routes"), route.routes, leads or route.to is not None)


def _sinks(config: Config, place: Place, names: Iterable[str]) -> Iterator[Found]:
    for i, name in enumerate(names):
        if name not in config.sinks:
            yield (*place, i), f"no sink is named `{name}`", did_you_mean(name, config.sinks, "sinks")


def _times(config: Config, place: Place, names: Iterable[str]) -> Iterator[Found]:
    known = [each.name for each in config.time_intervals]
    for i, name in enumerate(names):
        if name not in known:
            yield (*place, i), f"no time interval is named `{name}`", did_you_mean(name, known, "time intervals")


def _teams(config: Config, place: Place, names: Iterable[str] | None) -> Iterator[Found]:
    for i, name in enumerate(names or ()):
        if name not in config.teams and not set("*?[") & set(name):
            yield (*place, i), f"no team is named `{name}`", did_you_mean(name, config.teams, "teams")


def _twice(config: Config) -> Iterator[Found]:
    counts = Counter(each.name for each in config.time_intervals)
    for i, each in enumerate(config.time_intervals):
        if counts[each.name] > 1:
            yield ("time_intervals", i, "name"), f"two time intervals are named `{each.name}`", "rename one"
