"""Which sinks an alert goes to."""

import itertools
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.route import sinks_for
from auditor.config import Route
from auditor.terms import Level

SINKS = ("console", "security", "oncall")
ALERT = Alert("a1", AlertKind.OPENED, "acme", Level.HIGH, "Title", "Text", 1, policy="project-key-stale")


def routes(*raw: dict[str, Any]) -> tuple[Route, ...]:
    return tuple(Route.model_validate(route) for route in raw)


def test_without_routes_every_sink_gets_everything() -> None:
    for level in Level:
        assert sinks_for((), replace(ALERT, level=level), SINKS) == SINKS


def test_the_first_route_that_matches_takes_the_alert() -> None:
    table = routes({"match": {"level": ["high", "critical"]}, "to": ["security"]}, {"to": ["console"]})
    assert sinks_for(table, ALERT, SINKS) == ("security",)
    assert sinks_for(table, replace(ALERT, level=Level.LOW), SINKS) == ("console",)


def test_continue_tries_the_next_routes_too_and_no_sink_gets_it_twice() -> None:
    table = routes(
        {"match": {"level": "high"}, "to": ["oncall", "security"], "continue": True},
        {"match": {"policy": "project-key-stale"}, "to": ["security", "console"]},
        {"to": ["never"]},
    )
    assert sinks_for(table, ALERT, SINKS) == ("oncall", "security", "console")


def test_both_matchers_of_a_route_must_match() -> None:
    table = routes({"match": {"level": ["high"], "policy": ["other"]}, "to": ["security"]})
    assert sinks_for(table, ALERT, SINKS) == ()


def test_an_alert_that_no_route_takes_goes_nowhere() -> None:
    assert sinks_for(routes({"match": {"level": "critical"}, "to": ["security"]}), ALERT, SINKS) == ()


def test_a_digest_goes_wherever_one_of_its_lines_goes() -> None:
    table = routes({"match": {"level": "critical"}, "to": ["oncall"]}, {"match": {"policy": "b"}, "to": ["security"]})
    lines = (Line(Level.CRITICAL, "a", "x", "m"), Line(Level.LOW, "b", "y", "m"))
    digest = replace(ALERT, kind=AlertKind.DIGEST, lines=lines, policy="")
    assert sinks_for(table, digest, SINKS) == ("oncall", "security")


def test_a_notice_about_the_auditor_is_never_dropped() -> None:
    table = routes({"match": {"policy": "b"}, "to": ["security"]})
    assert sinks_for(table, replace(ALERT, kind=AlertKind.NOTICE, policy=""), SINKS) == SINKS


_levels = st.lists(st.sampled_from(list(Level)), max_size=3)
_route = st.fixed_dictionaries(
    {"to": st.lists(st.sampled_from(SINKS), min_size=1, max_size=3), "continue": st.booleans()},
    optional={
        "match": st.fixed_dictionaries({}, optional={"level": _levels, "policy": st.lists(st.sampled_from("ab"))})
    },
)


@given(st.lists(_route, max_size=5), st.sampled_from(list(Level)), st.sampled_from("ab"))
def test_routing_equals_its_definition(raw: list[dict[str, Any]], level: Level, policy: str) -> None:
    matching = [
        route
        for route in raw
        if level in route.get("match", {}).get("level", [level])
        and policy in route.get("match", {}).get("policy", policy)
    ]
    first_end = next((index for index, route in enumerate(matching) if not route["continue"]), len(matching))
    expected = list(dict.fromkeys(itertools.chain.from_iterable(route["to"] for route in matching[: first_end + 1])))
    got = sinks_for(routes(*raw), replace(ALERT, level=level, policy=policy), SINKS)
    assert list(got) == (expected if raw else list(SINKS))
