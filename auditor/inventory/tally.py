"""Adding up the daily series: for each key, each project, and all together. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Self

from auditor.adminapi.reports import COST, DAY, REQUESTS, TOKENS, Report
from auditor.inventory.usage import Group, Reading, UsedDay

MONTH = 30
_LEAST_DEVIATION = 0.01
"""Currency units; what costs the same each day has no deviation, and a cent more is no news."""
_LEAST_SHARE = 0.1
"""Of the usual day: the same for what costs much."""


@dataclass
class Tally:
    """What one key, one project, or all of them used."""

    spent: dict[int, float] = field(default_factory=dict)
    """Costs by day, days without any left out."""
    requests: float = 0
    """In the last 30 days."""
    tokens: float = 0
    models: dict[str, dict[str, float]] = field(default_factory=dict)
    """Requests and tokens of the last 30 days by model."""

    @classmethod
    def sum(cls, parts: Iterable["Tally"]) -> "Tally":
        """All of them together."""
        whole = cls()
        for part in parts:
            whole.requests += part.requests
            whole.tokens += part.tokens
            for day, cost in part.spent.items():
                whole.spent[day] = whole.spent.get(day, 0) + cost
            for model, used in part.models.items():
                whole.count_model(model, used)
        return whole

    def count(self, model: str | None, used: Mapping[str, float]) -> None:
        """Enter what was used in the last 30 days."""
        self.requests += used.get(REQUESTS, 0)
        self.tokens += used.get(TOKENS, 0)
        if model is not None:
            self.count_model(model, used)

    def count_model(self, model: str, amounts: Mapping[str, float]) -> None:
        """Enter the use of a model."""
        known = self.models.setdefault(model, {})
        for name in (REQUESTS, TOKENS):
            known[name] = known.get(name, 0) + amounts.get(name, 0)

    def pay(self, day: int, cost: float) -> None:
        """Enter what a day cost."""
        self.spent[day] = self.spent.get(day, 0) + cost

    def costs(self, today: int) -> dict[str, float]:
        """The fields about costs, `today` the day up to which the report was read."""
        last = max(self.spent.get(today, 0), self.spent.get(today - 1, 0))
        usual = [self.spent.get(day, 0) for day in range(today - MONTH, today - 1)]
        middle = median(usual)
        deviation = max(median(abs(each - middle) for each in usual), _LEAST_SHARE * middle, _LEAST_DEVIATION)
        values = (
            last,
            self._between(today - 7, today),
            self._between(today - MONTH, today),
            self._between(today - 2 * MONTH, today - MONTH - 1),
            self._between(today - 90, today),
            middle,
            (last - middle) / deviation,
        )
        return {name: _money(value) for name, value in zip(COST_FIELDS, values, strict=True)}

    def _between(self, first: int, last: int) -> float:
        return sum(cost for day, cost in self.spent.items() if first <= day <= last)


COST_FIELDS = (
    "cost_1d",
    "cost_7d",
    "cost_30d",
    "cost_prev_30d",
    "cost_90d",
    "cost_daily_median_30d",
    "cost_deviation_1d",
)


def _money(value: float) -> float:
    """Without the crumbs of adding binary fractions."""
    return round(float(value), 6)


@dataclass
class Tallies:
    """The tallies of one organization."""

    keys: dict[str, Tally] = field(default_factory=dict)
    projects: dict[str, Tally] = field(default_factory=dict)
    everything: Tally = field(default_factory=Tally)
    unattributed: Tally = field(default_factory=Tally)
    """What the API attributes to no key, in reports that tell keys apart."""
    currencies: set[str] = field(default_factory=set)
    billed: dict[str, str | None] = field(default_factory=dict)
    """Keys that cost something on the last day or the one before it, each with its project."""
    _read: dict[str, set[int]] = field(default_factory=dict)
    """Days that are there, by report."""
    _today: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, readings: Mapping[str, Reading], days: Iterable[UsedDay]) -> Self:
        """Everything added up, each report up to the day on which it was last read whole."""
        tallies = cls()
        tallies._today = {name: each.read_at // DAY for name, each in readings.items() if each.read_at is not None}
        used: dict[tuple[str, ...], dict[Group, list[float]]] = {}
        for day in days:
            tallies._read.setdefault(day.report, set()).add(day.day)
            today = tallies._today.get(day.report, -1)
            if day.report == COST and day.day <= today:
                tallies._pay(day)
            elif today - MONTH <= day.day <= today:
                # Added up before it is told apart: most groups are in use on each of the days.
                _add(used.setdefault((day.report, *day.measures), {}), day)
        for (_, *measures), groups in used.items():
            tallies._count(measures, groups)
        return tallies

    @property
    def costs_until(self) -> int:
        """The day on which the costs were last read whole; 0 when they never were, which is a gap anyhow."""
        return self._today.get(COST, 0)

    def missing(self, report: Report) -> list[int]:
        """Days that ought to be there and are not."""
        today = self._today.get(report.name)
        if today is None:
            return []
        return sorted(set(range(today - report.days, today)) - self._read.get(report.name, set()))

    def _pay(self, day: UsedDay) -> None:
        if day.currency:
            self.currencies.add(day.currency)
        for group, (cost,) in day.uses.items():
            project, key, _ = group
            for tally in self._concerned(group):
                tally.pay(day.day, cost)
            if key is None:
                self.unattributed.pay(day.day, cost)
            elif cost > 0 and day.day >= self.costs_until - 1:
                self.billed[key] = project

    def _count(self, measures: Sequence[str], groups: Mapping[Group, Sequence[float]]) -> None:
        for group, amounts in groups.items():
            for tally in self._concerned(group):
                tally.count(group[2], dict(zip(measures, amounts, strict=True)))

    def _concerned(self, group: Group) -> list[Tally]:
        project, key, _ = group
        found = [self.everything]
        if project is not None:
            found.append(self.projects.setdefault(project, Tally()))
        if key is not None:
            found.append(self.keys.setdefault(key, Tally()))
        return found


def _add(sums: dict[Group, list[float]], day: UsedDay) -> None:
    for group, amounts in day.uses.items():
        known = sums.get(group)
        if known is None:
            sums[group] = list(amounts)
        else:
            for place, amount in enumerate(amounts):
                known[place] += amount
