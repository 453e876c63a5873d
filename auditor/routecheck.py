"""What is wrong with the routing of a configuration and can be seen only in the whole: names that nothing has."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from auditor import globs
from auditor.config import Config
from auditor.errors import did_you_mean
from auditor.routing import AlertClass, Labels, Match, Route

Place = tuple[str | int, ...]
Found = tuple[Place, str, str]
"""Where, what, and a hint."""
Names = Mapping[str, Collection[str]]
"""The names there are, by the key of a matcher that may give them."""

_MANY = {"policy": "policies", "kind": "kinds", "organization": "organizations", "team": "teams"}


def faults(config: Config) -> Iterator[Found]:
    """Sinks, times and teams that do not exist, and routes that lead nowhere or wait for what never comes there."""
    yield from _sinks(config, ("route", "to"), config.route.to)
    yield from _sinks(config, ("operators",), config.operators)
    yield from _sinks(config, ("reports", "to"), config.reports.to)
    yield from _routes(config, ("routes",), config.routes, bool(config.route.to))
    yield from _twice(config)
    yield from strangers(config, {"team": config.teams, "organization": config.organizations})


def strangers(config: Config, known: Names) -> Iterator[Found]:
    """Names in the matchers of routes and inhibition that nothing has: what asks for one never matches, or always."""
    for place, match in _matchers(config):
        for where, labels in ((place, match), ((*place, "not"), match.excluded)):
            for key, number, message, hint in unknown(labels, known):
                yield (*where, key, number), message, hint


def unknown(match: Labels, known: Names) -> Iterator[tuple[str, int, str, str]]:
    """Key, number, message and hint of each name in `match` that none of the known ones is; `*` and `?` may be any.

    What the matcher takes out is looked at by itself: its `excluded`.
    """
    for key, values in match.given():
        for number, name in enumerate(values if key in known else ()):
            if name not in known[key] and not globs.is_pattern(name):
                yield key, number, f"no {key} is named `{name}`", did_you_mean(name, known[key], _MANY[key])


def _matchers(config: Config) -> Iterator[tuple[Place, Match]]:
    yield from _of_routes(("routes",), config.routes)
    for i, rule in enumerate(config.inhibit_rules):
        yield ("inhibit_rules", i, "source_match"), rule.source_match
        yield ("inhibit_rules", i, "target_match"), rule.target_match


def _of_routes(place: Place, routes: Iterable[Route]) -> Iterator[tuple[Place, Match]]:
    for i, route in enumerate(routes):
        yield (*place, i, "match"), route.match
        yield from _of_routes((*place, i, "routes"), route.routes)


def _routes(config: Config, place: Place, routes: Iterable[Route], leads: bool) -> Iterator[Found]:
    for i, route in enumerate(routes):
        here = (*place, i)
        yield from _sinks(config, (*here, "to"), route.to or ())
        if AlertClass.REPORT in (route.match.class_ or ()):
            yield (*here, "match", "class"), "no route takes a report", "name who gets it: `reports: {to: [NAME]}`"
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


def _twice(config: Config) -> Iterator[Found]:
    counts = Counter(each.name for each in config.time_intervals)
    for i, each in enumerate(config.time_intervals):
        if counts[each.name] > 1:
            yield ("time_intervals", i, "name"), f"two time intervals are named `{each.name}`", "rename one"
