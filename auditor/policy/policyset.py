"""The policies in force, compiled. Pure data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from auditor.detection.model import Correlation
from auditor.errors import Fault
from auditor.policy.compile import Asked, Matcher
from auditor.policy.grammar import Selection
from auditor.policy.model import Policy
from auditor.policy.template import Message


# One is equal to itself alone: programs are kept by what they were made of.
@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """A policy with what it needs to judge one record."""

    policy: Policy
    matcher: Matcher
    message: Message
    applies: Asked | None = None
    """What a record must be for the policy to apply to it; None for every record."""
    applies_fields: frozenset[str] = frozenset()
    applies_to: Selection | None = None
    """What `applies` was compiled from."""


@dataclass(frozen=True, slots=True, eq=False)
class Correlated:
    """A policy over several events."""

    policy: Policy
    correlation: Correlation
    message: Message


@dataclass(frozen=True)
class PolicySet:
    """Every policy in force, by name and by what it judges."""

    states: tuple[Judge, ...] = ()
    rules: tuple[Judge, ...] = ()
    """Event policies that speak for themselves."""
    correlations: tuple[Correlated, ...] = ()
    bases: Mapping[str, Judge] = field(default_factory=dict)
    """Rules that correlations count, by name."""
    warnings: tuple[Fault, ...] = ()
    """What looks like a mistake in a rule that was written elsewhere, and is none that stops it."""
    written: "PolicySet | None" = None
    """The same policies with the parameters their files declare, which their examples count on; None when equal."""

    @cached_property
    def policies(self) -> tuple[Policy, ...]:
        """All of them, in the order of their names."""
        return tuple(self.by_name[name] for name in sorted(self.by_name))

    @cached_property
    def by_name(self) -> Mapping[str, Policy]:
        """Name to policy."""
        everything: tuple[Judge | Correlated, ...] = (*self.states, *self.rules, *self.correlations)
        return {each.policy.name: each.policy for each in everything}

    def __iter__(self) -> Iterator[Policy]:
        return iter(self.policies)

    def __len__(self) -> int:
        return len(self.policies)
