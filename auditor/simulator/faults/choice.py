"""Which rule strikes a request: the walks in progress, the counts of each rule, the time since they were set."""

import fnmatch
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from auditor.simulator.faults.rules import Fault, Match, Plan, Rule

_WALKS = 10_000
"""Walks that are remembered; a server may run for weeks."""
_CURSORS = frozenset({"after", "page", "before"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as rules see it."""

    path: str
    """Below the root."""
    kind: str | None
    walk: tuple[str, ...]
    """Path and filters: what the pages of one walk have in common."""
    page: int


class Faults:
    """The rules in force. They may be set from another thread while requests are served."""

    def __init__(self, plan: Plan | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self.set(plan or Plan())

    def set(self, plan: Plan) -> None:
        """Put `plan` in force and forget every count."""
        with self._lock:
            self._plan = plan
            self._since = self._monotonic()
            self._matched = [0] * len(plan.rules)
            self._struck = [0] * len(plan.rules)
            self._pages: dict[tuple[str, ...], dict[str, int]] = {}

    def rules(self, *rules: Rule, largest_page: int | None = None) -> None:
        """Put `rules` in force, as `set` does."""
        self.set(Plan(rules=rules, largest_page=largest_page))

    @property
    def largest_page(self) -> int | None:
        """The largest page that any list gives."""
        return self._plan.largest_page

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do at all."""
        return not self._plan.rules and self._plan.largest_page is None

    @property
    def struck(self) -> Sequence[int]:
        """How often each rule has struck."""
        return tuple(self._struck)

    def asked(self, path: str, kind: str | None, query: Iterable[tuple[str, str]]) -> Asked:
        """The request to `path`; the same cursor is the same page, so that a second try does not count as another."""
        pairs = list(query)
        walk = (path, *(f"{name}={value}" for name, value in pairs if name not in _CURSORS))
        cursor = "&".join(f"{name}={value}" for name, value in pairs if name in _CURSORS)
        with self._lock:
            if len(self._pages) >= _WALKS:
                self._pages.clear()
            if not cursor:
                self._pages[walk] = {"": 1}
            pages = self._pages.setdefault(walk, {"": 1})
            return Asked(path, kind, walk, pages.setdefault(cursor, len(pages) + 1))

    def choose(self, asked: Asked) -> tuple[Fault, int] | None:
        """The fault that strikes this request, and for the how-manieth time; None when it is answered honestly."""
        with self._lock:
            for place, rule in enumerate(self._plan.rules):
                if self._strikes(place, rule, asked):
                    self._struck[place] += 1
                    return rule.do, self._struck[place]
        return None

    def _strikes(self, place: int, rule: Rule, asked: Asked) -> bool:
        if not _fits(rule.match, asked, self._monotonic() - self._since):
            return False
        self._matched[place] += 1
        if rule.match.nth is not None and rule.match.nth != self._matched[place]:
            return False
        return rule.times is None or self._struck[place] < rule.times


def _fits(match: Match, asked: Asked, age: float) -> bool:
    return (
        fnmatch.fnmatchcase(asked.path, match.path)
        and match.kind in {None, asked.kind}
        and (match.project is None or f"/projects/{match.project}/" in f"{asked.path}/")
        and match.page in {None, asked.page}
        and (match.window is None or match.window[0] <= age < match.window[1])
    )
