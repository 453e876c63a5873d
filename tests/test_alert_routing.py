"""Which sinks an alert goes to: the tree of routes means what Alertmanager's means."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.alerts import digests
from auditor.alerts.grouping import Timing
from auditor.alerts.message import Alert, AlertKind, Line
from auditor.alerts.route import Node, Routing
from auditor.configfile import parse
from auditor.errors import FaultyFiles
from auditor.routing import Route, RoutingConfig
from auditor.terms import Level
from auditor.yamlfile import load

SINKS = ("console", "security", "oncall")
ALERT = Alert("a1", AlertKind.OPENED, "acme", Level.HIGH, "Title", "Text", 1, policy="project-key-stale")


def routing(*routes: dict[str, Any], **more: Any) -> Routing:
    return Routing(RoutingConfig(sinks=SINKS, routes=tuple(Route.model_validate(each) for each in routes), **more))


def sinks(table: Routing, alert: Alert) -> tuple[str, ...]:
    return tuple(goes.sink for goes in table.destinations(alert))


def configured(text: str) -> Routing:
    """The routing of an auditor.yaml with `text` in it."""
    whole = f"organizations: {{acme: {{}}}}\n{text}"
    (document,) = load(whole, "auditor.yaml")
    return Routing(parse(document, "auditor.yaml", {}, need_keys=False).config.routing)


def test_without_routes_every_sink_gets_everything() -> None:
    for level in Level:
        assert sinks(routing(), replace(ALERT, level=level)) == SINKS


def test_the_first_route_that_matches_takes_the_alert() -> None:
    table = routing({"match": {"level": ["high", "critical"]}, "to": ["security"]}, {"to": ["console"]})
    assert sinks(table, ALERT) == ("security",)
    assert sinks(table, replace(ALERT, level=Level.LOW)) == ("console",)


def test_continue_tries_the_next_routes_too_and_no_sink_gets_it_twice() -> None:
    table = routing(
        {"match": {"level": "high"}, "to": ["oncall", "security"], "continue": True},
        {"match": {"policy": "project-key-stale"}, "to": ["security", "console"]},
        {"to": ["never"]},
    )
    assert sinks(table, ALERT) == ("oncall", "security", "console")


def test_all_matchers_of_a_route_must_match_and_one_value_of_each_is_enough() -> None:
    assert sinks(routing({"match": {"level": "high", "policy": "other"}, "to": ["security"]}), ALERT) == ()
    assert sinks(routing({"match": {"level": "high", "policy": ["x", "project-*"]}, "to": ["oncall"]}), ALERT) == (
        "oncall",
    )


def test_an_alert_that_no_route_takes_goes_to_the_root_or_nowhere() -> None:
    critical = {"match": {"level": "critical"}, "to": ["security"]}
    assert sinks(routing(critical), ALERT) == ()
    assert sinks(routing(critical, root={"to": ["console"]}), ALERT) == ("console",)


def test_a_digest_goes_wherever_one_of_its_lines_goes() -> None:
    table = routing({"match": {"level": "critical"}, "to": ["oncall"]}, {"match": {"policy": "b"}, "to": ["security"]})
    lines = (Line(Level.CRITICAL, "a", "x", "m"), Line(Level.LOW, "b", "y", "m"))
    digest = replace(ALERT, kind=AlertKind.DIGEST, lines=lines, policy="")
    assert sinks(table, digest) == ("oncall", "security")


def test_a_notice_about_the_auditor_is_never_dropped_and_goes_to_the_operators_where_there_are_any() -> None:
    notice = replace(ALERT, kind=AlertKind.NOTICE, policy="")
    by_policy = {"match": {"policy": "b"}, "to": ["security"]}
    assert sinks(routing(by_policy), notice) == SINKS
    everything = {"match": {"level": "high"}, "to": ["security"]}
    assert sinks(routing(everything, operators=("oncall",)), notice) == ("oncall",)
    assert sinks(routing(everything, operators=("oncall",)), ALERT) == ("security",)
    assert sinks(routing({"match": {"class": "notice"}, "to": ["console"]}, everything), notice) == ("console",)


def test_of_the_audit_log_operators_are_told_beside_whom_the_routes_name() -> None:
    gap = replace(ALERT, policy="audit-log-hole", resource_kind="audit_log", protected=True)
    critical = {"match": {"level": "critical"}, "to": ["security"]}
    high = {"match": {"level": "high"}, "to": ["security"]}
    assert sinks(routing(critical, operators=("oncall",)), gap) == ("oncall",)
    assert sinks(routing(high, operators=("oncall",)), gap) == ("oncall", "security")
    assert sinks(routing(high, operators=("oncall",)), replace(gap, resource_kind="user")) == ("security",)


def test_what_nothing_may_hold_back_is_never_dropped() -> None:
    critical = {"match": {"level": "critical"}, "to": ["security"]}
    assert sinks(routing(critical), replace(ALERT, protected=True)) == SINKS
    assert sinks(routing(critical, operators=("oncall",)), replace(ALERT, protected=True)) == ("oncall",)
    assert sinks(routing(critical), ALERT) == ()


def test_receivers_are_the_sinks_that_some_route_of_alerts_leads_to() -> None:
    events = {"events": "all", "to": ["console"]}
    nested = {"match": {"level": "high"}, "to": ["security"], "routes": [{"match": {"policy": "b"}, "to": ["oncall"]}]}
    assert routing().receivers == SINKS
    assert routing(events).receivers == SINKS
    assert routing(events, nested).receivers == ("security", "oncall")


RECEIVING = [
    ({"class": "notice"}, {}, False),
    ({"class": ["report", "notice"]}, {}, False),
    ({"not": {"class": ["finding", "occurrence"]}}, {}, False),
    ({"class": "finding"}, {"class": "occurrence"}, False),
    ({"class": "occurrence"}, {"not": {"class": "occurrence"}}, False),
    ({}, {"class": "notice"}, False),
    ({"class": "finding"}, {"class": "digest"}, True),
    ({"class": ["notice", "occurrence"]}, {}, True),
    ({"class": "digest"}, {}, True),
    ({"not": {"class": "finding"}}, {}, True),
    ({"level": "low"}, {"not": {"class": "digest"}}, True),
]


@pytest.mark.parametrize(("above", "match", "receives"), RECEIVING)
def test_who_can_get_nothing_that_was_found_is_no_receiver(
    above: dict[str, Any], match: dict[str, Any], receives: bool
) -> None:
    inner = {"match": match, "to": ["oncall"]}
    table = routing({"match": above, "to": ["security"], "routes": [inner]}, {"to": ["console"]})
    assert ("oncall" in table.receivers) is receives
    kinds = (AlertKind.OPENED, AlertKind.OCCURRED)
    alone = [replace(ALERT, kind=kind, level=Level.LOW) for kind in kinds]
    told = [*alone, *(digests.merged([each], 1) for each in alone)]
    assert any("oncall" in sinks(table, each) for each in told) is receives


TELLING = replace(
    ALERT,
    tags=("attack.t1098", "team.ml"),
    project="proj_1",
    project_name="Research",
    owner="ada@example.com",
    teams=("platform", "ml"),
    resource_kind="project_api_key",
    resource_id="key_1",
    resource_name="ci",
)

MATCHES = [
    ({"level": "high"}, True),
    ({"level": ["low", "high"]}, True),
    ({"level": "low"}, False),
    ({"policy": "project-*"}, True),
    ({"policy": "project"}, False),
    ({"tag": "attack.*"}, True),
    ({"tag": "attack"}, False),
    ({"organization": "acme"}, True),
    ({"organization": ["other", "ac?e"]}, True),
    ({"project": "proj_1"}, True),
    ({"project": "Research"}, True),
    ({"project": "research"}, False),
    ({"team": "ml"}, True),
    ({"team": "finance"}, False),
    ({"owner": "*@example.com"}, True),
    ({"owner": "bob@example.com"}, False),
    ({"owner": "Ada@Example.com"}, True),
    ({"owner": "A*@EXAMPLE.com"}, True),
    ({"owner": "[a]da@example.com"}, False),
    ({"kind": "project_api_key"}, True),
    ({"resource": "key_1"}, True),
    ({"resource": "ci"}, True),
    ({"class": "finding"}, True),
    ({"class": ["occurrence", "notice"]}, False),
    ({}, True),
    ({"not": {"level": "low"}}, True),
    ({"not": {"level": ["low", "high"]}}, False),
    ({"not": {"team": "ml"}}, False),
    ({"not": {"team": "finance", "owner": "bob@*"}}, True),
    ({"not": {"team": "finance", "owner": "ADA@*"}}, False),
    ({"level": "high", "not": {"policy": "key-*"}}, True),
    ({"level": "low", "not": {"policy": "key-*"}}, False),
    ({"policy": "project-*", "not": {"policy": "*-stale"}}, False),
    ({"not": {"class": "finding"}}, False),
]


def test_a_bracket_in_a_matcher_stands_for_itself() -> None:
    table = routing({"match": {"project": "infra [prod]*"}, "to": ["oncall"]}, teams={"a": {"projects": ["[x] *"]}})
    assert sinks(table, replace(TELLING, project_name="infra [prod] 2")) == ("oncall",)
    assert sinks(table, replace(TELLING, project_name="infra p")) == ()
    assert table.teams("", "[x] y", "") == ("a",)
    assert table.teams("", "x y", "") == ()


@pytest.mark.parametrize(("match", "expected"), MATCHES)
def test_a_matcher_takes_what_it_says(match: dict[str, Any], expected: bool) -> None:
    assert (sinks(routing({"match": match, "to": ["oncall"]}), TELLING) == ("oncall",)) is expected


def test_what_is_not_known_of_an_alert_matches_no_value_of_it() -> None:
    for key in ("project", "owner", "team", "tag"):
        assert sinks(routing({"match": {key: "*"}, "to": ["oncall"]}), ALERT) == ()
        assert sinks(routing({"match": {"not": {key: "*"}}, "to": ["oncall"]}), ALERT) == ("oncall",)


# The tree of Alertmanager's own documentation of routing, with our labels: a team's route, below it two stages, a
# route with values of its own, and one that says nothing of where to.
TREE = """
sinks: {default: {}, team-A: {}, testing: {}, production-A: {}, production-B: {}, team-BC: {}}
teams: {A: {}, B: {}, C: {}}
route: {to: [default]}
routes:
  - match: {team: A}
    to: [team-A]
    routes:
      - {match: {project: testing}, to: [testing], group_by: ['...']}
      - {match: {project: production}, to: [production-A], group_wait: 1m, continue: true}
      - match: {project: 'produ*', policy: '*'}
        to: [production-B]
        group_wait: 30s
        group_interval: 5m
        repeat_interval: 1h
        group_by: [policy]
  - {match: {team: [B, C]}, to: [team-BC], group_by: [project, owner], group_wait: 2m}
  - match: {owner: role}
    group_by: [owner]
    routes:
      - match: {project: testing}
        to: [testing]
        routes:
          - {match: {resource: long}, group_wait: 2m}
"""

PLAIN = ("organization", "policy")
CASES: list[tuple[dict[str, Any], list[tuple[str, tuple[str, ...], Timing]]]] = [
    ({"teams": ("A",)}, [("team-A", PLAIN, Timing(1, 300, 86_400))]),
    ({"teams": ("A",), "project": "unset"}, [("team-A", PLAIN, Timing(1, 300, 86_400))]),
    ({"teams": ("C",)}, [("team-BC", ("project", "owner"), Timing(120, 300, 86_400))]),
    ({"teams": ("A",), "project": "testing"}, [("testing", ("...",), Timing(1, 300, 86_400))]),
    (
        {"teams": ("A",), "project": "production"},
        [
            ("production-A", PLAIN, Timing(60, 300, 86_400)),
            ("production-B", ("policy",), Timing(30, 300, 3600)),
        ],
    ),
    ({"owner": "role"}, [("default", ("owner",), Timing(1, 300, 86_400))]),
    ({"owner": "role", "project": "testing"}, [("testing", ("owner",), Timing(1, 300, 86_400))]),
    (
        {"owner": "role", "project": "testing", "resource_id": "long"},
        [("testing", ("owner",), Timing(120, 300, 86_400))],
    ),
    ({"owner": "nobody"}, [("default", PLAIN, Timing(1, 300, 86_400))]),
]


@pytest.mark.parametrize(("labels", "expected"), CASES)
def test_the_tree_of_alertmanagers_documentation_gives_what_alertmanager_gives(
    labels: dict[str, Any], expected: list[tuple[str, tuple[str, ...], Timing]]
) -> None:
    alert = replace(ALERT, **labels)
    got = configured(TREE).destinations(alert)
    assert [(goes.sink, goes.node.group_by, goes.node.timing(alert.level)) for goes in got] == expected


def test_a_parent_that_matches_stops_its_siblings_though_a_child_took_the_alert() -> None:
    table = routing(
        {
            "match": {"level": "high"},
            "to": ["security"],
            "routes": [{"match": {"policy": "project-*"}, "to": ["oncall"]}],
        },
        {"to": ["console"]},
    )
    assert sinks(table, ALERT) == ("oncall",)
    assert sinks(table, replace(ALERT, policy="other")) == ("security",)


def test_continue_of_a_child_does_not_reach_past_its_parent() -> None:
    child = {"match": {"level": "high"}, "to": ["oncall"], "continue": True}
    table = routing({"to": ["security"], "routes": [child]}, {"to": ["console"]})
    assert sinks(table, ALERT) == ("oncall",)


def test_times_of_a_route_are_not_taken_from_the_route_above() -> None:
    always = {"name": "always", "time_intervals": [{}]}
    child = {"match": {"level": "high"}}
    parent = {"to": ["security"], "mute_time_intervals": ["always"], "continue": True, "routes": [child]}
    table = routing(parent, time_intervals=(always,))
    assert [node.mute for node in table.taken(ALERT)] == [()]
    assert [node.mute for node in table.taken(replace(ALERT, level=Level.LOW))] == [("always",)]


def test_defaults_are_quick_for_what_is_urgent_and_patient_for_the_rest() -> None:
    (goes,) = routing({"to": ["oncall"]}).destinations(ALERT)
    told = {level: goes.node.timing(level) for level in Level}
    assert told[Level.CRITICAL] == told[Level.HIGH] == Timing(1, 300, 86_400)
    assert told[Level.MEDIUM] == told[Level.LOW] == told[Level.INFORMATIONAL] == Timing(30, 300, 0)


def test_a_group_is_a_sink_a_route_and_the_values_it_is_grouped_by() -> None:
    (goes,) = routing({"to": ["oncall"], "group_by": ["policy", "project"]}).destinations(TELLING)
    same = replace(TELLING, id="b", finding="f2", owner="bob@example.com")
    assert goes.group(same) == goes.group(TELLING)
    assert goes.group(replace(TELLING, project="proj_2")) != goes.group(TELLING)
    (each,) = routing({"to": ["oncall"], "group_by": "..."}).destinations(TELLING)
    assert each.group(same) != each.group(TELLING)
    assert each.group(replace(same, id="c")) == each.group(same), "what happens to one finding stays together"
    hostile = replace(TELLING, policy="\ud800" * 5000)
    assert len(goes.group(hostile)) == 32


@pytest.mark.parametrize(
    ("label", "renamed", "other"),
    [
        ("project", {"project_name": "Other"}, {"project": "proj_2"}),
        ("resource", {"resource_name": "other"}, {"resource_id": "key_2"}),
    ],
)
def test_a_group_is_of_an_id_and_no_name_while_there_is_one(
    label: str, renamed: dict[str, Any], other: dict[str, Any]
) -> None:
    (goes,) = routing({"to": ["oncall"], "group_by": [label]}).destinations(TELLING)
    assert goes.group(replace(TELLING, **renamed)) == goes.group(TELLING)
    assert goes.group(replace(TELLING, **other)) != goes.group(TELLING), "whatever it is called"
    blank: dict[str, Any] = dict.fromkeys(other, "")
    nameless = replace(TELLING, **blank)
    assert goes.group(replace(nameless, **renamed)) != goes.group(nameless), "a name where there is nothing else"


def test_a_route_keeps_its_groups_when_it_moves_in_the_file() -> None:
    mine = {"match": {"level": "high"}, "to": ["oncall"]}
    (before,) = routing(mine).destinations(ALERT)
    (after,) = routing({"match": {"level": "low"}, "to": ["console"]}, mine).destinations(ALERT)
    assert (before.node.name, after.node.name) == ("routes.0", "routes.1")
    assert before.group(ALERT) == after.group(ALERT)


def test_a_team_is_whose_project_or_person_it_is() -> None:
    teams = {"platform": {"projects": ["proj_1", "infra-*"]}, "ml": {"owners": ["*@ml.example.com"]}}
    table = routing(teams=teams)
    assert table.teams("proj_1", "", "") == ("platform",)
    assert table.teams("proj_9", "infra-build", "ada@ml.example.com") == ("platform", "ml")
    assert table.teams("", "", "Ada@ML.example.com") == ("ml",)
    assert table.teams("", "", "") == ()


def test_why_a_node_did_not_take_an_alert_is_said() -> None:
    table = routing(
        {"match": {"level": "critical", "team": "ml"}, "to": ["oncall"]},
        {"match": {"not": {"level": ["low", "high"]}}, "to": ["oncall"]},
        {"match": {"level": "high"}, "to": ["security"]},
        {"to": ["console"]},
    )
    tried = [(each.node.name, each.why_not, each.took) for each in table.tried(ALERT)]
    assert tried == [
        ("route", "", False),
        ("routes.0", "level is high, not critical; team is not known, not ml", False),
        ("routes.1", "level is high, and must not be low or high", False),
        ("routes.2", "", True),
    ]


FAULTS = {
    "an unknown sink in a nested route": (
        "routes:\n  - to: [a]\n    routes:\n      - {to: [b]}",
        "no sink is named `b`",
        6,
    ),
    "an unknown sink of the root": ("route: {to: [b]}", "no sink is named `b`", 3),
    "an unknown operator": ("operators: [b]", "no sink is named `b`", 3),
    "an unknown time": ("routes: [{to: [a], mute_time_intervals: [nights]}]", "no time interval is named `nights`", 3),
    "an unknown team": ("routes: [{to: [a], match: {team: ml}}]", "no team is named `ml`", 3),
    "a route to nowhere": ("routes: [{match: {level: high}}]", "`to` is missing here and in the routes above", 3),
    "a route without sinks": ("routes: [{to: []}]", "must not be empty", 3),
    "an unknown key of a matcher": ("routes: [{to: [a], match: {levle: high}}]", "unknown key", 3),
    "an unknown team that is not meant": ("routes: [{to: [a], match: {not: {team: ml}}}]", "no team is named `ml`", 3),
    "nothing that is not meant": ("routes: [{to: [a], match: {not: {}}}]", "`routes.0.match.not`: is empty", 3),
    "a word that is not meant": ("routes: [{to: [a], match: {not: low}}]", "must be a mapping", 3),
    "what is not meant twice": ("routes: [{to: [a], match: {not: {not: {level: low}}}}]", "unknown key", 3),
    "a matcher without values": ("routes: [{to: [a], match: {level: []}}]", "`routes.0.match.level`: is empty", 3),
    "a matcher with an empty value": ("routes: [{to: [a], match: {tag: ''}}]", "`routes.0.match.tag`: is empty", 3),
    "a matcher with one empty value": ("routes: [{to: [a], match: {tag: [x, '']}}]", "nothing would match", 3),
    "a matcher left open": ("routes: [{to: [a], match: {owner: }}]", "`routes.0.match.owner`: is empty", 3),
    "an unknown organization": ("routes: [{to: [a], match: {organization: acne}}]", "no organization is named", 3),
    "an unknown class": ("routes: [{to: [a], match: {class: alarm}}]", "no such value", 3),
    "a route for reports": ("routes: [{to: [a], match: {class: report}}]", "no route takes a report", 3),
    "a route for reports among others": (
        "routes:\n  - to: [a]\n    routes:\n      - {match: {class: [finding, report]}}",
        "no route takes a report",
        6,
    ),
    "an unknown label to group by": ("route: {group_by: [colour]}", "route.group_by", 3),
    "everything and more to group by": ("route: {group_by: ['...', policy]}", "stands alone", 3),
    "a duration that is none": ("route: {group_wait: soon}", "must be a duration", 3),
    "times for the root": ("route: {mute_time_intervals: [x]}", "unknown key", 3),
    "a time named twice": (
        "time_intervals:\n  - {name: n, time_intervals: [{}]}\n  - {name: n, time_intervals: [{}]}",
        "two time intervals are named `n`",
        4,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_routing_is_told_with_its_line(fault: str) -> None:
    text, message, line = FAULTS[fault]
    with pytest.raises(FaultyFiles) as faults:
        configured(f"sinks: {{a: {{}}}}\n{text}")
    assert message in faults.value.faults[0].message
    assert faults.value.faults[0].line == line


def test_a_team_may_be_a_pattern() -> None:
    assert configured("sinks: {a: {}}\nroutes: [{to: [a], match: {team: 'm*'}}]").root.children[0].to == ("a",)


_levels = st.lists(st.sampled_from(list(Level)), min_size=1, max_size=3)
_labels = {"level": _levels, "policy": st.lists(st.sampled_from("ab"), min_size=1)}
_not = st.sampled_from(list(Level)).map(lambda level: {"level": [level]})
_match = st.fixed_dictionaries({}, optional=_labels | {"not": _not})
_flat = st.fixed_dictionaries(
    {"continue": st.booleans()},
    optional={"match": _match, "to": st.lists(st.sampled_from(SINKS), min_size=1, max_size=3)},
)
_tree = st.recursive(
    _flat, lambda inner: st.builds(lambda a, b: {**a, "routes": b}, _flat, st.lists(inner, max_size=3)), max_leaves=8
)


def _definition(route: dict[str, Any], above: tuple[str, ...], alert: Alert) -> list[tuple[str, ...]] | None:
    """Alertmanager's `Route.Match`, word for word: None when it does not match, else who gets it."""
    match = route.get("match", {})
    if alert.level not in match.get("level", [alert.level]) or alert.policy not in match.get("policy", alert.policy):
        return None
    if alert.level in match.get("not", {}).get("level", []):
        return None
    to = tuple(route.get("to", above))
    found: list[tuple[str, ...]] = []
    for child in route.get("routes", []):
        below = _definition(child, to, alert)
        found += below or []
        if below is not None and not child["continue"]:
            break
    return found or [to]


@given(st.lists(_tree, max_size=4), st.sampled_from(list(Level)), st.sampled_from("ab"))
def test_routing_equals_its_definition(raw: list[dict[str, Any]], level: Level, policy: str) -> None:
    alert = replace(ALERT, level=level, policy=policy)
    whole = {"to": ("console",), "routes": raw}
    expected = list(dict.fromkeys(itertools.chain.from_iterable(_definition(whole, (), alert) or [])))
    assert list(sinks(routing(*raw, root={"to": ("console",)}), alert)) == expected


def test_every_node_is_reached_by_its_name() -> None:
    def names(node: Node) -> list[str]:
        return [node.name, *itertools.chain.from_iterable(map(names, node.children))]

    assert names(configured(TREE).root) == [
        "route",
        "routes.0",
        "routes.0.routes.0",
        "routes.0.routes.1",
        "routes.0.routes.2",
        "routes.1",
        "routes.2",
        "routes.2.routes.0",
        "routes.2.routes.0.routes.0",
    ]


def test_the_example_for_a_server_routes_what_is_urgent(tmp_path: Path) -> None:
    example = (Path(__file__).parents[1] / "deploy" / "auditor.yaml").read_text(encoding="utf-8")
    (document,) = load(example, str(tmp_path))
    table = Routing(parse(document, "auditor.yaml", {}, need_keys=False).config.routing)
    assert sinks(table, ALERT) == ("console",)
