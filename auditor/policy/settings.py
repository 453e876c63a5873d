"""What auditor.yaml sets of policies: values of parameters, and where each of them is set. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from auditor.config import Override
from auditor.errors import Fault, did_you_mean
from auditor.yamlfile import Place

Tell = Callable[[Place, str, str], Fault]
"""A fault at a place of auditor.yaml, from message and hint."""


def unplaced(place: Place, message: str, hint: str) -> Fault:
    """A fault of what no file says: the keys stand for the place."""
    return Fault(".".join(map(str, place)), 0, 0, message, hint)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set for every policy, and for one by name."""

    params: Mapping[str, object] = field(default_factory=dict)
    overrides: Mapping[str, Override] = field(default_factory=dict)
    tell: Tell = unplaced

    @property
    def any_params(self) -> bool:
        """Whether some parameter has another value than its policy declares."""
        return bool(self.params) or any(each.params for each in self.overrides.values())

    @property
    def as_written(self) -> "Settings":
        """The same without any parameter: what the files say by themselves."""
        return Settings({}, {name: Override(enabled=each.enabled) for name, each in self.overrides.items()}, self.tell)

    def own(self, policy: str) -> Mapping[str, object]:
        """The parameters that are set for one policy alone."""
        return self.overrides[policy].params if policy in self.overrides else {}

    def place_of(self, policy: str, param: str) -> Place | None:
        """Where the value that is in force is set; None when it is the one that the policy declares."""
        if param in self.own(policy):
            return ("policies", "overrides", policy, "params", param)
        return ("policies", "params", param) if param in self.params else None

    def dangling(self, names: tuple[str, ...], declared: tuple[str, ...]) -> list[Fault]:
        """What is changed must exist: a typing error would change nothing, in silence."""
        faults = [
            self.tell(("policies", "overrides", name), "no policy has this name", did_you_mean(name, names, "policies"))
            for name in self.overrides
            if name not in names
        ]
        return faults + [
            self.tell(("policies", "params", name), "no policy declares it", did_you_mean(name, declared, "parameters"))
            for name in self.params
            if name not in declared
        ]
