"""What was built so far of all policy files, and what stands in the way of it. Pure."""

from dataclasses import dataclass, field

from auditor.errors import Fault
from auditor.policy.policyset import Correlated, Judge, PolicySet
from auditor.yamlfile import Place


@dataclass
class Built:
    """What was built so far, of all files."""

    states: list[Judge] = field(default_factory=list)
    rules: list[Judge] = field(default_factory=list)
    correlations: list[Correlated] = field(default_factory=list)
    bases: dict[str, Judge] = field(default_factory=dict)
    names: dict[str, list[tuple[str, int, int]]] = field(default_factory=dict)
    """Name of a policy, enabled or not, to the places where it is defined."""
    declared: set[str] = field(default_factory=set)
    """Every parameter that some policy declares."""
    warnings: list[Fault] = field(default_factory=list)
    unsettled: dict[Place, Fault] = field(default_factory=dict)
    """What is wrong with a value that auditor.yaml sets, by where it is set: once, however many policies use it."""

    def policy_set(self, written: PolicySet | None = None) -> PolicySet:
        """The set, whose order does not depend on that of the files; `written` is what examples are run with."""
        return PolicySet(
            tuple(sorted(self.states, key=lambda each: each.policy.name)),
            tuple(sorted(self.rules, key=lambda each: each.policy.name)),
            tuple(sorted(self.correlations, key=lambda each: each.policy.name)),
            self.bases,
            tuple(self.warnings),
            written,
        )

    def doubles(self) -> list[Fault]:
        """Names that stand for two policies."""
        return [
            Fault(*again, f"the name `{name}` is taken by {places[0][0]}", "rename one of them")
            for name, places in self.names.items()
            for again in places[1:]
        ]
