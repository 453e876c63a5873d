"""Which sinks an alert goes to, with Alertmanager's words. Pure.

Routes are tried from the top. The first one that matches takes the alert; with `continue` the next ones are tried
too. Without any route every sink gets everything, as from Alertmanager's root route. With routes, an alert that
none matches goes to no sink: it stays in the findings, on the page and in the report. A route with `events: all` is
none for alerts.
"""

from collections.abc import Iterable, Sequence

from auditor.alerts.message import Alert, AlertKind
from auditor.config import Match, Route
from auditor.terms import Level


def sinks_for(routes: Sequence[Route], alert: Alert, sinks: Sequence[str]) -> tuple[str, ...]:
    """Names of the sinks that get the alert, each once, in the order of the routes; `sinks` are all there are.

    A digest goes wherever one of its lines would go. A notice about the auditor itself is never dropped: it goes to
    every sink when no route matches it.
    """
    routes = [route for route in routes if not route.events]
    if not routes:
        return tuple(sinks)
    chosen: dict[str, None] = {}
    for level, policy in _subjects(alert):
        chosen.update(dict.fromkeys(_taken(routes, level, policy)))
    if not chosen and alert.kind is AlertKind.NOTICE:
        return tuple(sinks)
    return tuple(chosen)


def streams(routes: Sequence[Route]) -> tuple[str, ...]:
    """Names of the sinks that get every audit event, each once."""
    return tuple(dict.fromkeys(name for route in routes if route.events for name in route.to))


def _subjects(alert: Alert) -> Iterable[tuple[Level, str]]:
    if alert.kind is AlertKind.DIGEST and alert.lines:
        return dict.fromkeys((line.level, line.policy) for line in alert.lines)
    return [(alert.level, alert.policy)]


def _taken(routes: Sequence[Route], level: Level, policy: str) -> Iterable[str]:
    for route in routes:
        if _matches(route.match, level, policy):
            yield from route.to
            if not route.continue_:
                return


def _matches(match: Match, level: Level, policy: str) -> bool:
    return (match.level is None or level in match.level) and (match.policy is None or policy in match.policy)
