"""Which types of audit events a policy can match, asked of the compiled policy itself. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from auditor.inventory.model import Unknown
from auditor.policy.policyset import Judge, PolicySet

_HIDDEN = Unknown()
UNHEARD = "unheard.of"
"""A type that no policy names: who watches it, watches every type."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Who watches what, by the names of policies."""

    by_type: Mapping[str, tuple[str, ...]]
    """Event type to the policies that can match such an event, without those of `every`."""
    every: tuple[str, ...] = ()
    """Policies that look at events of whatever type."""
    nothing: tuple[str, ...] = ()
    """Event policies that can match none of the types: of these one is misspelt, or new, or needs another field."""


def watched(policies: PolicySet, types: Iterable[str]) -> Watched:
    """What the event policies and correlations watch among `types`."""
    asked = sorted(set(types))
    watchers = dict(_watchers(policies))
    any_type = (*asked, UNHEARD)
    every = tuple(name for name, judges in watchers.items() if all(watches(judges, each) for each in any_type))
    some = {name: judges for name, judges in watchers.items() if name not in every}
    by_type = {each: tuple(name for name, judges in some.items() if watches(judges, each)) for each in asked}
    seeing = {name for names in by_type.values() for name in names}
    return Watched(by_type, every, tuple(name for name in some if name not in seeing))


def _watchers(policies: PolicySet) -> Iterator[tuple[str, tuple[Judge, ...]]]:
    """Name of each event policy to its rules: a correlation watches what its base rules watch."""
    found: dict[str, tuple[Judge, ...]] = {judge.policy.name: (judge,) for judge in policies.rules}
    found |= {
        each.policy.name: tuple(policies.bases[rule] for rule in each.correlation.rules)
        for each in policies.correlations
    }
    return iter(sorted(found.items()))


def watches(judges: Iterable[Judge], kind: str) -> bool:
    """Whether one of the rules may match an event of this type."""
    return any(_may_match(judge, kind) for judge in judges)


def _may_match(judge: Judge, kind: str) -> bool:
    """Whether some event of this type could match: every other field of it is hidden, and so decides nothing."""
    try:
        return judge.matcher.asked(_Glimpse(kind), 0) is not False
    except _SearchedWhole:
        return True


class _SearchedWhole(Exception):
    """A keyword is looked for in every field, whatever its name."""


class _Glimpse(Mapping[str, object]):
    """The fields of an event of which only the type is seen."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __getitem__(self, name: str) -> object:
        return self._kind if name == "type" else _HIDDEN

    def __iter__(self) -> Iterator[str]:
        raise _SearchedWhole

    def __len__(self) -> int:
        raise _SearchedWhole
