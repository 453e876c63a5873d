"""The part of auditor.yaml that says who is told what, when: routes, teams, inhibition, with Alertmanager's words."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from auditor.configtypes import Names, Seconds, Section, one_or_many
from auditor.terms import Level
from auditor.timeintervals import Named

EACH = "..."
"""In `group_by`: every alert is a group of its own."""


OWNER = "@owner"
"""In place of a sink's channel: whoever owns what is told of."""


class AlertClass(StrEnum):
    """What an alert is about."""

    FINDING = "finding"
    OCCURRENCE = "occurrence"
    DIGEST = "digest"
    REPORT = "report"
    NOTICE = "notice"
    """The auditor itself: a policy that fails, a gap in the audit log, a message that is lost."""


class Labels(Section):
    """Values by the keys of a matcher. All but `level` and `class` may hold `*` and `?`."""

    level: tuple[Level, ...] | None = None
    policy: tuple[str, ...] | None = None
    tag: tuple[str, ...] | None = None
    organization: tuple[str, ...] | None = None
    project: tuple[str, ...] | None = None
    team: tuple[str, ...] | None = None
    owner: tuple[str, ...] | None = None
    kind: tuple[str, ...] | None = None
    """Kind of the resource: `project_api_key`."""
    resource: tuple[str, ...] | None = None
    """Id or name of the resource."""
    class_: tuple[AlertClass, ...] | None = Field(default=None, alias="class")

    @model_validator(mode="before")
    @classmethod
    def _by_key(cls, value: object) -> object:
        if isinstance(value, list | str):
            raise ValueError("must be a mapping, for example {level: high, policy: 'key-*'}")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if value is None or value in ("", [], ()) or (isinstance(value, list | tuple) and "" in value):
            raise ValueError("is empty, and nothing would match; without the key anything does")
        return one_or_many(value)

    def given(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The keys that are given, in the order of their declaration, with their values."""
        for name, field in Labels.model_fields.items():
            values = getattr(self, name)
            if values is not None:
                yield field.alias or name, values


class Match(Labels):
    """What is taken; an empty matcher takes everything.

    Every key that is given must match, one of its values suffices. Of `not` no key may match.
    """

    not_: Labels | None = Field(default=None, alias="not")

    @field_validator("not_")
    @classmethod
    def _not_nothing(cls, value: Labels | None) -> Labels | None:
        if value is not None and not any(value.given()):
            raise ValueError("is empty, and would take out nothing; name what is not meant: {level: low}")
        return value

    @property
    def excluded(self) -> Labels:
        """What of `not` is taken out; nothing without it."""
        return self.not_ or Labels()

    def written(self) -> dict[str, Any]:
        """As in a file, and as JSON: each key with the list of its values, and those of `not` below it."""
        here, out = ({key: list(map(str, values)) for key, values in each.given()} for each in (self, self.excluded))
        return here | ({"not": out} if out else {})

    def __str__(self) -> str:
        """`level=high,critical policy=project-* team!=platform`; `everything` when empty."""
        taken = [f"{key}={','.join(values)}" for key, values in self.given()]
        return " ".join(taken + [f"{key}!={','.join(values)}" for key, values in self.excluded.given()]) or "everything"


Label = Literal["organization", "policy", "level", "kind", "project", "owner", "team", "resource", "class"]
GroupLabel = Literal[Label, "..."]


class Timing(Section):
    """How alerts are gathered; what is absent is taken from the route above."""

    group_by: Annotated[tuple[GroupLabel, ...] | None, BeforeValidator(one_or_many)] = None
    group_wait: Seconds | None = None
    """How long the first alert of a group waits for others."""
    group_interval: Seconds | None = None
    """Between two messages of one group."""
    repeat_interval: Seconds | None = None
    """After which what is still open is told again; 0s for never."""

    @field_validator("group_by")
    @classmethod
    def _all_or_some(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value and EACH in value and len(value) > 1:
            raise ValueError("'...' stands alone: it groups by everything")
        return value


class Root(Timing):
    """The route above all others: what it says holds where they say nothing."""

    to: Names = ()
    """Who gets what no route takes."""


class Route(Timing):
    """Where alerts go: the first route that matches, and the next ones too with `continue`; then the routes in it.

    With `events: all` it takes every new audit event instead, and no alert.
    """

    match: Match = Match()
    to: Names | None = Field(default=None, min_length=1)
    continue_: bool = Field(default=False, alias="continue")
    mute_time_intervals: Names = ()
    active_time_intervals: Names = ()
    routes: tuple["Route", ...] = ()
    events: Literal["all"] | None = None

    @model_validator(mode="after")
    def _events_match_nothing(self) -> "Route":
        if self.events and (self.to is None or self.model_copy(update={"events": None}) != Route(to=self.to)):
            raise ValueError("a route with `events: all` takes every event, and has `to` and nothing else")
        if any(route.events for route in self.routes):
            raise ValueError("a route with `events: all` stands in no other route")
        return self


class Team(Section):
    """Whose projects and people belong together; names and ids may hold `*` and `?`."""

    projects: Names = ()
    owners: Names = ()


class InhibitRule(Section):
    """While a finding that `source_match` takes is open, alerts that `target_match` takes are not sent.

    Both must have the same values of the labels in `equal`.
    """

    source_match: Match
    target_match: Match
    equal: Annotated[tuple[Label, ...], BeforeValidator(one_or_many)] = ()


class SilenceLimits(Section):
    """What silences may be."""

    maximum: Seconds = Field(default=30 * 86_400, ge=60)
    """The longest that one may last."""


class RoutingConfig(Section):
    """All of it, as one value for those who decide."""

    sinks: tuple[str, ...] = ()
    personal: frozenset[str] = frozenset()
    """Those of the sinks that write to the owner of what is told of."""
    root: Root = Root()
    routes: tuple[Route, ...] = ()
    operators: tuple[str, ...] = ()
    teams: Mapping[str, Team] = {}
    time_intervals: tuple[Named, ...] = ()
    inhibit_rules: tuple[InhibitRule, ...] = ()

    def during(self, names: tuple[str, ...], moment: datetime) -> str:
        """The first of the named times that `moment` lies in, empty for none."""
        known = {each.name: each for each in self.time_intervals}
        return next((name for name in names if name in known and known[name].contains(moment)), "")
