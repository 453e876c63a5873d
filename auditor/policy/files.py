"""The shape of a policy file: strict for what is ours, open for Sigma rules that were written elsewhere. Pure."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from auditor.terms import Level, Outcome

FRAMEWORKS = ("soc2", "iso27001", "nist-800-53", "csf", "cis", "iso42001", "ai-rmf")

Framework = Literal["soc2", "iso27001", "nist-800-53", "csf", "cis", "iso42001", "ai-rmf"]
Strength = Literal["direct", "partial", "supporting"]
Text = Field(min_length=1, max_length=20_000)

WHY: Mapping[str, str] = {
    "remediation": "say what to do about it: whoever is told at night needs it",
    "description": "say why it matters, in a sentence",
    "level": "informational, low, medium, high or critical",
}
"""What a key that a policy must have is for."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ExampleFile(_Strict):
    """One example; times are ISO 8601."""

    name: str = Text
    now: str = "2026-01-01T00:00:00Z"
    expect: Literal["fail", "pass", "unknown"]
    because: str = ""
    resource: Mapping[str, Any] | None = None
    resources: list[Mapping[str, Any]] | None = None
    event: Mapping[str, Any] | None = None
    events: list[Mapping[str, Any]] | None = None
    gaps: list[str] = []

    @property
    def outcome(self) -> Outcome:
        """What the policy must say."""
        return Outcome(self.expect)


class AllowedFile(_Strict):
    """How many matches are allowed."""

    min: int = Field(default=0, ge=0)
    max: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.min == 0 and self.max is None:
            raise ValueError("any number is allowed, so the policy could never fail; write `min:` or `max:`")
        if self.max is not None and self.max < self.min:
            raise ValueError(f"no number is both at least {self.min} and at most {self.max}")
        return self


class PolicyFile(BaseModel):
    """What state policies, event rules and correlations share."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: str = Field(min_length=1, max_length=256)
    name: str = Field(default="", pattern=r"^[a-z0-9][a-z0-9_-]*$|^$", max_length=100)
    level: Level = Field(strict=False)
    status: Literal["stable", "test", "experimental", "deprecated", "unsupported"] = "stable"
    description: str = ""
    message: str = ""
    remediation: str = ""
    tags: list[str] = []
    references: list[str] = []
    controls: Mapping[Framework, Mapping[str, Strength]] = {}
    params: Mapping[str, Any] = {}
    examples: list[ExampleFile] = []
    falsepositives: list[str] = []
    id: str | None = None
    author: str = ""
    date: str = ""
    modified: str = ""

    @field_validator("level", mode="before")
    @classmethod
    def _short_word(cls, value: object) -> object:
        return "informational" if value == "info" else value


class StateFile(PolicyFile):
    """A policy for the state of a kind of resource."""

    resource: str
    detection: Mapping[str, Any]
    applies_to: Any = None
    allowed: Mapping[str, Any] | None = None
    """As AllowedFile, once the parameters are in it."""
    description: str = Text
    remediation: str = Text


class _Sigma(PolicyFile):
    # Sigma has more keys than these, and rules written elsewhere have keys of their own.
    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    level: Level = Field(default=Level.MEDIUM, strict=False)
    falsepositives: Any = []
    author: Any = ""
    date: Any = ""
    modified: Any = ""
    name: str = Field(default="", max_length=200)


class RuleFile(_Sigma):
    """A Sigma rule over audit events."""

    logsource: Mapping[str, Any]
    detection: Mapping[str, Any]


class CorrelationBody(_Strict):
    """What a correlation counts."""

    type: str
    rules: list[str] = Field(min_length=1, max_length=20)
    timespan: str
    group_by: list[str] = Field(default=[], alias="group-by", max_length=10)
    condition: Mapping[str, Any] | None = None
    generate: bool = False
    aliases: Any = None

    @field_validator("rules", "group_by", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("condition", mode="before")
    @classmethod
    def _no_expression(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError("conditions that are expressions are not supported; all rules must match")
        return value


class CorrelationFile(_Sigma):
    """A Sigma correlation over rules of the same file."""

    correlation: CorrelationBody
