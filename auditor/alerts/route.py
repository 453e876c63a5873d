"""Where an alert goes: the tree of routes, with Alertmanager's words and meaning. Pure.

The routes of a node are tried from the top. The first one that matches takes the alert; with `continue` the next ones
are tried too. A node that matches while none of its routes does takes the alert itself. What a route does not say is
taken from the node above, all but its matcher and its times.

Unlike Alertmanager's, the root may have no sinks: without any route every sink gets everything then, and with routes an
alert that none matches goes to no sink. It stays in the findings, on the page and in the report.

A route with `events: all` is no part of the tree: it is none for alerts.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from auditor.alerts.grouping import Timing
from auditor.alerts.matching import admits, alone, class_of, identity, matches, mismatches, parts
from auditor.alerts.message import Alert
from auditor.fingerprint import fingerprint
from auditor.globs import fits, fits_address
from auditor.inventory.schema import AUDIT_LOG
from auditor.routing import EACH, AlertClass, Match, Root, Route, RoutingConfig
from auditor.terms import Level

GROUP_BY = ("organization", "policy")
GROUP_INTERVAL = 300
URGENT_WAIT, WAIT = 1, 30
URGENT_REPEAT, REPEAT = 86_400, 0
"""Seconds for high and critical alerts, and for the others; 0 for never."""

_FOUND = (
    (AlertClass.FINDING,),
    (AlertClass.OCCURRENCE,),
    (AlertClass.DIGEST, AlertClass.FINDING),
    (AlertClass.DIGEST, AlertClass.OCCURRENCE),
)
"""The classes of what tells of something that was found; a digest is of those of its lines, too."""

_Said = TypeVar("_Said", Root, Route)


@dataclass(frozen=True, slots=True)
class Node:
    """A route with all that it takes from the nodes above."""

    name: str
    """Where it stands: `routes.0.routes.1`, `route` for the root."""
    key: str
    """The matchers from the root down to it: the same route after a reload, wherever it stands then."""
    match: Match
    to: tuple[str, ...]
    group_by: tuple[str, ...] = GROUP_BY
    group_wait: int | None = None
    group_interval: int | None = None
    repeat_interval: int | None = None
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    continues: bool = False
    children: tuple["Node", ...] = ()

    def timing(self, level: Level, *, protected: bool = False) -> Timing:
        """How alerts of `level` are gathered here: what is `protected` waits for nothing, whatever the route says."""
        urgent = level.rank >= Level.HIGH.rank
        wait, repeat = (URGENT_WAIT, URGENT_REPEAT) if urgent else (WAIT, REPEAT)
        said = Timing(
            wait if self.group_wait is None else self.group_wait,
            GROUP_INTERVAL if self.group_interval is None else self.group_interval,
            repeat if self.repeat_interval is None else self.repeat_interval,
        )
        return replace(said, wait=min(said.wait, URGENT_WAIT), interval=0) if protected else said


@dataclass(frozen=True, slots=True)
class Destination:
    """One sink that gets an alert, and the node that sends it there."""

    sink: str
    node: Node
    personal: bool = False
    """Whether each owner is told of what is theirs alone."""
    joins: str = ""
    """The group in which the finding was told there before, whatever the routes say by now."""

    def whose(self, alert: Alert) -> str:
        """The person with whose alerts alone it may be told; empty for nobody's, and where it does not matter."""
        return alert.person if self.personal else ""

    def timing(self, alert: Alert) -> Timing:
        """How the alert is gathered there."""
        return self.node.timing(alert.level, protected=alert.protected)

    def group(self, alert: Alert) -> str:
        """The group of the alert in this sink: 32 hex digits; hostile names are of any length."""
        if self.joins:
            return self.joins
        given, by = identity(alert), self.node.group_by
        each = {EACH: [alert.finding or alert.about or alert.id]}
        values: dict[str, object] = dict(each) if EACH in by else {name: given[name] for name in by}
        if self.personal:
            values["person"] = self.whose(alert)
        return fingerprint(json.dumps([self.node.key, values]), 32)


@dataclass(frozen=True, slots=True)
class Tried:
    """A node that was looked at, for people who ask why."""

    node: Node
    depth: int
    why_not: str
    """Empty when it matched."""
    took: bool
    """Whether it is where the alert goes, rather than one of its routes."""


@dataclass(frozen=True)
class Routing:
    """All routes, ready to decide."""

    config: RoutingConfig = field(default_factory=RoutingConfig)

    @cached_property
    def root(self) -> Node:
        """The tree."""
        root, routes = self.config.root, self.config.routes
        for_alerts = any(not route.events for route in routes)
        node = Node("route", "{}", Match(), root.to or (() if for_alerts else self.config.sinks))
        return _completed(node, root, routes)

    @cached_property
    def streams(self) -> tuple[str, ...]:
        """Names of the sinks that get every audit event, each once."""
        return tuple(dict.fromkeys(name for route in self.config.routes if route.events for name in route.to or ()))

    @cached_property
    def receivers(self) -> tuple[str, ...]:
        """Names of the sinks that some route may lead a finding, an occurrence or a digest of them to, each once."""
        return tuple(dict.fromkeys(name for each in _FOUND for node in _admitting(self.root, each) for name in node.to))

    @cached_property
    def operators(self) -> Node | None:
        """The route of notices about the auditor itself, tried before all others; None for none of its own."""
        if not self.config.operators:
            return None
        match = Match.model_validate({"class": AlertClass.NOTICE})
        return Node("operators", f"{{{match}}}", match, self.config.operators)

    @cached_property
    def repeated(self) -> tuple[Level, ...]:
        """The levels of which some route tells again what is still open."""
        nodes = list(_nodes(self.root))
        return tuple(level for level in Level if any(node.timing(level).repeat for node in nodes))

    def at_once(self) -> "Routing":
        """The same routes without any waiting, for one who does not stay: what is found together goes out together."""
        root, routes = _hurried(self.config.root), tuple(map(_hurried, self.config.routes))
        return Routing(self.config.model_copy(update={"root": root, "routes": routes}))

    def destinations(self, alert: Alert) -> tuple[Destination, ...]:
        """The sinks that get the alert, each once, in the order of the routes.

        A digest goes wherever one of its lines would go. What nothing may hold back is never dropped, nor is a notice
        about the auditor itself: when no route takes it, it goes to the operators, or to every sink, but to no owner of
        anything.
        """
        found: dict[str, Destination] = {}
        for node in self._taken(alert):
            for sink in node.to:
                found.setdefault(sink, Destination(sink, node, sink in self.config.personal))
        if not found and (alert.protected or class_of(alert) is AlertClass.NOTICE):
            node = self.operators or replace(self.root, to=self.config.sinks)
            return tuple(Destination(sink, node) for sink in node.to if sink not in self.config.personal)
        return tuple(found.values())

    def taken(self, alert: Alert) -> tuple[Node, ...]:
        """The nodes that take the alert."""
        return tuple(each.node for each in self.tried(alert) if each.took)

    def tried(self, alert: Alert) -> tuple[Tried, ...]:
        """Every node that is looked at, in order.

        Operators get what is about the auditor itself. Of the audit log they are told beside whom the routes name: a
        gap in it is theirs to mend, and says to everybody else that something may have happened.
        """
        if self.operators and matches(self.operators.match, alert):
            return (Tried(self.operators, 0, "", True),)
        walked = tuple(_walk(self.root, alert, 0))
        theirs = self.operators and alert.resource_kind == AUDIT_LOG
        return (Tried(self.operators, 0, "", True), *walked) if self.operators and theirs else walked

    def muted(self, alert: Alert, sink: str, moment: datetime) -> str:
        """Why no route sends the alert to `sink` at `moment`, empty when one does, or none leads there any more."""
        reasons = [self.resting(node, moment) for node in self._taken(alert) if sink in node.to]
        return reasons[0] if reasons and all(reasons) else ""

    def _taken(self, alert: Alert) -> Iterator[Node]:
        """The nodes that take the alert; of a digest each line, as one of a digest and as the finding that it is."""
        for part in parts(alert):
            yield from self.taken(part)
            if part.lines:
                yield from self.taken(alone(part))

    def resting(self, node: Node, moment: datetime) -> str:
        """Why the node sends nothing at `moment`, empty when it does."""
        muted = self.config.during(node.mute, moment)
        if muted:
            return f"{node.name} is muted during `{muted}`"
        if node.active and not self.config.during(node.active, moment):
            return f"{node.name} is active only during {', '.join(f'`{name}`' for name in node.active)}"
        return ""

    def teams(self, project: str, project_name: str, owner: str) -> tuple[str, ...]:
        """The teams that a project, by id or name, or a person belongs to."""
        projects = tuple(filter(None, (project, project_name)))
        return tuple(
            name
            for name, team in self.config.teams.items()
            if any(fits(each, pattern) for each in projects for pattern in team.projects)
            or (owner and any(fits_address(owner, pattern) for pattern in team.owners))
        )


def _hurried(said: _Said) -> _Said:
    update: dict[str, object] = {"group_wait": 0, "group_interval": 0}
    if isinstance(said, Route):
        update["routes"] = tuple(map(_hurried, said.routes))
    return said.model_copy(update=update)


def _completed(node: Node, said: Root | Route, routes: tuple[Route, ...]) -> Node:
    """`node` with what it says itself, and its routes."""
    own = replace(
        node,
        group_by=node.group_by if said.group_by is None else said.group_by,
        group_wait=node.group_wait if said.group_wait is None else said.group_wait,
        group_interval=node.group_interval if said.group_interval is None else said.group_interval,
        repeat_interval=node.repeat_interval if said.repeat_interval is None else said.repeat_interval,
    )
    prefix = "" if node.name == "route" else f"{node.name}."
    children = (_child(own, f"{prefix}routes.{i}", route) for i, route in enumerate(routes) if not route.events)
    return replace(own, children=tuple(children))


def _child(above: Node, name: str, route: Route) -> Node:
    to = above.to if route.to is None else route.to
    start = replace(
        above,
        name=name,
        key=f"{above.key}/{{{route.match}}}",
        match=route.match,
        to=to,
        mute=route.mute_time_intervals,
        active=route.active_time_intervals,
        continues=route.continue_,
    )
    return _completed(start, route, route.routes)


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def _admitting(node: Node, classes: Collection[AlertClass]) -> Iterator[Node]:
    """The nodes that an alert of `classes` may come to."""
    if admits(node.match, classes):
        yield node
        for child in node.children:
            yield from _admitting(child, classes)


def _walk(node: Node, alert: Alert, depth: int) -> Iterator[Tried]:
    why_not = "; ".join(mismatches(node.match, alert))
    if why_not:
        yield Tried(node, depth, why_not, took=False)
        return
    below: list[Tried] = []
    for child in node.children:
        seen = tuple(_walk(child, alert, depth + 1))
        below += seen
        if not seen[0].why_not and not child.continues:
            break
    yield Tried(node, depth, "", took=not any(each.took for each in below))
    yield from below
