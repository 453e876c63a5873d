"""How many calls a snapshot takes: one a page of each list, and the role assignments one a principal. Pure.

The first snapshot reads all of it; later ones the lists, and of the role assignments only what is due.

For each kind: calls = walks x pages of a walk, where an organization's list is walked once, a list below a project,
group or user once for each of those that are not archived, and pages = max(1, ceil(items / largest page)).
A list that ends with a full page takes one call more, to prove that it ends there; those few are left out.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from auditor.adminapi.resources import BY_NAME, RESOURCES
from auditor.adminapi.resourcetypes import ResourceType, Tier
from auditor.inventory.model import Coverage
from auditor.inventory.schema import ancestors
from auditor.jobs.probe import Tried

DAY = 86_400


@dataclass(frozen=True, slots=True)
class KindCalls:
    """What one kind takes."""

    kind: str
    area: str
    """`organization` or `project`."""
    tier: Tier
    walks: int
    calls: int


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What a snapshot takes."""

    kinds: tuple[KindCalls, ...]
    estimated: bool
    """Whether it was reckoned from one page of each list, and not counted by a snapshot."""

    @property
    def calls(self) -> int:
        """All of them."""
        return sum(each.calls for each in self.kinds)

    @property
    def parts(self) -> Mapping[str, int]:
        """Calls by area and tier: `organization list`, `project fan-out`."""
        parts: dict[str, int] = {}
        for each in self.kinds:
            name = f"{each.area} {each.tier}"
            parts[name] = parts.get(name, 0) + each.calls
        return dict(sorted(parts.items()))

    @property
    def lists(self) -> int:
        """Those of a snapshot in which no role assignment is due."""
        return sum(each.calls for each in self.kinds if each.tier is Tier.LIST)

    def a_day(self, interval: int, role_assignments: int) -> int:
        """Calls a day, with a snapshot every `interval` seconds and each principal read every `role_assignments`."""
        snapshots = DAY / interval
        return math.ceil(snapshots * self.lists + min(snapshots, DAY / role_assignments) * (self.calls - self.lists))

    def seconds(self, requests_per_minute: int) -> int:
        """The least time that the calls take under this budget."""
        return math.ceil(self.calls * 60 / requests_per_minute)


def counted(coverage: Iterable[Coverage]) -> CallPlan:
    """What a whole snapshot takes, by a ledger; a walk that was refused took a call, too.

    What was read in an earlier snapshot counts as if it had been read in this one.
    """
    lines: dict[str, list[int]] = {}
    for line in coverage:
        # A line above the parents of its kind is inherited: the parents were not seen, and nothing was asked.
        if line.kind in BY_NAME and len(line.scope) == len(ancestors(line.kind)):
            lines.setdefault(line.kind, []).append(max(1, line.pages))
    found = tuple(_calls(BY_NAME[kind], len(pages), sum(pages)) for kind, pages in lines.items())
    return CallPlan(found, estimated=False)


def estimated(tried: Mapping[str, Tried]) -> CallPlan:
    """What a snapshot will take at the least, if every project and group is like the one that was looked at."""
    found = tuple(_calls(kind, walks, walks) for kind in RESOURCES for walks in [_walks(kind, tried)])
    return CallPlan(found, estimated=True)


def _walks(kind: ResourceType, tried: Mapping[str, Tried]) -> int:
    if kind.parent is None:
        return 1
    parent = tried[kind.parent]
    fit = sum(
        not any(record.fields.get(name) == value for name, value in kind.skip_parents.items())
        for record in parent.records
    )
    return fit * _walks(BY_NAME[kind.parent], tried)


def _calls(kind: ResourceType, walks: int, calls: int) -> KindCalls:
    area = "project" if "project" in ancestors(kind.name) else "organization"
    return KindCalls(kind.name, area, kind.tier, walks, calls)
