"""Which open finding holds an alert back, as one rule says. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from auditor.alerts.matching import identity, matches
from auditor.alerts.message import Alert
from auditor.routing import InhibitRule

_Equal = tuple[tuple[str, ...], ...]


class Inhibition:
    """One rule, and what is open of its sources: found by its equal labels, because thousands may be."""

    def __init__(self, rule: InhibitRule, standing: Iterable[Alert]) -> None:
        self._rule = rule
        self._sources: dict[_Equal, list[Alert]] = defaultdict(list)
        self._no_targets: dict[_Equal, list[Alert]] = defaultdict(list)
        for each in standing:
            if matches(rule.source_match, each):
                equal = self._equal(each)
                self._sources[equal].append(each)
                if not matches(rule.target_match, each):
                    self._no_targets[equal].append(each)

    def source(self, target: Alert) -> Alert | None:
        """What holds `target` back, which the rule's `target_match` takes; None for nothing.

        What both sides of the rule take is not held back by what they both take, either: not by itself, above all. A
        label that both lack is equal.
        """
        both = matches(self._rule.source_match, target)
        found = (self._no_targets if both else self._sources).get(self._equal(target), ())
        about = target.finding or target.about
        return next((each for each in found if each.finding != about), None)

    def _equal(self, alert: Alert) -> _Equal:
        given = identity(alert)
        return tuple(given[name] for name in self._rule.equal)
