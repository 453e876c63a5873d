"""From the results of a report to what is kept of a day. Lenient: a surprise is counted, never raised. Pure."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from auditor.adminapi.reports import COST, CURRENCY, REPORT_BY_NAME, Bucket, Report
from auditor.inventory.model import Coverage, Gap
from auditor.inventory.records import lookup
from auditor.terms import Status

Group = tuple[str | None, str | None, str | None]
"""Project, key and model that something was used by; None stands for what the API attributed to none."""


@dataclass(frozen=True, slots=True)
class UsedDay:
    """One day (UTC) of one report, read whole."""

    report: str
    day: int
    """Days since 1970-01-01."""
    measures: tuple[str, ...]
    currency: str
    """Of the amounts of money, in lower case; empty where there is none."""
    uses: Mapping[Group, tuple[float, ...]]
    """Amounts in the order of the measures."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the reading of one report stands. Times are Unix seconds."""

    report: str
    tried_at: int
    read_at: int | None
    """When it was last read whole; None when it never was."""
    status: Status
    """How the last try ended."""
    reason: str = ""
    hint: str = ""
    pages: int = 0
    items: int = 0
    """Results in those pages."""
    seconds: float = 0.0
    surprises: Mapping[str, int] = field(default_factory=dict)

    @property
    def gap(self) -> Gap | None:
        """What the last try left unread."""
        if self.status is Status.COMPLETE:
            return None
        return Gap(self.report, (), self.status, self.reason, self.hint)

    def line(self, gap: Gap | None) -> Coverage:
        """Its line in the ledger, where `gap` is what is known to be missing now."""
        status = gap.status if gap else self.status
        return Coverage(
            self.report, (), status, self.pages, self.items, self.seconds, self.surprises, gap, self.read_at
        )


def is_report(kind: str) -> bool:
    """Whether a line of the ledger is about a report. Its results are no resources of the organization."""
    return kind in REPORT_BY_NAME


def used_day(report: Report, bucket: Bucket, surprises: Counter[str]) -> UsedDay | None:
    """The day of a bucket, None when one of its results could not be read: then nothing of the day is known."""
    sums: dict[Group, list[float]] = {}
    currencies: set[str] = set()
    for raw in bucket.results:
        result = _Result(report, raw, surprises)
        if not result.sound:
            surprises["not a result"] += 1
            return None
        currencies |= result.currency
        amounts = sums.setdefault(result.group, [0.0] * len(report.measures))
        amounts[:] = [known + more for known, more in zip(amounts, result.amounts, strict=True)]
    if len(currencies) > 1:
        surprises["several currencies in one day"] += 1
        return None
    uses = {group: tuple(map(_tidy, amounts)) for group, amounts in sums.items()}
    return UsedDay(report.name, bucket.day, tuple(report.measures), "".join(currencies), uses)


def _tidy(amount: float) -> float:
    """Without the crumbs of adding binary fractions; whole numbers as such."""
    rounded = round(amount, 9)
    return int(rounded) if rounded == int(rounded) else rounded


class _Result:
    """One result, taken apart."""

    def __init__(self, report: Report, raw: bytes, surprises: Counter[str]) -> None:
        self._surprises = surprises
        self.sound = True
        self.currency: frozenset[str] = frozenset()
        body = self._decoded(raw)
        groups = {name: self._group(body, name) for name in report.groups}
        self.group = (groups.get("project_id"), groups.get("api_key_id"), groups.get("model"))
        self.amounts = tuple(sum(self._amount(body, path) for path in paths) for paths in report.measures.values())
        if COST in report.measures:
            self.currency = self._currency(body)
        known = report.documented.union(report.groups, *report.measures.values())
        for name in body.keys() - known:
            surprises[f"unknown field: {name[:60]}"] += 1

    def _decoded(self, raw: bytes) -> Mapping[str, object]:
        # The bucket was decoded whole before, so that this is JSON.
        body = msgspec.json.decode(raw)
        self.sound &= isinstance(body, dict)
        return body if isinstance(body, dict) else {}

    def _group(self, body: Mapping[str, object], name: str) -> str | None:
        """A group that is absent, and not null, was not told apart: then nothing says whose the amount is."""
        value = body.get(name, ...)
        if value is None or (isinstance(value, str) and value):
            return value
        self._broken(name)
        return None

    def _amount(self, body: Mapping[str, object], path: str) -> float:
        value = lookup(body, path)
        if isinstance(value, str):
            # Amounts of money have been sent as text, to keep all of their digits.
            self._surprises[f"text for a number: {path}"] += 1
            value = _number(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _ABSURD:
            self._broken(path)
            return 0.0
        return value

    def _currency(self, body: Mapping[str, object]) -> frozenset[str]:
        value = lookup(body, f"amount.{CURRENCY}")
        if isinstance(value, str) and value.isascii() and value.isalpha() and len(value) <= 8:
            return frozenset({value.lower()})
        self._broken(f"amount.{CURRENCY}")
        return frozenset()

    def _broken(self, name: str) -> None:
        self.sound = False
        self._surprises[f"wrong type: {name}"] += 1


_ABSURD = 1e15


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
